//! `[socketio]`: what the gate assumes and allows of the Socket.IO protocol. `[seal]`: the keys of session ids.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Secret,
    units::{Period, Size},
};

/// What is carried of Socket.IO.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIo {
    /// Transports clients may use: `polling`, `websocket`. The `upgrades` list told to clients follows. Legacy name:
    /// `SOCKETIO_TRANSPORTS`.
    pub transports: Vec<Transport>,
    /// The app's ping interval, assumed until its first open packet tells. Legacy name: `SOCKETIO_PING_INTERVAL`.
    pub ping_interval: Period,
    /// The app's ping timeout, assumed until its first open packet tells. Legacy name: `SOCKETIO_PING_TIMEOUT`.
    pub ping_timeout: Period,
    /// How long the app may take to answer a handshake. Legacy name: `SOCKETIO_CONNECT_TIMEOUT`.
    pub connect_timeout: Period,
    /// Largest polling body and WebSocket message from a client. The open packet's `maxPayload` is lowered to it. Legacy
    /// name: `SOCKETIO_MAX_HTTP_BUFFER_SIZE`. What an app sends is not bounded by it, but where packets are judged an app's
    /// answer to a poll is held whole meanwhile, and may have 16 MiB and four thirds of this; twice as much may wait in each
    /// direction of a session.
    pub max_payload: Size,
    /// Fragments a WebSocket message may have. 0: 128, or one for each 4 KiB of `max_payload` where that is more. Browsers cut
    /// long messages, Chromium into 64 KiB; one in more fragments ends its session (`too_many_fragments`, 1008).
    pub fragments: usize,
    /// Sessions whose client has gone without a word are forgotten after this long without a poll.
    pub abandoned_after: Period,
    /// Whether the gate looks into the packets of sessions. `auto`: where some rule needs it (`auth.when = "connect"`, rules of
    /// `[access]` about packets, limits of messages and events, `auth.expiry_warning`, `auth.identity.connect_field`, the
    /// msgpack parser). `always`: also without any rule, as a shield: only well-formed packets reach the app, and clients can
    /// refresh their tokens. A judged session lives on one gate.
    pub judge: Judge,
    /// How the app and its clients write packets. `default`: Socket.IO's own parser. `msgpack`: socket.io-msgpack-parser,
    /// judged in the same way. `custom`: a parser that the gate cannot read; its messages pass unread, by your choice, and no
    /// rule about namespaces or events can hold.
    pub parser: Parser,
    /// Whether clients of Socket.IO 2 (`EIO=3`) are served besides those of 3 and 4. The app must take them too: `allowEIO3` of
    /// Socket.IO's Node server, or a server of version 2, which `upstream.probe = "engine"` does not understand. These clients
    /// have no CONNECT payload: their token travels with the handshake, and routes with `auth.when = "connect"`,
    /// `auth.identity.connect_field` or the msgpack parser refuse them. Namespaces, events and limits are judged as everywhere,
    /// with three differences: a main namespace that is forbidden ends the session, for it is joined unasked; a namespace that
    /// a URL would write otherwise is refused; a refusal is handed to the client's `error` as `{ code, message, hint }`.
    pub eio3: bool,
    /// How deep the JSON of a packet may be nested in judged sessions, 1 to 128. The array of an event is the first level.
    pub json_depth: u8,
    /// On plain WebSocket routes the gate pings an idle client this often, and closes it when nothing comes back.
    pub websocket_ping: Period,
}

/// Whether packets are looked into.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    #[default]
    Auto,
    Always,
}

/// How packets are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Parser {
    #[default]
    Default,
    Msgpack,
    Custom,
}

/// A way Engine.IO travels.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Polling,
    Websocket,
}

impl SocketIo {
    /// How many fragments a message may have at last.
    pub fn most_fragments(&self) -> u32 {
        let most = match self.fragments {
            0 => (self.max_payload.0 / A_FRAGMENT).max(FRAGMENTS),
            most => most as u64,
        };
        u32::try_from(most).unwrap_or(u32::MAX)
    }
}

/// Enough for every message of the usual size.
const FRAGMENTS: u64 = 128;
/// Bytes of a fragment that is cut with some sense.
const A_FRAGMENT: u64 = 4 * 1024;

impl Default for SocketIo {
    fn default() -> Self {
        Self {
            transports: vec![Transport::Polling, Transport::Websocket],
            ping_interval: Period::seconds(25),
            ping_timeout: Period::seconds(20),
            connect_timeout: Period::seconds(5),
            max_payload: Size::bytes(1_000_000),
            fragments: 0,
            abandoned_after: Period::seconds(65),
            judge: Judge::Auto,
            parser: Parser::Default,
            eio3: false,
            json_depth: 32,
            websocket_ping: Period::seconds(30),
        }
    }
}

/// The keys that seal session ids. Every gate that serves the same clients needs the same keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seal {
    /// Keys of at least 32 bytes. The first seals, all are accepted: to rotate, put the new one first and drop the old
    /// one when the longest session is over. None: a key is made at start, which suits a single gate; its sessions do
    /// not survive a restart, and production refuses it.
    pub keys: Vec<Secret>,
    /// Files that hold one key each, after those of `keys`.
    pub key_files: Vec<PathBuf>,
}
