//! How often and how many: rates per address and per user, sessions at once, handshakes on their way. Everything is
//! counted in this process and bounded by `limit.keys`; `Limiter` is the face, the rest is what it stands on.

pub mod count;
pub mod key;
pub mod limiter;
pub mod local;

pub use key::Key;
pub use limiter::{Bound, Full, Limiter, Permit, Wait};
