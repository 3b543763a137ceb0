mod access;
pub mod auth;
mod limit;
mod origin;
mod packets;
mod pattern;
mod payload;
mod revoke;
