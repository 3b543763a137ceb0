//! What single packets may be and how often they may come: `PacketLimits` are the rules of one generation and the buckets that
//! sessions share, a `Meter` is what one session has used. Pure: whoever judges a session tells the time and does what an
//! `Excess` asks for.

mod event;
mod limits;
mod meter;
mod names;

pub use limits::{Bounds, PacketLimits, Payer};
pub use meter::Meter;
pub use names::Excess;
