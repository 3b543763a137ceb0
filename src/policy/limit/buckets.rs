//! One leaky bucket per key, in governor's stores. governor neither forgets keys nor bounds them, so this adds both: a cap,
//! beyond which all newcomers share one bucket, and what `sweep` of the rates that stand on it needs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use governor::{
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};
use prometheus_client::metrics::counter::Counter;

use super::key::{Hashed, Key};

/// Buckets with a cap. The cap is soft by as many keys as threads arrive with a new one at the same moment.
pub(super) struct Buckets {
    own: DashMapStateStore<Key, Hashed>,
    shared: InMemoryState,
    keys: Arc<AtomicUsize>,
    overflowed: Counter,
}

impl Buckets {
    /// `keys` buckets at most; `overflowed` counts the judgements that the shared bucket made.
    pub(super) fn new(keys: Arc<AtomicUsize>, overflowed: Counter) -> Self {
        Self { own: DashMapStateStore::default(), shared: InMemoryState::default(), keys, overflowed }
    }
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
