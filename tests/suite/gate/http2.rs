//! HTTP/2 at the gate: polling multiplexed, WebSocket by extended CONNECT, and heads that HTTP/2 does not have. (Floods are
//! tested where the connection is served.)

use crate::support::{
    Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session,
    h2::{self, Multiplex},
    sample::{joined, secure_pair, with_plain_routes},
    within,
};

#[tokio::test]
async fn many_polls_wait_on_one_connection() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let client = gate.client_h2();
    let connection = Multiplex::connect(&client).await.expect("connected");
    let token = Issuer::default().token("ana");
    let mut polls = Vec::new();
    for _ in 0..20 {
        let opened = connection.send(client.get(OPEN).token(&token)).await.expect("opened");
        let session = Session::of(&client, &opened, Some(&token), None);
        let line = connection.clone();
        polls.push(tokio::spawn(async move { line.send(session.poll()).await.expect("answered") }));
    }
    app.heard(40).await;
    assert_eq!(gate.status().await["connections"], 1);
    app.push("42[\"to all\"]");
    for poll in polls {
        assert_eq!(joined(poll).await.text(), "42[\"to all\"]");
    }
}

#[tokio::test]
async fn what_reaches_the_app_is_http1() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let client = gate.client_h2();
    let token = Issuer::default().token("ana");
    let ask = client.get(OPEN).token(&token).header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(ask.send().await.status, 200);
    let seen = app.only_request();
    assert_eq!(seen.header("cookie"), Some("a=1; b=2"), "one field, as HTTP/1.1 servers need it");
    assert_eq!(seen.header("host"), Some("localhost"));
    assert!(seen.headers.0.iter().all(|(name, _)| !name.starts_with(':')));
}

#[tokio::test]
async fn an_answer_over_http2_says_nothing_about_connections() {
    let (_app, gate) = secure_pair(|settings| settings).await;
    for target in [OPEN, "/nowhere", OPEN_WEBSOCKET] {
        let answer = gate.client_h2().get(target).token(&Issuer::default().token("ana")).send().await;
        for name in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
            assert_eq!(answer.header(name), None, "{target}: {name}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_over_http2_is_judged_like_any_other() {
    let (app, gate) = secure_pair(with_plain_routes).await;
    let client = gate.client_h2();
    let token = Issuer::default().token("ana");
    let refusals = [
        (client.upgrade("/ws").origin(PAGE), 401),
        (client.upgrade("/ws").origin("https://evil.example.net").token(&token), 403),
        (client.upgrade("/nowhere").token(&token), 404),
        (client.upgrade("/api/x").token(&token), 400),
        (client.upgrade(OPEN).token(&token), 400),
        (client.get("/ws").token(&token).header("sec-websocket-version", "12"), 426),
    ];
    for (ask, status) in refusals {
        let what = ask.target.clone();
        let answer = ask.open().await.expect_err("refused");
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    app.heard_nothing();
}

#[tokio::test]
async fn websocket_over_http2_can_be_switched_off() {
    let (_app, gate) = secure_pair(|settings| with_plain_routes(settings).set("listen.http2_websocket", false)).await;
    let client = gate.client_h2();
    let ask = client.upgrade("/ws").token(&Issuer::default().token("ana"));
    let tunnel = within("an answer or an end", h2::tunnel(ask)).await;
    assert!(!matches!(tunnel, Ok((_, Some(_)))), "no tunnel");
    assert_eq!(client.get(OPEN).token(&Issuer::default().token("ana")).send().await.status, 200);
}

#[tokio::test]
async fn http2_can_be_switched_off() {
    let (_app, gate) = secure_pair(|settings| settings.set("listen.http2", false)).await;
    assert_eq!(gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await.status, 200);
    assert!(Multiplex::connect(&gate.client_h2()).await.is_err(), "nobody agrees on h2");
}

/// One request of these headers on a connection of its own: whether anything but a refusal came back.
async fn is_refused(gate: &crate::support::Gate, headers: &[(&str, &str)], flags: u8) -> Result<(), String> {
    let request = h2::frame(h2::HEADERS, flags, 1, &h2::hpack(headers));
    let mut line = gate.client_h2().raw([h2::preface(), request].concat()).await;
    let frames = within(
        "an answer",
        h2::frames_until(&mut line, |kind, stream| {
            matches!(kind, h2::GOAWAY | h2::RST_STREAM) || (kind == h2::HEADERS && stream == 1)
        }),
    )
    .await;
    match frames.last() {
        // An indexed `:status 200` is the one byte 0x88.
        Some((h2::HEADERS, 1, block)) if block.first() == Some(&0x88) => Err(format!("{headers:?} was answered with 200")),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn heads_that_http2_does_not_have_reach_nobody() {
    let (app, gate) = secure_pair(with_plain_routes).await;
    let token = format!("Bearer {}", Issuer::default().token("ana"));
    let base = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/api/x"),
        ("authorization", token.as_str()),
    ];
    assert!(is_refused(&gate, &base, h2::END_HEADERS | h2::END_STREAM).await.is_err(), "without an oddity it is answered");
    app.heard(1).await;
    let more: [(&str, &str); 14] = [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("keep-alive", "1"),
        ("upgrade", "websocket"),
        ("proxy-connection", "close"),
        ("X-Upper", "1"),
        ("x y", "1"),
        ("x\r\ny", "1"),
        ("x", "a\r\nx-auth-subject: root"),
        ("x", "a\0b"),
        ("", "1"),
        ("host", "other"),
        ("content-length", "5"),
    ];
    for (name, value) in more {
        let mut headers = base.to_vec();
        headers.push((name, value));
        is_refused(&gate, &headers, h2::END_HEADERS | h2::END_STREAM).await.unwrap_or_else(|error| panic!("{error}"));
    }
    let show = ("authorization", token.as_str());
    let pseudo: [&[(&str, &str)]; 8] = [
        &[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/api/x"), (":path", "/api/y"), show],
        &[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), show, (":path", "/api/x")],
        &[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/api/x"), (":odd", "1"), show],
        &[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", ""), show],
        &[(":method", "GET"), (":scheme", "https"), (":authority", "local host"), (":path", "/api/x"), show],
        &[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/api/x y\r\nz"), show],
        &[(":method", "CONNECT"), (":authority", "localhost:3001"), show],
        &[
            (":method", "CONNECT"),
            (":protocol", "connect-udp"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", "/ws"),
            show,
        ],
    ];
    for headers in pseudo {
        is_refused(&gate, headers, h2::END_HEADERS).await.unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(app.requests().len(), 1, "{:?}", app.requests());
    assert_eq!(gate.client_h2().get("/api/x").token(&Issuer::default().token("ana")).send().await.status, 200);
}

#[tokio::test]
async fn a_preface_that_is_garbage_harms_nobody() {
    let (_app, gate) = secure_pair(|settings| settings).await;
    for bytes in [b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".as_slice(), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &[0xff; 100]] {
        let mut line = gate.client_h2().raw(bytes).await;
        line.end().await;
    }
    assert_eq!(gate.client_h2().get("/nowhere").send().await.status, 404);
    gate.is_empty().await;
}
