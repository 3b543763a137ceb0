//! The judge of one session: every packet of both sides, over both transports, is shown to it and goes on only as it says.
//! Pure: time is an argument, and what it wants said or found out waits in a queue for whoever drives it (`relay/judged`).
//! It fails closed: of a client nothing goes on that it cannot read as the one canonical form of a packet, so that what was
//! judged and what the app reads cannot differ.

mod acks;
mod apps;
mod asked;
mod attachments;
mod clients;
mod connect;
mod core;
mod ends;
mod events;
mod habit;
mod notes;
mod payloads;
mod placeholders;
mod rules;
mod say;
mod seldom;
mod spaces;
mod spoken;
mod tally;
mod three;
mod verdict;

pub use self::core::{Guard, Start};
pub use rules::Rules;
pub use tally::Tally;
pub use verdict::{Extent, Message, Out, Purpose, Question, Seen, Side, Verdict, Wire};
