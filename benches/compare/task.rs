//! What the load is told to do and what it says it saw: the JSON between this program and its `load` role.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One run of the load against one proxy.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Task {
    pub work: Work,
    /// Where the proxy listens.
    pub address: SocketAddr,
    /// The certificate it must show.
    pub certificate: PathBuf,
    pub token: Option<String>,
    pub origin: Option<String>,
    /// The proxy's process, whose use is measured.
    pub proxy: i32,
    /// Where the upstream takes wishes: the fan-out is its work.
    pub upstream: SocketAddr,
    pub span: Span,
    /// Addresses the clients seem to come from, one after the other: `X-Forwarded-For`, from 10.0.0.0 on.
    pub addresses: Option<u32>,
}

/// For how long.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Span {
    /// Seconds before anything counts.
    pub warm_up: f64,
    /// Seconds that count.
    pub window: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Messages of `size` bytes, `in_flight` at once on each connection, each answered with itself.
    Echo { connections: usize, size: usize, in_flight: usize },
    /// The upstream sends `rate` messages a second to each connection.
    FanOut { connections: usize, size: usize, rate: f64 },
    /// TLS handshake, token, upgrade, Socket.IO connect (a message and its answer), WebSocket close; over and over.
    Connect { clients: usize, resumed: bool },
    /// GETs of Engine.IO polling sessions on kept connections.
    Polling { clients: usize },
    /// Handshakes without a token on kept connections, which count against their address and are refused with 401.
    Refused { clients: usize, most: Option<u64> },
    /// Open connections that do nothing, and the proxy's memory: before; after each of them has echoed a message of each
    /// of these sizes, in turn; and these seconds after all of them have left.
    Idle { connections: usize, touches: Vec<usize>, left: Vec<u64> },
    /// Connections that stay open until the load is stopped. It says how many there are as soon as they are.
    Hold { connections: usize },
    /// One handshake, and an echo where it is accepted.
    Probe,
}

/// What was seen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Outcome {
    /// Messages, connections or requests in the window.
    pub operations: u64,
    /// Nanoseconds of CPU the proxy used in the window.
    pub cpu: u64,
    /// Connections that were opened and held.
    pub opened: usize,
    /// The proxy's memory at each moment that `Work::Idle` names.
    pub memory: Vec<u64>,
    /// Handshakes with a session of before, and without.
    pub resumed: u64,
    pub full: u64,
    /// What went wrong, and how often.
    pub failures: BTreeMap<String, u64>,
    pub probe: Option<Probe>,
}

/// How a handshake was answered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Probe {
    pub status: u16,
    pub echoed: bool,
    pub tls: String,
}

impl Outcome {
    /// CPU microseconds of the proxy for one operation; `None` when nothing was done.
    pub fn cost(&self) -> Option<f64> {
        (self.operations > 0).then(|| self.cpu as f64 / 1e3 / self.operations as f64)
    }

    /// Failures as one line.
    pub fn complaints(&self) -> String {
        let lines: Vec<String> = self.failures.iter().map(|(what, times)| format!("{what} ({times}x)")).collect();
        lines.join(", ")
    }
}
