//! The life of the process: leaving, taking a new configuration, serving under a service manager.

mod drain;
mod inherited;
mod pulse;
mod reload;
mod told;
mod watch;
