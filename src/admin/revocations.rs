//! Revoking at the admin door. What is revoked holds in memory first, then open sessions are ended, then it is written to the
//! disk: somebody who must go goes at once, whatever the disk does, and the operator hears when it did not take it.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, No, no},
    ask::Parameters,
};
use crate::{
    config::Period,
    gate::Gate,
    policy::revoke::{FOREVER, Kept, Named, Revocation, Target, Written},
    relay::Session,
};

/// The body of `POST /revoke`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    subject: Option<String>,
    tenant: Option<String>,
    issuer: Option<String>,
    token_id: Option<String>,
    session: Option<String>,
    /// Seconds since 1970.
    until: Option<u64>,
    #[serde(rename = "for")]
    lasting: Option<Period>,
    /// Of a subject: tokens that are yet to be issued as well.
    #[serde(default)]
    all: bool,
    #[serde(default)]
    reason: String,
}

/// The body of `POST /unrevoke`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pardon {
    subject: Option<String>,
    tenant: Option<String>,
    issuer: Option<String>,
    token_id: Option<String>,
    session: Option<String>,
}

/// A deed that was done, and what it was, for the audit.
pub struct Done {
    pub answer: Answer,
    pub what: String,
}

/// A wish that can be fulfilled.
struct Order {
    revocation: Revocation,
    /// The operator said when it ends.
    has_end: bool,
}

/// `POST /revoke`. Blocks.
pub fn revoke(gate: &Gate, wish: Wish, now: SystemTime) -> Result<Done, No> {
    let config = &gate.generation().config.revocation;
    let order = wish.judge(seconds(now), config.longest_token)?;
    let target = order.revocation.target.clone();
    let reached = gate.ledger.live_where(|session| session.who().is_some_and(|identity| target.names(&identity)));
    let held = gate.ledger.revocations.add(order.covering(&reached), config.most, now);
    let held = held.map_err(|full| no(StatusCode::INSUFFICIENT_STORAGE, full.to_string()))?;
    let ended = gate.ledger.strike_all();
    let answer = saved(gate, json!({ "revoked": Written::from(held.as_ref()), "sessions_ended": ended }));
    Ok(Done { answer, what: format!("{target}; {ended} sessions ended; {:?}", held.reason) })
}

/// `POST /unrevoke`. Blocks.
pub fn unrevoke(gate: &Gate, pardon: Pardon) -> Result<Done, No> {
    let Pardon { subject, tenant, issuer, token_id, session } = pardon;
    let target = target(Named { subject, tenant, issuer, token_id, session })?;
    let lifted = gate.ledger.revocations.lift(&target);
    let lifted = lifted.ok_or_else(|| no(StatusCode::NOT_FOUND, format!("nothing of this name is revoked: {target}")))?;
    let answer = saved(gate, json!({ "lifted": Written::from(lifted.as_ref()) }));
    Ok(Done { answer, what: target.to_string() })
}

/// `GET /revocations`: those that hold, in the order they were made, a page at a time.
pub fn list(gate: &Gate, query: Option<&str>) -> Result<Answer, No> {
    let parameters = Parameters::read(query, &["limit", "after"])?;
    let limit = parameters.limit()?;
    let after = parameters.parsed("after", "a number that a page before gave as next", |text| text.parse().ok())?;
    let now = seconds(SystemTime::now());
    let page = gate.ledger.revocations.list(after.unwrap_or(0), limit);
    // A full page may be the last; the next one is empty then.
    let next = page.last().filter(|_| page.len() == limit).map(|(number, _)| *number);
    let revocations: Vec<Written> =
        page.iter().filter(|(_, revocation)| revocation.holds(now)).map(|(_, held)| Written::from(held.as_ref())).collect();
    let held = gate.ledger.revocations.len();
    let survives = gate.ledger.revocations.kept() == Kept::OnDisk;
    let page = json!({ "revocations": revocations, "next": next, "held": held, "survives_restart": survives });
    Ok(answer::json(StatusCode::OK, &page))
}

/// Writes the file, and says with the answer what became of it. Blocks.
pub fn saved(gate: &Gate, mut page: Value) -> Answer {
    match gate.ledger.revocations.save() {
        Ok(kept) => {
            page["survives_restart"] = json!(kept == Kept::OnDisk);
            answer::json(StatusCode::OK, &page)
        }
        Err(error) => {
            tracing::error!(%error, "revocation.file");
            page["survives_restart"] = json!(false);
            page["error"] = json!(format!("it is in effect, but a restart takes it back: {error}"));
            answer::json(StatusCode::INTERNAL_SERVER_ERROR, &page)
        }
    }
}

/// Seconds since 1970.
pub fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn target(named: Named) -> Result<Target, No> {
    Target::try_from(named).map_err(|error| no(StatusCode::BAD_REQUEST, error.to_string()))
}

impl Wish {
    fn judge(self, now: u64, longest: Period) -> Result<Order, No> {
        let refuse = |why: &str| Err(no(StatusCode::BAD_REQUEST, why));
        let Self { subject, tenant, issuer, token_id, session, until, lasting, all, reason } = self;
        let target = target(Named { subject, tenant, issuer, token_id, session })?;
        let is_subject = matches!(target, Target::Subject { .. });
        if all && !is_subject {
            return refuse("all goes with subject alone");
        }
        if until.is_some() && lasting.is_some() {
            return refuse("give one of until and for");
        }
        if reason.len() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return refuse("the reason is longer than 256 bytes, or has control characters");
        }
        let has_end = until.is_some() || lasting.is_some();
        let until = until.unwrap_or_else(|| now.saturating_add(lasting.unwrap_or(longest).0.as_secs()));
        if until <= now || until > FOREVER {
            return refuse("the end is not in the future, or beyond the year 9999; until is in seconds since 1970");
        }
        let issued_until = (is_subject && !all).then_some(now);
        Ok(Order { revocation: Revocation { target, issued_until, since: now, until, reason }, has_end })
    }
}

impl Order {
    /// With what open sessions show of the tokens that are meant: they were issued before now, also when the issuer's clock is
    /// ahead of ours, and some may be good for longer than was thought.
    fn covering(self, sessions: &[Arc<Session>]) -> Revocation {
        let Self { mut revocation, has_end } = self;
        let issued = sessions.iter().filter_map(|session| session.who()?.issued()).max();
        revocation.issued_until = revocation.issued_until.map(|until| until.max(issued.unwrap_or(0)));
        let ends = sessions.iter().map(|session| session.expires.map_or(FOREVER, seconds)).max();
        if let (Some(ends), false) = (ends, has_end) {
            revocation.until = revocation.until.max(ends).min(FOREVER);
        }
        revocation
    }
}

const LONGEST_REASON: usize = 256;
