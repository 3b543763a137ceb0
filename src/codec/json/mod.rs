//! JSON as RFC 8259 has it and nothing else, checked while it passes: the data of Socket.IO packets. What servers read
//! differently (NaN, what follows the value, bytes that are not UTF-8) is refused here, so that what was judged and what the
//! app parses cannot differ. Nothing is kept but the kinds of the open brackets, one bit each: a packet of any size costs no
//! memory, and depth costs no stack. Called by `relay` on the pieces of a message as they come.

mod error;
mod scanner;
mod strings;

pub use error::JsonError;
pub use scanner::{MOST_DEPTH, Scanner, Top};
pub use strings::text;
