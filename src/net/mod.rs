//! Connections before they are messages: listening, accepting, PROXY headers, TLS, dialing.

pub mod accept;
pub mod arrive;
pub mod clock;
pub mod dial;
pub mod inherit;
pub mod listen;
pub mod peer;
pub mod proxy;
pub mod stream;
pub mod tls;

pub use peer::Peer;
pub use stream::{Stream, Timed};
