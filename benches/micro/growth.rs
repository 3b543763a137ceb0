//! The same operation on a small table and on a large one. Who asks changes every time and in no order, so that the large
//! tables are not read from the fastest cache alone.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use sockgate::{
    codec::engine::Revision,
    config::{
        limit::Limit,
        route::{Kind, Route},
        upstream::{Balance, Member, Probe, Upstream},
    },
    policy::{
        auth::{Identity, SealedIdentity},
        limit::Limiter,
        origin::{Category, Shown},
    },
    relay::{
        Ledger, Reason, Session,
        session::{Held, Key, Opened, Tenure, Transport},
    },
    telemetry::Metrics,
    upstream::{Pool, Routes},
};

use super::{
    Operation, again,
    limit::limiter,
    origin::{ask, judge_of},
};

/// A function for each size: a harness names what it measures.
macro_rules! sizes {
    ($($name:ident = $made:expr;)+) => { $(pub fn $name() -> Operation { $made })+ };
}

sizes! {
    limiter_address_1_000 = limiter_address(1_000);
    limiter_address_1_000_000 = limiter_address(1_000_000);
    limiter_newcomer_1_000 = limiter_newcomer(1_000);
    limiter_newcomer_1_000_000 = limiter_newcomer(1_000_000);
    sessions_held_1_000 = sessions_held(1_000);
    sessions_held_1_000_000 = sessions_held(1_000_000);
    origin_exact_10 = origin_exact(10);
    origin_exact_10_000 = origin_exact(10_000);
    origin_wildcard_10 = origin_wildcard(10);
    origin_wildcard_10_000 = origin_wildcard(10_000);
    origin_one_domain_10 = origin_one_domain(10);
    origin_one_domain_10_000 = origin_one_domain(10_000);
    origin_stranger_10 = origin_stranger(10);
    origin_stranger_10_000 = origin_stranger(10_000);
    origin_near_stranger_10 = origin_near_stranger(10);
    origin_near_stranger_10_000 = origin_near_stranger(10_000);
    route_by_host_1 = route_by_host(1);
    route_by_host_100 = route_by_host(100);
    route_by_path_1 = route_by_path(Kind::Socketio, 1);
    route_by_path_100 = route_by_path(Kind::Socketio, 100);
    route_prefix_1 = route_by_path(Kind::Http, 1);
    route_prefix_100 = route_by_path(Kind::Http, 100);
    lease_least_2 = lease(Balance::LeastSessions, 2);
    lease_least_100 = lease(Balance::LeastSessions, 100);
    lease_turns_2 = lease(Balance::RoundRobin, 2);
    lease_turns_100 = lease(Balance::RoundRobin, 100);
    lease_hash_2 = lease(Balance::Hash, 2);
    lease_hash_100 = lease(Balance::Hash, 100);
    reach_2 = reach(2);
    reach_100 = reach(100);
    ledger_find_100 = ledger_find(100);
    ledger_find_100_000 = ledger_find(100_000);
    ledger_life_100 = ledger_life(100);
    ledger_life_100_000 = ledger_life(100_000);
}

/// A client that has been here before.
fn limiter_address(keys: usize) -> Operation {
    let mut now = Instant::now();
    let limiter = full_limiter(keys, now);
    let mut turns = Turns::of(keys);
    again(move || {
        now += Duration::from_secs(1);
        limiter.admit_address(client(turns.next()), now)
    })
}

/// A client that has not, when the table is full: it is judged with all other newcomers.
fn limiter_newcomer(keys: usize) -> Operation {
    let mut now = Instant::now();
    let limiter = full_limiter(keys, now);
    let mut turns = Turns::of(1_000_000);
    assert_eq!((limiter.admit_address(client(keys + 7), now), limiter.keys()), (Ok(()), keys), "nobody was forgotten or added");
    again(move || {
        now += Duration::from_secs(1);
        limiter.admit_address(client(keys + turns.next()), now)
    })
}

/// One more session, beside so many that are open, of other addresses.
fn sessions_held(keys: usize) -> Operation {
    let limiter = limiter(&Limit { keys: 2 * keys, sessions_per_address: 16, ..Limit::default() }, Instant::now());
    let held: Vec<_> = (0..keys).map(|number| limiter.hold_address_session(client(number)).expect("there is room")).collect();
    assert_eq!(limiter.keys(), keys);
    let mut turns = Turns::of(1_000_000);
    again(move || {
        black_box(&held);
        limiter.hold_address_session(client(keys + turns.next()))
    })
}

fn full_limiter(keys: usize, now: Instant) -> Limiter {
    let limiter = limiter(&Limit { keys, ..Limit::default() }, now);
    assert!((0..keys).all(|number| limiter.admit_address(client(number), now).is_ok()));
    assert_eq!(limiter.keys(), keys);
    limiter
}

fn client(number: usize) -> IpAddr {
    Ipv4Addr::from_bits(0x0b00_0000 + number as u32).into()
}

fn origin_exact(origins: usize) -> Operation {
    allowed(numbered(origins, |number| format!("https://app-{number:05}.example.com")), |page| page.to_owned())
}

/// A wildcard for every customer.
fn origin_wildcard(origins: usize) -> Operation {
    allowed(numbered(origins, |number| format!("https://*.customer-{number:05}.example.com")), |entry| entry.replace('*', "www"))
}

/// Wildcards of one domain that differ in their port alone, and a page that the last of them allows.
fn origin_one_domain(origins: usize) -> Operation {
    let page = format!("https://www.example.com:{}", 20_000 + origins - 1);
    let judge = judge_of(numbered(origins, |number| format!("https://*.example.com:{}", 20_000 + number)));
    assert!(judge.judge(&ask(Shown::Value(page.as_bytes()))).is_ok());
    again(move || judge.judge(black_box(&ask(Shown::Value(page.as_bytes())))))
}

/// A page that nothing in the list is like.
fn origin_stranger(origins: usize) -> Operation {
    refused(
        numbered(origins, |number| format!("https://app-{number:05}.example.com")),
        "https://evil.example.net",
        Category::Host,
    )
}

/// A page of the domain whose wildcards are listed, on another port.
fn origin_near_stranger(origins: usize) -> Operation {
    refused(
        numbered(origins, |number| format!("https://*.example.com:{}", 20_000 + number)),
        "https://www.example.com",
        Category::Port,
    )
}

fn allowed(entries: Vec<String>, page: impl Fn(&str) -> String) -> Operation {
    let pages: Vec<String> = entries.iter().map(|entry| page(entry)).collect();
    let judge = judge_of(entries);
    let mut turns = Turns::of(pages.len());
    assert!(pages.iter().all(|page| judge.judge(&ask(Shown::Value(page.as_bytes()))).is_ok()));
    again(move || judge.judge(&ask(Shown::Value(pages[turns.next()].as_bytes()))))
}

fn refused(entries: Vec<String>, page: &'static str, category: Category) -> Operation {
    let judge = judge_of(entries);
    let strange = ask(Shown::Value(page.as_bytes()));
    assert_eq!(judge.judge(&strange).err().map(|refusal| refusal.category), Some(category));
    again(move || judge.judge(black_box(&strange)))
}

fn numbered(count: usize, text: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(text).collect()
}

/// A host for every route, all with the same path.
fn route_by_host(routes: usize) -> Operation {
    let host = |number| format!("app-{number:03}.example.com");
    let route = |number| Route { hosts: vec![host(number)], path: "/socket.io/".into(), ..Route::default() };
    found((0..routes).map(route).collect(), (0..routes).map(|number| (host(number), "/socket.io/".into())).collect())
}

/// A path for every route, on every host.
fn route_by_path(kind: Kind, routes: usize) -> Operation {
    let path = |number| format!("/app-{number:03}/socket.io/");
    let route = |number| Route { path: path(number), kind, ..Route::default() };
    found((0..routes).map(route).collect(), (0..routes).map(|number| ("gate.example.com".into(), path(number))).collect())
}

fn found(routes: Vec<Route>, asked: Vec<(String, String)>) -> Operation {
    let routes = Routes::new(&routes);
    assert!(asked.iter().enumerate().all(|(number, (host, path))| routes.find(host, path) == Some(number)));
    let mut turns = Turns::of(asked.len());
    again(move || {
        let (host, path) = &asked[turns.next()];
        routes.find(black_box(host), black_box(path))
    })
}

/// A member for a new session, and its seat given back.
fn lease(balance: Balance, members: usize) -> Operation {
    let (pool, now) = (pool(balance, members), Instant::now());
    let held: Vec<_> = (0..3 * members as u64).map(|key| pool.lease(Some(key), now).expect("a member")).collect();
    assert!(held.iter().any(|lease| lease.member().id() != held[0].member().id()), "not everybody goes to the same member");
    let mut turns = Turns::of(1_000_000);
    again(move || {
        black_box(&held);
        pool.lease(Some(turns.next() as u64), now)
    })
}

/// The member of a session that is going on; the last of the pool.
fn reach(members: usize) -> Operation {
    let (pool, now) = (pool(Balance::LeastSessions, members), Instant::now());
    let last = pool.members()[members - 1].id();
    assert!(pool.reach(last, now).is_ok_and(|member| member.id() == last));
    again(move || pool.reach(black_box(last), now))
}

fn pool(balance: Balance, members: usize) -> Pool {
    let config = Upstream {
        name: "app".into(),
        members: (0..members).map(|number| Member::Url(format!("http://10.0.0.{number}:3000"))).collect(),
        balance,
        probe: Probe::Off,
        ..Upstream::default()
    };
    Pool::renew(None, &config, &Metrics::default(), Instant::now()).expect("a good pool")
}

/// The session of a poll.
fn ledger_find(sessions: usize) -> Operation {
    let book = Book::with(sessions);
    let mut turns = Turns::of(sessions);
    again(move || book.ledger.find(key(turns.next())))
}

/// A WebSocket that is entered and closed, beside so many that are open.
fn ledger_life(sessions: usize) -> Operation {
    let book = Book::with(sessions);
    let mut turns = Turns::of(1_000_000);
    let mut live = move || {
        let session = book.ledger.enter(book.session(sessions + turns.next()));
        book.ledger.close(&session, Reason::ClientClosed);
        book.ledger.entries()
    };
    assert_eq!(live(), sessions);
    again(live)
}

/// A ledger, and the pool its sessions live on.
struct Book {
    ledger: Ledger,
    pool: Pool,
    now: Instant,
}

impl Book {
    fn with(sessions: usize) -> Self {
        let (ledger, pool) = (Ledger::new(Arc::new(Metrics::default())), pool(Balance::LeastSessions, 2));
        let book = Self { ledger, pool, now: Instant::now() };
        for number in 0..sessions {
            book.ledger.enter(book.session(number));
        }
        assert!((0..sessions).all(|number| book.ledger.find(key(number)).is_some_and(|session| session.key == key(number))));
        book
    }

    fn session(&self, number: usize) -> Session {
        let opened = Opened {
            key: key(number),
            route: 0,
            tag: 0,
            path: "/socket.io/".into(),
            transport: Transport::WebSocket,
            revision: Revision::Four,
            identity: Some(Identity::sealed(SealedIdentity { subject: Some("ana".into()), ..SealedIdentity::default() })),
            address: client(number),
            expires: None,
            origin: None,
            abandoned_after: Duration::from_secs(65),
            tenure: Tenure::default(),
            held: Held { lease: self.pool.lease(None, self.now).expect("a member"), permits: Vec::new() },
            judged: None,
        };
        Session::new(opened, self.now)
    }
}

/// As it is in the gate, where it is a hash: spread over the shards.
fn key(number: usize) -> Key {
    Key((number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// Numbers below `count`, one after the other in no order that a cache could guess.
struct Turns {
    state: u64,
    count: u64,
}

impl Turns {
    fn of(count: usize) -> Self {
        Self { state: 0, count: count as u64 }
    }

    fn next(&mut self) -> usize {
        // Knuth's linear congruential generator; its upper half is good enough for this.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.state >> 32) * self.count) >> 32) as usize
    }
}
