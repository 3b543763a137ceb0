//! Who is at the other end of a client connection, as far as the connection itself can tell. Headers may say more:
//! `http/forwarded` decides whether they are believed.

use std::net::IpAddr;

/// The other end of one client connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Its address: of the PROXY header where one was believed, else of the socket.
    pub address: IpAddr,
    /// Its port, from the same place.
    pub port: u16,
    /// Whether the connection is TLS, ended here.
    pub secure: bool,
    /// Whether HTTP/2 was agreed on.
    pub http2: bool,
    /// Whether its TLS handshake went on from an earlier one.
    pub resumed: bool,
}
