//! What a carriage is held to, and what is told of it when it ends.

use std::time::{Duration, SystemTime};

use super::super::session::Reason;
use crate::{codec::frame::Limits, telemetry::metrics::Carried};

/// What one carriage is held to.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What a client's message may be.
    pub limits: Limits,
    /// The client is gone when nothing has come from it for this long, unless an open packet tells another heartbeat.
    pub silence: Duration,
    /// Ping the client when nothing has come from it for this long. Only where no heartbeat of the app's protocol does.
    pub ping: Option<Duration>,
    /// The client is cut off when it takes nothing of what is waiting for it for this long.
    pub stall: Duration,
    /// When the identity that opened the session is no longer good.
    pub expires: Option<SystemTime>,
    /// Bytes of a mask for the few frames the gate sends to the app itself. They hide nothing from the app; masks exist
    /// for the sake of old intermediaries between a browser and a server (RFC 6455 section 10.3).
    pub mask: [u8; 4],
    /// Where what is moved is counted.
    pub carried: Carried,
}

/// How the first packet of a session that begins as a WebSocket is exchanged for the one the client may see.
pub trait Opening: Send {
    /// The text message to pass on instead, and for how long the client may be silent by the heartbeat it tells. `None`: this
    /// is no open packet.
    fn exchange(&mut self, packet: &[u8]) -> Option<Exchanged>;
}

/// An open packet that a client may see.
pub struct Exchanged {
    pub packet: Vec<u8>,
    pub silence: Duration,
}

/// Why an app that was to be called when it is needed could not be: what reading from it or writing to it says once.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the app was not reached")]
pub struct Unreached(pub Reason);

/// What a carriage has moved, for the record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moved {
    pub messages_in: u64,
    pub messages_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// How a carriage ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    pub reason: Reason,
    /// The close code that went to the client, where there was one.
    pub code: Option<u16>,
    /// Whether the other side was reset rather than closed: the reset is passed on.
    pub reset: bool,
    pub moved: Moved,
}
