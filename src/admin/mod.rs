//! The operator's door: probes, metrics and status, on an address of its own and never on the public listener.

pub mod health;
pub mod server;

pub use server::Admin;
