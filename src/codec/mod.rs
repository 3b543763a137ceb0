//! Bytes and their meaning: Engine.IO and Socket.IO packets, polling bodies, JSON, WebSocket frames and closings. Pure: no
//! clock, no runtime, no socket; every function here is fed hostile bytes by its tests and fuzz targets.

pub mod close;
pub mod engine;
pub mod frame;
pub mod json;
pub mod msgpack;
pub mod payload;
pub mod payload3;
pub mod socket;
pub mod strict;
