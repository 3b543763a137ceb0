//! How often: a rate per key by governor's leaky bucket (GCRA), in this process alone. governor neither forgets keys nor
//! bounds them, so this adds both: a cap, beyond which all newcomers share one bucket, and `sweep`, which its owner calls
//! now and then. Time is what the caller says it is.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

use prometheus_client::metrics::counter::Counter;

use super::key::Key;
use crate::config::units::Rate;

/// A rate for each of many keys.
pub struct Local {
    rate: Rate,
    keys: Arc<AtomicUsize>,
    /// `None` when the rate is off.
    buckets: Option<RateLimiter<Key, Buckets, Told, NoOpMiddleware<Nanos>>>,
}

impl Local {
    /// `keys` buckets at most; `overflowed` counts the judgements that the shared bucket made.
    pub fn new(rate: Rate, keys: usize, overflowed: Counter, now: Instant) -> Self {
        let keys = Arc::new(AtomicUsize::new(keys));
        let buckets = quota(rate).map(|quota| {
            let store = Buckets {
                own: DashMapStateStore::default(),
                shared: InMemoryState::default(),
                keys: Arc::clone(&keys),
                overflowed,
            };
            RateLimiter::new(quota, store, Told::from(now))
        });
        Self { rate, keys, buckets }
    }

    /// Takes one from the bucket of `key`, or says how long until there is one.
    pub fn admit(&self, key: Key, now: Instant) -> Result<(), Duration> {
        let Some(buckets) = &self.buckets else { return Ok(()) };
        buckets.clock().tell(now);
        buckets.check_key(&key).map_err(|not_until| not_until.wait_time_from(buckets.clock().now()))
    }

    /// Forgets the keys whose bucket is full again, and gives their memory back. Milliseconds for 100,000 keys: not for
    /// a thread that carries traffic.
    pub fn sweep(&self, now: Instant) {
        let Some(buckets) = &self.buckets else { return };
        buckets.clock().tell(now);
        buckets.retain_recent();
        buckets.shrink_to_fit();
    }

    /// A new cap for the same buckets. Keys beyond it stay until they are swept.
    pub fn set_keys(&self, keys: usize) {
        self.keys.store(keys, Ordering::Relaxed);
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Keys remembered now.
    pub fn keys(&self) -> usize {
        self.buckets.as_ref().map_or(0, RateLimiter::len)
    }
}

/// governor asks a clock; this one answers with the latest time it was told. Threads that race may see a time of another
/// that is later by their race: never an earlier one, so a bucket never refills twice.
struct Told {
    epoch: Instant,
    nanos: AtomicU64,
}

impl From<Instant> for Told {
    fn from(epoch: Instant) -> Self {
        Self { epoch, nanos: AtomicU64::new(0) }
    }
}

impl Told {
    fn tell(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.epoch).as_nanos();
        self.nanos.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX / 4), Ordering::Relaxed);
    }
}

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.nanos.load(Ordering::Relaxed))
    }
}

/// Buckets with a cap. The cap is soft by as many keys as threads arrive with a new one at the same moment.
struct Buckets {
    own: DashMapStateStore<Key>,
    shared: InMemoryState,
    keys: Arc<AtomicUsize>,
    overflowed: Counter,
}

impl StateStore for Buckets {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // The guard of `get` locks a part of the map: it must be gone before `len` or `entry` lock it again.
        if let Some(bucket) = self.own.get(key) {
            return bucket.measure_and_replace(&NotKeyed::NonKey, judge);
        }
        if self.own.len() >= self.keys.load(Ordering::Relaxed) {
            self.overflowed.inc();
            return self.shared.measure_and_replace(&NotKeyed::NonKey, judge);
        }
        self.own.entry(*key).or_default().measure_and_replace(&NotKeyed::NonKey, judge)
    }
}

impl ShrinkableKeyedStateStore<Key> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.own.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        self.own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.own.len()
    }

    fn is_empty(&self) -> bool {
        self.own.is_empty()
    }
}

fn quota(rate: Rate) -> Option<Quota> {
    let Rate::Limited { count, per, burst } = rate else { return None };
    let one_per = (per / count.max(1)).max(Duration::from_nanos(1));
    // governor multiplies the burst by this time and adds the result to a clock, in 64 bits of nanoseconds.
    let most = (LONGEST_REFILL.as_nanos() / one_per.as_nanos()).max(1);
    let burst = u32::try_from(most).unwrap_or(u32::MAX).min(burst);
    Some(Quota::with_period(one_per)?.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN)))
}

/// A bucket that takes longer than this to fill (about 73 years) is cut: the sums of nanoseconds must not overflow.
const LONGEST_REFILL: Duration = Duration::from_nanos(1 << 61);
