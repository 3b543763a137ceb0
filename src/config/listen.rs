//! `[listen]`: where the gate is reached, whom it believes about the client's address, and the patience and sizes of a
//! client connection. `[drain]`: how it leaves.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{self, Period, Size};

/// Where clients connect.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Address and port, for example `0.0.0.0:8443`, `[::]:8443` or `127.0.0.1:0` (any free port). With `[tls]` set this
    /// listener speaks TLS; without it plain HTTP, which needs `behind_proxy = true` unless the address is loopback.
    pub address: String,
    /// An additional listener of plain HTTP, for use behind another TLS terminator. Needs `behind_proxy = true` unless
    /// its address is loopback.
    pub plain: Option<String>,
    /// Another proxy that terminates TLS stands in front: plain HTTP is enough, and the forwarded headers of
    /// `trusted_proxies` say who the client is. Legacy name: `BEHIND_PROXY`.
    pub behind_proxy: bool,
    /// Addresses or networks (CIDR) whose `X-Forwarded-For`, `Forwarded` and PROXY header are believed. The client is
    /// the rightmost address in the chain that is not in this list. From anyone else these headers are overwritten.
    #[schemars(with = "Vec<String>")]
    #[serde(deserialize_with = "units::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Connections from `trusted_proxies` start with a PROXY protocol header (version 1 or 2); others are closed.
    pub proxy_protocol: bool,
    /// Under which origins the gate itself is reached, for example `https://gate.example.com`: allowed for pages without
    /// being listed (see `origin.own`). Empty: the scheme, host and port of each request.
    pub public_origins: Vec<String>,
    /// Worker threads, each with a runtime and a listening socket of its own. 0: one per core.
    pub workers: usize,
    /// HTTP/2 for clients that ask for it by ALPN.
    pub http2: bool,
    /// WebSocket over HTTP/2 (RFC 8441, extended CONNECT). Browsers that see it use it for every WebSocket to this
    /// origin.
    pub http2_websocket: bool,
    /// Connections at once, in total. 0: 80 % of half the open-file limit.
    pub connections: usize,
    /// From accept to the end of the TLS handshake.
    pub tls_deadline: Period,
    /// From accept to the end of the PROXY header.
    pub proxy_deadline: Period,
    /// From the end of the TLS handshake to the first byte of a request.
    pub first_byte_deadline: Period,
    /// From the first byte of a request to the end of its head.
    pub head_deadline: Period,
    /// For a whole request body; it must also keep up 1 KiB a second.
    pub body_deadline: Period,
    /// How long a connection may idle between requests. Longer than the ping interval plus 20 s, so that polls find it open.
    pub keep_alive: Period,
    /// How long a client may leave what was written to it unread before it is cut off.
    pub write_deadline: Period,
    /// Size of a request line and its headers together.
    pub head_size: Size,
    /// Headers in a request.
    pub head_count: usize,
    /// Size of a request's path and query.
    pub url_size: Size,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8443".into(),
            plain: None,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            public_origins: Vec::new(),
            workers: 0,
            http2: true,
            http2_websocket: true,
            connections: 0,
            tls_deadline: Period::seconds(5),
            proxy_deadline: Period::seconds(2),
            first_byte_deadline: Period::seconds(5),
            head_deadline: Period::seconds(10),
            body_deadline: Period::seconds(15),
            keep_alive: Period::seconds(75),
            write_deadline: Period::seconds(30),
            head_size: Size::kibibytes(16),
            head_count: 64,
            url_size: Size::kibibytes(8),
        }
    }
}

/// How the gate leaves on SIGTERM.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// `/readyz` says 503 for this long while connections are still accepted, so that load balancers notice first.
    pub delay: Period,
    /// From the end of `delay` to exit. Sessions are closed spread over its first 80 %. Kubernetes kills after 30 s.
    pub grace: Period,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Period::seconds(0), grace: Period::seconds(25) }
    }
}
