//! The carriage by itself, over pipes in memory: bytes whole and in order both ways however they are cut, goodbyes at
//! boundaries, and no work while nothing happens.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use proptest::prelude::*;
use sockgate::{
    codec::{
        engine::Revision,
        frame::{self, Limits, Opcode, Sender},
    },
    config::upstream::{Member, Upstream},
    relay::{
        frames::{Carriage, Ended, Exchanged, Opening, Terms},
        session::{Held, Key, Opened, Reason, Session, Tenure, Transport},
    },
    telemetry::Metrics,
    upstream::Pool,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const MASK: [u8; 4] = [9, 8, 7, 6];

fn session() -> Arc<Session> {
    session_for(Tenure::default())
}

fn session_for(tenure: Tenure) -> Arc<Session> {
    let metrics = Metrics::default();
    let members = vec![Member::Url("http://127.0.0.1:9".into())];
    let upstream = Upstream { name: "app".into(), members, ..Upstream::default() };
    let pool = Pool::renew(None, &upstream, &metrics, Instant::now()).expect("a pool of one");
    let lease = pool.lease(None, Instant::now()).expect("it takes sessions");
    Arc::new(Session::new(
        Opened {
            key: Key(1),
            route: 0,
            tag: 0,
            path: "/ws".into(),
            transport: Transport::WebSocket,
            revision: Revision::Four,
            identity: None,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            expires: None,
            origin: None,
            abandoned_after: Duration::from_secs(60),
            tenure,
            held: Held { lease, permits: Vec::new() },
            judged: None,
        },
        tokio::time::Instant::now().into_std(),
    ))
}

fn terms() -> Terms {
    Terms {
        limits: Limits { message: 1_000_000, fragments: 128 },
        silence: Duration::from_secs(50),
        ping: None,
        stall: Duration::from_secs(30),
        expires: None,
        mask: MASK,
        carried: Metrics::default().carried(),
    }
}

/// The far ends of a carriage that runs: what a client and an app hold.
struct Ends {
    client: DuplexStream,
    app: DuplexStream,
    session: Arc<Session>,
    ended: tokio::task::JoinHandle<Ended>,
}

fn start(pipe: usize, terms: Terms) -> Ends {
    start_of(session(), pipe, terms)
}

fn start_of(session: Arc<Session>, pipe: usize, terms: Terms) -> Ends {
    let (client, near_client) = duplex(pipe);
    let (app, near_app) = duplex(pipe);
    let held = session.clone();
    let ended = tokio::spawn(async move {
        let mut carriage = Carriage::new((near_client, &[]), (near_app, &[]), None, Arc::new(terms), held);
        carriage.run().await
    });
    Ends { client, app, session, ended }
}

fn text(payload: &[u8], sender: Sender) -> Vec<u8> {
    frame::write(Opcode::Text, payload, (sender == Sender::Client).then_some(MASK))
}

fn close(code: u16, sender: Sender) -> Vec<u8> {
    frame::write(Opcode::Close, &code.to_be_bytes(), (sender == Sender::Client).then_some(MASK))
}

async fn expect(end: &mut DuplexStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    tokio::time::timeout(Duration::from_secs(20), end.read_exact(&mut read)).await.expect("it arrives").expect("it is whole");
    assert_eq!(read, bytes);
}

async fn rest(end: &mut DuplexStream) -> Vec<u8> {
    let mut read = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), end.read_to_end(&mut read)).await.expect("it ends");
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_goes_in_comes_out_whole_and_in_order(
        up in proptest::collection::vec(0_usize..5_000, 1..20),
        down in proptest::collection::vec(0_usize..5_000, 1..20),
        pipe in 1_usize..3_000,
        cut in 1_usize..4_000,
    ) {
        let message = |sender: Sender| move |(index, size): (usize, &usize)| text(&vec![index as u8; *size], sender);
        let up: Vec<u8> = up.iter().enumerate().flat_map(message(Sender::Client)).collect();
        let down: Vec<u8> = down.iter().enumerate().flat_map(message(Sender::Server)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let Ends { client, app, session: _session, ended } = start(pipe, terms());
            let (mut from_gate, mut to_gate) = tokio::io::split(client);
            let (mut at_app, mut of_app) = tokio::io::split(app);
            let (sent_up, sent_down) = (up.clone(), down.clone());
            let writers = async {
                tokio::join!(
                    async { for piece in sent_up.chunks(cut) { to_gate.write_all(piece).await.expect("the gate reads") } },
                    async { for piece in sent_down.chunks(cut) { of_app.write_all(piece).await.expect("the gate reads") } },
                )
            };
            let readers = async {
                let (mut heard, mut answered) = (vec![0; up.len()], vec![0; down.len()]);
                let (at_app, from_gate) = tokio::join!(at_app.read_exact(&mut heard), from_gate.read_exact(&mut answered));
                (at_app.is_ok(), from_gate.is_ok(), heard, answered)
            };
            let (_, (up_came, down_came, heard, answered)) = tokio::join!(writers, readers);
            assert!(up_came && down_came);
            assert!(heard == up, "what the client sent came to the app changed");
            assert!(answered == down, "what the app sent came to the client changed");
            ended.abort();
        });
    }
}

#[tokio::test]
async fn a_close_goes_both_ways_and_ends_it() {
    let mut ends = start(4096, terms());
    ends.client.write_all(&close(4000, Sender::Client)).await.expect("open");
    expect(&mut ends.app, &close(4000, Sender::Client)).await;
    ends.app.write_all(&close(4000, Sender::Server)).await.expect("open");
    expect(&mut ends.client, &close(4000, Sender::Server)).await;
    let ended = ends.ended.await.expect("no panic");
    assert_eq!((ended.reason, ended.code, ended.reset), (Reason::ClientClosed, Some(4000), false));
}

#[tokio::test]
async fn a_client_that_has_closed_may_get_the_last_words_in_one_piece() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let (mut client, near_client) = duplex(1024);
    let (mut app, near_app) = duplex(1024);
    let gather: fn(&mut DuplexStream) = |_| TOLD.store(true, Relaxed);
    let ended = tokio::spawn(async move {
        let carriage = Carriage::new((near_client, &[]), (near_app, &[]), None, Arc::new(terms()), session());
        carriage.gathering(gather).run().await
    });
    app.write_all(&text(b"hello", Sender::Server)).await.expect("the gate reads");
    expect(&mut client, &text(b"hello", Sender::Server)).await;
    assert!(!TOLD.load(Relaxed), "as long as it listens everything goes out at once");
    client.write_all(&close(1000, Sender::Client)).await.expect("the gate reads");
    expect(&mut app, &close(1000, Sender::Client)).await;
    app.write_all(&close(1000, Sender::Server)).await.expect("the gate reads");
    expect(&mut client, &close(1000, Sender::Server)).await;
    ended.await.expect("no panic");
    assert!(TOLD.load(Relaxed));
}

#[tokio::test]
async fn what_the_app_said_before_its_end_arrives() {
    let mut ends = start(64, terms());
    let words: Vec<u8> = (0..100_u8).flat_map(|number| text(&[number; 40], Sender::Server)).collect();
    let said = words.clone();
    let app = ends.app;
    let speaking = tokio::spawn(async move {
        let mut app = app;
        app.write_all(&said).await.expect("open");
        // Dropped without a goodbye.
    });
    expect(&mut ends.client, &words).await;
    speaking.await.expect("no panic");
    assert_eq!(rest(&mut ends.client).await, b"");
    drop(ends.client);
    assert_eq!(ends.ended.await.expect("no panic").reason, Reason::AppGone);
}

#[tokio::test]
async fn an_ended_token_ends_it_with_its_code_and_nothing_more_of_the_client_passes() {
    let mut ends = start(4096, Terms { expires: Some(SystemTime::now()), ..terms() });
    let (code, reason) = Reason::Expired.closing();
    let goodbye = frame::write(Opcode::Close, &[&code.to_be_bytes()[..], reason.as_bytes()].concat(), None);
    expect(&mut ends.client, &goodbye).await;
    ends.client.write_all(&text(b"42[\"late\"]", Sender::Client)).await.expect("open");
    ends.client.write_all(&close(code, Sender::Client)).await.expect("open");
    let heard = rest(&mut ends.app).await;
    assert_eq!(heard, close(code, Sender::Client), "the app hears the goodbye alone");
    assert_eq!(ends.ended.await.expect("no panic").reason, Reason::Expired);
}

#[tokio::test]
async fn a_goodbye_waits_for_the_boundary_of_a_frame() {
    let mut ends = start(4096, terms());
    let message = text(&[b'x'; 1_000], Sender::Server);
    ends.app.write_all(&message[..500]).await.expect("open");
    expect(&mut ends.client, &message[..500]).await;
    ends.session.ending.tell(Reason::Expired);
    ends.app.write_all(&message[500..]).await.expect("open");
    expect(&mut ends.client, &message[500..]).await;
    let mut first = [0; 2];
    ends.client.read_exact(&mut first).await.expect("a frame follows");
    assert_eq!(first[0], 0x88);
}

#[tokio::test]
async fn a_broken_frame_is_told_to_the_client_and_never_to_the_app() {
    let mut ends = start(4096, terms());
    let good = text(b"good", Sender::Client);
    ends.client.write_all(&[&good[..], &[0x83, 0x80, 1, 2, 3, 4]].concat()).await.expect("open");
    expect(&mut ends.app, &good).await;
    let mut told = [0; 4];
    ends.client.read_exact(&mut told).await.expect("a close frame");
    assert_eq!((told[0], u16::from_be_bytes([told[2], told[3]])), (0x88, 1002));
    assert_eq!(rest(&mut ends.app).await, close(1002, Sender::Client));
    drop(ends.client);
    assert_eq!(ends.ended.await.expect("no panic").reason, Reason::Malformed);
}

/// Never asked: the app says nothing in this test.
struct Never;

impl Opening for Never {
    fn exchange(&mut self, _packet: &[u8]) -> Option<Exchanged> {
        None
    }
}

#[tokio::test]
async fn a_broken_frame_before_the_open_packet_ends_it_and_does_not_spin() {
    let (mut client, near_client) = duplex(4096);
    let (mut app, near_app) = duplex(4096);
    let unmasked = [0x81, 0x02, b'4', b'0'];
    let ended = tokio::spawn(async move {
        let opening: Option<Box<dyn Opening>> = Some(Box::new(Never));
        let mut carriage = Carriage::new((near_client, &unmasked), (near_app, &[]), opening, Arc::new(terms()), session());
        carriage.run().await
    });
    let mut told = [0; 4];
    tokio::time::timeout(Duration::from_secs(20), client.read_exact(&mut told)).await.expect("told").expect("a close frame");
    assert_eq!((told[0], u16::from_be_bytes([told[2], told[3]])), (0x88, 1002));
    assert_eq!(rest(&mut app).await, close(1002, Sender::Client));
    drop(client);
    assert_eq!(ended.await.expect("no panic").reason, Reason::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_then_left() {
    let mut ends = start(4096, Terms { ping: Some(Duration::from_secs(30)), silence: Duration::from_secs(60), ..terms() });
    // Without a patience of our own: the clock is ours and would reach it first.
    let mut told = [0; 2 + 4];
    ends.client.read_exact(&mut told).await.expect("a ping, then a close frame");
    assert_eq!(told[..2], frame::write(Opcode::Ping, b"", None));
    assert_eq!((told[2], u16::from_be_bytes([told[4], told[5]])), (0x88, 4408));
    assert_eq!(ends.ended.await.expect("no panic").reason, Reason::Silent);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut() {
    let mut ends = start(64, terms());
    let flood = text(&[b'x'; 60_000], Sender::Server);
    let app = tokio::spawn(async move {
        let _ = ends.app.write_all(&flood).await;
        ends.app
    });
    let ended = ends.ended.await.expect("no panic");
    assert_eq!((ended.reason, ended.reset), (Reason::SlowReader, true));
    app.abort();
}

/// Sends a message every so often until the carriage ends: how it ended, and after how many seconds.
async fn lasted(tenure: Tenure, terms: Terms, every: Duration, messages: &'static [&'static [u8]]) -> (Reason, u64) {
    let began = tokio::time::Instant::now();
    let Ends { mut client, app: _app, session: _session, mut ended } = start_of(session_for(tenure), 4096, terms);
    let mut turn = tokio::time::interval(every);
    let mut messages = messages.iter();
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            _ = turn.tick() => if let Some(message) = messages.next() {
                client.write_all(&text(message, Sender::Client)).await.expect("the gate reads");
            },
        }
    };
    (ended.expect("no panic").reason, began.elapsed().as_secs())
}

const BEATS: &[&[u8]] = &[b"3" as &[u8]; 100];
const EVENTS: &[&[u8]] = &[b"42[1]" as &[u8]; 100];

fn tenure(life: u64, idle: u64) -> Tenure {
    let set = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    Tenure { life: set(life), idle: set(idle) }
}

#[tokio::test(start_paused = true)]
async fn messages_keep_a_session_that_must_not_idle_and_heartbeats_do_not() {
    let second = Duration::from_secs(1);
    let plain = || Terms { ping: Some(Duration::from_secs(30)), ..terms() };
    // What is sent, whether the app's protocol has heartbeats, and between which seconds it ends. Two more are the goodbye's.
    let cases = [
        (BEATS, 5 * second, terms(), (20, 22)),
        (&BEATS[..0], second, terms(), (20, 22)),
        (EVENTS, 5 * second, terms(), (515, 540)),
        (&EVENTS[..3], 5 * second, terms(), (30, 42)),
        (BEATS, 5 * second, plain(), (515, 540)),
    ];
    for (place, (messages, every, terms, (least, most))) in cases.into_iter().enumerate() {
        let (reason, after) = lasted(tenure(0, 20), terms, every, messages).await;
        assert_eq!(reason, Reason::Idle, "case {place}");
        assert!((least..=most).contains(&after), "case {place}: {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_still_coming_is_no_idleness() {
    let mut ends = start_of(session_for(tenure(0, 10)), 4096, terms());
    let message = text(&[b'x'; 100], Sender::Client);
    for piece in message.chunks(10) {
        tokio::time::sleep(Duration::from_secs(6)).await;
        ends.client.write_all(piece).await.expect("the gate reads");
    }
    let mut came = vec![0; message.len()];
    ends.app.read_exact(&mut came).await.expect("the gate passes it on");
    assert!(came == message);
    drop(ends.app);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_life_whatever_its_client_says() {
    for messages in [EVENTS, &[]] {
        let (reason, after) = lasted(tenure(45, 60), terms(), Duration::from_secs(1), messages).await;
        assert_eq!(reason, Reason::LifeOver);
        assert!((45..=47).contains(&after), "{after} s");
    }
    let (reason, _) = lasted(tenure(45, 45), terms(), Duration::from_secs(60), &[]).await;
    assert_eq!(reason, Reason::LifeOver, "of two that are due at once it is the last word");
}
