//! Whether the workers still go round. Each has a heart, a task that answers when it is asked; a worker that is stuck in
//! anything does not come to it. With a service manager that keeps a watchdog, all are asked twice in its time, from the
//! control thread, and only when all answer is the manager told that the gate is alive.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::notify;
use crate::gate::Gate;

/// The side that asks.
#[derive(Clone, Debug)]
pub struct Pulse(mpsc::Sender<oneshot::Sender<()>>);

/// The side of the worker.
#[derive(Debug)]
pub struct Heart(mpsc::Receiver<oneshot::Sender<()>>);

/// What was felt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Felt {
    Alive,
    /// It does not answer.
    Silent,
    /// There is no such worker any more.
    Gone,
}

/// The two sides for one worker.
pub fn pair() -> (Pulse, Heart) {
    let (asks, asked) = mpsc::channel(1);
    (Pulse(asks), Heart(asked))
}

impl Heart {
    /// Answers as long as its worker goes round.
    pub async fn beat(mut self) {
        while let Some(asked) = self.0.recv().await {
            // Who asked may have lost patience.
            let _ = asked.send(());
        }
    }
}

impl Pulse {
    /// Asks, and waits for the answer up to `end`.
    pub async fn feel(&self, end: Instant) -> Felt {
        let (answer, answered) = oneshot::channel();
        let asked = async { self.0.send(answer).await.is_ok() && answered.await.is_ok() };
        match timeout_at(end, asked).await {
            Ok(true) => Felt::Alive,
            Ok(false) => Felt::Gone,
            Err(_) => Felt::Silent,
        }
    }
}

/// The first worker that is not well, by its number. A gate that leaves may have sent workers home.
pub async fn unwell(pulses: &[Pulse], within: Duration, is_leaving: impl Fn() -> bool) -> Option<(usize, Felt)> {
    let end = Instant::now() + within;
    for (number, pulse) in pulses.iter().enumerate() {
        match pulse.feel(end).await {
            Felt::Alive => {}
            Felt::Gone if is_leaving() => {}
            felt => return Some((number, felt)),
        }
    }
    None
}

/// Tells the service manager within each `patience` that the gate is alive, while it is.
pub async fn watchdog(patience: Duration, pulses: Vec<Pulse>, gate: Arc<Gate>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(patience / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match unwell(&pulses, patience / 4, || gate.is_leaving()).await {
            None => notify::alive(),
            Some((worker, felt)) => {
                tracing::error!(
                    worker,
                    ?felt,
                    "a worker is not well: the service manager's watchdog is not told that the gate is alive"
                );
            }
        }
    }
}
