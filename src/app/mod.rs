//! Keeps the gate alive: workers that serve, a control thread that watches, reloads and, at the end, leaves in good order.

pub mod doors;
pub mod drain;
pub mod notify;
pub mod pulse;
pub mod rehearse;
pub mod reload;
pub mod run;
pub mod watch;
pub mod worker;
