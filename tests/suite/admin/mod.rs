//! The operator's door, through the real program.

mod deeds;
mod door;
mod revoke;
mod sessions;
