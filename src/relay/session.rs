//! One Engine.IO life, or one plain WebSocket, as this gate knows it: who holds it, when it was last heard of, and how it is
//! told to end. Requests and carriages share it; the `ledger` keeps it.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::judged::{Judged, app::Stage};
pub use super::reason::Reason;
use crate::{
    codec::engine::Revision,
    policy::{auth::Identity, limit::Permit, revoke::SessionName},
    upstream::{Lease, Member},
};

/// The name of a session inside a gate, and on every replica. Derived from the member and the app's own session id, so that
/// every request of the session finds it. Clients never see it, and it opens nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key(pub u128);

impl Key {
    /// As operators know it, in records, in `log.debug_for` and at the admin door: its first half.
    pub fn name(self) -> SessionName {
        SessionName((self.0 >> 64) as u64)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(out)
    }
}

/// How a session travels now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Transport {
    Polling,
    WebSocket,
}

impl Transport {
    /// For metrics and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// A leaving gate ends a session when neither side has said anything for this long, or at the latest after that long.
pub const QUIET: Duration = Duration::from_millis(150);
pub const LAST_WORDS: Duration = Duration::from_secs(2);

/// The word that ends a session, given once and heard by whoever carries it.
#[derive(Debug, Default)]
pub struct Ending {
    token: CancellationToken,
    told: OnceLock<(Reason, Instant)>,
}

impl Ending {
    /// Tells the session to end. The first reason stands.
    pub fn tell(&self, reason: Reason) {
        if self.told.set((reason, Instant::now())).is_ok() {
            self.token.cancel();
        }
    }

    pub fn is_told(&self) -> bool {
        self.told.get().is_some()
    }

    /// Why; meaningful once told.
    pub fn reason(&self) -> Reason {
        self.told.get().map_or(Reason::AppGone, |(reason, _)| *reason)
    }

    /// When it was told.
    pub fn since(&self) -> Option<Instant> {
        self.told.get().map(|(_, at)| *at)
    }

    /// Resolves when told.
    pub fn cancelled(&self) -> WaitForCancellationFutureOwned {
        self.token.clone().cancelled_owned()
    }
}

/// What a request does with its session. Client libraries have one GET and one POST under way at a time; an app takes more
/// for an attack and ends the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    Poll,
    Post,
}

/// Requests of a lane under way at once: the client's own, and one that it has given up without the gate having seen it yet.
const A_LANE: u32 = 2;

/// How long sessions of a route may last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tenure {
    /// From the moment this gate first saw it.
    pub life: Option<Duration>,
    /// Without a message of its client.
    pub idle: Option<Duration>,
}

/// What a session occupies and gives back when it ends.
#[derive(Debug)]
pub struct Held {
    pub lease: Lease,
    pub permits: Vec<Permit>,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    pub key: Key,
    pub route: usize,
    /// The route's stable name, by which a later configuration knows it again.
    pub tag: u64,
    pub path: String,
    /// Who opened it; `None` where nobody needs to be known.
    pub identity: Option<Identity>,
    pub address: IpAddr,
    pub expires: Option<SystemTime>,
    pub opened: Instant,
    pub revision: Revision,
    pub ending: Ending,
    started_as: Transport,
    websocket: AtomicBool,
    /// The tag of the origin the session is bound to; 0 until one was shown.
    origin: AtomicU64,
    /// Milliseconds after `opened` at which it was last heard of.
    heard: AtomicU64,
    tenure: Tenure,
    /// Milliseconds after `opened` at which its client last said more than a heartbeat.
    said: AtomicU64,
    /// Its app knows it: has opened it here, or answered for it.
    known: AtomicBool,
    /// Requests and carriages that serve it now, and of them its polls and POSTs.
    attended: AtomicU32,
    polls: AtomicU32,
    posts: AtomicU32,
    /// Its client has been told that it is over: whatever still comes is refused.
    over: AtomicBool,
    end: AtomicU8,
    /// Its client went away while it waited for a poll, and has got no other since. Apps take that for its end.
    cut: AtomicBool,
    /// An upgrade has been made on the strength of the session id alone.
    upgraded_on_trust: AtomicBool,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    /// Messages of its WebSocket.
    pub messages_in: AtomicU64,
    pub messages_out: AtomicU64,
    /// The close code its WebSocket client got; 0 for none.
    pub close_code: AtomicU16,
    pub abandoned_after: Duration,
    held: Mutex<Option<Held>>,
    /// Where it lives, or is meant to.
    member: Mutex<Arc<Member>>,
    /// Where its packets are judged; absent in a plain session.
    pub judged: Option<Arc<Judged>>,
}

/// What a session is opened with.
pub struct Opened {
    pub key: Key,
    pub route: usize,
    pub tag: u64,
    pub path: String,
    pub transport: Transport,
    pub revision: Revision,
    pub identity: Option<Identity>,
    pub address: IpAddr,
    pub expires: Option<SystemTime>,
    pub origin: Option<u64>,
    /// Without a word of its client it is forgotten after this long.
    pub abandoned_after: Duration,
    pub tenure: Tenure,
    pub held: Held,
    pub judged: Option<Arc<Judged>>,
}

/// The page that asks is not the one the session belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OtherOrigin;

impl Session {
    pub fn new(opened: Opened, now: Instant) -> Self {
        Self {
            key: opened.key,
            route: opened.route,
            tag: opened.tag,
            path: opened.path,
            identity: opened.identity,
            address: opened.address,
            expires: opened.expires,
            opened: now,
            revision: opened.revision,
            ending: Ending::default(),
            started_as: opened.transport,
            websocket: AtomicBool::new(opened.transport == Transport::WebSocket),
            origin: AtomicU64::new(opened.origin.unwrap_or(0)),
            heard: AtomicU64::new(0),
            tenure: opened.tenure,
            said: AtomicU64::new(0),
            known: AtomicBool::new(false),
            attended: AtomicU32::new(0),
            polls: AtomicU32::new(0),
            posts: AtomicU32::new(0),
            over: AtomicBool::new(false),
            end: AtomicU8::new(Reason::Abandoned as u8),
            cut: AtomicBool::new(false),
            upgraded_on_trust: AtomicBool::new(false),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            messages_in: AtomicU64::new(0),
            messages_out: AtomicU64::new(0),
            close_code: AtomicU16::new(0),
            abandoned_after: opened.abandoned_after,
            member: Mutex::new(opened.held.lease.member().clone()),
            held: Mutex::new(Some(opened.held)),
            judged: opened.judged,
        }
    }

    /// The member it lives on. Of a session that its app has not heard of: the one that is meant for it.
    pub fn member(&self) -> Arc<Member> {
        self.member.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether an app has heard of it, or is about to.
    pub fn has_app(&self) -> bool {
        self.judged.as_ref().is_none_or(|judged| judged.app.stage() != Stage::Unopened)
    }

    /// It lives on this member from now on, and is counted there; before, its app has heard nothing of it.
    pub fn settle_on(&self, lease: Lease) {
        *self.member.lock().unwrap_or_else(PoisonError::into_inner) = lease.member().clone();
        if let Some(held) = self.held.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            held.lease = lease;
        }
    }

    /// Who it is: whoever its packets have named last, else who opened it.
    pub fn who(&self) -> Option<Identity> {
        match &self.judged {
            Some(judged) => judged.guard().identity().cloned(),
            None => self.identity.clone(),
        }
    }

    pub fn transport(&self) -> Transport {
        if self.websocket.load(Ordering::Relaxed) { Transport::WebSocket } else { Transport::Polling }
    }

    /// How it began; an upgraded session began as polling.
    pub fn started_as(&self) -> Transport {
        self.started_as
    }

    /// A WebSocket is to carry it from now on. `false`: one does already.
    pub fn move_to_websocket(&self) -> bool {
        !self.websocket.swap(true, Ordering::AcqRel)
    }

    /// Its upgrade did not come about: polling goes on.
    pub fn back_to_polling(&self) {
        self.websocket.store(false, Ordering::Relaxed);
    }

    /// Notes the origin a request of this session shows. The first one shown binds; a request without one proves nothing.
    pub fn bind_origin(&self, shown: Option<u64>) -> Result<(), OtherOrigin> {
        let Some(shown) = shown else { return Ok(()) };
        match self.origin.compare_exchange(0, shown, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(bound) if bound == shown => Ok(()),
            Err(_) => Err(OtherOrigin),
        }
    }

    /// Notes whether its client went away from its last poll.
    pub fn set_cut(&self, is_cut: bool) {
        self.cut.store(is_cut, Ordering::Relaxed);
    }

    /// Why it is over when its app does not know it any more.
    pub fn end_by_app(&self) -> Reason {
        if self.cut.load(Ordering::Relaxed) { Reason::ClientGone } else { Reason::AppClosed }
    }

    /// Lets one upgrade through that brings no token of its own. `false`: there has been one already.
    pub fn trust_upgrade(&self) -> bool {
        !self.upgraded_on_trust.swap(true, Ordering::AcqRel)
    }

    /// Someone serves it from now on, until the guard is dropped.
    pub fn attend(self: &Arc<Self>) -> Attendance {
        self.attended.fetch_add(1, Ordering::AcqRel);
        Attendance { session: self.clone(), lane: None, counts: false }
    }

    /// The same for a poll or a POST. `None`: too many of them are under way.
    pub fn attend_by(self: &Arc<Self>, lane: Lane) -> Option<Attendance> {
        let mut attendance = self.attend();
        // Counted first: what is refused gives its place back by being dropped.
        attendance.lane = Some(lane);
        (self.lane(lane).fetch_add(1, Ordering::AcqRel) < A_LANE).then_some(attendance)
    }

    fn lane(&self, lane: Lane) -> &AtomicU32 {
        match lane {
            Lane::Poll => &self.polls,
            Lane::Post => &self.posts,
        }
    }

    fn hear(&self, now: Instant) {
        self.heard.store(self.age(now), Ordering::Relaxed);
    }

    /// Its client has sent a message, not only a heartbeat.
    pub fn speaks(&self, now: Instant) {
        self.said.fetch_max(self.age(now), Ordering::Relaxed);
    }

    /// In milliseconds.
    fn age(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it has lasted or been quiet too long.
    pub fn overdue(&self, now: Instant) -> Option<Reason> {
        let is_past = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        match (is_past(self.end_of_life()), is_past(self.end_of_quiet())) {
            (true, _) => Some(Reason::LifeOver),
            (false, true) => Some(Reason::Idle),
            (false, false) => None,
        }
    }

    /// When that is to be asked next.
    pub fn due(&self) -> Option<Instant> {
        [self.end_of_life(), self.end_of_quiet()].into_iter().flatten().min()
    }

    fn end_of_life(&self) -> Option<Instant> {
        self.opened.checked_add(self.tenure.life?)
    }

    fn end_of_quiet(&self) -> Option<Instant> {
        let said = self.opened.checked_add(Duration::from_millis(self.said.load(Ordering::Relaxed)))?;
        said.checked_add(self.tenure.idle?)
    }

    /// How long nobody has served it.
    pub fn idle(&self, now: Instant) -> Duration {
        if self.attended.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        let heard = self.opened + Duration::from_millis(self.heard.load(Ordering::Relaxed));
        now.saturating_duration_since(heard)
    }

    /// Whether a request or a carriage serves it now.
    pub fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Acquire) > 0
    }

    /// It is over: what it held is given back, and whoever still asks for it is refused. `false`: it was over already.
    pub fn finish(&self, reason: Reason) -> bool {
        if self.over.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.end.store(reason as u8, Ordering::Release);
        drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(judged) = &self.judged {
            judged.over();
        }
        true
    }

    /// Its app knows it.
    pub fn confirm(&self) {
        if !self.is_known() {
            self.known.store(true, Ordering::Relaxed);
        }
    }

    /// Whether its app has opened it here or answered for it, as far as this gate has seen.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Why it is over; meaningful once it is.
    pub fn end(&self) -> Reason {
        Reason::from_u8(self.end.load(Ordering::Acquire))
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// Someone serves a session. Dropping it starts the clock of being abandoned.
#[derive(Debug)]
pub struct Attendance {
    session: Arc<Session>,
    lane: Option<Lane>,
    counts: bool,
}

impl Attendance {
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The app has it, or is about to: the session lives. What never gets so far keeps no session alive.
    pub fn counts(&mut self) {
        self.counts = true;
        self.session.hear(Instant::now());
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        if self.counts {
            self.session.hear(Instant::now());
        }
        if let Some(lane) = self.lane {
            self.session.lane(lane).fetch_sub(1, Ordering::AcqRel);
        }
        self.session.attended.fetch_sub(1, Ordering::AcqRel);
    }
}
