//! The test suite: one binary whose modules mirror `src`. Pure parts get tables, properties and hostile bytes; the whole
//! gate runs as the real program between real sockets.

// Tables of cases are read in place; a name for each of their types would only hide them.
#![allow(clippy::type_complexity)]

mod admin;
mod app;
mod architecture;
mod cli;
mod codec;
mod config;
mod gate;
mod http;
mod net;
mod packaging;
mod policy;
mod relay;
mod support;
mod telemetry;
mod upstream;
