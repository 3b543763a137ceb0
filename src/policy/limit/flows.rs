//! How much: a rate of bytes per key, in this process alone, kept in capped `buckets` like the rates of `local`. governor counts
//! whole cells of at most 2^32 and refuses for ever what is larger than a burst, so the arithmetic is that of `pace`.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use prometheus_client::metrics::counter::Counter;

use super::{buckets::Buckets, key::Key, pace::Pace};
use crate::config::Flow;

/// A flow for each of many keys.
pub struct Flows {
    flow: Flow,
    keys: Arc<AtomicUsize>,
    /// Buckets count from here.
    epoch: Instant,
    /// `None` when the flow is off.
    buckets: Option<(Pace, Buckets)>,
}

impl Flows {
    /// `keys` buckets at most; `overflowed` counts the judgements that the shared bucket made.
    pub fn new(flow: Flow, keys: usize, overflowed: Counter, now: Instant) -> Self {
        let keys = Arc::new(AtomicUsize::new(keys));
        let buckets = Pace::of_flow(flow).map(|pace| (pace, Buckets::new(Arc::clone(&keys), overflowed)));
        Self { flow, keys, epoch: now, buckets }
    }

    /// Takes so many bytes from the bucket of `key`, or says how long until they are there.
    pub fn admit(&self, key: Key, bytes: u64, now: Instant) -> Result<(), Duration> {
        let Some((pace, buckets)) = &self.buckets else { return Ok(()) };
        let now = nanos(self.epoch, now);
        buckets.measure_and_replace(&key, |bucket| {
            pace.take(bucket.map_or(0, Nanos::as_u64), bytes, now).map(|after| ((), Nanos::new(after)))
        })
    }

    /// Takes bytes that passed already. Whoever comes next with this key waits for them.
    pub fn owe(&self, key: Key, bytes: u64, now: Instant) {
        let Some((pace, buckets)) = &self.buckets else { return };
        let now = nanos(self.epoch, now);
        let owed = buckets.measure_and_replace(&key, |bucket| {
            Ok::<_, Infallible>(((), Nanos::new(pace.owe(bucket.map_or(0, Nanos::as_u64), bytes, now))))
        });
        match owed {
            Ok(()) => {}
        }
    }

    /// Forgets the keys whose bucket is full again. Milliseconds for 100,000 keys: not for a thread that carries traffic.
    pub fn sweep(&self, now: Instant) {
        let Some((_, buckets)) = &self.buckets else { return };
        buckets.retain_recent(Nanos::new(nanos(self.epoch, now)));
        buckets.shrink_to_fit();
    }

    /// A new cap for the same buckets. Keys beyond it stay until they are swept.
    pub fn set_keys(&self, keys: usize) {
        self.keys.store(keys, Ordering::Relaxed);
    }

    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Keys remembered now.
    pub fn keys(&self) -> usize {
        self.buckets.as_ref().map_or(0, |(_, buckets)| buckets.len())
    }
}

/// A moment as buckets count it: nanoseconds after an epoch, which no program outlives.
pub(super) fn nanos(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}
