//! `sockgate demo`: app servers, a gate before them, a certificate and a token, all in one process; then a tour of what the gate
//! does, by real clients over TLS, each step compared with what was expected. `show` tells the story; the others are its
//! cast: `apps` the app servers, `plan` the configuration, `client` who connects, `script` what is printed, `tour` the steps.

pub mod apps;
pub mod client;
pub mod connect;
pub mod plan;
pub mod script;
pub mod session;
pub mod show;
pub mod tour;

pub use show::demo;
