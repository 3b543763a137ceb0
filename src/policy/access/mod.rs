//! Who may do what: join a namespace, send an event, receive one, ask for a path; and what an event may bring. `Book` holds the
//! rules of one route and decides; `payload` judges the data of events by schemas. Pure, and cheap where there are no rules.

mod book;
mod circles;
mod index;
mod keywords;
mod payload;
mod rule;
mod schema;

pub use crate::config::access::AccessProblem;
pub use book::{Book, Decision};
pub use payload::{Misfit, Payload, Payloads};
pub use rule::RuleId;
