//! What sessions may send, with lists of messages and numbers for time.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;
use proptest::prelude::*;
use sockgate::{
    config::{
        Flow, Rate, Size,
        limit::{EventLimit, Limit, MOST_EVENT_LIMITS, Over, Per},
    },
    policy::limit::{Excess, Limiter, Meter, PacketLimits, Payer, pace::Pace},
};

fn rate(text: &str) -> Rate {
    text.parse().expect("a rate")
}

fn flow(text: &str) -> Flow {
    text.parse().expect("a flow")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A limit that lets every message through, to be narrowed by each test.
fn open() -> Limit {
    Limit { messages_per_user: Rate::Off, ..Limit::default() }
}

fn event(events: &[&str], rate_text: &str) -> EventLimit {
    EventLimit { events: events.iter().map(|name| (*name).to_string()).collect(), rate: rate(rate_text), ..EventLimit::default() }
}

fn limits(limit: &Limit, now: Instant) -> Arc<PacketLimits> {
    Arc::new(PacketLimits::new(limit, &Counter::default(), now))
}

fn ana(limits: &PacketLimits) -> Payer {
    limits.payer(Some("ana"), address("192.0.2.1"))
}

fn nobody(limits: &PacketLimits, from: &str) -> Payer {
    limits.payer(None::<&str>, address(from))
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One session and the limits it is under.
struct Life {
    limits: Arc<PacketLimits>,
    meter: Meter,
    payer: Payer,
}

impl Life {
    fn new(limits: &Arc<PacketLimits>, payer: Payer) -> Self {
        Self { limits: limits.clone(), meter: Meter::new(limits), payer }
    }

    fn say(&mut self, namespace: &str, event: Option<&str>, bytes: u64, now: Instant) -> Result<(), Excess> {
        let bounds = event.map(|event| self.limits.bounds(namespace, event)).unwrap_or_default();
        self.meter.take(&self.limits, &self.payer, bounds, bytes, now)
    }

    /// How many of so many events pass at one moment.
    fn pass(&mut self, count: usize, event: &str, now: Instant) -> usize {
        (0..count).filter(|_| self.say("/", Some(event), 10, now).is_ok()).count()
    }

    fn bound(&mut self, namespace: &str, event: &str, now: Instant) -> &'static str {
        self.say(namespace, Some(event), 10, now).map_or_else(|excess| excess.bound, |()| "")
    }
}

#[test]
fn each_limit_says_which_it_is_and_when_the_next_message_passes() {
    let now = Instant::now();
    let cases = [
        (Limit { messages_per_session: rate("2/1s burst 3"), ..open() }, "limit.messages_per_session"),
        (Limit { messages_per_user: rate("2/1s burst 3"), ..open() }, "limit.messages_per_user"),
        (Limit { bytes_per_user: flow("20/1s burst 30"), ..open() }, "limit.bytes_per_user"),
        (Limit { event: vec![event(&["x"], "2/1s burst 3")], ..open() }, "limit.event[0]"),
        (Limit { event: vec![EventLimit { per: Per::User, ..event(&["x"], "2/1s burst 3") }], ..open() }, "limit.event[0]"),
        (Limit { event: vec![EventLimit { per: Per::Address, ..event(&["x"], "2/1s burst 3") }], ..open() }, "limit.event[0]"),
        (Limit { event: vec![event(&["y"], "1/1h"), event(&["*"], "2/1s burst 3")], ..open() }, "limit.event[1]"),
    ];
    for (limit, bound) in cases {
        let limits = limits(&limit, now);
        let mut life = Life::new(&limits, ana(&limits));
        assert_eq!(life.pass(3, "x", now), 3, "{bound}");
        let excess = life.say("/", Some("x"), 10, now).expect_err(bound);
        assert_eq!(excess, Excess { over: Over::Drop, retry_after: millis(500), bound });
        assert_eq!(excess.retry_after_ms(), 500);
        assert!(life.say("/", Some("x"), 10, now + millis(499)).is_err(), "{bound}: too early");
        assert_eq!(life.say("/", Some("x"), 10, now + millis(500)), Ok(()), "{bound}: who waits as told passes");
        assert!(limits.looks_inside());
    }
}

#[test]
fn an_event_limit_holds_for_its_events_and_namespaces_alone() {
    let now = Instant::now();
    let rule = EventLimit { namespaces: vec!["/".into(), "/game-*".into()], ..event(&["chat:*", "typing"], "1/1h") };
    let limits = limits(&Limit { event: vec![rule], ..open() }, now);
    let cases = [
        ("/", Some("chat:message"), true),
        ("/", Some("typing"), true),
        ("/game-7", Some("chat:"), true),
        ("/", Some("chat"), false),
        ("/", Some("Typing"), false),
        ("/", Some("typing2"), false),
        ("/chat", Some("typing"), false),
        ("/", None, false),
    ];
    for (namespace, name, is_limited) in cases {
        let mut life = Life::new(&limits, ana(&limits));
        assert_eq!(life.say(namespace, name, 10, now), Ok(()));
        assert_eq!(life.say(namespace, name, 10, now).is_err(), is_limited, "{namespace} {name:?}");
    }
    let mut life = Life::new(&limits, ana(&limits));
    assert_eq!(life.say("/", Some("chat:a"), 10, now), Ok(()));
    assert!(life.say("/game-1", Some("typing"), 10, now).is_err(), "all that a rule names shares its count");
}

#[test]
fn every_event_limit_that_matches_counts_and_the_first_that_is_exceeded_refuses() {
    let now = Instant::now();
    let limit = Limit { event: vec![event(&["a"], "2/1h"), event(&["*"], "3/1h")], messages_per_session: rate("5/1h"), ..open() };
    let limits = limits(&limit, now);
    let mut life = Life::new(&limits, ana(&limits));
    let said = ["a", "a", "a", "b", "b", "b"];
    let bounds: Vec<&str> = said.iter().map(|name| life.bound("/", name, now)).collect();
    // What the first refuses, the second has not counted.
    assert_eq!(bounds, ["", "", "limit.event[0]", "", "limit.event[1]", "limit.event[1]"]);
    // Nor has the session: acknowledgements have two left of five.
    let acks = (0..5).filter(|_| life.say("/", None, 10, now).is_ok()).count();
    assert_eq!(acks, 2);
}

#[test]
fn who_counts_for_whom() {
    let now = Instant::now();
    let limit = |per| Limit { event: vec![EventLimit { per, ..event(&["*"], "2/1h") }], ..open() };
    // Session, the same person elsewhere, another person, nobody twice from the same address: what each has left after
    // the first has used up its own.
    for (per, left) in [(Per::Session, [2, 2, 2, 2]), (Per::User, [0, 2, 2, 2]), (Per::Address, [2, 0, 0, 0])] {
        let limits = limits(&limit(per), now);
        let mut first = Life::new(&limits, ana(&limits));
        assert_eq!(first.pass(5, "x", now), 2);
        let others = [
            limits.payer(Some("ana"), address("192.0.2.9")),
            limits.payer(Some("ben"), address("192.0.2.1")),
            nobody(&limits, "192.0.2.1"),
            nobody(&limits, "::ffff:192.0.2.1"),
        ];
        let passed = others.map(|payer| Life::new(&limits, payer).pass(5, "x", now));
        assert_eq!(passed, left, "{per:?}");
    }
}

#[test]
fn addresses_that_are_exempt_have_no_limit_of_addresses() {
    let now = Instant::now();
    let rules = vec![EventLimit { per: Per::Address, ..event(&["*"], "1/1h") }];
    let limit = Limit { event: rules, exempt: vec!["10.0.0.0/8".parse().expect("a network")], ..open() };
    let limits = limits(&limit, now);
    for (from, passed) in [("10.1.2.3", 9), ("::ffff:10.1.2.3", 9), ("11.1.2.3", 1)] {
        assert_eq!(Life::new(&limits, nobody(&limits, from)).pass(9, "x", now), passed, "{from}");
    }
}

#[test]
fn nobody_in_particular_has_no_count_over_sessions() {
    let now = Instant::now();
    let limits = limits(&Limit { messages_per_user: rate("1/1h"), bytes_per_user: flow("10/1h"), ..open() }, now);
    assert_eq!(Life::new(&limits, nobody(&limits, "192.0.2.1")).pass(9, "x", now), 9);
    assert_eq!(limits.keys(), 0);
    assert_eq!(Life::new(&limits, ana(&limits)).pass(9, "x", now), 1);
    assert_eq!(limits.keys(), 2);
}

#[test]
fn what_is_over_warns_drops_or_closes_and_a_refusal_goes_before_a_warning() {
    let now = Instant::now();
    for over in [Over::Warn, Over::Drop, Over::Close] {
        let general = Limit { messages_per_session: rate("1/1h"), over, ..open() };
        let single = Limit { event: vec![EventLimit { over, ..event(&["*"], "1/1h") }], ..open() };
        for limit in [general, single] {
            let limits = limits(&limit, now);
            let mut life = Life::new(&limits, ana(&limits));
            assert_eq!(life.pass(1, "x", now), 1);
            assert_eq!(life.say("/", Some("x"), 10, now).map_err(|excess| excess.over), Err(over));
        }
    }
    let warning = EventLimit { over: Over::Warn, ..event(&["*"], "1/1h") };
    let limit = Limit { event: vec![warning.clone(), event(&["*"], "2/1h"), warning], ..open() };
    let limits = limits(&limit, now);
    let mut life = Life::new(&limits, ana(&limits));
    let said: Vec<_> = (0..3).map(|_| life.bound("/", "x", now)).collect();
    assert_eq!(said, ["", "limit.event[0]", "limit.event[1]"], "the first warning, unless somebody refuses");
}

#[test]
fn sizes_of_events_are_bounded_each_by_its_name() {
    let now = Instant::now();
    let rule = |events: &[&str], size: u64, over| EventLimit { size: Some(Size(size)), over, ..event(events, "off") };
    let limit = Limit {
        event: vec![
            rule(&["*"], 500, Over::Drop),
            rule(&["chat:*"], 100, Over::Close),
            rule(&["chat:long"], 1_000, Over::Drop),
            rule(&["typing"], 10, Over::Warn),
        ],
        ..open()
    };
    let limits = limits(&limit, now);
    let sizes = ["other", "chat:x", "chat:long", "typing"].map(|name| limits.size_of(limits.bounds("/", name)));
    assert_eq!(sizes, [Some(500), Some(100), Some(100), Some(500)], "the smallest that refuses");
    let open = PacketLimits::new(&open(), &Counter::default(), now);
    assert_eq!(open.size_of(open.bounds("/", "other")), None);
    let cases = [
        ("other", 500, None),
        ("other", 501, Some((Over::Drop, "limit.event[0].size"))),
        ("chat:x", 100, None),
        ("chat:x", 101, Some((Over::Close, "limit.event[1].size"))),
        ("typing", 11, Some((Over::Warn, "limit.event[3].size"))),
        ("typing", 501, Some((Over::Drop, "limit.event[0].size"))),
    ];
    for (name, bytes, over) in cases {
        let expected = match over {
            Some((over, bound)) => Err(Excess { over, bound, retry_after: Duration::ZERO }),
            None => Ok(()),
        };
        let mut life = Life::new(&limits, ana(&limits));
        assert_eq!(life.say("/", Some(name), bytes, now), expected, "{name} of {bytes}");
        assert_eq!(
            limits.oversize(limits.bounds("/", name), bytes),
            expected,
            "the same of one that has grown: {name} of {bytes}"
        );
    }
}

#[test]
fn a_message_larger_than_the_burst_passes_alone_and_is_paid_for() {
    let now = Instant::now();
    let limits = limits(&Limit { bytes_per_user: flow("100/1s burst 200"), ..open() }, now);
    let mut life = Life::new(&limits, ana(&limits));
    assert_eq!(life.say("/", Some("x"), 1_000, now), Ok(()));
    let excess = life.say("/", Some("x"), 100, now).expect_err("ten seconds are owed, two of them may be");
    assert_eq!(excess.retry_after, millis(9_000));
    assert_eq!(life.say("/", Some("x"), 100, now + millis(9_000)), Ok(()));
    let excess = life.say("/", Some("x"), 1_000, now + millis(9_000)).expect_err("and another waits until nothing is owed");
    assert_eq!(excess.retry_after, millis(2_000));
    assert_eq!(life.say("/", Some("x"), 1_000, now + millis(11_000)), Ok(()));
}

#[test]
fn bytes_that_come_late_are_paid_for_by_what_follows() {
    let now = Instant::now();
    let limits = limits(&Limit { bytes_per_user: flow("100/1s burst 200"), ..open() }, now);
    let mut life = Life::new(&limits, ana(&limits));
    assert_eq!(life.say("/", Some("file"), 20, now), Ok(()));
    limits.owe(life.payer, 480, now);
    limits.owe(nobody(&limits, "192.0.2.1"), 480, now);
    let excess = life.say("/", Some("x"), 100, now).expect_err("500 are used");
    assert_eq!(excess.retry_after, millis(4_000));
    let mut other = Life::new(&limits, limits.payer(Some("ana"), address("192.0.2.9")));
    assert!(other.say("/", None, 100, now + millis(3_999)).is_err(), "whichever of her sessions is next");
    assert_eq!(other.say("/", None, 100, now + millis(4_000)), Ok(()));
}

#[test]
fn refusals_are_tolerated_up_to_a_rate() {
    let now = Instant::now();
    let calm = limits(&Limit { abuse: rate("3/1m"), ..open() }, now);
    let mut meter = Meter::new(&calm);
    let said: Vec<bool> = (0..5).map(|_| meter.violated(now)).collect();
    assert_eq!(said, [false, false, false, true, true]);
    assert!(!meter.violated(now + Duration::from_secs(20)), "one comes back every twenty seconds");
    assert!(meter.violated(now + Duration::from_secs(20)));
    let patient = limits(&Limit { abuse: Rate::Off, ..open() }, now);
    let mut meter = Meter::new(&patient);
    assert!((0..10_000).all(|_| !meter.violated(now)));
    let mut meter = Meter::new(&limits(&Limit::default(), now));
    assert_eq!((0..100).filter(|_| !meter.violated(now)).count(), 30);
}

#[test]
fn only_limits_that_somebody_has_set_are_a_reason_to_look_inside() {
    let now = Instant::now();
    let cases = [
        (Limit::default(), false),
        (Limit { messages_per_user: Rate::Off, ..Limit::default() }, false),
        (Limit { messages_per_user: rate("51/1s burst 200"), ..Limit::default() }, true),
        (Limit { messages_per_session: rate("10/1s"), ..Limit::default() }, true),
        (Limit { bytes_per_user: flow("1 MiB/1s"), ..Limit::default() }, true),
        (Limit { namespaces: 3, ..Limit::default() }, true),
        (Limit { attachments: 0, ..Limit::default() }, true),
        (Limit { event: vec![event(&["x"], "1/1s")], ..Limit::default() }, true),
        (Limit { over: Over::Close, abuse: Rate::Off, sessions: 3, ..Limit::default() }, false),
        (Limit { session_life: sockgate::config::Period::seconds(9), ..Limit::default() }, false),
    ];
    for (limit, looks) in cases {
        assert_eq!(limits(&limit, now).looks_inside(), looks, "{limit:?}");
    }
    let default = limits(&Limit::default(), now);
    assert_eq!((default.namespaces(), default.attachments()), (32, 10));
}

#[test]
fn reload_keeps_what_is_counted_where_the_numbers_stay() {
    let now = Instant::now();
    let rules = || vec![event(&["a"], "2/1h"), EventLimit { per: Per::User, ..event(&["b"], "2/1h") }];
    let limit = Limit {
        messages_per_session: rate("100/1h"),
        messages_per_user: rate("102/1h"),
        bytes_per_user: flow("1000/1h"),
        abuse: rate("2/1h"),
        event: rules(),
        ..open()
    };
    let old = limits(&limit, now);
    let payer = ana(&old);
    let mut life = Life::new(&old, payer);
    assert_eq!((life.pass(2, "a", now), life.pass(2, "b", now)), (2, 2));
    assert_eq!((life.pass(70, "c", now), life.meter.violated(now), life.meter.violated(now)), (70, false, false));

    // The rules change places, another comes before them, and what happens above a limit is another thing.
    let mut event_rules = rules();
    event_rules.reverse();
    event_rules.insert(0, event(&["z"], "2/1h"));
    event_rules[1].over = Over::Close;
    let next = Arc::new(old.renew(&Limit { over: Over::Close, event: event_rules, ..limit.clone() }, now + millis(5)));
    life.limits = next.clone();
    assert_eq!(ana(&next), payer, "people are known again");
    assert_eq!(life.bound("/", "a", now), "limit.event[2]");
    assert_eq!(life.bound("/", "b", now), "limit.event[1]");
    assert_eq!(life.pass(2, "z", now), 2);
    assert_eq!(life.pass(100, "c", now), 24, "of the session's hundred 76 were used");
    assert!(life.meter.violated(now));

    // Other numbers begin anew.
    let more = Limit { abuse: rate("3/1h"), event: vec![event(&["a"], "3/1h")], ..limit };
    life.limits =
        Arc::new(next.renew(&Limit { messages_per_session: rate("101/1h"), bytes_per_user: flow("1001/1h"), ..more }, now));
    assert_eq!(life.pass(9, "a", now), 2, "what is left for the user");
    life.meter.renew(&life.limits);
    assert!(!life.meter.violated(now));
}

#[test]
fn limits_that_say_the_same_twice_count_twice_before_and_after_a_reload() {
    let now = Instant::now();
    for per in [Per::Session, Per::User] {
        let rule = EventLimit { per, ..event(&["*"], "6/1h") };
        let limit = Limit { event: vec![rule.clone(), rule], ..open() };
        let old = limits(&limit, now);
        let mut life = Life::new(&old, ana(&old));
        assert_eq!(life.pass(2, "x", now), 2);
        life.limits = Arc::new(old.renew(&limit, now));
        assert_eq!(life.pass(9, "x", now), 4, "{per:?}");
    }
}

#[test]
fn sessions_keep_their_counts_when_their_route_gets_limits_of_its_own() {
    let begin = Instant::now();
    let limit = Limit { messages_per_session: rate("10/1h"), abuse: rate("10/1h"), ..open() };
    for (first, second) in [(0, 1_000), (1_000, 0)] {
        let (here, there) = (limits(&limit, begin + millis(first)), limits(&limit, begin + millis(second)));
        let now = begin + millis(2_000);
        let mut life = Life::new(&here, ana(&here));
        assert_eq!(life.pass(7, "x", now), 7);
        assert!((0..10).all(|_| !life.meter.violated(now)));
        life.limits = there;
        assert_eq!(life.pass(7, "x", now), 3);
        assert!(life.meter.violated(now));
    }
}

#[test]
fn a_limiter_brings_its_packet_limits_along_and_renews_them() {
    let now = Instant::now();
    let limit = Limit { messages_per_user: rate("2/1h"), bytes_per_user: flow("1 KiB/1h"), ..open() };
    let old = Arc::new(Limiter::new(&limit, &Counter::default(), now));
    assert_eq!(Life::new(old.packets(), ana(old.packets())).pass(9, "x", now), 2);
    assert_eq!(old.keys(), 2);
    let new = Limiter::renew(&old, &Limit { sessions: 7, ..limit }, now);
    assert_eq!(Life::new(new.packets(), ana(new.packets())).pass(9, "x", now), 0, "a reload forgives nobody");
    new.sweep(now + Duration::from_secs(7_200));
    assert_eq!(new.keys(), 0, "and what is full again is forgotten");
}

#[test]
fn newcomers_beyond_the_cap_share_one_bucket_of_each_kind() {
    let now = Instant::now();
    let overflowed = Counter::default();
    let limit = Limit { bytes_per_user: flow("30/1h"), keys: 10, ..open() };
    let limits = Arc::new(PacketLimits::new(&limit, &overflowed, now));
    let passed = |number: u32| Life::new(&limits, limits.payer(Some(number), address("192.0.2.1"))).pass(9, "x", now);
    assert!((0..10).all(|number| passed(number) == 3));
    assert_eq!((10..1_000).map(passed).sum::<usize>(), 3, "all newcomers together have what one user has");
    assert_eq!((limits.keys(), overflowed.get()), (10, 9 * 990));
}

#[test]
fn as_many_event_limits_as_may_be_have_names_of_their_own() {
    let now = Instant::now();
    let rules = (0..MOST_EVENT_LIMITS).map(|number| event(&[&format!("e{number}")], "1/1h")).collect();
    let limits = limits(&Limit { event: rules, ..open() }, now);
    let mut life = Life::new(&limits, ana(&limits));
    for number in 0..MOST_EVENT_LIMITS {
        let name = format!("e{number}");
        assert_eq!(life.bound("/", &name, now), "");
        assert_eq!(life.bound("/", &name, now), format!("limit.event[{number}]"));
    }
}

#[test]
fn extreme_numbers_neither_panic_nor_let_everything_through() {
    let begin = Instant::now();
    let much = ["1/36500d", "1/36500d burst 4294967295", "4294967295/1ms", "4294967295/36500d burst 4294967295"];
    let bytes = ["1/36500d", "1/36500d burst 900000 GiB", "900000 GiB/1ms", "900000 GiB/36500d burst 900000 GiB"];
    for (messages, bytes) in much.into_iter().zip(bytes) {
        let limit = Limit { messages_per_session: rate(messages), bytes_per_user: flow(bytes), abuse: rate(messages), ..open() };
        let limits = limits(&limit, begin);
        let mut life = Life::new(&limits, ana(&limits));
        assert_eq!(life.say("/", Some("x"), 0, begin), Ok(()), "{messages} {bytes}");
        for step in 0..100 {
            let now = begin + Duration::from_secs(step * 86_400 * 365);
            let _ = (life.say("/", Some("x"), u64::MAX, now), life.meter.violated(now));
            limits.owe(life.payer, u64::MAX, now);
        }
        let _ = life.say("/", Some("x"), u64::MAX, begin);
        limits.sweep(begin);
    }
}

#[test]
fn time_that_runs_backwards_refills_nothing() {
    let begin = Instant::now();
    let late = begin + Duration::from_secs(100);
    let limits = limits(&Limit { messages_per_session: rate("1/10s"), bytes_per_user: flow("10/10s"), ..open() }, late);
    let mut life = Life::new(&limits, ana(&limits));
    assert_eq!(life.pass(1, "x", late), 1);
    assert_eq!(life.pass(1, "x", begin), 0);
    assert_eq!(life.pass(1, "x", late + Duration::from_secs(9)), 0);
    assert_eq!(life.pass(1, "x", late + Duration::from_secs(10)), 1);
}

proptest! {
    /// In no stretch of time does a bucket give more than its burst and what was refilled.
    #[test]
    fn a_pace_is_never_exceeded(
        takes in proptest::collection::vec((0_u64..3_000, 1_u64..40), 1..200),
        per_second in 1_u32..50,
        burst in 40_u32..100,
    ) {
        let pace = Pace::of_rate(Rate::Limited { count: per_second, per: Duration::from_secs(1), burst }).expect("limited");
        let (mut bucket, mut now, mut taken) = (0, 7_u64, 0_u64);
        let begin = now;
        for (pause, much) in takes {
            now += pause * 1_000_000;
            match pace.take(bucket, much, now) {
                Ok(after) => {
                    bucket = after;
                    taken += much;
                }
                Err(wait) => {
                    let wait = wait.as_nanos() as u64;
                    prop_assert!(wait > 0);
                    prop_assert!(pace.take(bucket, much, now + wait).is_ok(), "who waits as told passes");
                    prop_assert!(pace.take(bucket, much, now + wait - 1).is_err(), "and not before");
                }
            }
            // Fractions of a nanosecond are rounded in the taker's favour, once for each take.
            let most = u64::from(burst) + (now - begin + 1_000) * u64::from(per_second) / 1_000_000_000 + 1;
            prop_assert!(taken <= most, "{taken} of {most}");
        }
    }

    /// Sessions do not take from each other what is each one's own, and share what is their user's.
    #[test]
    fn sessions_share_exactly_what_is_their_users(
        steps in proptest::collection::vec((0_usize..4, 0_u64..400), 1..200),
    ) {
        let begin = Instant::now();
        let limits = limits(
            &Limit { messages_per_session: rate("2/1s burst 5"), messages_per_user: rate("3/1s burst 8"), ..open() },
            begin,
        );
        // Two sessions of each of two people.
        let person = |session: usize| session / 2;
        let mut lives: Vec<Life> = (0..4)
            .map(|session| Life::new(&limits, limits.payer(Some(person(session)), address("192.0.2.1"))))
            .collect();
        let (mut now, mut by_session, mut by_user) = (begin, [0_u64; 4], [0_u64; 2]);
        // What a user's limit refuses, the session's has counted.
        let mut tried = [0_u64; 4];
        for (session, pause) in steps {
            now += millis(pause);
            let elapsed = now.duration_since(begin).as_millis() as u64;
            match lives[session].say("/", Some("x"), 1, now) {
                Ok(()) => {
                    by_session[session] += 1;
                    tried[session] += 1;
                    by_user[person(session)] += 1;
                }
                // Only who has used what there was at first is ever refused.
                Err(excess) if excess.bound == "limit.messages_per_session" => prop_assert!(tried[session] >= 5),
                Err(excess) => {
                    prop_assert_eq!(excess.bound, "limit.messages_per_user");
                    tried[session] += 1;
                    prop_assert!(by_user[person(session)] >= 8);
                }
            }
            prop_assert!(by_session[session] <= 5 + elapsed * 2 / 1_000);
            prop_assert!(by_user[person(session)] <= 8 + elapsed * 3 / 1_000);
        }
    }

    /// However often the configuration is read again, nobody gets more.
    #[test]
    fn reloads_give_nothing_away(steps in proptest::collection::vec((any::<bool>(), 0_u64..300), 1..150)) {
        let begin = Instant::now();
        let limit = Limit {
            messages_per_session: rate("4/1s burst 5"),
            event: vec![EventLimit { per: Per::User, ..event(&["x"], "2/1s burst 4") }],
            ..open()
        };
        let mut life = Life::new(&limits(&limit, begin), Payer::default());
        life.payer = ana(&life.limits);
        let (mut now, mut passed) = (begin, 0_u64);
        for (reloads, pause) in steps {
            now += millis(pause);
            if reloads {
                life.limits = Arc::new(life.limits.renew(&limit, now));
            }
            passed += life.pass(1, "x", now) as u64;
            let elapsed = now.duration_since(begin).as_millis() as u64;
            prop_assert!(passed <= 4 + elapsed * 2 / 1_000);
        }
    }
}
