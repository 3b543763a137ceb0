//! Exchanges with app servers that behave, and with hostile ones that write raw bytes.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use sockgate::{
    config::{Period, upstream::Upstream},
    http::{Body, BodyError, body},
    net::dial::DialError,
    upstream::{
        Connections, ExchangeError, Pool, ReuseKey, Standing,
        connect::{AnswerBody, Fault, Quota, Silence, Terms, Turn},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::support::{After, App, config, pool, soon, until};

/// What no test should reach.
const LONG: Duration = Duration::from_secs(10);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One worker in front of one app.
struct Gate {
    connections: Arc<Connections>,
    pool: Pool,
}

type Answer = Result<Response<AnswerBody>, ExchangeError>;

impl Gate {
    fn new(app: &App) -> Self {
        Self::with(&config(&[&app.url]))
    }

    fn with(config: &Upstream) -> Self {
        Self { connections: Arc::default(), pool: pool(config) }
    }

    async fn exchange(&self, terms: Terms, request: Request<Body>) -> Answer {
        self.connections.exchange(&self.pool.members()[0], terms, request).await
    }

    async fn get(&self, reuse: ReuseKey) -> Answer {
        self.exchange(Terms { reuse, patience: LONG, upload: None, silence: Silence::Counts }, get()).await
    }

    /// The whole text of an answer.
    async fn text(&self, reuse: ReuseKey) -> Result<String, BodyError> {
        read(self.get(reuse).await.expect("an answer")).await
    }
}

fn get() -> Request<Body> {
    Request::builder().uri("/socket.io/?EIO=4").header("host", "shop.example").body(body::empty()).expect("a request")
}

fn post(body: Body) -> Request<Body> {
    Request::builder().method(Method::POST).uri("/").body(body).expect("a request")
}

async fn read(answer: Response<AnswerBody>) -> Result<String, BodyError> {
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).expect("text"))
}

/// A body whose frames the test sends.
fn fed() -> (mpsc::UnboundedSender<Result<Frame<Bytes>, BodyError>>, Body) {
    let (feed, mut frames) = mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |task| frames.poll_recv(task));
    (feed, StreamBody::new(stream).boxed_unsync())
}

#[tokio::test]
async fn a_gate_without_room_for_a_connection_does_not_blame_the_member() {
    let app = App::saying(OK, After::Keep).await;
    let gate = Gate {
        connections: Arc::new(Connections::new(Arc::new(Quota::new(1)))),
        pool: pool(&Upstream { eject_after: 1, ..config(&[&app.url, "http://127.0.0.1:1"]) }),
    };
    // What idles gives its place up.
    gate.text(ReuseKey::Session(1)).await.expect("whole");
    let first = gate.get(ReuseKey::Shared).await.expect("an answer");
    for _ in 0..3 {
        let refused = gate.get(ReuseKey::Shared).await.err();
        assert!(matches!(&refused, Some(ExchangeError::Dial(DialError::Local(_)))), "{refused:?}");
        let refused = gate.connections.dial_fresh(&gate.pool.members()[0], soon()).await.err();
        assert!(matches!(&refused, Some(DialError::Local(_))), "{refused:?}");
    }
    assert_eq!(gate.pool.members()[0].standing(Instant::now()), Standing::Up);
    assert_eq!(gate.connections.open(), 1);
    // The place is free again, for the kept connection serves the next request.
    assert_eq!(read(first).await.as_deref(), Ok("ok"));
    assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"));
}

#[tokio::test]
async fn an_answer_read_to_its_end_gives_its_connection_back() {
    for answer in [
        OK,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: gone\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let app = App::saying(answer, After::Keep).await;
        let gate = Gate::new(&app);
        for _ in 0..5 {
            assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"));
        }
        assert_eq!((app.accepted(), app.requests(), gate.connections.idle(), gate.connections.open()), (1, 5, 1, 1), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_gives_its_connection_back_unread() {
    let app = App::saying("HTTP/1.1 204 No Content\r\n\r\n", After::Keep).await;
    let gate = Gate::new(&app);
    for _ in 0..3 {
        drop(gate.get(ReuseKey::Shared).await.expect("an answer"));
    }
    assert_eq!(app.accepted(), 1);
}

#[tokio::test]
async fn trailers_end_here() {
    let app = App::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Auth-Subject: root\r\n\r\n",
        After::Keep,
    )
    .await;
    let answer = Gate::new(&app).get(ReuseKey::Shared).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("whole").trailers(), None);
}

#[tokio::test]
async fn sessions_do_not_share_connections_when_they_must_not() {
    let app = App::saying(OK, After::Keep).await;
    let gate = Gate::new(&app);
    for session in [1, 2, 1, 2, 1] {
        gate.text(ReuseKey::Session(session)).await.expect("whole");
    }
    assert_eq!((app.accepted(), gate.connections.idle()), (2, 2));
    for _ in 0..3 {
        gate.text(ReuseKey::Off).await.expect("whole");
    }
    assert_eq!((app.accepted(), gate.connections.idle()), (5, 2));
    until("connections without reuse are closed", || app.hung_up() == 3).await;
}

#[tokio::test]
async fn requests_at_the_same_time_have_connections_of_their_own() {
    let app = App::saying(OK, After::Keep).await;
    let gate = Gate::new(&app);
    let (one, other) = tokio::join!(gate.text(ReuseKey::Shared), gate.text(ReuseKey::Shared));
    assert_eq!((one.as_deref(), other.as_deref()), (Ok("ok"), Ok("ok")));
    assert_eq!((app.accepted(), gate.connections.idle()), (2, 2));
}

#[tokio::test]
async fn idle_connections_are_closed_after_their_time_and_beyond_their_number() {
    let app = App::saying(OK, After::Keep).await;
    let gate = Gate::new(&app);
    let all = futures_util::future::join_all((0..70).map(|_| gate.text(ReuseKey::Shared))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((app.accepted(), gate.connections.idle()), (70, 64));
    gate.connections.sweep(Instant::now());
    assert_eq!(gate.connections.idle(), 64);
    gate.connections.sweep(Instant::now() + Duration::from_secs(4));
    assert_eq!(gate.connections.idle(), 0);
    until("all are closed", || app.hung_up() == 70 && gate.connections.open() == 0).await;
}

#[tokio::test]
async fn a_connection_past_its_time_is_not_used() {
    let app = App::saying(OK, After::Keep).await;
    let gate = Gate::with(&Upstream { idle: Period(Duration::ZERO), ..config(&[&app.url]) });
    for _ in 0..3 {
        gate.text(ReuseKey::Shared).await.expect("whole");
    }
    assert_eq!(app.accepted(), 3);
}

#[tokio::test]
async fn a_reload_does_not_use_connections_of_the_generation_before() {
    let app = App::saying(OK, After::Keep).await;
    let gate = Gate::new(&app);
    gate.text(ReuseKey::Shared).await.expect("whole");
    let renewed = Gate { connections: gate.connections.clone(), pool: pool(&config(&[&app.url])) };
    renewed.text(ReuseKey::Shared).await.expect("whole");
    assert_eq!(app.accepted(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_died_costs_nothing_but_a_new_one() {
    for (after, is_reset) in [(After::Close, false), (After::Reset, true)] {
        let app = App::saying(OK, after).await;
        let gate = Gate::new(&app);
        for turn in 1..=50 {
            // A POST, for those must never be sent twice.
            let terms = Terms { reuse: ReuseKey::Shared, patience: LONG, upload: None, silence: Silence::Counts };
            match gate.exchange(terms, post(body::full("4hello"))).await {
                Ok(answer) => drop(read(answer).await),
                // A reset may overtake the answer that was written before it.
                Err(error) => assert!(is_reset, "{error:?}"),
            }
            until("the app has closed", || app.closed() == turn).await;
            assert_eq!((app.requests(), app.accepted()), (turn, turn));
        }
    }
}

/// The member closes a kept connection, and the gate takes it for a request before it has noticed: the news of both stand
/// in the same queue, the request's first, for this thread sleeps until both are there.
#[tokio::test]
async fn a_request_that_met_a_closing_connection_unsent_goes_out_on_another() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (mut signal, mut far_end) =
        tokio::net::UnixStream::pair().map(|(near, far)| (near, far.into_std().expect("a socket"))).expect("a pair");
    let (close, closing) = std::sync::mpsc::channel::<()>();
    let (closed, is_closed) = std::sync::mpsc::channel::<()>();
    let app = std::thread::spawn(move || {
        let answer = |listener: &std::net::TcpListener| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut some = [0; 4096];
            assert!(stream.read(&mut some).expect("bytes") > 0);
            stream.write_all(OK.as_bytes()).expect("written");
            stream
        };
        let first = answer(&listener);
        closing.recv().expect("the test goes on");
        far_end.write_all(b"!").expect("written");
        drop(first);
        closed.send(()).expect("the test waits");
        drop(answer(&listener));
    });
    let gate = Gate::with(&config(&[&url]));
    gate.text(ReuseKey::Shared).await.expect("whole");
    close.send(()).expect("the app goes on");
    is_closed.recv().expect("the app has closed");
    signal.read_exact(&mut [0]).await.expect("a byte");
    assert_eq!(gate.connections.idle(), 1, "the gate has not noticed");
    assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"));
    app.join().expect("two requests on two connections");
}

#[tokio::test]
async fn a_request_that_was_written_is_never_sent_again() {
    let app = App::new(|mut link| async move {
        link.request().await;
        link.write(OK).await;
        // Takes the second request and closes without a word.
        link.request().await;
    })
    .await;
    let gate = Gate::new(&app);
    gate.text(ReuseKey::Shared).await.expect("whole");
    assert_eq!(gate.get(ReuseKey::Shared).await.err(), Some(ExchangeError::Broken));
    assert_eq!((app.accepted(), app.requests()), (1, 2));
    until("the connection is gone", || gate.connections.open() == 0).await;
}

#[tokio::test]
async fn requests_leave_as_http_1_1_in_origin_form_with_a_host() {
    let app = App::new(|mut link| async move {
        let head = link.request().await.expect("a request");
        link.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len())).await;
        link.ended().await;
    })
    .await;
    let gate = Gate::new(&app);
    let request = Request::builder()
        .version(Version::HTTP_2)
        .uri("https://public.example/a%20b?x=%41&y")
        .body(body::empty())
        .expect("a request");
    let terms = Terms { reuse: ReuseKey::Off, patience: LONG, upload: None, silence: Silence::Counts };
    let head = read(gate.exchange(terms, request).await.expect("an answer")).await.expect("whole");
    let authority = app.url.strip_prefix("http://").expect("http");
    assert_eq!(head, format!("GET /a%20b?x=%41&y HTTP/1.1\r\nhost: {authority}\r\n\r\n"));
    let head = gate.text(ReuseKey::Off).await.expect("whole");
    assert!(head.contains("host: shop.example\r\n"), "{head}");
}

#[tokio::test]
async fn a_hostile_head_is_garbage_and_its_connection_is_thrown_away() {
    let two_megabytes = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2 << 20));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: y\r\n".repeat(64));
    let interim = format!("{}{OK}", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(2_000));
    let nine = format!("{}{OK}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(9));
    for (answer, fault) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nok", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok", Fault::NotHttp),
        ("HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nok", Fault::Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Fault::Framing),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", Fault::NotHttp),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", Fault::Switched),
        ("HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\nX\0Y: a\r\nContent-Length: 0\r\n\r\n", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n", Fault::NotHttp),
        ("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n", Fault::NotHttp),
        ("HTTP/1.1 9999 OK\r\nContent-Length: 0\r\n\r\n", Fault::NotHttp),
        ("HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n", Fault::NotHttp),
        ("garbage, and no HTTP at all\r\n\r\n", Fault::NotHttp),
        ("\u{16}\u{3}\u{1}\0\u{2}TLS, perhaps", Fault::NotHttp),
        (&two_megabytes, Fault::TooLarge),
        (&many_headers, Fault::TooLarge),
        (&interim, Fault::Interim),
        (&nine, Fault::Interim),
    ] {
        let app = App::saying(answer, After::Hang).await;
        let gate = Gate::new(&app);
        let shown = &answer[..answer.len().min(120)];
        assert_eq!(gate.get(ReuseKey::Shared).await.err(), Some(ExchangeError::Garbage(fault)), "{shown:?}");
        until("the app sees the end of its connection", || app.hung_up() == 1 && gate.connections.open() == 0).await;
        assert_eq!((gate.connections.idle(), app.requests()), (0, 1), "{shown:?}");
    }
}

#[tokio::test]
async fn a_few_interim_answers_are_skipped() {
    let app = App::saying(format!("{}{OK}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(8)), After::Keep).await;
    let gate = Gate::new(&app);
    for _ in 0..3 {
        assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"));
    }
    assert_eq!(app.accepted(), 1);
}

#[tokio::test]
async fn interim_answers_without_end_do_not_hold_anyone() {
    let app = App::new(|mut link| async move {
        link.request().await;
        loop {
            link.write("HTTP/1.1 102 Processing\r\n\r\n").await;
            let mut end = [0];
            if matches!(link.stream.try_read(&mut end), Ok(0)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let gate = Gate::new(&app);
    assert_eq!(gate.get(ReuseKey::Shared).await.err(), Some(ExchangeError::Garbage(Fault::Interim)));
    until("the connection is gone", || gate.connections.open() == 0).await;
}

#[tokio::test]
async fn an_answer_nobody_asked_for_reaches_nobody() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for answer in [
        format!("{OK}{poison}"),
        format!("HTTP/1.1 204 No Content\r\n\r\n{poison}"),
        format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n{poison}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{poison}"),
        format!("{OK}\r\n"),
    ] {
        let app = App::saying(answer.clone(), After::Hang).await;
        let gate = Gate::new(&app);
        for _ in 0..5 {
            let text = gate.text(ReuseKey::Shared).await.expect("whole");
            assert_ne!(text, "poison", "{answer}");
        }
        assert_eq!((app.accepted(), app.requests()), (5, 5), "each connection carries one answer: {answer}");
        until("all are thrown away", || app.hung_up() == 5 && gate.connections.open() == 0).await;
    }
}

#[tokio::test]
async fn a_late_answer_nobody_asked_for_closes_an_idle_connection() {
    let (go, mut gone) = mpsc::unbounded_channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(std::mem::replace(&mut gone, mpsc::unbounded_channel().1)));
    let app = App::new(move |mut link| {
        let gone = gone.clone();
        async move {
            link.request().await;
            link.write(OK).await;
            gone.lock().await.recv().await;
            link.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
            link.ended().await;
        }
    })
    .await;
    let gate = Gate::new(&app);
    gate.text(ReuseKey::Shared).await.expect("whole");
    assert_eq!(gate.connections.idle(), 1);
    go.send(()).expect("the app listens");
    let is_thrown_away = || {
        gate.connections.sweep(Instant::now());
        gate.connections.open() == 0
    };
    until("the connection is thrown away", is_thrown_away).await;
    assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"));
    assert_eq!(app.accepted(), 2);
}

#[tokio::test]
async fn a_truncated_body_is_an_error_and_no_end() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n0\r\n\r\n",
    ] {
        let app = App::saying(answer, After::Close).await;
        let gate = Gate::new(&app);
        assert_eq!(gate.text(ReuseKey::Shared).await, Err(BodyError::Upstream), "{answer}");
        assert_eq!(gate.connections.idle(), 0);
        until("the connection is gone", || gate.connections.open() == 0).await;
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_whole() {
    let app = App::saying("HTTP/1.1 200 OK\r\n\r\nok", After::Close).await;
    let gate = Gate::new(&app);
    assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"));
    until("the connection is gone", || gate.connections.open() == 0).await;
    assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"));
}

#[tokio::test]
async fn a_member_that_closes_or_resets_is_broken() {
    for after in [After::Close, After::Reset] {
        let app = App::saying("", after).await;
        let gate = Gate::new(&app);
        assert_eq!(gate.get(ReuseKey::Shared).await.err(), Some(ExchangeError::Broken));
        assert_eq!(app.requests(), 1);
    }
    let app = App::saying("HTTP/1.1 200 OK\r\nContent-", After::Close).await;
    assert_eq!(Gate::new(&app).get(ReuseKey::Shared).await.err(), Some(ExchangeError::Broken));
}

#[tokio::test]
async fn a_member_that_hangs_is_left_at_the_deadline() {
    for said in ["", "HTTP/1.1 200 OK\r\nX: y\r\n"] {
        let app = App::saying(said, After::Hang).await;
        let gate = Gate::new(&app);
        let patience = Duration::from_millis(50);
        let terms = Terms { reuse: ReuseKey::Shared, patience, upload: None, silence: Silence::Counts };
        assert_eq!(gate.exchange(terms, get()).await.err(), Some(ExchangeError::Timeout));
        until("the app sees the end of its connection", || app.hung_up() == 1 && gate.connections.open() == 0).await;
    }
}

#[tokio::test]
async fn a_members_time_begins_when_it_has_the_whole_request() {
    let app = App::saying("", After::Hang).await;
    let gate = Gate::new(&app);
    let brief = Duration::from_millis(50);
    let body = Turn::default();
    let upload = Some(body.watch());
    let waiting = gate.exchange(Terms { reuse: ReuseKey::Shared, patience: brief, upload, silence: Silence::Counts }, get());
    tokio::pin!(waiting);
    // Another exchange, which begins later, has run out of time by then.
    let other = Terms { reuse: ReuseKey::Shared, patience: brief * 2, upload: None, silence: Silence::Counts };
    tokio::select! {
        _ = &mut waiting => panic!("its body was still on its way"),
        other = gate.exchange(other, get()) => assert_eq!(other.err(), Some(ExchangeError::Timeout)),
    }
    drop(body);
    assert_eq!(waiting.await.err(), Some(ExchangeError::Timeout));
    // One that stopped taking the body has used its time.
    let body = Turn::default();
    body.is_members();
    let terms = Terms { reuse: ReuseKey::Shared, patience: brief, upload: Some(body.watch()), silence: Silence::Counts };
    assert_eq!(gate.exchange(terms, get()).await.err(), Some(ExchangeError::Timeout));
    assert!(body.is_clients() >= brief && body.is_clients().is_zero());
}

#[tokio::test]
async fn an_answer_dropped_half_way_closes_its_connection() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\n\r\nok",
    ] {
        let app = App::saying(said, After::Hang).await;
        let gate = Gate::new(&app);
        let mut answer = gate.get(ReuseKey::Shared).await.expect("an answer");
        let first = answer.body_mut().frame().await.expect("a frame").expect("data");
        assert_eq!(first.data_ref().map(|bytes| &bytes[..]), Some(&b"ok"[..]));
        assert_eq!(gate.connections.open(), 1);
        drop(answer);
        until("the app sees the end of its connection", || app.hung_up() == 1 && gate.connections.open() == 0).await;
        assert_eq!(gate.connections.idle(), 0);
    }
}

#[tokio::test]
async fn a_poll_dropped_while_it_waits_closes_its_connection() {
    let app = App::new(|mut link| async move {
        link.request().await;
        link.write(OK).await;
        link.ended().await;
    })
    .await;
    let gate = Gate::new(&app);
    gate.text(ReuseKey::Shared).await.expect("whole");
    {
        let poll = gate.get(ReuseKey::Shared);
        tokio::pin!(poll);
        tokio::select! {
            _ = &mut poll => panic!("nobody answers this poll"),
            () = until("the app has the poll", || app.requests() == 2) => {}
        }
    }
    until("the app sees the end of its connection", || app.hung_up() == 1 && gate.connections.open() == 0).await;
}

#[tokio::test]
async fn a_body_that_breaks_is_the_requests_fault() {
    let app = App::saying("", After::Hang).await;
    let gate = Gate::new(&app);
    let (feed, body) = fed();
    feed.send(Ok(Frame::data("4hel".into()))).expect("taken");
    feed.send(Err(BodyError::TooLarge)).expect("taken");
    let terms = Terms { reuse: ReuseKey::Shared, patience: LONG, upload: None, silence: Silence::Counts };
    assert_eq!(gate.exchange(terms, post(body)).await.err(), Some(ExchangeError::Request(BodyError::TooLarge)));
    until("the connection is gone", || gate.connections.open() == 0).await;
    assert_eq!(gate.pool.members()[0].standing(Instant::now()), Standing::Up);
}

#[tokio::test]
async fn an_answer_before_the_body_was_sent_does_not_free_the_connection() {
    let app = App::new(|mut link| async move {
        let mut some = [0; 1024];
        assert!(link.stream.read(&mut some).await.expect("bytes") > 0);
        link.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await;
        link.ended().await;
    })
    .await;
    let gate = Gate::new(&app);
    let (feed, body) = fed();
    feed.send(Ok(Frame::data("4hel".into()))).expect("taken");
    let terms = Terms { reuse: ReuseKey::Shared, patience: LONG, upload: None, silence: Silence::Counts };
    let answer = gate.exchange(terms, post(body)).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    drop(answer);
    let other = gate.get(ReuseKey::Shared).await;
    assert!(other.is_err() || app.accepted() == 2, "the half-sent request's connection carries nothing else");
    assert_eq!(app.accepted(), 2);
}

#[tokio::test]
async fn a_request_goes_on_when_its_answer_is_complete_or_nobody_reads_it() {
    const PIECE: usize = 100_000;
    const PIECES: usize = 12;
    // How much of an answer of 6 MB is read before the rest of the request is sent.
    for (what, streams, answer_size) in [("held", false, 2), ("streamed", true, 2), ("unread", true, 6_000_000)] {
        let (tell, mut told) = mpsc::unbounded_channel::<usize>();
        let app = App::new(move |mut link| {
            let tell = tell.clone();
            async move {
                let mut some = [0; 64 * 1024];
                assert!(link.stream.read(&mut some).await.expect("bytes") > 0);
                let (mut reader, mut writer) = tokio::io::split(link.stream);
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {answer_size}\r\n\r\n{}", "o".repeat(answer_size));
                let writing = async { writer.write_all(answer.as_bytes()).await };
                let reading = async {
                    let (mut heard, mut last) = (0, Vec::new());
                    while !last.ends_with(b"0\r\n\r\n") {
                        let count = reader.read(&mut some).await.expect("no reset");
                        assert!(count > 0, "it ended before its end");
                        heard += some[..count].iter().filter(|byte| **byte == b'x').count();
                        last.extend_from_slice(&some[..count]);
                        last.drain(..last.len().saturating_sub(5));
                    }
                    let _ = tell.send(heard);
                };
                let _ = tokio::join!(writing, reading);
            }
        })
        .await;
        let gate = Gate::new(&app);
        let (feed, body) = fed();
        feed.send(Ok(Frame::data("begin".into()))).expect("taken");
        let turn = Turn::default();
        let upload = streams.then(|| turn.watch());
        let terms = Terms { reuse: ReuseKey::Shared, patience: LONG, upload, silence: Silence::Counts };
        let answer = gate.exchange(terms, post(body)).await.expect("an answer");
        let kept = if answer_size > 2 { Some(answer) } else { read(answer).await.map(|_| None).expect("whole") };
        for _ in 0..PIECES {
            feed.send(Ok(Frame::data(vec![b'x'; PIECE].into()))).expect("the body is still read");
        }
        drop((feed, turn));
        let heard = tokio::time::timeout(Duration::from_secs(10), told.recv()).await;
        assert_eq!(heard.expect(what), Some(PIECE * PIECES), "{what}");
        drop(kept);
        until("the connection is closed", || gate.connections.open() == 0).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_looked_at_before_it_is_used() {
    let app = App::new(|mut link| async move {
        link.request().await;
        link.write(&format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")).await;
        link.ended().await;
    })
    .await;
    let gate = Gate::new(&app);
    for round in 1..=5 {
        assert_eq!(gate.text(ReuseKey::Shared).await.as_deref(), Ok("ok"), "never what nobody asked for");
        assert_eq!(app.accepted(), round);
    }
}

#[tokio::test]
async fn members_hear_how_it_went() {
    let silent = App::saying("", After::Close).await;
    let good = App::saying(OK, After::Keep).await;
    let gate = Gate::with(&config(&[&silent.url, &good.url]));
    let standing = || gate.pool.members()[0].standing(Instant::now());
    let terms = |silence| Terms { reuse: ReuseKey::Shared, patience: LONG, upload: None, silence };
    for _ in 0..5 {
        gate.exchange(terms(Silence::Excused), get()).await.expect_err("silence");
    }
    assert_eq!(standing(), Standing::Up, "inside a session a client may have provoked it");
    for _ in 0..3 {
        gate.exchange(terms(Silence::Counts), get()).await.expect_err("silence");
    }
    assert_eq!(standing(), Standing::Ejected);
}

#[tokio::test]
async fn a_member_that_is_not_there_is_refused() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port();
    let gate = Gate::with(&config(&[&format!("http://127.0.0.1:{port}")]));
    let refused = DialError::Connect(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(gate.get(ReuseKey::Shared).await.err(), Some(ExchangeError::Dial(refused.clone())));
    let line = gate.connections.dial_fresh(&gate.pool.members()[0], soon()).await;
    assert_eq!(line.err(), Some(refused));
}

#[tokio::test]
async fn a_fresh_line_belongs_to_its_owner() {
    let app = App::saying("HTTP/1.1 101 Switching Protocols\r\n\r\n", After::Hang).await;
    let gate = Gate::new(&app);
    let line = gate.connections.dial_fresh(&gate.pool.members()[0], soon()).await.expect("a line");
    until("the app has it", || app.accepted() == 1).await;
    assert_eq!((gate.connections.open(), gate.connections.idle()), (1, 0));
    drop(line);
    assert_eq!(gate.connections.open(), 0);
    until("the app sees its end", || app.hung_up() == 1).await;
}

#[tokio::test]
async fn nothing_is_left_when_the_worker_is() {
    let app = App::saying(OK, After::Keep).await;
    let gate = Gate::new(&app);
    let all = futures_util::future::join_all((0..20).map(|_| gate.text(ReuseKey::Shared))).await;
    assert!(all.iter().all(Result::is_ok));
    drop(gate);
    until("all connections are closed", || app.hung_up() == 20).await;
}

/// Workers spawn exchanges and move them; this does not compile otherwise.
#[test]
fn exchanges_may_move_between_threads() {
    fn may_move<T: Send>(_: impl Fn(&'static Arc<Connections>, &'static Pool) -> T) {}
    may_move(|connections, pool| {
        let terms = Terms { reuse: ReuseKey::Shared, patience: LONG, upload: None, silence: Silence::Counts };
        connections.exchange(&pool.members()[0], terms, get())
    });
}
