//! Carrying what has been judged: the plain exchange, polling, WebSocket. Nothing is carried without an [`Admission`], whose
//! parts only their judges can make, so no check can be walked around.

pub mod admission;
pub mod carry;
pub mod errand;
pub mod exchange;
pub mod frames;
pub mod front;
pub mod guard;
pub mod judged;
pub mod knock;
pub mod late;
pub mod ledger;
pub mod live;
pub mod outgoing;
pub mod polling;
pub mod reason;
pub mod seal;
pub mod seating;
pub mod session;
pub mod websocket;

pub use admission::{Admission, Asked, Venue};
pub use ledger::Ledger;
pub use reason::Reason;
pub use seal::Sealer;
pub use session::Session;
