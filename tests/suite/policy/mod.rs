mod access;
pub mod auth;
mod limit;
mod origin;
mod packets;
mod payload;
mod revoke;
