//! A panic is a bug of ours. It ends what it happened in and nothing else: whoever runs something that must not take its
//! neighbours along runs it in here, and it is counted and logged in one way. What unwound is not looked at again.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use super::Metrics;

/// It ended by a panic, which is counted and logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Panicked;

/// Runs `act` to its end or its panic.
pub fn catch<T>(metrics: &Metrics, act: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        metrics.panics.inc();
        tracing::error!(panic = text_of(&*panic), "a bug of the gate ended a request or its connection");
        Panicked
    })
}

/// The same for a future. Dropping it drops the future.
pub async fn caught<T>(metrics: &Metrics, future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    poll_fn(|task| match catch(metrics, || future.as_mut().poll(task)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// What `panic!` and `expect` said; other payloads are not ours.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no text",
    }
}
