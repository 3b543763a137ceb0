//! Connections to members: fresh ones for WebSocket handshakes, and exchanges of one request for one answer over
//! connections that are kept for a while. A connection goes back only after its answer was read to a clean end; whatever
//! else happens to it (an answer dropped half way, a doubtful byte, a deadline) closes it, so that a client that hangs up
//! hangs up at the app too, and no byte meant for one client can reach another.

mod answer;
mod exchange;
mod handshake;
mod keep;
mod quota;
mod suspect;
mod upload;
mod wire;

pub(in crate::upstream) use exchange::ask;

pub use answer::AnswerBody;
pub use exchange::{Connections, Silence, Terms};
pub use handshake::{Shaken, shake_hands};
pub use keep::ReuseKey;
pub use quota::{Quota, Tally};
pub use suspect::Fault;
pub use upload::{Turn, Upload};
pub use wire::ExchangeError;
