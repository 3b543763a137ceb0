//! How long the app takes to answer events that ask for it.

use std::time::{Duration, Instant};

/// Answers that are waited for. The oldest is forgotten when there are too many: this measures and judges nothing.
#[derive(Debug, Default)]
pub(super) struct Acks(Vec<Waiting>);

#[derive(Debug)]
struct Waiting {
    namespace: u64,
    id: u64,
    since: Instant,
}

const MOST: usize = 16;

impl Acks {
    pub const NONE: Self = Self(Vec::new());

    pub fn asked(&mut self, namespace: &str, id: u64, now: Instant) {
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Waiting { namespace: mark(namespace), id, since: now });
    }

    pub fn answered(&mut self, namespace: &str, id: u64, now: Instant) -> Option<Duration> {
        let namespace = mark(namespace);
        let at = self.0.iter().position(|waiting| waiting.id == id && waiting.namespace == namespace)?;
        let since = self.0.swap_remove(at).since;
        if self.0.is_empty() {
            // Most sessions are idle most of the time.
            self.0 = Vec::new();
        }
        Some(now.saturating_duration_since(since))
    }
}

/// Namespaces apart, without keeping their names (FNV-1a).
fn mark(namespace: &str) -> u64 {
    namespace.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
