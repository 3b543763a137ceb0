//! How often: a rate per key by governor's leaky bucket (GCRA), in this process alone, kept in capped `buckets`. Its owner
//! calls `sweep` now and then. Time is what the caller says it is.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos};

use prometheus_client::metrics::counter::Counter;

use super::{buckets::Buckets, key::Key};
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
        let store = || Buckets::new(Arc::clone(&keys), overflowed);
        let buckets = quota(rate).map(|quota| RateLimiter::new(quota, store(), Told::from(now)));
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
