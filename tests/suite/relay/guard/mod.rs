//! The judge of a session by itself: lists of packets, and numbers for time.

mod acks;
mod binary;
mod ends;
mod events;
mod habit;
mod holding;
mod hostile;
mod joining;
mod limits;
mod packed;
mod payloads;
mod properties;
mod receiving;
mod refresh;
mod renewal;
pub mod stage;
mod unread;
mod vectors;
