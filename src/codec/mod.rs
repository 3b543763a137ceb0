//! Bytes and their meaning: Engine.IO packets, polling bodies, WebSocket frames and closings. Pure: no clock, no runtime, no
//! socket; every function here is fed hostile bytes by its tests and fuzz targets.

pub mod close;
pub mod engine;
pub mod frame;
pub mod json;
pub mod payload;
