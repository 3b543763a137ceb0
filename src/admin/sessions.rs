//! Sessions at the admin door: who is connected, and ending one. Sessions are named as records name them; that name opens
//! nothing, and the app's own session id is not told.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use http::StatusCode;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, No, no},
    ask::Parameters,
    revocations::{self, Done},
};
use crate::{
    gate::Gate,
    policy::{
        auth::Identity,
        revoke::{Full, Revocation, SessionName, Target},
    },
    relay::{Reason, Session, session::Transport},
};

/// Which sessions are asked for.
struct Wanted {
    subject: Option<String>,
    network: Option<IpNet>,
    route: Option<String>,
    after: Option<SessionName>,
    limit: usize,
}

/// `GET /sessions`: those that are asked for, by name, a page at a time.
pub async fn list(gate: &Arc<Gate>, query: Option<&str>) -> Result<Answer, No> {
    let parameters = Parameters::read(query, &["subject", "address", "route", "limit", "after"])?;
    let wanted = Wanted {
        subject: parameters.text("subject").map(str::to_string),
        network: parameters.parsed("address", "an address or a network, as in 192.0.2.0/24", network)?,
        route: parameters.text("route").map(str::to_string),
        after: parameters.parsed("after", "the name of a session", SessionName::read)?,
        limit: parameters.limit()?,
    };
    let gate = gate.clone();
    // Of a million sessions some tenths of a second.
    let page = tokio::task::spawn_blocking(move || wanted.page(&gate)).await;
    page.map(|page| answer::json(StatusCode::OK, &page)).map_err(|_| no(StatusCode::INTERNAL_SERVER_ERROR, "the list broke off"))
}

/// `GET /sessions/NAME`: one session, with what is known of whoever opened it.
pub fn show(gate: &Gate, name: SessionName) -> Result<Answer, No> {
    let session = find(gate, name)?;
    let mut page = describe(&session, Instant::now());
    if let Some(identity) = session.who() {
        page["token_id"] = json!(identity.token_id());
        page["issued"] = json!(identity.issued());
        page["roles"] = json!(identity.roles());
    }
    Ok(answer::json(StatusCode::OK, &page))
}

/// `POST /sessions/NAME/kill`: ends one session. Its token is as good as before; its id is refused from here on. Blocks.
pub fn kill(gate: &Gate, name: SessionName, now: SystemTime) -> Result<Done, No> {
    let session = find(gate, name)?;
    let page = describe(&session, Instant::now());
    let remembered = remember(gate, &session, now);
    gate.ledger.end(&session, Reason::Killed);
    let lost = |full: Full| no(StatusCode::INSUFFICIENT_STORAGE, format!("the session is ended, but not remembered: {full}"));
    remembered.map_err(lost)?;
    let what = format!("session {name} of {}", session.who().as_ref().and_then(Identity::subject).unwrap_or("nobody"));
    Ok(Done { answer: revocations::saved(gate, json!({ "killed": page })), what })
}

/// What began as a WebSocket cannot be gone on with; a client that has polled may ask again, here or after a restart. By then
/// its app has long given the session up.
fn remember(gate: &Gate, session: &Session, now: SystemTime) -> Result<(), Full> {
    if session.started_as() == Transport::WebSocket {
        return Ok(());
    }
    let config = &gate.generation().config.revocation;
    let since = revocations::seconds(now);
    let longest = since.saturating_add(config.longest_token.0.as_secs());
    let until = session.expires.map_or(longest, |at| longest.min(revocations::seconds(at)));
    let target = Target::Session(session.key.name());
    let revocation = Revocation { target, issued_until: None, since, until, reason: String::new() };
    gate.ledger.revocations.add(revocation, config.most, now).map(drop)
}

fn find(gate: &Gate, name: SessionName) -> Result<Arc<Session>, No> {
    let named = gate.ledger.live_where(|session| session.key.name() == name);
    named.into_iter().next().ok_or_else(|| no(StatusCode::NOT_FOUND, "no session of this name is open here"))
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical())))
}

impl Wanted {
    fn has(&self, session: &Session) -> bool {
        self.subject.as_deref().is_none_or(|subject| session.who().as_ref().and_then(Identity::subject) == Some(subject))
            && self.network.is_none_or(|network| network.contains(&session.address.to_canonical()))
            && self.route.as_ref().is_none_or(|route| session.path == *route)
            && self.after.is_none_or(|after| session.key.name() > after)
    }

    fn page(&self, gate: &Gate) -> Value {
        let now = Instant::now();
        let mut sessions = gate.ledger.live_where(|session| self.has(session));
        let found = sessions.len();
        if found > self.limit {
            sessions.select_nth_unstable_by_key(self.limit, |session| session.key.0);
            sessions.truncate(self.limit);
        }
        sessions.sort_unstable_by_key(|session| session.key.0);
        // Where there is more, the next page begins after the last of this one.
        let next = sessions.last().filter(|_| found > self.limit).map(|session| session.key.to_string());
        let sessions: Vec<Value> = sessions.iter().map(|session| describe(session, now)).collect();
        json!({ "sessions": sessions, "next": next })
    }
}

fn describe(session: &Session, now: Instant) -> Value {
    let who = session.who();
    let identity = who.as_ref();
    // A WebSocket counts what it moves by itself and tells at its end.
    let is_counted = session.transport() == Transport::Polling;
    let count = |figure: &AtomicU64| is_counted.then(|| figure.load(Ordering::Relaxed));
    json!({
        "session": session.key.to_string(),
        "subject": identity.and_then(Identity::subject),
        "namespaces": session.judged.as_ref().map(|judged| judged.guard().namespaces()),
        "tenant": identity.and_then(|identity| identity.tenant()),
        "issuer": identity.and_then(|identity| identity.issuer()),
        "address": session.address.to_string(),
        "transport": session.transport().name(),
        "route": session.path,
        "member": session.member().url(),
        "opened_seconds": now.saturating_duration_since(session.opened).as_secs(),
        "idle_seconds": session.idle(now).as_secs(),
        "expires": session.expires.map(revocations::seconds),
        "messages_in": count(&session.messages_in),
        "messages_out": count(&session.messages_out),
        "bytes_in": count(&session.bytes_in),
        "bytes_out": count(&session.bytes_out),
    })
}
