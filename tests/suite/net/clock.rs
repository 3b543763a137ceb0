//! Which deadline rules when: time as a number.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sockgate::net::clock::{Clock, Deadline, Patience};

const PATIENCE: Patience = Patience {
    first_byte: Duration::from_secs(5),
    head: Duration::from_secs(10),
    keep_alive: Duration::from_secs(75),
    write: Duration::from_secs(30),
};

/// A clock and the moment it was made.
fn clock(http2: bool) -> (Arc<Clock>, Instant) {
    let born = Instant::now();
    (Arc::new(Clock::new(http2, born)), born)
}

fn after(born: Instant, seconds: u64) -> Instant {
    born + Duration::from_secs(seconds)
}

#[test]
fn the_first_byte_is_waited_for_and_starts_the_head() {
    for http2 in [false, true] {
        let (clock, born) = clock(http2);
        assert_eq!(clock.due(&PATIENCE), Some((after(born, 5), Deadline::FirstByte)));

        clock.heard(1, after(born, 3));
        assert_eq!(clock.due(&PATIENCE), Some((after(born, 13), Deadline::Head)));

        // More of the same does not give more time.
        clock.heard(1, after(born, 9));
        assert_eq!(clock.due(&PATIENCE), Some((after(born, 13), Deadline::Head)));
    }
}

#[test]
fn a_request_has_its_own_deadlines_and_then_the_connection_idles() {
    let (clock, born) = clock(false);
    clock.heard(100, born);
    let first = clock.open(born);
    let second = clock.open(born);
    assert_eq!(clock.due(&PATIENCE), None);

    clock.heard(100_000, after(born, 20));
    assert_eq!(clock.due(&PATIENCE), None, "a body is not a head");

    drop(first);
    assert_eq!(clock.due(&PATIENCE), None, "one is still open");
    drop(second);
    let (due, deadline) = clock.due(&PATIENCE).unwrap();
    assert_eq!(deadline, Deadline::KeepAlive);
    assert!(due >= after(born, 74));
}

#[test]
fn the_next_request_of_a_connection_has_a_head_deadline_too() {
    let (clock, born) = clock(false);
    drop(clock.open(born));
    clock.heard(1, after(born, 60));
    assert_eq!(clock.due(&PATIENCE), Some((after(born, 70), Deadline::Head)));
}

#[test]
fn http2_idles_once_its_preface_is_complete_and_pings_do_not_prolong_it() {
    let (clock, born) = clock(true);
    clock.heard(24, born);
    assert_eq!(clock.due(&PATIENCE).unwrap().1, Deadline::Head, "its settings are missing");
    clock.heard(9, after(born, 1));
    assert_eq!(clock.due(&PATIENCE), Some((after(born, 76), Deadline::KeepAlive)));

    for second in [20, 40, 60] {
        clock.heard(17, after(born, second));
    }
    assert_eq!(clock.due(&PATIENCE), Some((after(born, 76), Deadline::KeepAlive)));
}

#[test]
fn a_client_that_takes_nothing_is_due_whatever_else_goes_on() {
    let (clock, born) = clock(false);
    let open = clock.open(born);
    clock.refused(after(born, 2));
    clock.refused(after(born, 9));
    assert_eq!(clock.due(&PATIENCE), Some((after(born, 32), Deadline::Write)));

    clock.took();
    assert_eq!(clock.due(&PATIENCE), None, "any progress counts");

    clock.refused(after(born, 40));
    drop(open);
    assert_eq!(clock.due(&PATIENCE).unwrap().1, Deadline::Write, "the sooner of two");
}

#[test]
fn a_first_request_is_expected_for_a_moment_until_something_of_it_came() {
    for http2 in [false, true] {
        let (clock, born) = clock(http2);
        assert_eq!(clock.expects_until(), Some(after(born, 1)));
        clock.heard(1, born);
        assert_eq!(clock.expects_until(), http2.then(|| after(born, 1)), "an HTTP/2 preface is no request yet");
        clock.heard(100, born);
        assert_eq!(clock.expects_until(), None);
    }
}
