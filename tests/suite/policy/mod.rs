pub mod auth;
mod limit;
mod origin;
