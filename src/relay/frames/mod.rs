//! The carriage of an open WebSocket: moves bytes both ways between a client and an app server, frame by frame and never
//! as a blind pipe. Frame headers are checked and followed ([`crate::codec::frame`]); payload bytes are forwarded as they
//! came. Because boundaries are known, the gate can count messages, bound them, and put a close frame or a ping of its own
//! between two frames. In a judged session each message goes on by a guard's leave alone, which is shown its beginning ([`sieve`]).
//!
//! An idle carriage owns no buffers: reads go through one scratch buffer per thread, and only what a slow socket did not
//! take is kept, with reading paused until it did. One timer serves every deadline.

mod carriage;
mod court;
mod deadlines;
mod goodbye;
mod hearing;
mod judge;
mod opening;
mod output;
mod shown;
pub mod sieve;
mod terms;
mod undecided;
mod way;
mod words;

pub use carriage::Carriage;
pub use court::{Judging, Settle};
pub use opening::{FirstText, first_text};
pub use terms::{Ended, Exchanged, Moved, Opening, Terms, Unreached};
