//! Clients that take their time: each wait has a deadline, and while they wait others are served.

use crate::support::{
    App, Certificates, Gate, Issuer, Session, Settings, Step,
    client::Stream,
    eventually, h2,
    sample::{before, pair_with, secure_pair, with_plain_routes},
    wire::Line,
    within,
};

fn hurried(settings: Settings) -> Settings {
    settings
        .set("listen.tls_deadline", "400ms")
        .set("listen.first_byte_deadline", "400ms")
        .set("listen.head_deadline", "400ms")
        .set("listen.body_deadline", "400ms")
        .set("listen.keep_alive", "400ms")
}

async fn still_serves(gate: &Gate) {
    assert_eq!(gate.client().get("/nowhere").send().await.status, 404);
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_come_is_cut() {
    let (_app, gate) = secure_pair(hurried).await;
    for bytes in [b"".as_slice(), &[0x16, 0x03, 0x01], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 200]] {
        let mut line = Line::new(Stream::Plain(gate.client().connect_tcp().await.expect("connected")));
        line.write(bytes).await.expect("the gate reads");
        line.end().await;
    }
    still_serves(&gate).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut() {
    let (_app, gate) = secure_pair(hurried).await;
    for client in gate.clients() {
        let mut line = client.raw("").await;
        line.end().await;
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut() {
    let (app, gate) = secure_pair(hurried).await;
    let mut line = gate.client().raw("GET /socket.io/ HTTP/1.1\r\nHost: loc").await;
    let answer = line.expect_answer("GET").await;
    assert_eq!(answer.refusal(), (408, "head_timeout".into()));
    assert_eq!((answer.header("content-type"), answer.header("connection")), (Some("application/json"), Some("close")));
    line.end().await;
    app.heard_nothing();
    gate.record(&[("message", "request"), ("refusal", "head_timeout"), ("status", "408"), ("address", "127.0.0.1")]).await;
    assert_eq!(gate.refusals("head_timeout").await, 1.0);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_and_reaches_no_app() {
    let (app, gate) = pair_with(hurried).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let whole = session.post("42[\"never\"]").to_bytes();
    let mut line = gate.client().raw(&whole[..whole.len() - 3]).await;
    assert_eq!(line.expect_answer("POST").await.refusal(), (408, "body_timeout".into()));
    line.end().await;
    assert_eq!(app.requests().len(), 1);
    still_serves(&gate).await;
}

#[tokio::test]
async fn a_long_body_that_comes_slowly_is_the_clients_fault_and_not_the_apps() {
    let (app, gate) = pair_with(|settings| {
        with_plain_routes(hurried(settings)).set_upstream("answer_deadline", "50ms").set_upstream("eject_after", 1)
    })
    .await;
    let token = Issuer::default().token("ana");
    let head =
        format!("POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 200000\r\n\r\n");
    let mut line = gate.client().raw(head + &"x".repeat(100_000)).await;
    let answer = line.expect_answer("POST").await;
    assert_eq!(answer.refusal(), (408, "body_timeout".into()));
    assert!(!gate.metrics().await.contains("sockgate_member_failures_total{"), "nothing is held against the app");
    assert_eq!(app.requests().len(), 0, "not a whole request");
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_no_app() {
    let (app, gate) = pair_with(|settings| settings).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let whole = session.post("42[\"never\"]").to_bytes();
    let mut line = gate.client().raw(&whole[..whole.len() - 3]).await;
    tokio::io::AsyncWriteExt::shutdown(&mut line.stream).await.expect("a half close");
    let said = line.end().await;
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(app.requests().len(), 1);
    session.exchange("42[\"on\"]").await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let (_app, gate) = pair_with(hurried).await;
    let mut line = gate.client().raw(gate.client().get("/nowhere").to_bytes()).await;
    assert_eq!(line.expect_answer("GET").await.status, 404);
    assert_eq!(line.end().await, b"");
    gate.is_empty().await;
}

#[tokio::test]
async fn a_waiting_poll_is_not_idle() {
    let (app, gate) = pair_with(hurried).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let mut poll = session.poll().begin().await.expect("connected");
    app.heard(2).await;
    // Another connection that idles to its end shows that the time has passed.
    let mut idle = gate.client().raw(gate.client().get("/nowhere").to_bytes()).await;
    idle.end().await;
    app.push("42[\"late\"]");
    assert_eq!(poll.expect_answer("GET").await.text(), "42[\"late\"]");
}

#[tokio::test]
async fn a_client_of_http2_that_opens_no_window_does_not_keep_its_answer() {
    let app = App::scripted(|seen| {
        let parts = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n4\r\nmore\r\n";
        seen.path().starts_with("/api/").then(|| vec![Step::say(parts), Step::Hang])
    })
    .await;
    let certificates = Certificates::new("gate");
    let settings = with_plain_routes(Settings::before(&[&app])).tls(&certificates).set("listen.write_deadline", "300ms");
    let gate = Gate::start(settings).await;
    let token = format!("Bearer {}", Issuer::default().token("ana"));
    let fields =
        [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/api/x"), ("authorization", &token)];
    let no_window = h2::frame(h2::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let request = h2::frame(h2::HEADERS, h2::END_STREAM | h2::END_HEADERS, 1, &h2::hpack(&fields));
    let mut line = gate.client_h2().raw([h2::preface(), no_window, request].concat()).await;
    let frames = within("the stream is reset", h2::frames_until(&mut line, |kind, _| kind == h2::RST_STREAM)).await;
    assert!(frames.iter().any(|(kind, stream, _)| (*kind, *stream) == (h2::RST_STREAM, 1)), "{frames:?}");
    eventually("the app's connection is given up", async || (app.aborted() == 1).then_some(())).await;
    assert_eq!(gate.metric("sockgate_deadlines_total{deadline=\"write\"}").await, 1.0);
}

#[tokio::test]
async fn many_slow_clients_keep_nobody_waiting() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings.set("limit.connections_per_address", 0)).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        slow.push(gate.client().raw("GET /socket.io/ HTTP/1.1\r\nX: ").await);
    }
    for _ in 0..5 {
        within("an answer between two hundred that wait", still_serves(&gate)).await;
    }
    drop(slow);
    assert!(gate.is_running());
}

#[tokio::test]
async fn a_client_that_does_not_read_a_poll_is_cut_off() {
    let app = App::scripted(|seen| {
        (seen.query("sid").is_some()).then(|| {
            let body = "x".repeat(20_000_000);
            vec![
                crate::support::Step::say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())),
                crate::support::Step::Hang,
            ]
        })
    })
    .await;
    let gate = before(&app, |settings| settings.set("listen.write_deadline", "500ms")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let line = session.poll().begin().await.expect("connected");
    line.stream.shrink();
    gate.has_sessions("polling", 1).await;
    crate::support::eventually("the connection is cut", async || (gate.status().await["connections"] == 0).then_some(())).await;
    drop(line);
}
