//! A client's request on a judged session, with everything that may be asked and said in its name; tasks that outlive it have a
//! copy. Also how such a session ends.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    super::guard::Message,
    Judged,
    app::{Seat, Stage},
    desk::Desk,
    speaker::{Speaker, Toward},
};
use crate::{
    http::Body,
    policy::{Refusal, Refused},
    relay::{Reason, Session, Venue, admission::Bench, exchange, session::Transport},
    upstream::connect::ExchangeError,
};

/// A client's request, and what is done in its name.
#[derive(Clone)]
pub struct Visit {
    pub bench: Arc<Bench>,
    pub venue: Arc<Venue>,
    pub session: Arc<Session>,
    pub judged: Arc<Judged>,
    pub desk: Arc<Desk>,
    pub speaker: Arc<Speaker>,
}

/// An app gets so long to hear that a session is over.
const FAREWELL: Duration = Duration::from_secs(5);

impl Visit {
    /// Looks at the clocks and at what the session was told; ends it when it is time. When to look again.
    pub fn look(&self) -> Option<Duration> {
        let now = Instant::now();
        if self.session.is_over() {
            return None;
        }
        let ending = &self.session.ending;
        if ending.is_told() && ending.reason() != Reason::Draining {
            self.judged.end(ending.reason(), now);
        }
        if let Some(reason) = self.session.overdue(now) {
            self.judged.end(reason, now);
        }
        let again = self.desk.tick(&self.judged, now, SystemTime::now());
        if let Some(reason) = self.desk.ending() {
            self.part(reason);
        }
        again
    }

    /// The session is over: nothing but its last words goes to the client, and the app is told.
    pub fn part(&self, reason: Reason) {
        if !self.desk.part(Instant::now()) {
            return;
        }
        let visit = self.clone();
        let is_heard = !matches!(reason, Reason::AppClosed | Reason::AppGone | Reason::MemberGone | Reason::ClientClosed);
        if is_heard && self.judged.app.stage() == Stage::Polling && !self.desk.is_handed_over() {
            self.bench.tasks.spawn(async move { visit.farewell().await });
        } else {
            self.desk.abort_fetch();
        }
        self.close(reason);
    }

    /// An app that has opened its session just now, when it was over already, is told so. Otherwise whoever ended it did.
    pub fn part_late(&self) {
        if self.desk.has_parted() {
            // It has not heard of anybody, and does not now.
            self.desk.forget_for_app();
            let visit = self.clone();
            self.bench.tasks.spawn(async move { visit.farewell().await });
        }
    }

    /// It is over without words: for the ledger, and for whoever waits.
    pub fn close(&self, reason: Reason) {
        self.venue.ledger.close(&self.session, reason);
        self.session.ending.tell(reason);
        self.judged.nudge();
    }

    /// What was said before the end, and the end itself. The app's GET is given up afterwards: some apps take that for the
    /// end of everything.
    async fn farewell(self) {
        self.desk.tell_app(Message::Text("1".into()));
        let telling = async {
            let _turn = self.desk.sending.lock().await;
            while let Some(seat) = self.judged.app.seat()
                && let Some(packets) = self.desk.next_for_app(largest(&seat))
            {
                let sent = self.send_packets(&seat, packets).await;
                if !sent.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
            }
        };
        let _ = self.bench.stop.run_until_cancelled(tokio::time::timeout(FAREWELL, telling)).await;
        self.desk.abort_fetch();
    }

    /// One POST, as far as the head of its answer.
    pub async fn send_packets(&self, seat: &Seat, packets: Vec<u8>) -> Result<http::Response<Body>, ExchangeError> {
        let identity = self.judged.guard().identity().cloned();
        let toward = Toward { member: &seat.member, sid: Some(&seat.sid), identity: identity.as_ref() };
        let (body, upload) = exchange::whole_body(packets);
        let request = self.speaker.post(&self.venue, toward, body);
        let wait = exchange::Wait::Request(Some(self.session.key), self.venue.patience.answer, upload);
        exchange::send(&self.bench, &self.venue, &seat.member, request, wait).await
    }

    /// A request of this session came to nothing, and so does the session.
    pub fn lost(&self, error: &ExchangeError) -> Refused {
        let (refused, reason) = meaning(error);
        self.part(reason);
        refused
    }

    pub fn is_polling(&self) -> bool {
        self.session.transport() == Transport::Polling
    }
}

/// What a failed request means for its session: what the client is told, and why it is over. A member that cannot be reached has
/// lost its sessions: the client is told to start over, which it does elsewhere.
pub fn meaning(error: &ExchangeError) -> (Refused, Reason) {
    let reason = match error {
        ExchangeError::Dial(cause) if !cause.is_local() => {
            return (Refused::because(Refusal::SessionUnknown, cause.to_string()), Reason::MemberGone);
        }
        ExchangeError::Timeout => Reason::AppStalled,
        ExchangeError::Garbage(_) => Reason::AppInvalid,
        ExchangeError::Dial(_) | ExchangeError::Broken | ExchangeError::Request(_) => Reason::AppGone,
    };
    (exchange::refusal(error), reason)
}

/// Bytes of a body toward the app.
pub fn largest(seat: &Seat) -> usize {
    usize::try_from(seat.largest).unwrap_or(usize::MAX)
}
