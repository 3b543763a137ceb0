//! Whose turn it is while a request's body is on its way: the client's, who sends it, or the member's, who takes it. Each is
//! blamed only for its own time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::time::{sleep, sleep_until};

/// What the body notes while it is sent. Dropped with it, which is when all of it is out.
#[derive(Debug, Default)]
pub struct Turn(Arc<Times>);

/// A body that is still on its way, as the exchange sees it.
#[derive(Debug)]
pub struct Upload(Arc<Times>);

#[derive(Debug)]
struct Times {
    began: Instant,
    /// Since when it is the member's turn, in milliseconds after `began` plus one; 0 while it is the client's.
    members: AtomicU64,
}

impl Default for Times {
    fn default() -> Self {
        Self { began: Instant::now(), members: AtomicU64::new(0) }
    }
}

impl Times {
    fn since(&self) -> Option<Instant> {
        let millis = self.members.load(Relaxed).checked_sub(1)?;
        Some(self.began + Duration::from_millis(millis))
    }
}

impl Turn {
    pub fn watch(&self) -> Upload {
        Upload(self.0.clone())
    }

    /// The body is asked for more: how long the member took for what it had.
    pub fn is_clients(&self) -> Duration {
        let waited = self.0.since().map_or(Duration::ZERO, |since| since.elapsed());
        self.0.members.store(0, Relaxed);
        waited
    }

    /// The member has got something to take.
    pub fn is_members(&self) {
        let millis = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.0.members.store(millis + 1, Relaxed);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What is left to do is the answer.
        self.is_members();
    }
}

/// Resolves when a member has let us wait for longer than `patience`.
pub(super) async fn overdue(upload: Option<Upload>, patience: Duration) {
    let Some(Upload(times)) = upload else { return sleep(patience).await };
    loop {
        match times.since().map(|since| since + patience) {
            // Its turn cannot have begun before now, so by then it is known when it ends.
            None => sleep(patience).await,
            Some(due) if due > Instant::now() => sleep_until(due.into()).await,
            Some(_) => return,
        }
    }
}
