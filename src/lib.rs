//! sockgate: a gate for real-time apps. It stands in front of Socket.IO and WebSocket servers, terminates TLS, decides
//! which pages may connect, checks who asks, holds everyone to limits and carries the traffic to the right app server.
//!
//! The modules stand in the order of the stairs: each uses what is declared above it and never what is below
//! (`tests/suite/architecture.rs` holds this). A request climbs them once: bytes (`net`), message (`http`), judgement
//! (`policy`), direction (`upstream`), carriage (`relay`); `gate` tells that story, `app` keeps it alive, `admin`
//! watches, `cli` is the door.

#![forbid(unsafe_code)]

pub mod config;
pub mod codec;
pub mod telemetry;
pub mod net;
pub mod http;
pub mod policy;
pub mod upstream;
pub mod relay;
pub mod gate;
pub mod admin;
pub mod app;
pub mod cli;
