//! A judged session between its transports: whom it wakes, and what a poll gets of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::Instant,
};

use sockgate::{
    codec::engine::Revision,
    policy::Refusal,
    relay::{
        judged::{
            Judged,
            desk::{Desk, Failure, Next},
        },
        session::Transport,
    },
};

use super::guard::stage::{Cut, PLAIN, Stage};

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn judged(begins_as: Transport) -> Judged {
    Judged::new(Stage::new(PLAIN, Cut::Whole).guard, begins_as)
}

#[test]
fn the_end_of_one_carriage_takes_no_ear_from_the_next() {
    let judged = judged(Transport::Polling);
    let (first, second) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    let (waker, other) = (Waker::from(first.clone()), Waker::from(second.clone()));
    // What was left before anybody listened is heard by whoever comes.
    assert!(judged.has_rung(&mut None, &waker));
    let mut known = None;
    judged.has_rung(&mut known, &other);
    judged.carriage_left(&waker);
    judged.nudge();
    assert_eq!((first.woken(), second.woken()), (0, 1));
    assert!(judged.has_rung(&mut known, &other) && !judged.has_rung(&mut known, &other));
    judged.carriage_left(&other);
    judged.nudge();
    assert_eq!(second.woken(), 1, "who has left is woken no more");
}

#[test]
fn only_a_session_that_polls_has_a_desk() {
    assert!(judged(Transport::WebSocket).desk().is_none() && judged(Transport::WebSocket).is_handed_over());
    let polling = judged(Transport::Polling);
    assert!(polling.desk().is_some() && !polling.is_handed_over());
    polling.take_waiting();
    assert!(polling.is_handed_over());
}

#[test]
fn an_app_that_says_no_is_heard_while_the_session_lives() {
    let now = Instant::now();
    let desk = Desk::new(Revision::Four);
    let turn = desk.take_turn();
    desk.fail(Failure::Refused(Refusal::UpstreamTimeout.into()));
    assert!(matches!(desk.next_for_client(turn, 100, now), Next::Failed(_)));
    assert!(desk.part(now));
    desk.fail(Failure::Refused(Refusal::UpstreamTimeout.into()));
    assert!(matches!(desk.next_for_client(turn, 100, now), Next::Nothing));
}
