//! How often, how much and how many: rates per address and per user, sessions at once, handshakes on their way, and the messages
//! of sessions. Everything is counted in this process and bounded by `limit.keys`; `Limiter` is the face, `packets` the one for
//! judged sessions, the rest is what they stand on.

mod buckets;
pub mod count;
pub mod flows;
pub mod key;
pub mod limiter;
pub mod local;
pub mod pace;
pub mod packets;

pub use key::Key;
pub use limiter::{Bound, Full, Limiter, Permit, Wait};
pub use packets::{Bounds, Excess, Meter, PacketLimits, Payer};
