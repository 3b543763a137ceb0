use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use sockgate::{
    config::{
        Period,
        socketio::SocketIo,
        upstream::{Balance, Member, Reuse, Upstream},
    },
    telemetry::Metrics,
    upstream::{Lease, MemberGone, NoMember, Outcome, Pool, PoolProblem, ReuseKey, Standing, pool::member_id},
};

use super::support::{config, pool};

const A: &str = "http://a:1";
const B: &str = "http://b:1";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn fail(pool: &Pool, seat: usize, times: usize, now: Instant) {
    (0..times).for_each(|_| pool.members()[seat].report(Outcome::Refused, now));
}

fn urls(leases: &[Lease]) -> HashSet<String> {
    leases.iter().map(|lease| lease.member().url().to_owned()).collect()
}

#[test]
fn a_lease_counts_for_as_long_as_it_lives() {
    let (pool, now) = (pool(&config(&[A, B])), Instant::now());
    let leases: Vec<_> = (0..4).map(|_| pool.lease(None, now).expect("a member")).collect();
    assert_eq!(pool.members().iter().map(|member| member.sessions()).collect::<Vec<_>>(), [2, 2]);
    drop(leases);
    assert_eq!(pool.members().iter().map(|member| member.sessions()).sum::<u64>(), 0);
}

#[test]
fn a_retry_goes_elsewhere_or_nowhere() {
    let (pool, now) = (pool(&config(&[A, B])), Instant::now());
    let first = pool.lease(None, now).expect("a member").member().id();
    let second = pool.lease_except(&[first], None, now).expect("another").member().id();
    assert_ne!(first, second);
    assert_eq!(pool.lease_except(&[first, second], None, now).err(), Some(NoMember));
}

#[test]
fn a_key_always_leads_to_the_same_member() {
    let pool = pool(&Upstream { balance: Balance::Hash, ..config(&[A, B]) });
    let now = Instant::now();
    let leases: Vec<_> = (0..9).map(|_| pool.lease(Some(77), now).expect("a member")).collect();
    assert_eq!(urls(&leases).len(), 1);
    let unkeyed: Vec<_> = (0..2).map(|_| pool.lease(None, now).expect("a member")).collect();
    assert!(urls(&unkeyed).len() == 1 && urls(&unkeyed) != urls(&leases), "without a key the fewest sessions decide");
}

#[test]
fn round_robin_takes_turns_by_weight() {
    let weighted = |url: &str, weight| Member::Weighted { url: url.into(), weight };
    let pool = pool(&Upstream {
        balance: Balance::RoundRobin,
        members: vec![weighted(A, 3), weighted(B, 1), weighted("http://c:1", 0)],
        ..config(&[])
    });
    let now = Instant::now();
    let turns: Vec<_> = (0..8).map(|_| pool.lease(None, now).expect("a member").member().url().to_owned()).collect();
    assert_eq!(turns.iter().filter(|url| *url == A).count(), 6);
    assert_eq!(turns.iter().filter(|url| *url == B).count(), 2);
}

#[test]
fn a_sealed_member_is_found_by_its_id() {
    let (pool, now) = (pool(&config(&[A, B])), Instant::now());
    let lease = pool.lease_from(member_id("app", B), now).expect("the member");
    assert_eq!((lease.member().url(), lease.member().sessions()), (B, 1));
    assert_eq!(pool.lease_from(member_id("other", B), now).err(), Some(MemberGone::Unknown));
    // Sealed ids of other gates and other versions name it by this.
    assert_eq!(member_id("app", A).0, 4_595_764_991_934_826_859);
}

#[test]
fn failures_in_a_row_eject_and_an_answer_between_forgives() {
    let (pool, now) = (pool(&config(&[A, B])), Instant::now());
    fail(&pool, 0, 2, now);
    pool.members()[0].report(Outcome::Answered, now);
    fail(&pool, 0, 2, now);
    assert_eq!(pool.members()[0].standing(now), Standing::Up);
    fail(&pool, 0, 1, now);
    assert_eq!(pool.members()[0].standing(now), Standing::Ejected);
    assert!(pool.lease_from(member_id("app", A), now).is_ok(), "sessions that are there stay");
    let leases: Vec<_> = (0..4).map(|_| pool.lease(None, now).expect("a member")).collect();
    assert_eq!(urls(&leases), HashSet::from([B.to_owned()]));
}

#[test]
fn an_ejected_member_comes_back_slowly_and_each_time_later() {
    let (pool, start) = (pool(&config(&[A, B])), Instant::now());
    let member = &pool.members()[0];
    let (mut now, mut times) = (start, 3);
    for period in [5, 10, 20, 40, 80, 80] {
        fail(&pool, 0, times, now);
        assert_eq!(member.standing(now + seconds(period) - Duration::from_millis(2)), Standing::Ejected, "{period}");
        now += seconds(period) + Duration::from_millis(2);
        assert_eq!(member.standing(now), Standing::SlowStart(100), "{period}");
        // On probation one failure is enough.
        times = 1;
    }
    assert!(matches!(member.standing(now + seconds(5)), Standing::SlowStart(490..=510)));
    assert_eq!(member.standing(now + seconds(10)), Standing::Up);
    // Long good conduct makes the next ejection a first one.
    now += seconds(81);
    member.report(Outcome::Answered, now);
    fail(&pool, 0, 3, now);
    assert_eq!(member.standing(now + seconds(5) + Duration::from_millis(2)), Standing::SlowStart(100));
}

#[test]
fn failures_while_ejected_do_not_prolong_it() {
    let (pool, now) = (pool(&config(&[A, B])), Instant::now());
    fail(&pool, 0, 50, now);
    assert_eq!(pool.members()[0].standing(now + seconds(6)), Standing::SlowStart(100));
}

#[test]
fn the_last_member_that_is_up_is_never_ejected() {
    let now = Instant::now();
    let alone = pool(&config(&[A]));
    fail(&alone, 0, 50, now);
    assert_eq!(alone.members()[0].standing(now), Standing::Up);

    let pair = pool(&config(&[A, B]));
    fail(&pair, 0, 3, now);
    fail(&pair, 1, 50, now);
    assert_eq!(pair.members()[1].standing(now), Standing::Up);
    pair.members()[1].drain();
    let lease = pair.lease(None, now).expect("better a doubtful member than none");
    assert_eq!(lease.member().url(), A);
}

#[test]
fn a_pool_is_out_of_reach_for_a_moment_after_nobody_could_be_dialed() {
    let (pool, now) = (pool(&config(&[A, B])), Instant::now());
    assert!(!pool.is_out_of_reach(now));
    fail(&pool, 0, 1, now);
    assert!(!pool.is_out_of_reach(now), "there is another");
    fail(&pool, 1, 1, now + seconds(1));
    assert!(pool.is_out_of_reach(now + seconds(1)));
    assert!(!pool.is_out_of_reach(now + seconds(2)), "somebody may try the first again");
    fail(&pool, 0, 1, now + seconds(2));
    assert!(pool.is_out_of_reach(now + seconds(2)));
    pool.members()[1].report(Outcome::Answered, now + seconds(2));
    assert!(!pool.is_out_of_reach(now + seconds(2)), "an answer counts at once");
    fail(&pool, 1, 1, now + seconds(2));
    pool.members()[0].probed(true, 2, 2, now + seconds(2));
    assert!(!pool.is_out_of_reach(now + seconds(2)), "so does a probe");
    pool.members()[1].report(Outcome::Broken, now + seconds(2));
    assert!(!pool.is_out_of_reach(now + seconds(2)), "who was dialed is there");
}

#[test]
fn probes_take_a_member_down_and_bring_it_back() {
    let (pool, now) = (pool(&config(&[A])), Instant::now());
    let member = &pool.members()[0];
    member.probed(false, 2, 2, now);
    assert_eq!(member.standing(now), Standing::Up, "one failure is an accident");
    member.probed(false, 2, 2, now);
    assert_eq!(member.standing(now), Standing::Down);
    assert_eq!(pool.lease(None, now).err(), Some(NoMember));
    assert_eq!(pool.lease_from(member.id(), now).err(), Some(MemberGone::Down));
    assert!(!pool.has_room(now));
    for passed in [true, false, true, true] {
        assert_eq!(member.standing(now), Standing::Down);
        member.probed(passed, 2, 2, now);
    }
    assert_eq!(member.standing(now), Standing::SlowStart(100));
    assert!(pool.has_room(now));
}

#[test]
fn a_draining_member_keeps_its_sessions_and_takes_no_new_ones() {
    let (pool, now) = (pool(&config(&[A, B])), Instant::now());
    pool.members()[0].drain();
    let leases: Vec<_> = (0..4).map(|_| pool.lease(None, now).expect("a member")).collect();
    assert_eq!(urls(&leases), HashSet::from([B.to_owned()]));
    assert!(pool.lease_from(member_id("app", A), now).is_ok());
}

#[test]
fn a_reload_keeps_what_is_known_and_the_sessions_of_members_that_left() {
    let (metrics, now) = (Metrics::default(), Instant::now());
    let renew = |old: Option<&Pool>, urls: &[&str]| Pool::renew(old, &config(urls), &metrics, now).expect("a good pool");
    let first = renew(None, &[A, B, "http://c:1"]);
    first.members()[0].learn(10_000, 5_000);
    fail(&first, 0, 3, now);
    let kept = first.lease_from(member_id("app", B), now).expect("the member");

    let second = renew(Some(&first), &["http://a:1/", "http://d:1"]);
    first.retire(Some(&second), &metrics);
    assert_eq!(second.members().len(), 3, "a, d, and b for its session; c had none");
    assert_eq!(second.members()[0].standing(now), Standing::Ejected);
    assert_eq!(second.members()[0].ping(&SocketIo::default()), (seconds(10), seconds(5)));
    let leaving = second.find(member_id("app", B)).expect("b").clone();
    assert!(leaving.is_leaving() && leaving.standing(now) == Standing::Draining && leaving.sessions() == 1);
    assert_eq!(second.lease(None, now).expect("a member").member().url(), "http://d:1");
    let page = metrics.page();
    assert!(!page.contains("http://c:1") && page.contains("http://d:1"), "{page}");
    assert!(page.contains("sockgate_member_sessions{upstream=\"app\",member=\"http://b:1\"} 1"), "{page}");

    let back = renew(Some(&second), &[A, B]);
    second.retire(Some(&back), &metrics);
    assert!(!back.find(member_id("app", B)).expect("b").is_leaving());
    assert!(metrics.page().contains("sockgate_member_sessions{upstream=\"app\",member=\"http://b:1\"} 1"));

    drop(kept);
    let third = renew(Some(&second), &[A, "http://d:1"]);
    assert_eq!(third.members().len(), 2);
    second.retire(Some(&third), &metrics);
    assert!(!metrics.page().contains("http://b:1"), "{}", metrics.page());
}

#[test]
fn a_member_that_fails_has_no_claim_on_those_who_were_there() {
    let now = Instant::now();
    let pool = pool(&config(&[A, B]));
    assert!(pool.lease_again(member_id("app", A), now).is_ok());
    fail(&pool, 0, 3, now);
    assert_eq!(pool.lease_again(member_id("app", A), now).err(), Some(MemberGone::Down));
    assert_eq!(pool.lease_again(member_id("app", "http://x:1"), now).err(), Some(MemberGone::Unknown));
    pool.members()[1].drain();
    assert!(pool.lease_again(member_id("app", B), now).is_ok(), "draining keeps those it has");
}

#[test]
fn a_pool_of_another_name_inherits_nothing() {
    let (metrics, now) = (Metrics::default(), Instant::now());
    let first = Pool::renew(None, &config(&[A]), &metrics, now).expect("a good pool");
    first.members()[0].learn(10_000, 5_000);
    let other = Upstream { name: "other".into(), ..config(&[A]) };
    let second = Pool::renew(Some(&first), &other, &metrics, now).expect("a good pool");
    assert_eq!(second.members()[0].ping(&SocketIo::default()), (seconds(25), seconds(20)));
}

#[test]
fn absurd_ping_values_are_not_believed() {
    let pool = pool(&config(&[A]));
    for (interval, timeout) in [(0, 20_000), (25_000, 0), (u64::MAX, 20_000), (25_000, 1 << 33), (3_600_001, 1)] {
        pool.members()[0].learn(interval, timeout);
        assert_eq!(pool.members()[0].ping(&SocketIo::default()), (seconds(25), seconds(20)));
    }
    pool.members()[0].learn(300, 200);
    assert_eq!(pool.members()[0].ping(&SocketIo::default()), (Duration::from_millis(300), Duration::from_millis(200)));
}

#[test]
fn sessions_share_connections_as_configured() {
    let key = |reuse, session| pool(&Upstream { reuse, ..config(&[A]) }).reuse_key(session);
    assert_eq!(key(Reuse::Shared, Some(1)), ReuseKey::Shared);
    assert_eq!(key(Reuse::Session, Some(1)), ReuseKey::Session(1));
    assert_eq!(key(Reuse::Session, None), ReuseKey::Off);
    assert_eq!(key(Reuse::Off, Some(1)), ReuseKey::Off);
}

#[test]
fn urls_are_read_strictly() {
    for (url, canonical) in [
        ("http://app", "http://app"),
        ("http://app:80/", "http://app"),
        ("HTTP://App:3001", "http://app:3001"),
        ("http://[::1]:3001", "http://[::1]:3001"),
        ("http://10.0.0.1:1", "http://10.0.0.1:1"),
    ] {
        assert_eq!(pool(&config(&[url])).members()[0].url(), canonical);
    }
    for url in [
        "",
        "app",
        "app:3001",
        "ftp://app",
        "http://",
        "http://app/path",
        "http://app?x=1",
        "http://user@app",
        "http://app:",
        "http://app:0",
        "http://app:99999",
        "http://a b",
        "http://app:3001,http://app:3002",
        "http://[::1",
        "/socket.io/",
    ] {
        let problems = Pool::renew(None, &config(&[url]), &Metrics::default(), Instant::now()).err();
        assert_eq!(problems, Some(vec![PoolProblem::Url(url.into())]), "{url:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = |config: &Upstream| Pool::renew(None, config, &Metrics::default(), Instant::now()).err().expect("problems");
    assert_eq!(problems(&config(&[])), [PoolProblem::Empty]);
    let many = Upstream {
        client_certificate: Some("client.pem".into()),
        ..config(&["nonsense", A, "http://a:1/", "https://a:1", "worse"])
    };
    assert_eq!(
        problems(&many),
        [
            PoolProblem::Url("nonsense".into()),
            PoolProblem::Url("worse".into()),
            PoolProblem::HalfCertificate,
            PoolProblem::Twice(A.into()),
        ]
    );
}

#[test]
fn the_page_shows_who_is_up_and_what_failed() {
    let (metrics, now) = (Metrics::default(), Instant::now());
    let config = Upstream { eject_for: Period::seconds(1), ..config(&[A, B]) };
    let pool = Arc::new(Pool::renew(None, &config, &metrics, now).expect("a good pool"));
    let has = |line: &str| metrics.page().lines().any(|has| has.starts_with(line));
    assert!(has(r#"sockgate_member_up{upstream="app",member="http://a:1"} 1"#), "{}", metrics.page());
    fail(&pool, 0, 3, now);
    let _lease = pool.lease(None, now).expect("a member");
    assert!(has(r#"sockgate_member_up{upstream="app",member="http://a:1"} 0"#), "{}", metrics.page());
    assert!(has(r#"sockgate_member_failures_total{upstream="app",member="http://a:1",cause="refused"} 3"#), "{}", metrics.page());
    assert!(has(r#"sockgate_member_sessions{upstream="app",member="http://b:1"} 1"#), "{}", metrics.page());
    pool.members()[0].show(now + seconds(2));
    assert!(has(r#"sockgate_member_up{upstream="app",member="http://a:1"} 1"#), "{}", metrics.page());
}
