//! The operator's door: probes, metrics and status, sessions and revocations, on an address of its own and never on the public
//! listener.

mod answer;
mod ask;
pub mod health;
pub mod reload;
mod revocations;
pub mod server;
mod sessions;

pub use server::Admin;
