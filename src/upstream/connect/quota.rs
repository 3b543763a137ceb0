//! How many connections to members the whole gate may have. Clients alone do not bound it: one HTTP/2 connection carries many
//! requests, and each may hold a connection to an app.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

/// A bound that all workers share.
#[derive(Debug)]
pub struct Quota {
    open: AtomicUsize,
    most: usize,
}

/// One open connection: counts for its worker and against the quota until the first of those who hold it lets go of it.
#[derive(Clone, Debug)]
pub struct Tally(Arc<Place>);

#[derive(Debug)]
struct Place {
    quota: Arc<Quota>,
    worker: Arc<AtomicUsize>,
    is_free: AtomicBool,
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
        let place = Place { quota: self.clone(), worker: worker.clone(), is_free: AtomicBool::new(false) };
        let tally = Tally(Arc::new(place));
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
        let place = &self.0;
        if !place.is_free.swap(true, Relaxed) {
            place.quota.open.fetch_sub(1, Relaxed);
            place.worker.fetch_sub(1, Relaxed);
        }
    }
}
