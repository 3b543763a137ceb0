//! How many connections to members the whole gate may have. Clients alone do not bound it: one HTTP/2 connection carries many
//! requests, and each may hold a connection to an app.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A bound that all workers share.
#[derive(Debug)]
pub struct Quota {
    open: AtomicUsize,
    most: usize,
}

/// One open connection: counts for its worker and against the quota for as long as it lives.
#[derive(Debug)]
pub struct Tally {
    quota: Arc<Quota>,
    worker: Arc<AtomicUsize>,
}

impl Quota {
    pub fn new(most: usize) -> Self {
        Self { open: AtomicUsize::new(0), most }
    }

    /// Takes one connection's place. `None`: there is none left.
    pub(super) fn take(self: &Arc<Self>, worker: &Arc<AtomicUsize>) -> Option<Tally> {
        // Counted first: what is turned away gives its place back by being dropped.
        let before = self.open.fetch_add(1, Relaxed);
        worker.fetch_add(1, Relaxed);
        let tally = Tally { quota: self.clone(), worker: worker.clone() };
        (before < self.most).then_some(tally)
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.quota.open.fetch_sub(1, Relaxed);
        self.worker.fetch_sub(1, Relaxed);
    }
}
