pub mod auth;
mod limit;
mod origin;
mod revoke;
