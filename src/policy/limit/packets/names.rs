//! What is said of a packet that is too many or too large. Every limit has one stable name, the same in log, metric and the
//! client's acknowledgement: `limit.messages_per_user`, `limit.event[1]`, `limit.event[1].size`.

use std::time::Duration;

use crate::config::limit::{MOST_EVENT_LIMITS, Over};

/// A packet above a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Excess {
    pub over: Over,
    /// When the same packet would pass. Zero: never, it is too large.
    pub retry_after: Duration,
    /// The limit's name. A number counts the route's `[[limit.event]]` from 0.
    pub bound: &'static str,
}

impl Excess {
    /// For a client that waits in whole milliseconds: never too short.
    pub fn retry_after_ms(&self) -> u64 {
        u64::try_from(self.retry_after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

pub(super) const MESSAGES_PER_SESSION: &str = "limit.messages_per_session";
pub(super) const MESSAGES_PER_USER: &str = "limit.messages_per_user";
pub(super) const BYTES_PER_USER: &str = "limit.bytes_per_user";

/// The names of an event limit by its place: of its rate, and of its size. `None`: the check of the configuration refuses so
/// many.
pub(super) fn of_event(place: usize) -> Option<(&'static str, &'static str)> {
    EVENTS.get(place).copied()
}

macro_rules! events {
    ($($place:literal)*) => {
        [$((concat!("limit.event[", $place, "]"), concat!("limit.event[", $place, "].size")),)*]
    };
}

const EVENTS: [(&str, &str); MOST_EVENT_LIMITS] = events![
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
];
