//! The operator's door, through the real program.

mod door;
