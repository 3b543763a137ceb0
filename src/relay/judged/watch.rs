//! Who sees to a polling session while nobody asks for it. Between two polls its client is not there, but its end may come all
//! the same: it is killed, revoked, its token expires, it has lasted too long. One small task for each such session hears of it
//! and ends it at once, for the app, for limits, lists and metrics; the client is told when it comes the next time
//! (`Desk::lingers`). A session that a WebSocket carries is seen to by its carriage.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Judged, desk::Desk, polling::MOMENT, visit::Visit};
use crate::{
    relay::{Reason, Session, admission::Bench},
    telemetry::{Metrics, panic},
};

/// Where nothing is due: whoever changes that gives word.
const LONGEST: Duration = Duration::from_secs(60);

/// Begins to see to a session, as long as it polls.
pub fn begin(bench: &Arc<Bench>, metrics: &Arc<Metrics>, session: &Arc<Session>) {
    let Some(judged) = session.judged.clone() else { return };
    let Some(desk) = judged.desk().cloned() else { return };
    let (stop, metrics) = (bench.stop.clone(), metrics.clone());
    let watching = watch(bench.clone(), session.clone(), judged, desk);
    bench.tasks.spawn(async move {
        let _ = stop.run_until_cancelled(panic::caught(&metrics, watching)).await;
    });
}

async fn watch(bench: Arc<Bench>, session: Arc<Session>, judged: Arc<Judged>, desk: Arc<Desk>) {
    loop {
        let Some((venue, speaker)) = desk.voice() else { return };
        let visit =
            Visit { bench: bench.clone(), venue, session: session.clone(), judged: judged.clone(), desk: desk.clone(), speaker };
        let again = visit.look();
        if desk.has_for_client() {
            // A poll that waits may not know yet.
            desk.poll.notify_one();
        }
        // Kept while it waits, it would keep a request that has long been answered.
        drop(visit);
        // A leaving gate has its own way with those that poll.
        if session.is_over() || session.ending.is_told() {
            return;
        }
        let due = session.due().map(|due| due.saturating_duration_since(Instant::now()));
        let wait = [again, due].into_iter().flatten().min();
        tokio::select! {
            () = desk.news.notified() => {}
            () = session.ending.cancelled() => if session.ending.reason() == Reason::Draining { return },
            () = tokio::time::sleep(wait.unwrap_or(LONGEST).max(MOMENT)) => {}
        }
    }
}
