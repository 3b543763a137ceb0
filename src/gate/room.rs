//! A route with its judges: what decides about a request that it takes.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::{
    config::{auth::When, route::Kind},
    http::{head::Head, headers},
    policy::{
        access::Book,
        auth::{Identity, Verifier},
        limit::Limiter,
        origin,
    },
    relay::Venue,
    upstream::MemberId,
};

/// A route with its judges.
pub struct Room {
    pub venue: Arc<Venue>,
    pub origin: origin::Judge,
    pub verifier: Arc<Verifier>,
    pub access: Arc<Book>,
    pub limiter: Arc<Limiter>,
    pub(super) has_own_limiter: bool,
    pub(super) affinity_cookie: String,
    pub(super) most_sessions: usize,
    /// Sessions that have yet to say who they are: in all, and of one address.
    pub(super) most_waiting: (usize, usize),
    pub(super) path: String,
    /// Where this route's app serves Engine.IO, under the rules of another route.
    pub(super) endpoints: Vec<String>,
}

impl Room {
    /// The member an affinity cookie names. A forged one names nobody.
    pub fn kept_member(&self, headers: &HeaderMap) -> Option<MemberId> {
        if self.affinity_cookie.is_empty() || self.venue.kind == Kind::Socketio {
            return None;
        }
        self.venue.sealer.open_mark(headers::cookie(headers, &self.affinity_cookie)?).ok()
    }

    /// Whether a request of this route would reach Engine.IO at its app, which another route guards. Servers answer below
    /// their path too, and without its last slash; what names none of Engine.IO's parameters is no part of a session (the
    /// client script, for one).
    pub fn trespasses(&self, head: &Head) -> bool {
        let names_session = || ["EIO", "transport", "sid", "j"].iter().any(|name| head.query.has(name));
        if self.endpoints.is_empty() || !(head.upgrade.is_some() || names_session()) {
            return false;
        }
        let asked = self.venue.manners.path(&head.path);
        let bare = asked.trim_end_matches('/');
        self.endpoints.iter().any(|endpoint| asked.starts_with(endpoint.as_str()) || endpoint.trim_end_matches('/') == bare)
    }

    /// Whether no new session has room any more.
    pub fn is_full(&self) -> bool {
        self.most_sessions > 0 && self.venue.ledger.entries() >= self.most_sessions
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether anybody must be known here.
    pub fn asks_who(&self) -> bool {
        self.verifier.when() != When::None
    }

    /// Whether the key that signed for an identity has been taken out of the configuration: what it signed is good no longer.
    pub fn has_dropped_key_of(&self, identity: Option<&Identity>) -> bool {
        self.asks_who() && identity.is_some_and(|identity| !self.verifier.has_key_of(identity))
    }

    /// The affinity cookie for a client that has none or whose member is gone.
    pub fn affinity(&self, kept: Option<MemberId>, member: MemberId, secure: bool) -> Option<HeaderValue> {
        if self.affinity_cookie.is_empty() || self.venue.kind == Kind::Socketio || kept == Some(member) {
            return None;
        }
        let mark = self.venue.sealer.seal_mark(member)?;
        // A page of another origin sends it only with SameSite=None, which browsers take only over TLS.
        let scope = if secure { "Secure; SameSite=None" } else { "SameSite=Lax" };
        HeaderValue::try_from(format!("{}={mark}; Path={}; HttpOnly; {scope}", self.affinity_cookie, self.path)).ok()
    }
}
