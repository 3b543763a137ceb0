//! `[limit]`: how much one address and one user may have. IPv6 addresses count by their /64.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{self, Rate};

/// How much one address and one user may have.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// New sessions (and requests of plain routes) from one address: `"100/1m"`, `"20/1s burst 60"`, or `"off"`. Polls of
    /// an open session do not count.
    pub handshakes_per_address: Rate,
    /// New sessions of one user, from whatever address.
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
        }
    }
}
