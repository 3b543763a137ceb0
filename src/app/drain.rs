//! Leaving in good order: say so, let load balancers notice, stop accepting, then close sessions one after the other over most
//! of the grace period, so that their reconnects do not arrive elsewhere as one wave.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::worker::Words;
use crate::{
    gate::Gate,
    relay::{Reason, Session},
};

/// Sessions are told to go over this share of the grace period; the rest is for goodbyes.
const SPREAD: f64 = 0.8;
/// How often it is looked whether everybody has gone.
const GLANCE: Duration = Duration::from_millis(50);
/// Clients poll again at once; this allows for a slow network.
const BETWEEN_POLLS: Duration = Duration::from_secs(2);
/// From a connection to its first request, with a TLS handshake over a usual network.
const LAST_ARRIVALS: Duration = Duration::from_millis(500);
/// Sessions told to go at a time: many at once would make their reconnects one wave, each alone one timer a session.
const LONGEST_STEP: Duration = Duration::from_millis(100);

/// Leaves within `delay` plus `grace`. Returns when nothing is left or the time is over.
pub async fn leave(gate: &Arc<Gate>, words: &Words, delay: Duration, grace: Duration) {
    gate.leave();
    let sessions = gate.ledger.count();
    tracing::info!(
        polling = sessions.polling,
        websocket = sessions.websocket,
        delay_ms = delay.as_millis() as u64,
        grace_ms = grace.as_millis() as u64,
        "leaving"
    );
    sleep(delay).await;
    let end = Instant::now() + grace;
    gate.close();
    words.close.cancel();
    // Who was accepted at the last moment is served: under a service manager that holds the socket everybody after them waits for
    // the next gate, and nobody between the two should be refused.
    sleep(LAST_ARRIVALS.min(grace.mul_f64((1.0 - SPREAD) / 2.0))).await;
    gate.shut();
    tell_all(gate, grace.mul_f64(SPREAD)).await;
    // A client that has been told nothing yet, for it was between two polls, hears it on the connection it has.
    until(end - grace.mul_f64((1.0 - SPREAD) / 2.0), || have_heard(gate)).await;
    words.finish.cancel();
    // A session may have been entered while the others were told.
    tell_all(gate, Duration::ZERO).await;
    until(end, || is_empty(gate)).await;
    let left = gate.ledger.count();
    if Instant::now() >= end && left.polling + left.websocket > 0 {
        tracing::warn!(polling = left.polling, websocket = left.websocket, "the grace period is over; these sessions are cut");
    }
}

async fn tell_all(gate: &Gate, spread: Duration) {
    let sessions = gate.ledger.live();
    let began = Instant::now();
    let count = sessions.len().max(1) as f64;
    let mut told = began;
    for (index, session) in sessions.into_iter().enumerate() {
        let due = began + spread.mul_f64(index as f64 / count);
        if due > told + LONGEST_STEP.min(spread) {
            sleep_until(due).await;
            told = due;
        }
        session.ending.tell(Reason::Draining);
    }
}

async fn until(end: Instant, is_so: impl Fn() -> bool) {
    while Instant::now() < end && !is_so() {
        sleep(GLANCE).await;
    }
}

/// A client between two polls comes back within a moment and hears that its session is over; one that has been silent for
/// longer has left, and there is nobody to tell.
fn have_heard(gate: &Gate) -> bool {
    let now = std::time::Instant::now();
    let is_gone = |session: &Arc<Session>| !session.is_attended() && session.idle(now) > BETWEEN_POLLS;
    gate.ledger.live().iter().all(is_gone)
}

fn is_empty(gate: &Gate) -> bool {
    have_heard(gate) && gate.in_flight() == 0 && gate.load().tasks == 0
}
