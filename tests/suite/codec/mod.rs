//! Bytes and their meaning: tables, round trips, hostile bytes.

mod close;
mod engine;
mod frame;
mod json;
mod msgpack;
mod payload;
mod payload3;
mod socket;
