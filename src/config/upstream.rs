//! `[[upstream]]`: a pool of app servers, how one is chosen, how its health is known, and how the gate speaks to it.

use std::{net::IpAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Period;

/// A pool of app servers.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upstream {
    /// The name that routes use.
    pub name: String,
    /// The app servers: `"http://app-1:3001"`, `"https://app-2:3001"`, or `{ url = "http://app-1:3001", weight = 2 }`.
    pub members: Vec<Member>,
    /// How a new session finds its member: `least_sessions`, `round_robin`, or `hash` (of what `hash` names, the choice for
    /// apps with connection state recovery).
    pub balance: Balance,
    /// What `balance = "hash"` hashes: `subject` (the address when nobody is known), `address`, `header:NAME`, `claim:PATH`. With
    /// `auth.when = "connect"` the choice waits until somebody is known.
    pub hash: String,
    /// A cookie that keeps clients of plain HTTP and WebSocket routes on one member. Empty: none. Socket.IO sessions need
    /// none, their id names the member.
    pub affinity_cookie: String,
    /// The Origin header toward the app: `remove` (the gate has judged it), `keep`, or a fixed origin. Empty: `remove` on
    /// Socket.IO and WebSocket routes, `keep` on plain HTTP.
    pub origin: String,
    /// The Host header toward the app: `keep` the client's, or `member` for the member's own.
    pub host: Host,
    /// PEM file of the certificate authorities that may have signed an https member's certificate. Empty: the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the certificate the gate shows to https members.
    pub client_certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub client_key: Option<PathBuf>,
    /// The name expected in the members' certificates. Empty: the host of each URL.
    pub server_name: String,
    /// Addresses of this machine from which members are dialed, in turns: each has some 28,000 ports for connections, and one
    /// that has none left is passed over. Empty: the system's choice, which has as many toward each member.
    #[schemars(with = "Vec<String>")]
    pub sources: Vec<IpAddr>,
    /// From dialing to an open connection, TLS included.
    pub connect_deadline: Period,
    /// For the head of an answer that is neither a poll nor a Socket.IO handshake.
    pub answer_deadline: Period,
    /// Which requests may share a kept connection: `shared`, `session` (each session its own, for apps behind a cluster that
    /// pins connections), `off`.
    pub reuse: Reuse,
    /// How long a kept connection may idle. Keep it under the time after which the members close idle ones themselves, 5 s for
    /// Node and uvicorn: a request that meets the close is lost.
    pub idle: Period,
    /// Ask members how they are: `off`, `tcp`, `http` (2xx or 3xx at `probe_path`), `engine` (a whole Engine.IO handshake at
    /// `probe_path`, which also learns the app's ping values).
    pub probe: Probe,
    /// The path asked by `http` and `engine`. Empty: `/` for http, `/socket.io/` for engine.
    pub probe_path: String,
    /// How often.
    pub probe_interval: Period,
    /// For one probe.
    pub probe_deadline: Period,
    /// Probes that must fail in a row before a member is down.
    pub probe_fall: u32,
    /// Probes that must succeed in a row before it is up again.
    pub probe_rise: u32,
    /// Failures of real traffic in a row (no connection, no answer, not HTTP) after which a member is left alone.
    pub eject_after: u32,
    /// For how long at first; doubled at each time up to 16 times this.
    pub eject_for: Period,
    /// After coming back a member's share of new sessions grows over this long.
    pub slow_start: Period,
}

/// One app server.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum Member {
    Url(String),
    Weighted { url: String, weight: u32 },
}

impl Member {
    /// Where it listens.
    pub fn url(&self) -> &str {
        match self {
            Self::Url(url) | Self::Weighted { url, .. } => url,
        }
    }

    /// Its share of new sessions, relative to the others.
    pub fn weight(&self) -> u32 {
        match self {
            Self::Url(_) => 1,
            Self::Weighted { weight, .. } => *weight,
        }
    }
}

/// How a new session finds its member.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    #[default]
    LeastSessions,
    RoundRobin,
    Hash,
}

/// The Host header toward the app.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    #[default]
    Keep,
    Member,
}

/// Which requests may share a kept connection.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    #[default]
    Shared,
    Session,
    Off,
}

/// How members are asked how they are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    Off,
    #[default]
    Tcp,
    Http,
    Engine,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            name: String::new(),
            members: Vec::new(),
            balance: Balance::LeastSessions,
            hash: "subject".into(),
            affinity_cookie: String::new(),
            origin: String::new(),
            host: Host::Keep,
            ca: None,
            client_certificate: None,
            client_key: None,
            server_name: String::new(),
            sources: Vec::new(),
            connect_deadline: Period::seconds(2),
            answer_deadline: Period::seconds(10),
            reuse: Reuse::Shared,
            idle: Period::seconds(4),
            probe: Probe::Tcp,
            probe_path: String::new(),
            probe_interval: Period::seconds(5),
            probe_deadline: Period::seconds(2),
            probe_fall: 2,
            probe_rise: 1,
            eject_after: 3,
            eject_for: Period::seconds(5),
            slow_start: Period::seconds(10),
        }
    }
}
