//! May it pass: which page, whose token, who may do what, how often, and whether it was taken back. Each judge returns
//! evidence or a reason; the reasons meet in
//! `refusal`, the one place that knows what a client is told.

pub mod access;
pub mod auth;
pub mod limit;
pub mod origin;
pub mod refusal;
pub mod revoke;
pub mod wild;

pub use refusal::{Refusal, Refused};
