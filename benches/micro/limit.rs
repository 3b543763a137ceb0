//! Rates and counts with a handful of clients; `growth` has a million.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;
use sockgate::{config::limit::Limit, policy::limit::Limiter};

use super::{Operation, again};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

pub fn limiter(limit: &Limit, now: Instant) -> Limiter {
    Limiter::new(limit, &Counter::default(), now)
}

/// A client that comes again a second later, every time.
pub fn address() -> Operation {
    let mut now = Instant::now();
    let limiter = limiter(&Limit::default(), now);
    assert_eq!((limiter.admit_address(CLIENT, now), limiter.keys()), (Ok(()), 1));
    again(move || {
        now += Duration::from_secs(1);
        limiter.admit_address(black_box(CLIENT), now)
    })
}

pub fn user() -> Operation {
    let mut now = Instant::now();
    let limiter = limiter(&Limit::default(), now);
    let user = ("https://login.example.com", "ana");
    assert_eq!((limiter.admit_user(user, now), limiter.keys()), (Ok(()), 1));
    again(move || {
        now += Duration::from_secs(1);
        limiter.admit_user(black_box(user), now)
    })
}

/// A client that has been told to wait.
pub fn refused() -> Operation {
    let now = Instant::now();
    let limiter = limiter(&Limit::default(), now);
    while limiter.admit_address(CLIENT, now).is_ok() {}
    assert!(limiter.admit_address(CLIENT, now).is_err());
    again(move || limiter.admit_address(black_box(CLIENT), now))
}

/// Taken at the beginning of a handshake and given back at its end.
pub fn handshake_permit() -> Operation {
    let limiter = limiter(&Limit::default(), Instant::now());
    let permit = limiter.hold_handshake();
    assert!(permit.is_ok() && limiter.handshakes() == 1);
    drop(permit);
    again(move || limiter.hold_handshake())
}

/// Taken at the beginning of a session and given back at its end.
pub fn session_permit() -> Operation {
    let limiter = limiter(&Limit { sessions_per_address: 16, ..Limit::default() }, Instant::now());
    let permit = limiter.hold_address_session(CLIENT);
    assert!(permit.is_ok() && limiter.address_sessions(CLIENT) == 1);
    drop(permit);
    again(move || limiter.hold_address_session(black_box(CLIENT)))
}
