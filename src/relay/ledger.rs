//! Every session this gate knows of. Routing and judging need no memory, they read the sealed id; this is for counting,
//! `/status`, ending sessions, and for what one gate alone can remember: the first origin shown, the one trusted upgrade.
//! Sharded, so that polls on different cores rarely meet.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use super::session::{Key, Reason, Session, Transport};
use crate::{
    policy::{auth::Identity, revoke::Revocations},
    telemetry::{Metrics, log, record},
};

/// The sessions of one gate.
pub struct Ledger {
    shards: Vec<Mutex<HashMap<Key, Arc<Session>>>>,
    /// Entries in all shards.
    entries: AtomicUsize,
    metrics: Arc<Metrics>,
    /// Who may not be in it.
    pub revocations: Arc<Revocations>,
}

/// How many sessions there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    pub polling: usize,
    pub websocket: usize,
}

const SHARDS: usize = 32;
/// A session that ended here is remembered this long, so that late requests of it hear so and do not reach the app.
const REMEMBERED: Duration = Duration::from_secs(60);

impl Ledger {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self::heeding(Arc::default(), metrics)
    }

    /// One that keeps nobody who is revoked.
    pub fn heeding(revocations: Arc<Revocations>, metrics: Arc<Metrics>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, entries: AtomicUsize::new(0), metrics, revocations }
    }

    /// Enters a new session. One that is there already under this key (an app that gives the same id twice) is replaced and told to end.
    pub fn enter(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        session.confirm();
        self.count_opened(&session);
        let before = self.with(session.key, |sessions| sessions.insert(session.key, session.clone()));
        if before.is_none() {
            self.entries.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(before) = before {
            self.finish(&before, Reason::AppClosed);
            before.ending.tell(Reason::AppClosed);
        }
        self.strike(&session);
        session
    }

    /// The session of this key; made from what the sealed id says when this gate has not seen it yet (opened by another
    /// replica, or before a restart).
    pub fn find_or_enter<E>(&self, key: Key, make: impl FnOnce() -> Result<Session, E>) -> Result<Arc<Session>, E> {
        if let Some(session) = self.find(key) {
            return Ok(session);
        }
        // Made outside the lock: it leases a member and takes permits.
        let made = Arc::new(make()?);
        let session = self.with(key, |sessions| match sessions.entry(key) {
            Entry::Occupied(there) => there.get().clone(),
            Entry::Vacant(place) => {
                self.entries.fetch_add(1, Ordering::Relaxed);
                self.count_opened(&made);
                place.insert(made).clone()
            }
        });
        self.strike(&session);
        Ok(session)
    }

    /// Ends a session that is revoked. Asked once more when it is in the ledger: what is revoked between the judgement and
    /// here finds it either there or here.
    fn strike(&self, session: &Arc<Session>) -> bool {
        if self.revocations.is_empty() || session.ending.is_told() {
            return false;
        }
        let struck = self.revocations.judge(session.who().as_ref(), Some(session.key.name()), SystemTime::now());
        if let Some(struck) = struck {
            self.end(session, struck.into());
        }
        struck.is_some()
    }

    /// Ends every session that is revoked now; how many.
    pub fn strike_all(&self) -> usize {
        self.live().iter().filter(|session| self.strike(session)).count()
    }

    /// Ends a session, whoever serves it. A poll that waits is answered and a WebSocket closed; the carriage of a WebSocket
    /// counts what it moved and closes the entry itself.
    pub fn end(&self, session: &Arc<Session>, reason: Reason) {
        session.ending.tell(reason);
        if let Some(judged) = &session.judged {
            // Its client may have to be told how to stay away, and the app that it has left.
            judged.end(reason, Instant::now());
            judged.nudge();
        } else if session.transport() == Transport::Polling {
            self.close(session, reason);
        }
    }

    fn count_opened(&self, session: &Session) {
        self.metrics.opened.get_or_create_owned(&[("transport", session.started_as().name())]).inc();
    }

    pub fn find(&self, key: Key) -> Option<Arc<Session>> {
        self.with(key, |sessions| sessions.get(&key).cloned())
    }

    /// A session has ended for good: what it held is given back, the reason is counted once. Whoever serves it just now is
    /// not disturbed; tell its `ending` for that.
    pub fn close(&self, session: &Arc<Session>, reason: Reason) {
        self.finish(session, reason);
        // What began as a WebSocket is not asked for again; a client that has polled may, and must hear that its session is over.
        // A session that came from elsewhere and that its app does not know leaves nothing to remember.
        if session.started_as() == Transport::WebSocket || !session.is_known() {
            self.with(session.key, |sessions| {
                if sessions.get(&session.key).is_some_and(|there| Arc::ptr_eq(there, session)) {
                    sessions.remove(&session.key);
                    self.entries.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
    }

    fn finish(&self, session: &Session, reason: Reason) {
        if !session.finish(reason) {
            return;
        }
        self.metrics.closed.get_or_create_owned(&[("reason", reason.name())]).inc();
        let name = session.key.to_string();
        let (who, member) = (session.who(), session.member());
        let subject = who.as_ref().and_then(Identity::subject);
        let is_followed = log::follows(session.address, subject) || log::follows_session(&name);
        let end = record::SessionEnd {
            session: &name,
            address: session.address,
            subject,
            path: &session.path,
            member: member.url(),
            transport: session.transport().name(),
            reason: reason.name(),
            code: Some(session.close_code.load(Ordering::Relaxed)).filter(|code| *code > 0),
            lasted: session.opened.elapsed(),
            messages_in: session.messages_in.load(Ordering::Relaxed),
            messages_out: session.messages_out.load(Ordering::Relaxed),
            bytes_in: session.bytes_in.load(Ordering::Relaxed),
            bytes_out: session.bytes_out.load(Ordering::Relaxed),
        };
        record::session(&end, is_followed);
    }

    /// Forgets sessions that nobody has asked for in their time, and those that ended a while ago.
    pub fn sweep(&self, now: Instant) {
        for shard in &self.shards {
            let mut sessions = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let mut abandoned = Vec::new();
            let before = sessions.len();
            sessions.retain(|_, session| {
                let idle = session.idle(now);
                if session.is_over() {
                    return idle < REMEMBERED;
                }
                let keep = idle < session.abandoned_after;
                if !keep {
                    abandoned.push(session.clone());
                }
                keep
            });
            self.entries.fetch_sub(before - sessions.len(), Ordering::Relaxed);
            if sessions.is_empty() {
                sessions.shrink_to_fit();
            }
            drop(sessions);
            for session in abandoned {
                self.finish(&session, Reason::Abandoned);
            }
        }
    }

    /// Every session that is not over.
    pub fn live(&self) -> Vec<Arc<Session>> {
        self.live_where(|_| true)
    }

    /// Those of them that are asked for.
    pub fn live_where(&self, is_wanted: impl Fn(&Session) -> bool) -> Vec<Arc<Session>> {
        let mut live = Vec::new();
        for shard in &self.shards {
            let sessions = shard.lock().unwrap_or_else(PoisonError::into_inner);
            live.extend(sessions.values().filter(|session| !session.is_over() && is_wanted(session)).cloned());
        }
        live
    }

    /// Everything that is remembered, sessions that ended a moment ago included.
    pub fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// How many are not over.
    pub fn count(&self) -> Count {
        let mut count = Count::default();
        for shard in &self.shards {
            let sessions = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for session in sessions.values().filter(|session| !session.is_over()) {
                match session.transport() {
                    Transport::Polling => count.polling += 1,
                    Transport::WebSocket => count.websocket += 1,
                }
            }
        }
        count
    }

    fn with<T>(&self, key: Key, act: impl FnOnce(&mut HashMap<Key, Arc<Session>>) -> T) -> T {
        // The key is a hash already.
        let shard = &self.shards[(key.0 % SHARDS as u128) as usize];
        act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
