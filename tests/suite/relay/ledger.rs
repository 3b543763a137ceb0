//! The ledger by itself: every session is found while it is known, counted once however it ends, and forgotten in time.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use proptest::prelude::*;
use sockgate::{
    policy::revoke::{FOREVER, Revocation, Target},
    relay::{
        Ledger, Reason, Session,
        ledger::Count,
        session::{Key, Transport},
    },
    telemetry::Metrics,
    upstream::Pool,
};

use super::session::{ABANDONED, room, session};

/// A ledger and an app whose sessions are in it.
struct Book {
    ledger: Ledger,
    metrics: Arc<Metrics>,
    pool: Pool,
    now: Instant,
}

impl Book {
    fn new() -> Self {
        let metrics = Arc::new(Metrics::default());
        Self { ledger: Ledger::new(metrics.clone()), metrics, pool: room(), now: Instant::now() }
    }

    fn make(&self, key: u128, transport: Transport) -> Session {
        session(&self.pool, key, transport, Vec::new(), self.now)
    }

    fn enter(&self, key: u128, transport: Transport) -> Arc<Session> {
        self.ledger.enter(self.make(key, transport))
    }

    fn poll(&self, key: u128) -> Arc<Session> {
        self.enter(key, Transport::Polling)
    }

    /// Asks for a session that another replica may have opened.
    fn find_or_enter(&self, key: u128) -> Arc<Session> {
        let Ok(session) = self.ledger.find_or_enter(Key(key), || Ok::<_, Infallible>(self.make(key, Transport::Polling)));
        session
    }

    fn count(&self) -> (usize, usize) {
        let Count { polling, websocket } = self.ledger.count();
        (polling, websocket)
    }

    fn closed(&self, reason: Reason) -> u64 {
        self.metrics.closed.get_or_create_owned(&[("reason", reason.name())]).get()
    }

    fn opened(&self, transport: Transport) -> u64 {
        self.metrics.opened.get_or_create_owned(&[("transport", transport.name())]).get()
    }

    fn leased(&self) -> u64 {
        self.pool.members()[0].sessions()
    }
}

#[test]
fn a_session_is_found_by_its_key_until_it_is_forgotten() {
    let book = Book::new();
    let one = book.poll(1);
    let other = book.enter(2, Transport::WebSocket);
    // In the same shard as the first.
    book.poll(33);

    assert!(Arc::ptr_eq(&book.ledger.find(Key(1)).expect("known"), &one));
    assert!(Arc::ptr_eq(&book.ledger.find(Key(2)).expect("known"), &other));
    assert!(book.ledger.find(Key(3)).is_none());
    assert_eq!((book.count(), book.ledger.entries(), book.leased()), ((2, 1), 3, 3));
    assert_eq!((book.opened(Transport::Polling), book.opened(Transport::WebSocket)), (2, 1));
    assert_eq!(book.ledger.live().len(), 3);
}

#[test]
fn a_polling_session_that_ended_is_remembered_as_over_for_a_while() {
    let book = Book::new();
    let session = book.poll(1);
    book.ledger.close(&session, Reason::AppClosed);
    book.ledger.close(&session, Reason::Abandoned);

    assert_eq!((book.count(), book.ledger.entries(), book.leased()), ((0, 0), 1, 0));
    assert!(book.ledger.live().is_empty());
    assert!(book.find_or_enter(1).is_over(), "late requests hear so and do not begin it anew");
    assert_eq!((book.closed(Reason::AppClosed), book.closed(Reason::Abandoned)), (1, 0), "once, for the first reason");

    let while_after = Duration::from_secs(59);
    book.ledger.sweep(book.now + while_after);
    assert!(book.ledger.find(Key(1)).is_some());
    book.ledger.sweep(book.now + Duration::from_secs(61));
    assert!(book.ledger.find(Key(1)).is_none());
    assert_eq!((book.ledger.entries(), book.closed(Reason::AppClosed)), (0, 1));
}

#[test]
fn what_began_as_a_websocket_is_forgotten_at_once() {
    let book = Book::new();
    let session = book.enter(1, Transport::WebSocket);
    book.ledger.close(&session, Reason::ClientGone);
    book.ledger.close(&session, Reason::ClientGone);
    assert!(book.ledger.find(Key(1)).is_none());
    assert_eq!((book.ledger.entries(), book.count(), book.closed(Reason::ClientGone)), (0, (0, 0), 1));
}

#[test]
fn closing_an_old_session_leaves_the_new_one_of_its_key() {
    let book = Book::new();
    let old = book.enter(1, Transport::WebSocket);
    let new = book.enter(1, Transport::WebSocket);
    assert!(old.is_over() && old.ending.is_told(), "an app that gives the same id twice has ended the first");
    assert_eq!((old.end(), old.ending.reason()), (Reason::AppClosed, Reason::AppClosed));

    book.ledger.close(&old, Reason::ClientGone);
    assert!(Arc::ptr_eq(&book.ledger.find(Key(1)).expect("known"), &new));
    assert_eq!((book.ledger.entries(), book.count(), book.leased()), (1, (0, 1), 1));
    assert_eq!((book.closed(Reason::AppClosed), book.closed(Reason::ClientGone)), (1, 0));
}

#[test]
fn a_session_this_gate_has_not_seen_is_made_once() {
    let book = Book::new();
    let session = book.find_or_enter(1);
    assert!(Arc::ptr_eq(&book.find_or_enter(1), &session));
    assert_eq!((book.ledger.entries(), book.leased(), book.count()), (1, 1, (1, 0)));

    let refused = book.ledger.find_or_enter(Key(2), || Err::<Session, _>("no member"));
    assert_eq!(refused.expect_err("refused"), "no member");
    assert_eq!(book.ledger.entries(), 1, "what cannot be made is not entered");
    assert!(book.ledger.find_or_enter(Key(1), || Err::<Session, _>("not asked")).is_ok());
}

#[test]
fn many_who_ask_at_once_get_the_same_session() {
    let book = Book::new();
    for key in 0..50 {
        let found: Vec<_> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..4).map(|_| scope.spawn(|| book.find_or_enter(key))).collect();
            askers.into_iter().map(|asker| asker.join().expect("no panic")).collect()
        });
        assert!(found.iter().all(|session| Arc::ptr_eq(session, &found[0])));
    }
    assert_eq!((book.ledger.entries(), book.count(), book.leased()), (50, (50, 0), 50), "and what lost gave back its lease");
}

#[test]
fn who_is_not_asked_for_is_abandoned_and_gives_back_what_it_held() {
    let book = Book::new();
    let silent = book.poll(1);
    let served = book.poll(2);
    let attendance = served.attend();

    book.ledger.sweep(book.now + ABANDONED - Duration::from_secs(1));
    assert_eq!(book.count(), (2, 0));
    book.ledger.sweep(book.now + ABANDONED + Duration::from_secs(1));
    assert_eq!((book.count(), book.ledger.entries(), book.leased()), ((1, 0), 1, 1));
    assert_eq!((silent.end(), silent.is_over(), book.closed(Reason::Abandoned)), (Reason::Abandoned, true, 1));
    assert!(book.ledger.find(Key(1)).is_none());

    drop(attendance);
    book.ledger.sweep(Instant::now() + ABANDONED + Duration::from_secs(1));
    assert_eq!((book.count(), book.ledger.entries(), book.leased()), ((0, 0), 0, 0));
    assert_eq!(book.closed(Reason::Abandoned), 2);
}

#[test]
fn an_upgraded_session_counts_as_what_carries_it() {
    let book = Book::new();
    let session = book.poll(1);
    assert!(session.move_to_websocket());
    assert_eq!(book.count(), (0, 1));
    session.back_to_polling();
    assert_eq!(book.count(), (1, 0));
    assert_eq!(book.opened(Transport::Polling), 1);
}

/// What may happen to a session.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter(u8, bool),
    Ask(u8),
    Close(u8),
    Move(u8),
    Sweep(u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..40_u8, any::<bool>()).prop_map(|(key, is_websocket)| Step::Enter(key, is_websocket)),
        (0..40_u8).prop_map(Step::Ask),
        (0..40_u8).prop_map(Step::Close),
        (0..40_u8).prop_map(Step::Move),
        (0..200_u16).prop_map(Step::Sweep),
    ]
}

proptest! {
    /// However sessions come and go: figures, leases and what is found agree, and each is opened and closed at most once.
    #[test]
    fn the_figures_agree_with_what_is_there(steps in proptest::collection::vec(any_step(), 1..60)) {
        let book = Book::new();
        for step in steps {
            match step {
                Step::Enter(key, true) => drop(book.enter(key.into(), Transport::WebSocket)),
                Step::Enter(key, false) => drop(book.poll(key.into())),
                Step::Ask(key) => drop(book.find_or_enter(key.into())),
                Step::Close(key) => {
                    if let Some(session) = book.ledger.find(Key(key.into())) {
                        book.ledger.close(&session, Reason::ClientClosed);
                    }
                }
                Step::Move(key) => {
                    if let Some(session) = book.ledger.find(Key(key.into())) {
                        session.move_to_websocket();
                    }
                }
                Step::Sweep(seconds) => book.ledger.sweep(book.now + Duration::from_secs(seconds.into())),
            }
            let known = (0..40_u8).filter(|key| book.ledger.find(Key((*key).into())).is_some()).count();
            let (polling, websocket) = book.count();
            prop_assert_eq!(book.ledger.entries(), known);
            prop_assert_eq!(book.ledger.live().len(), polling + websocket);
            prop_assert_eq!(book.leased(), (polling + websocket) as u64);
        }
    }
}

#[test]
fn nobody_who_is_revoked_is_entered() {
    let book = Book::new();
    let target = Target::Subject { subject: "ana".into(), tenant: None, issuer: None };
    let revocation = Revocation { target: target.clone(), issued_until: None, since: 0, until: FOREVER, reason: String::new() };
    let (polling, websocket) = (book.poll(1), book.enter(2, Transport::WebSocket));
    book.ledger.revocations.add(revocation, 10, SystemTime::now()).expect("there is room");

    // Judged before the revocation, entered after it.
    let (late, found) = (book.poll(3), book.find_or_enter(4));
    for session in [&late, &found] {
        assert!(session.is_over() && session.end() == Reason::Revoked && session.ending.is_told());
    }
    assert!(!polling.is_over() && !websocket.ending.is_told());
    assert_eq!((book.ledger.strike_all(), book.ledger.strike_all()), (2, 0), "each once");
    assert!(polling.is_over(), "nobody may be there to end it");
    assert!(websocket.ending.is_told() && !websocket.is_over(), "its carriage says goodbye and counts");
    assert_eq!(websocket.ending.reason(), Reason::Revoked);
    assert_eq!(book.closed(Reason::Revoked), 3);

    book.ledger.revocations.lift(&target);
    assert!(!book.poll(5).is_over());
}
