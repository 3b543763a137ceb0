//! Who may do what: join a namespace, send an event, receive one, ask for a path. `Book` holds the rules of one route and
//! decides; `wild` compares names with patterns. Pure, and cheap where there are no rules.

mod book;
mod rule;
mod wild;

pub use crate::config::access::AccessProblem;
pub use book::{Book, Decision};
pub use rule::RuleId;

/// The comparison by itself, for whoever tries to break it.
pub use wild::matches;
