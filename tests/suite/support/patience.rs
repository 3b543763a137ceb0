//! Waiting for the thing itself, with patience and a clear message when it does not come. The one place in the suite where
//! time is slept away, a few milliseconds at a time between two looks.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// Longer than anything here takes on a busy machine with two cores.
pub const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks until there is something to see.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < until, "it did not come in {PATIENCE:?}: {what}");
        sleep(BETWEEN_LOOKS).await;
    }
}

/// Waits for one thing that must happen.
pub async fn within<T>(what: &str, happening: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, happening).await {
        Ok(happened) => happened,
        Err(_) => panic!("it did not come in {PATIENCE:?}: {what}"),
    }
}
