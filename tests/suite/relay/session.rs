//! One session by itself: who serves it, what it is bound to, and how it ends. Time is an argument, but for what a dropped
//! attendance notes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use prometheus_client::metrics::counter::Counter;
use sockgate::{
    codec::{engine::Revision, frame::FrameError},
    config::limit::Limit,
    policy::{
        auth::{Identity, SealedIdentity},
        limit::{Limiter, Permit},
    },
    relay::{
        Reason, Session,
        session::{Ending, Held, Key, Lane, Opened, OtherOrigin, Tenure, Transport},
    },
    upstream::Pool,
};

use crate::upstream::support::{config, pool};

pub const ABANDONED: Duration = Duration::from_secs(65);

/// An app with room for sessions; nobody asks it for anything here.
pub fn room() -> Pool {
    pool(&config(&["http://127.0.0.1:1"]))
}

/// A session on this pool's only member.
pub fn session(pool: &Pool, key: u128, transport: Transport, permits: Vec<Permit>, now: Instant) -> Session {
    let lease = pool.lease_from(pool.members()[0].id(), now).expect("the member is there");
    let opened = Opened {
        key: Key(key),
        route: 0,
        tag: 0,
        path: "/socket.io/".into(),
        transport,
        revision: Revision::Four,
        identity: Some(Identity::sealed(SealedIdentity { subject: Some("ana".into()), ..SealedIdentity::default() })),
        address: [192, 0, 2, 7].into(),
        expires: None,
        origin: None,
        abandoned_after: ABANDONED,
        tenure: Tenure::default(),
        held: Held { lease, permits },
        judged: None,
    };
    Session::new(opened, now)
}

fn polling(pool: &Pool, now: Instant) -> Arc<Session> {
    Arc::new(session(pool, 1, Transport::Polling, Vec::new(), now))
}

#[test]
fn the_first_reason_to_end_stands_and_is_heard() {
    let ending = Ending::default();
    assert!(!ending.is_told());
    assert_eq!(ending.since(), None);
    assert_eq!(ending.cancelled().now_or_never(), None);
    let before = ending.cancelled();
    ending.tell(Reason::Draining);
    let since = ending.since();
    ending.tell(Reason::Expired);
    assert!(since.is_some() && ending.since() == since);
    assert!(ending.is_told());
    assert_eq!(ending.reason(), Reason::Draining);
    for heard in [before, ending.cancelled()] {
        assert_eq!(heard.now_or_never(), Some(()), "by who waited and by who asks later");
    }
}

#[test]
fn every_reason_survives_being_the_end_of_a_session() {
    let (pool, now) = (room(), Instant::now());
    for reason in Reason::ALL {
        let session = polling(&pool, now);
        assert!(session.finish(reason));
        session.ending.tell(reason);
        assert_eq!((session.end(), session.ending.reason()), (reason, reason));
    }
}

#[test]
fn a_session_ends_once_and_gives_back_what_it_held() {
    let (pool, now) = (room(), Instant::now());
    let limiter = Limiter::new(&Limit::default(), &Counter::default(), now);
    let permits = vec![
        limiter.hold_user_session("ana").expect("there is room"),
        limiter.hold_address_session([192, 0, 2, 7].into()).expect("there is room"),
    ];
    let session = session(&pool, 1, Transport::Polling, permits, now);
    let held = || (pool.members()[0].sessions(), limiter.user_sessions("ana"), limiter.address_sessions([192, 0, 2, 7].into()));
    assert_eq!(held(), (1, 1, 1));
    assert_eq!(session.member().url(), "http://127.0.0.1:1");
    assert!(!session.is_over());

    assert!(session.finish(Reason::Expired));
    assert_eq!(held(), (0, 0, 0), "at once, though the session is still known");
    assert!(!session.finish(Reason::AppClosed), "it was over");
    assert!(session.is_over());
    assert_eq!(session.end(), Reason::Expired);
}

#[test]
fn who_serves_it_keeps_it_from_being_idle() {
    let (pool, now) = (room(), Instant::now());
    let session = polling(&pool, now);
    let later = now + Duration::from_secs(40);
    assert_eq!(session.idle(later), Duration::from_secs(40));
    assert!(!session.is_attended());

    let mut one = session.attend();
    one.counts();
    let two = session.attend();
    assert!(session.is_attended() && Arc::ptr_eq(one.session(), &session));
    assert_eq!(session.idle(later), Duration::ZERO);
    drop(one);
    assert_eq!(session.idle(later), Duration::ZERO, "the other one is still there");
    drop(two);
    assert!(!session.is_attended());
    // What is dropped notes the time by itself.
    assert!(session.idle(Instant::now() + Duration::from_secs(40)) >= Duration::from_secs(40));
    assert_eq!(session.idle(now), Duration::ZERO, "heard of later than asked about");
}

#[test]
fn what_its_app_never_took_keeps_it_from_nothing() {
    let (pool, now) = (room(), Instant::now());
    let session = polling(&pool, now);
    drop(session.attend());
    drop(session.attend_by(Lane::Post));
    assert_eq!(session.idle(now + Duration::from_secs(40)), Duration::from_secs(40));
    assert!(!session.is_known());
    session.confirm();
    assert!(session.is_known());
}

#[test]
fn a_lane_takes_two_at_a_time_and_no_more() {
    let (pool, now) = (room(), Instant::now());
    let session = polling(&pool, now);
    for (lane, other) in [(Lane::Poll, Lane::Post), (Lane::Post, Lane::Poll)] {
        let one = session.attend_by(lane).expect("the client's own");
        let two = session.attend_by(lane).expect("and one that it has given up");
        for _ in 0..10 {
            assert!(session.attend_by(lane).is_none(), "{lane:?}");
        }
        assert!(session.attend_by(other).is_some(), "the other lane is free");
        drop(one);
        let three = session.attend_by(lane).expect("a place came free, in spite of all that were refused");
        assert!(session.is_attended());
        drop((two, three));
        assert!(!session.is_attended(), "what was refused attends nothing");
    }
    let carriage = session.attend();
    assert!(session.attend_by(Lane::Poll).is_some(), "a WebSocket is in no lane");
    drop(carriage);
}

#[test]
fn it_moves_to_a_websocket_once_and_comes_back_only_when_that_fails() {
    let (pool, now) = (room(), Instant::now());
    let upgraded = polling(&pool, now);
    assert_eq!((upgraded.transport(), upgraded.started_as()), (Transport::Polling, Transport::Polling));
    assert!(upgraded.move_to_websocket());
    assert!(!upgraded.move_to_websocket(), "one carries it already");
    assert_eq!((upgraded.transport(), upgraded.started_as()), (Transport::WebSocket, Transport::Polling));
    upgraded.back_to_polling();
    assert_eq!(upgraded.transport(), Transport::Polling);
    assert!(upgraded.move_to_websocket(), "and may try again");

    let direct = session(&pool, 2, Transport::WebSocket, Vec::new(), now);
    assert_eq!((direct.transport(), direct.started_as()), (Transport::WebSocket, Transport::WebSocket));
    assert!(!direct.move_to_websocket());
}

#[test]
fn the_first_page_that_shows_itself_binds_it() {
    let (pool, now) = (room(), Instant::now());
    let session = polling(&pool, now);
    assert_eq!(session.bind_origin(None), Ok(()), "who shows none proves nothing");
    assert_eq!(session.bind_origin(Some(7)), Ok(()));
    for (shown, said) in [(Some(7), Ok(())), (Some(8), Err(OtherOrigin)), (None, Ok(())), (Some(7), Ok(()))] {
        assert_eq!(session.bind_origin(shown), said, "{shown:?}");
    }
}

#[test]
fn one_upgrade_is_taken_on_trust() {
    let (pool, now) = (room(), Instant::now());
    let session = polling(&pool, now);
    assert!(session.trust_upgrade());
    assert!(!session.trust_upgrade());
}

#[test]
fn only_one_of_many_at_once_gets_what_there_is_once() {
    let (pool, now) = (room(), Instant::now());
    for _ in 0..50 {
        let session = polling(&pool, now);
        let won = |act: fn(&Session) -> bool| {
            std::thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| act(&session))).collect();
                racers.into_iter().map(|racer| racer.join().expect("no panic")).filter(|won| *won).count()
            })
        };
        assert_eq!(won(Session::move_to_websocket), 1);
        assert_eq!(won(Session::trust_upgrade), 1);
        assert_eq!(won(|session| session.finish(Reason::AppClosed)), 1);
    }
}

#[test]
fn a_clients_own_frames_are_at_fault_for_size_or_for_form() {
    for error in [FrameError::TooLarge, FrameError::TooManyFragments, FrameError::Unmasked] {
        assert_eq!(Reason::for_client_fault(error).closing().0, error.close_code(), "{error:?}");
    }
}
