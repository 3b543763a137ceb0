//! `[limit]`: how much one address, one user and one session may have. IPv6 addresses count by their /64. `[[limit.event]]`:
//! the same for single events of Socket.IO.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{self, Flow, Period, Rate, Size};

/// How much one address, one user and one session may have.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// New sessions (and requests of plain routes) from one address: `"100/1m"`, `"20/1s burst 60"`, or `"off"`. Polls of
    /// an open session do not count.
    pub handshakes_per_address: Rate,
    /// New sessions of one user, from whatever address. With `auth.when = "connect"` a session counts once its user is known, and
    /// one too many is refused as a namespace is; the same for `sessions_per_user`.
    pub handshakes_per_user: Rate,
    /// Connections from one address at once. Counted before TLS, for the address that connects, and so for the whole gate: no
    /// route has its own. 0: no limit.
    pub connections_per_address: usize,
    /// Sessions from one address at once. 0: no limit.
    pub sessions_per_address: usize,
    /// Sessions of one user at once. 0: no limit.
    pub sessions_per_user: usize,
    /// Sessions at once in total, those included that ended less than a minute ago; beyond it new ones get 503 and open
    /// sessions go on. 0: no limit.
    pub sessions: usize,
    /// Handshakes on their way at once, in total; beyond it new ones get 503 and open sessions go on. 0: no limit.
    pub handshakes_in_flight: usize,
    /// Addresses and users remembered at once by each limit. Beyond it all newcomers share one overflow bucket.
    pub keys: usize,
    /// Addresses or networks that no per-address limit applies to (health checks, your own gateway).
    #[schemars(with = "Vec<String>")]
    #[serde(deserialize_with = "units::networks")]
    pub exempt: Vec<ipnet::IpNet>,
    /// Messages a session's client may send: events, acknowledgements and CONNECTs, by polling and WebSocket together.
    /// Heartbeats do not count. `"20/1s burst 60"`, or `"off"`. Any rate here makes the gate look inside the route's sessions.
    pub messages_per_session: Rate,
    /// The same over all sessions of a user on this gate. The default holds where the gate looks inside sessions for another
    /// reason; another rate makes it look. Clients that nobody knows are held to `messages_per_session` alone.
    pub messages_per_user: Rate,
    /// Bytes in the messages of all sessions of a user: `"1 MiB/1s burst 4 MiB"`, or `"off"`. A message that is larger than the
    /// burst passes when nothing else did for long enough, and what follows waits until it is paid for.
    pub bytes_per_user: Flow,
    /// Namespaces one session may have joined at once, the main one included, on routes whose sessions the gate looks into.
    pub namespaces: usize,
    /// Binary attachments of one event, on routes whose sessions the gate looks into. 0: no binary events.
    pub attachments: u8,
    /// What happens to a message above `messages_per_session`, `messages_per_user` or `bytes_per_user`: `warn` lets it pass and
    /// says so in the log, `drop` keeps it from the app and answers its acknowledgement with an error, `close` ends the session.
    pub over: Over,
    /// A session whose messages are refused more often than this (by limits, by access rules, or because they are malformed)
    /// is closed: so many refusals are tolerated at once. `"off"`: never.
    pub abuse: Rate,
    /// A session whose client sends no message for this long is closed (`session_idle`, 4408), at most half a minute later;
    /// heartbeats do not count, nor does what the app sends. Its client connects anew, if it still wants to. 0: never. An open session goes on with what it was opened under.
    pub session_idle: Period,
    /// The longest life of a session; then it is closed (`session_life`, 4408) and its client connects anew. Counted from when this gate first saw it. 0: no end. An open
    /// session goes on with what it was opened under.
    pub session_life: Period,
    /// Limits of single events. Every one that matches a message counts by itself, in this order and before the limits above;
    /// the first that is exceeded refuses it.
    pub event: Vec<EventLimit>,
}

/// A limit of some events: how often they may be sent, how large they may be, or both.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventLimit {
    /// Names of events; `*` stands for any run of characters: `"chat:*"`, `"typing"`, `"*"`.
    pub events: Vec<String>,
    /// Namespaces it holds in: `"/"`, `"/chat"`, `"/game-*"`, where `*` stands for characters up to the next `/`. Empty: all.
    #[serde(rename = "in")]
    pub namespaces: Vec<String>,
    /// How often: `"5/1s burst 10"`, or `"off"`. All events and namespaces it names share the count.
    pub rate: Rate,
    /// Who has a count of their own: each `session`, each `user` over all their sessions (a client that nobody knows: each
    /// session), or each `address`.
    pub per: Per,
    /// The largest message, attachments included. Not set: `socketio.max_payload`.
    pub size: Option<Size>,
    /// What happens to a message that is too many or too large: `warn`, `drop` or `close`, as in `limit.over`.
    pub over: Over,
}

/// Who has a count of their own.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    #[default]
    Session,
    User,
    Address,
}

/// What happens to a message above a limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    Warn,
    #[default]
    Drop,
    Close,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            handshakes_per_address: Rate::per_second(20, 60),
            handshakes_per_user: Rate::per_second(5, 20),
            connections_per_address: 256,
            sessions_per_address: 0,
            sessions_per_user: 0,
            sessions: 100_000,
            handshakes_in_flight: 512,
            keys: 100_000,
            exempt: Vec::new(),
            messages_per_session: Rate::Off,
            messages_per_user: Rate::per_second(50, 200),
            bytes_per_user: Flow::Off,
            namespaces: 32,
            attachments: 10,
            over: Over::Drop,
            abuse: Rate::Limited { count: 30, per: Duration::from_secs(60), burst: 30 },
            session_idle: Period::seconds(0),
            session_life: Period::seconds(0),
            event: Vec::new(),
        }
    }
}

impl Default for EventLimit {
    fn default() -> Self {
        Self { events: Vec::new(), namespaces: Vec::new(), rate: Rate::Off, per: Per::Session, size: None, over: Over::Drop }
    }
}

/// So many `[[limit.event]]` a route may have: each is asked for every message.
pub const MOST_EVENT_LIMITS: usize = 64;
