//! Limits, with lists of clients and numbers for time.

use std::{
    collections::HashMap,
    hash::RandomState,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;
use proptest::prelude::*;
use sockgate::{
    config::{Rate, limit::Limit},
    policy::limit::{Bound, Full, Key, Limiter, Permit, Wait},
};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn rate(text: &str) -> Rate {
    text.parse().expect("a rate")
}

/// A limit that says yes to everything, to be narrowed by each test.
fn open() -> Limit {
    Limit { handshakes_per_address: Rate::Off, handshakes_per_user: Rate::Off, handshakes_in_flight: 0, ..Limit::default() }
}

/// One whose overflow nobody looks at.
fn limiter(limit: &Limit, now: Instant) -> Limiter {
    Limiter::new(limit, &Counter::default(), now)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn addresses_share_a_key_exactly_when_they_are_one_customer() {
    let cases = [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("::ffff:192.0.2.1", "192.0.2.1", true),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("::1", "0.0.0.1", false),
    ];
    let (secret, other) = (RandomState::new(), RandomState::new());
    for (left, right, is_same) in cases {
        let key = |text| Key::address(address(text), &secret);
        assert_eq!(key(left) == key(right), is_same, "{left} and {right}");
        assert_ne!(key(left), Key::address(address(left), &other), "nobody can tell from outside who shares a place");
    }
    assert_ne!(Key::address(address("0.0.0.7"), &secret), Key::user(7_u32, &secret), "users are no addresses");
}

#[test]
fn burst_is_admitted_then_refused_with_the_time_to_wait() {
    let now = Instant::now();
    let limiter = limiter(&Limit { handshakes_per_address: rate("2/1s burst 3"), ..open() }, now);
    let client = address("192.0.2.1");
    for _ in 0..3 {
        assert_eq!(limiter.admit_address(client, now), Ok(()));
    }
    let refused = limiter.admit_address(client, now);
    assert_eq!(refused, Err(Wait { bound: Bound::AddressRate, after: Duration::from_millis(500) }));
    assert_eq!(limiter.admit_address(address("192.0.2.2"), now), Ok(()), "another address has its own bucket");
    let after = refused.expect_err("just seen").after;
    assert!(limiter.admit_address(client, now + after - Duration::from_millis(1)).is_err(), "too early");
    assert_eq!(limiter.admit_address(client, now + after), Ok(()), "who waits as told is let in");
}

#[test]
fn retry_after_is_whole_seconds_and_never_too_short() {
    let wait = |after| Wait { bound: Bound::UserRate, after }.seconds();
    assert_eq!(wait(Duration::from_millis(1)), 1);
    assert_eq!(wait(Duration::ZERO), 1);
    assert_eq!(wait(seconds(2)), 2);
    assert_eq!(wait(Duration::from_millis(2_001)), 3);
}

#[test]
fn user_rate_counts_across_addresses_and_names_its_limit() {
    let now = Instant::now();
    let limiter = limiter(&Limit { handshakes_per_user: rate("1/1m"), ..open() }, now);
    assert_eq!(limiter.admit_user("ana", now), Ok(()));
    assert_eq!(limiter.admit_user("ana", now), Err(Wait { bound: Bound::UserRate, after: seconds(60) }));
    assert_eq!(limiter.admit_user("ben", now), Ok(()));
}

#[test]
fn ipv6_neighbours_of_one_slash_64_share_a_bucket() {
    let now = Instant::now();
    let limiter = limiter(&Limit { handshakes_per_address: rate("5/1m"), ..open() }, now);
    let admitted = (0..1_000u128)
        .map(|host| IpAddr::V6(Ipv6Addr::from_bits(0xfd00 << 112 | host)))
        .filter(|address| limiter.admit_address(*address, now).is_ok())
        .count();
    assert_eq!(admitted, 5);
    assert_eq!(limiter.keys(), 1);
}

#[test]
fn rate_off_and_exempt_networks_are_never_refused() {
    let now = Instant::now();
    let limit = Limit {
        handshakes_per_address: rate("1/1h"),
        sessions_per_address: 1,
        exempt: vec!["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")],
        ..open()
    };
    let limiter = limiter(&limit, now);
    let mut held = Vec::new();
    for client in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
        for _ in 0..10 {
            assert_eq!(limiter.admit_address(address(client), now), Ok(()), "{client}");
            held.push(limiter.hold_address_session(address(client)).expect("no limit for the exempt"));
        }
    }
    assert_eq!(limiter.admit_user("ana", now), Ok(()));
    assert_eq!(limiter.admit_user("ana", now), Ok(()), "off");
    assert_eq!(limiter.admit_address(address("11.0.0.1"), now), Ok(()));
    assert!(limiter.admit_address(address("11.0.0.1"), now).is_err(), "the others are held to it");
}

#[test]
fn newcomers_beyond_the_cap_share_one_bucket_and_known_addresses_keep_theirs() {
    let now = Instant::now();
    let overflowed = Counter::default();
    let limiter = Limiter::new(&Limit { handshakes_per_address: rate("2/1m"), keys: 10, ..open() }, &overflowed, now);
    for last in 0..10 {
        assert_eq!(limiter.admit_address(IpAddr::from([192, 0, 2, last]), now), Ok(()));
    }
    let newcomers = (0..1_000u32).map(|number| IpAddr::from((0xC633_0000 + number).to_be_bytes()));
    let admitted = newcomers.filter(|address| limiter.admit_address(*address, now).is_ok()).count();
    assert_eq!(admitted, 2, "all newcomers together have what one address has");
    assert_eq!(limiter.keys(), 10, "memory is bounded");
    assert_eq!(overflowed.get(), 1_000);
    assert_eq!(limiter.admit_address(IpAddr::from([192, 0, 2, 3]), now), Ok(()), "a known address is not touched by it");
}

#[test]
fn sweep_forgets_full_buckets_and_keeps_empty_ones() {
    let now = Instant::now();
    let overflowed = Counter::default();
    let limiter = Limiter::new(&Limit { handshakes_per_address: rate("1/10s"), keys: 2, ..open() }, &overflowed, now);
    let (early, late, newcomer) = (address("192.0.2.1"), address("192.0.2.2"), address("192.0.2.3"));
    assert_eq!(limiter.admit_address(early, now), Ok(()));
    assert_eq!(limiter.admit_address(late, now + seconds(15)), Ok(()));
    limiter.sweep(now + seconds(21));
    assert_eq!(limiter.keys(), 1);
    assert!(limiter.admit_address(late, now + seconds(21)).is_err(), "a sweep forgives nobody");
    assert_eq!(limiter.admit_address(newcomer, now + seconds(21)), Ok(()));
    assert_eq!(overflowed.get(), 0, "and makes room");
}

#[test]
fn time_that_runs_backwards_refills_nothing_and_breaks_nothing() {
    let now = Instant::now();
    let limiter = limiter(&Limit { handshakes_per_address: rate("1/10s"), ..open() }, now + seconds(100));
    let client = address("192.0.2.1");
    assert_eq!(limiter.admit_address(client, now), Ok(()));
    assert!(limiter.admit_address(client, now + seconds(50)).is_err());
}

#[test]
fn extreme_rates_neither_panic_nor_let_everything_through() {
    let now = Instant::now();
    for text in ["1/36500d", "1/36500d burst 4294967295", "4294967295/1ms", "4294967295/36500d burst 4294967295", "1/1ms"] {
        let limiter = limiter(&Limit { handshakes_per_address: rate(text), ..open() }, now);
        let client = address("192.0.2.1");
        assert_eq!(limiter.admit_address(client, now), Ok(()), "{text}");
        for step in 0..100 {
            let _ = limiter.admit_address(client, now + seconds(step * 86_400 * 365));
        }
        limiter.sweep(now + seconds(86_400));
    }
}

#[test]
fn sessions_count_until_their_permit_is_dropped() {
    let limiter = limiter(&Limit { sessions_per_address: 2, sessions_per_user: 1, ..open() }, Instant::now());
    let client = address("192.0.2.1");
    let first = limiter.hold_address_session(client).expect("room for two");
    let second = limiter.hold_address_session(client).expect("room for two");
    assert_eq!(limiter.hold_address_session(client).err(), Some(Full { bound: Bound::AddressSessions }));
    let user = limiter.hold_user_session("ana").expect("room for one");
    assert_eq!(limiter.hold_user_session("ana").err(), Some(Full { bound: Bound::UserSessions }));
    drop(first);
    let third = limiter.hold_address_session(client).expect("one was given back");
    drop((second, third, user));
    assert_eq!(limiter.keys(), 0, "nothing is left of sessions that ended");
    assert_eq!((limiter.address_sessions(client), limiter.user_sessions("ana")), (0, 0));
}

#[test]
fn handshakes_in_flight_are_bounded_in_total() {
    let limiter = limiter(&Limit { handshakes_in_flight: 3, ..open() }, Instant::now());
    let held: Vec<Permit> = (0..3).map(|_| limiter.hold_handshake().expect("room for three")).collect();
    for _ in 0..5 {
        assert_eq!(limiter.hold_handshake().err(), Some(Full { bound: Bound::HandshakesInFlight }));
    }
    assert_eq!(limiter.handshakes(), 3, "a refusal takes nothing");
    drop(held);
    assert_eq!(limiter.handshakes(), 0);
}

#[test]
fn permits_may_end_on_another_thread() {
    fn is_carried<T: Send + 'static>(_: &T) {}
    let limiter = Arc::new(limiter(&Limit { sessions_per_user: 1, ..open() }, Instant::now()));
    let permit = limiter.hold_user_session("ana").expect("room for one");
    is_carried(&permit);
    std::thread::spawn(move || drop(permit)).join().expect("dropping does not panic");
    assert!(limiter.hold_user_session("ana").is_ok());
}

#[test]
fn session_tables_are_capped_and_newcomers_counted_together() {
    let overflowed = Counter::default();
    let limiter = Limiter::new(&Limit { sessions_per_address: 2, keys: 3, ..open() }, &overflowed, Instant::now());
    let hold = |number: u32| limiter.hold_address_session(IpAddr::from(number.to_be_bytes()));
    let mut held: Vec<Permit> = (0..3).map(|number| hold(number).expect("a table of three")).collect();
    held.push(hold(10).expect("the shared count has room for two"));
    held.push(hold(11).expect("the shared count has room for two"));
    assert!(hold(12).is_err(), "and no more");
    held.push(hold(0).expect("a known address keeps its own count"));
    assert_eq!((limiter.keys(), overflowed.get()), (3, 3));
    drop(held);
    assert_eq!(limiter.keys(), 0);
    assert!(hold(12).is_ok(), "what was counted together is given back together");
}

#[test]
fn sessions_without_a_limit_never_fill_the_shared_count() {
    let limit = Limit { sessions_per_address: 1, keys: 0, exempt: vec!["10.0.0.0/8".parse().expect("a network")], ..open() };
    let limiter = limiter(&limit, Instant::now());
    let _exempt: Vec<Permit> = (0..10).map(|_| limiter.hold_address_session(address("10.0.0.1")).expect("no limit")).collect();
    assert!(limiter.hold_address_session(address("192.0.2.1")).is_ok());
}

#[test]
fn reload_with_the_same_rate_forgives_nobody() {
    let now = Instant::now();
    let limit = Limit { handshakes_per_address: rate("1/1m"), handshakes_per_user: rate("1/1m"), ..open() };
    let old = Arc::new(limiter(&limit, now));
    let client = address("192.0.2.1");
    assert_eq!((old.admit_address(client, now), old.admit_user("ana", now)), (Ok(()), Ok(())));
    let changed = Limit { handshakes_per_address: rate("2/1m"), sessions_per_user: 7, ..limit };
    let new = Limiter::renew(&old, &changed, now + seconds(1));
    assert!(new.admit_user("ana", now + seconds(1)).is_err(), "an unchanged rate keeps its buckets");
    assert_eq!(new.admit_address(client, now + seconds(1)), Ok(()), "a changed one starts anew");
}

#[test]
fn reload_takes_a_smaller_cap_for_buckets_that_stay() {
    let now = Instant::now();
    let limit = Limit { handshakes_per_address: rate("1/1m"), keys: 100, ..open() };
    let overflowed = Counter::default();
    let old = Arc::new(Limiter::new(&limit, &overflowed, now));
    assert_eq!(old.admit_address(address("192.0.2.1"), now), Ok(()));
    let new = Limiter::renew(&old, &Limit { keys: 1, ..limit }, now);
    assert_eq!(new.admit_address(address("192.0.2.2"), now), Ok(()));
    assert_eq!((new.keys(), overflowed.get()), (1, 1));
}

#[test]
fn open_sessions_stay_counted_through_reloads() {
    let now = Instant::now();
    let old = Arc::new(limiter(&open(), now));
    let client = address("192.0.2.1");
    let held: Vec<Permit> = (0..3)
        .flat_map(|_| [old.hold_user_session("ana"), old.hold_address_session(client), old.hold_handshake()])
        .map(|held| held.expect("no limit yet"))
        .collect();
    let narrow = Limit { sessions_per_user: 3, sessions_per_address: 4, handshakes_in_flight: 3, ..open() };
    let new = Limiter::renew(&old, &narrow, now);
    drop(old);
    assert!(new.hold_user_session("ana").is_err(), "sessions opened before count against the new limit");
    assert!(new.hold_address_session(client).is_ok());
    assert!(new.hold_handshake().is_err());
    drop(held);
    assert!(new.hold_user_session("ana").is_ok() && new.hold_handshake().is_ok(), "old permits give back to the new limiter");
    assert_eq!(new.keys(), 0);
}

proptest! {
    /// Whatever order sessions begin and end in, the counts are those of a plain list, and nothing is left at the end.
    #[test]
    fn session_counts_agree_with_a_list(steps in proptest::collection::vec((0u8..6, any::<bool>()), 0..200)) {
        let limiter = limiter(&Limit { sessions_per_user: 3, keys: 100, ..open() }, Instant::now());
        let mut model: HashMap<u8, Vec<Permit>> = HashMap::new();
        for (user, begins) in steps {
            let held = model.entry(user).or_default();
            if begins {
                match limiter.hold_user_session(user.to_string()) {
                    Ok(permit) => held.push(permit),
                    Err(_) => prop_assert_eq!(held.len(), 3),
                }
            } else {
                held.pop();
            }
            prop_assert_eq!(limiter.user_sessions(user.to_string()), held.len());
        }
        model.clear();
        prop_assert_eq!(limiter.keys(), 0);
    }

    /// In no stretch of time does a client get more than the burst and what was refilled.
    #[test]
    fn rate_is_never_exceeded(pauses in proptest::collection::vec(0u64..2_000, 1..100)) {
        let begin = Instant::now();
        let limiter = limiter(&Limit { handshakes_per_address: rate("4/1s burst 5"), ..open() }, begin);
        let (mut now, mut admitted) = (begin, 0u64);
        for pause in pauses {
            now += Duration::from_millis(pause);
            admitted += u64::from(limiter.admit_address(address("192.0.2.1"), now).is_ok());
            let elapsed = now.duration_since(begin).as_millis() as u64;
            prop_assert!(admitted <= 5 + elapsed * 4 / 1_000);
        }
    }
}
