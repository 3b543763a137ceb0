mod access;
pub mod auth;
mod limit;
mod origin;
