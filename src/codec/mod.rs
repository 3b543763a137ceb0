//! Bytes and their meaning: Engine.IO packets, polling bodies, JSON, WebSocket frames and closings. Pure: no

pub mod close;
pub mod engine;
pub mod frame;
pub mod json;
pub mod payload;
