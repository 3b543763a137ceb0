//! Whether the client of one HTTP/2 stream takes what it is given. A client that opens no window keeps its answer from being
//! polled, and with it everything the answer holds; the connection meanwhile is busy and well. So each stream has its own
//! deadline for what was given and not asked beyond.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{sync::Notify, time::sleep_until};

use super::body::{Body, BodyError};

tokio::task_local! {
    /// Of the stream whose task this is.
    pub static PACE: Arc<Pace>;
}

/// One stream's deadline.
#[derive(Debug)]
pub struct Pace {
    born: Instant,
    patience: Duration,
    /// Until when what was given must be taken, in milliseconds after `born` plus one; 0 when nothing is.
    due: AtomicU64,
    /// Something was given.
    given: Notify,
}

/// An answer's body whose client is watched.
pub struct Paced {
    inner: Body,
    pace: Option<Arc<Pace>>,
}

impl Pace {
    pub fn new(patience: Duration) -> Self {
        Self { born: Instant::now(), patience, due: AtomicU64::new(0), given: Notify::new() }
    }

    /// Resolves when the client has let something wait for too long.
    pub async fn stalled(&self) {
        loop {
            self.given.notified().await;
            while let Some(due) = self.due() {
                if due <= Instant::now() {
                    return;
                }
                sleep_until(due.into()).await;
            }
        }
    }

    fn give(&self, bytes: usize) {
        // Much may take longer than little.
        let patience = self.patience.max(Duration::from_secs(bytes as u64 / BYTES_PER_SECOND));
        let due = (self.born.elapsed() + patience).as_millis();
        self.due.store(u64::try_from(due).unwrap_or(u64::MAX - 1) + 1, Relaxed);
        self.given.notify_one();
    }

    fn take(&self) {
        self.due.store(0, Relaxed);
    }

    fn due(&self) -> Option<Instant> {
        let millis = self.due.load(Relaxed).checked_sub(1)?;
        Some(self.born + Duration::from_millis(millis))
    }
}

impl Paced {
    /// Made in the task of its stream.
    pub fn new(inner: Body) -> Self {
        Self { inner, pace: PACE.try_with(Arc::clone).ok() }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // Whoever asks has room for more.
        if let Some(pace) = &this.pace {
            pace.take();
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(task));
        if let (Some(Ok(frame)), Some(pace)) = (&frame, &this.pace)
            && !this.inner.is_end_stream()
        {
            pace.give(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Slower than this is not slow but stuck.
const BYTES_PER_SECOND: u64 = 1024;
