//! Which packets get a line in the log: one a second for each rule of a session, whatever its client sends. The others are counted, and
//! told with the next line or when the session is gone; metrics count all. Pure.

use std::time::{Duration, Instant};

use crate::policy::Refusal;

/// What one session has had lines about.
#[derive(Debug, Default)]
pub(super) struct Notes {
    kinds: Vec<Kind>,
}

/// Lines that only differ in what the client chose.
#[derive(Debug)]
pub(super) struct Kind {
    pub refusal: Refusal,
    pub shadow: bool,
    pub rule: Box<str>,
    written: Instant,
    pub left_out: u64,
}

impl Notes {
    pub const NONE: Self = Self { kinds: Vec::new() };

    /// Whether a packet gets a line; then how many like it had none since the last.
    pub fn admit(&mut self, refusal: Refusal, shadow: bool, detail: &str, now: Instant) -> Option<u64> {
        let rule = rule_of(detail);
        let known = self.kinds.iter().position(|kind| kind.refusal == refusal && kind.shadow == shadow && *kind.rule == *rule);
        // Clients have some say in what a line tells: what comes after so many kinds shares the last one.
        let place = known.or_else(|| (self.kinds.len() >= KINDS).then_some(KINDS - 1));
        let Some(kind) = place.and_then(|place| self.kinds.get_mut(place)) else {
            self.kinds.push(Kind { refusal, shadow, rule: rule.into(), written: now, left_out: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(kind.written) < PAUSE {
            kind.left_out += 1;
            return None;
        }
        kind.written = now;
        Some(std::mem::take(&mut kind.left_out))
    }

    /// What no line has told.
    pub fn left_out(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(|kind| kind.left_out > 0)
    }
}

/// What is wrong, without the namespace and the event that it is wrong with.
fn rule_of(detail: &str) -> &str {
    let rule = detail.rsplit_once(": ").map_or(detail, |(_, rule)| rule);
    &rule[..rule.floor_char_boundary(LONGEST_RULE)]
}

const PAUSE: Duration = Duration::from_secs(1);
const KINDS: usize = 8;
const LONGEST_RULE: usize = 128;
