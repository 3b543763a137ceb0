//! What a guard judges by: one per route and generation, shared by all its sessions.

use std::{sync::Arc, time::Duration};

use super::tally::Tally;
use crate::{
    config::{
        auth::{Auth, OnEnd, When},
        route::Route,
        socketio::Parser,
    },
    policy::{
        access::Book,
        auth::{Merge, Places},
        limit::PacketLimits,
    },
    relay::reason::Reason,
    telemetry::Metrics,
};

/// The rules of a route, as far as packets go.
pub struct Rules {
    pub access: Arc<Book>,
    pub limits: Arc<PacketLimits>,
    pub parser: Parser,
    /// Whether a namespace is joined with a token of its own (`auth.when = "connect"`).
    pub by_connect: bool,
    /// Where that token is looked for.
    pub places: Places,
    /// Namespaces whose CONNECT is left to the app.
    pub by_app: Vec<String>,
    /// What the app is told in the CONNECT payload.
    pub merge: Merge,
    /// The same where the app judges the CONNECT: what it judges by stays.
    pub merge_of_apps: Merge,
    pub connect_deadline: Duration,
    /// After `exp` a token is still good for this long.
    pub leeway: Duration,
    pub refresh_event: Option<String>,
    pub expiry_event: Option<String>,
    pub expiry_warning: Duration,
    pub end_event: Option<String>,
    pub on_expiry: OnEnd,
    pub on_revocation: OnEnd,
    pub on_kill: OnEnd,
    pub on_abuse: OnEnd,
    /// A session whose client sends no message for this long ends. Zero: never.
    pub idle: Duration,
    /// Bytes of one message.
    pub max_payload: u64,
    pub json_depth: u8,
    pub tally: Tally,
    /// Whether sessions are judged from their beginning: some rule needs to see their packets.
    pub is_needed: bool,
}

impl Rules {
    pub fn new(route: &Route, access: Arc<Book>, limits: Arc<PacketLimits>, places: &Places, metrics: &Arc<Metrics>) -> Self {
        let auth = &route.auth;
        let named = |name: &str| Some(name.to_string()).filter(|name| !name.is_empty());
        Self {
            parser: route.socketio.parser,
            by_connect: auth.when == When::Connect,
            by_app: auth.connect_by_app.clone(),
            merge: Merge::new(auth, places),
            merge_of_apps: Merge::new(&Auth { pass_token: true, ..auth.clone() }, places),
            places: places.clone(),
            connect_deadline: auth.connect_deadline.0,
            leeway: auth.leeway.0,
            refresh_event: named(&auth.refresh_event),
            expiry_event: named(&auth.expiry_event),
            expiry_warning: auth.expiry_warning.0,
            end_event: named(&auth.end_event),
            on_expiry: auth.on_expiry,
            on_revocation: auth.on_revocation,
            on_kill: auth.on_kill,
            on_abuse: auth.on_abuse,
            idle: route.limit.session_idle.0,
            max_payload: route.socketio.max_payload.0,
            json_depth: route.socketio.json_depth,
            is_needed: Self::are_needed(route, &access, &limits),
            tally: Tally::new(&route.access, &route.limit, metrics),
            access,
            limits,
        }
    }

    /// Whether a session that ends for this reason is to stay closed.
    pub fn on_end(&self, reason: Reason) -> OnEnd {
        match reason {
            Reason::Expired => self.on_expiry,
            Reason::Revoked => self.on_revocation,
            Reason::Killed => self.on_kill,
            Reason::Abuse => self.on_abuse,
            _ => OnEnd::Reconnect,
        }
    }

    /// Why clients of Engine.IO 3 cannot be judged by these rules; `None`: they can, or nothing is judged.
    pub fn refuse_three(&self) -> Option<&'static str> {
        let Self { by_connect, parser, merge, .. } = self;
        if !self.is_needed {
            None
        } else if *by_connect {
            Some("clients of Engine.IO 3 have no CONNECT payload for auth.when = \"connect\"")
        } else if *parser == Parser::Msgpack {
            Some("clients of Engine.IO 3 are not judged in msgpack")
        } else if !merge.is_idle() {
            Some("clients of Engine.IO 3 have no CONNECT payload for auth.identity.connect_field")
        } else {
            None
        }
    }

    fn are_needed(route: &Route, access: &Book, limits: &PacketLimits) -> bool {
        use crate::config::socketio::Judge;
        let auth = &route.auth;
        route.socketio.judge == Judge::Always
            || auth.when == When::Connect
            || route.socketio.parser == Parser::Msgpack
            || !auth.expiry_warning.0.is_zero()
            || tells_inside(auth)
            || access.looks_inside()
            || limits.looks_inside()
    }
}

/// Whether the app is told who it is inside a packet.
fn tells_inside(auth: &Auth) -> bool {
    !auth.identity.connect_field.is_empty()
}
