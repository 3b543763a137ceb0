//! The life of the process: leaving, taking a new configuration.

mod drain;
mod reload;
mod watch;
