//! Requests whose end is in doubt, or whose head is none: refused, and nothing of them reaches the app. Each is sent with a
//! second request behind it that must not be answered with a success.

use crate::support::{
    App, Gate, Issuer, PAGE, eventually,
    sample::{before, secure_pair, with_plain_routes},
    within,
};

/// A gate with a plain route, so that a request that passed would be seen by the app.
async fn open_pair() -> (App, Gate, String) {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    (app, gate, Issuer::default().token("ana"))
}

/// Statuses that say no to a request's form.
fn is_no(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 411 | 413 | 414 | 417 | 431 | 501 | 505)
}

#[tokio::test]
async fn requests_in_doubt_are_refused_and_nothing_behind_them_is_taken() {
    let (app, gate, token) = open_pair().await;
    let cases = [
        ("a space before the colon", post(&token, "Transfer-Encoding : chunked\r\n", "0\r\n\r\n")),
        ("xchunked", post(&token, "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
        ("chunked, identity", post(&token, "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")),
        ("identity, chunked", post(&token, "Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n")),
        ("gzip, chunked", post(&token, "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        ("two codings", post(&token, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        ("quotes", post(&token, "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")),
        ("a vertical tab", post(&token, "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n")),
        ("an empty coding", post(&token, "Transfer-Encoding: \r\n", "0\r\n\r\n")),
        ("a folded coding", post(&token, "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")),
        ("two lengths", post(&token, "Content-Length: 1\r\nContent-Length: 2\r\n", "ab")),
        ("a list of lengths", post(&token, "Content-Length: 1, 2\r\n", "ab")),
        ("a signed length", post(&token, "Content-Length: +1\r\n", "a")),
        ("a negative length", post(&token, "Content-Length: -1\r\n", "a")),
        ("a hexadecimal length", post(&token, "Content-Length: 0x1\r\n", "a")),
        ("an underscored length", post(&token, "Content-Length: 1_0\r\n", "abcdefghij")),
        ("a length beyond 2^64", post(&token, "Content-Length: 18446744073709551621\r\n", "abcde")),
        ("an empty length", post(&token, "Content-Length: \r\n", "")),
        ("a length with junk", post(&token, "Content-Length: 1 a\r\n", "a")),
        ("HTTP/1.0 with a coding", post(&token, "Transfer-Encoding: chunked\r\n", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0")),
        ("HTTP/1.2", post(&token, "", "").replace("HTTP/1.1", "HTTP/1.2")),
        ("HTTP/2.0 in plain", post(&token, "", "").replace("HTTP/1.1", "HTTP/2.0")),
        ("an empty name", post(&token, ": x\r\n", "")),
        ("a name with a space", post(&token, "X Y: z\r\n", "")),
        ("a name with a control", post(&token, "X\x01: z\r\n", "")),
        ("a NUL in a value", post(&token, "X: a\0b\r\n", "")),
        ("a bare CR in a value", post(&token, "X: a\rY: b\r\n", "")),
        ("a folded header", post(&token, "X: a\r\n b\r\n", "")),
        ("no colon", post(&token, "Nonsense\r\n", "")),
        ("a space before the first header", post(&token, "", "").replace("Host:", " Host:")),
    ];
    for (what, request) in cases {
        let statuses = statuses(&gate, &token, &request).await;
        assert!(statuses.iter().all(|status| is_no(*status)) && statuses.len() < 2, "{what}: {statuses:?}");
        app.heard_nothing();
    }
    assert!(gate.is_running());
}

#[tokio::test]
async fn requests_that_ask_oddly_are_refused_and_reach_nobody() {
    let (app, gate, token) = open_pair().await;
    let cases = [
        ("no host", post(&token, "", "").replace("Host: localhost\r\n", "")),
        ("two hosts", post(&token, "Host: localhost\r\n", "")),
        ("a host with a space", post(&token, "", "").replace("Host: localhost", "Host: local host")),
        ("a host with a slash", post(&token, "", "").replace("Host: localhost", "Host: localhost/x")),
        ("a host with userinfo", post(&token, "", "").replace("Host: localhost", "Host: a@localhost")),
        ("an empty host", post(&token, "", "").replace("Host: localhost", "Host: ")),
        ("another host in the target", post(&token, "", "").replace("/api/x", "http://other/api/x")),
        ("no path", post(&token, "", "").replace("/api/x", "api/x")),
        ("an asterisk", post(&token, "", "").replace("/api/x", "*")),
        ("TRACE", post(&token, "", "").replace("POST", "TRACE")),
        ("CONNECT", post(&token, "", "").replace("POST /api/x", "CONNECT localhost:3001")),
        ("an unknown method", post(&token, "", "").replace("POST", "BREW")),
        ("a method in lower case", post(&token, "", "").replace("POST", "post")),
    ];
    for (what, request) in cases {
        let statuses = statuses(&gate, &token, &request).await;
        assert!(statuses.first().is_none_or(|status| is_no(*status)), "{what}: {statuses:?}");
        // These end where everybody says they end, so another request may follow.
        let reached: Vec<String> = app.requests().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
        assert!(reached.iter().all(|seen| seen == "GET /api/behind"), "{what}: {reached:?}");
    }
    assert!(gate.is_running());
}

/// A request with a good token and these headers and body.
fn post(token: &str, headers: &str, body: &str) -> String {
    format!("POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{headers}\r\n{body}")
}

/// Every answer to a request with a good one close behind it.
async fn statuses(gate: &Gate, token: &str, request: &str) -> Vec<u16> {
    let behind =
        format!("GET /api/behind HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    let mut line = gate.client().raw(format!("{request}{behind}")).await;
    let mut statuses = Vec::new();
    while let Ok(Some(answer)) = within("an answer or the end", line.answer("POST")).await {
        statuses.push(answer.status);
    }
    statuses
}

#[tokio::test]
async fn where_length_and_coding_disagree_the_coding_counts_and_the_connection_ends() {
    let (app, gate, token) = open_pair().await;
    let smuggled = format!("GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    for headers in ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"]
    {
        let request = format!(
            "POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{headers}\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        let heard = app.requests().len();
        let mut line = gate.client().raw(format!("{request}{smuggled}")).await;
        let answer = line.expect_answer("POST").await;
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(line.end().await, b"", "one answer and no more");
        if answer.status == 200 {
            let seen = app.last_request();
            assert_eq!((seen.path(), seen.text().as_str(), seen.header("content-length")), ("/api/x", "abc", Some("3")));
            assert_eq!(app.requests().len(), heard + 1);
        } else {
            assert_eq!((answer.status, app.requests().len()), (400, heard));
        }
    }
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let (app, gate, token) = open_pair().await;
    let head =
        format!("POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunks in [
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3;a\rb\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
    ] {
        let mut line = gate.client().raw(format!("{head}{chunks}")).await;
        if let Ok(Some(answer)) = line.answer("POST").await {
            assert_eq!(answer.status, 400, "{chunks:?}");
        }
        line.end().await;
    }
    app.heard_nothing();
}

#[tokio::test]
async fn a_body_with_a_get_is_a_body_and_never_a_request() {
    let (app, gate, token) = open_pair().await;
    let inner = format!("GET /api/inner HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let outer = format!(
        "GET /api/outer HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        inner.len()
    );
    let mut line = gate.client().raw(format!("{outer}{inner}")).await;
    assert_eq!(line.expect_answer("GET").await.status, 200);
    let seen = app.only_request();
    assert_eq!((seen.path(), seen.text()), ("/api/outer", inner));
}

#[tokio::test]
async fn a_refused_requests_body_is_never_a_request() {
    let (app, gate, token) = open_pair().await;
    let inner = format!("GET /api/inner HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let outer = format!("POST /api/outer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", inner.len());
    let mut line = gate.client().raw(format!("{outer}{inner}")).await;
    assert_eq!(line.expect_answer("POST").await.refusal(), (401, "token_absent".into()));
    app.heard_nothing();
}

#[tokio::test]
async fn an_old_request_without_a_length_has_no_body_and_ends_its_connection() {
    let (app, gate, token) = open_pair().await;
    let inner = format!("GET /api/inner HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let outer = format!("POST /api/outer HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut line = gate.client().raw(format!("{outer}{inner}")).await;
    let said = String::from_utf8_lossy(&line.end().await).into_owned();
    assert!(said.matches("HTTP/1.").count() <= 1, "{said}");
    assert!(app.requests().iter().all(|seen| seen.path() == "/api/outer" && seen.body.is_empty()), "{:?}", app.requests());
}

#[tokio::test]
async fn requests_behind_each_other_are_judged_alone() {
    let (app, gate, token) = open_pair().await;
    let other = Issuer::default().token("bob");
    let request = |name: &str, token: Option<&str>| {
        let shown = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!("GET /api/{name} HTTP/1.1\r\nHost: localhost\r\n{shown}\r\n")
    };
    let all =
        [request("ana", Some(&token)), request("nobody", None), request("bob", Some(&other)), request("again", None)].concat();
    let mut line = gate.client().raw(all).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(line.expect_answer("GET").await.status);
    }
    assert_eq!(statuses, [200, 401, 200, 401]);
    let told: Vec<_> =
        app.requests().iter().map(|seen| (seen.path().to_string(), seen.header("x-auth-subject").map(str::to_string))).collect();
    assert_eq!(told, [("/api/ana".into(), Some("ana".into())), ("/api/bob".into(), Some("bob".into()))]);
}

#[tokio::test]
async fn expect_continue_is_answered_and_goes_no_further() {
    let (app, gate, token) = open_pair().await;
    let head = format!(
        "POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    );
    let mut line = gate.client().raw(head).await;
    line.write("body").await.expect("the gate reads");
    assert_eq!(line.expect_answer("POST").await.status, 200);
    let seen = app.only_request();
    assert_eq!((seen.header("expect"), seen.text().as_str()), (None, "body"));
}

#[tokio::test]
async fn heads_are_bounded_and_the_page_reads_why() {
    let (app, gate) = secure_pair(with_plain_routes).await;
    let token = Issuer::default().token("ana");
    for client in gate.clients() {
        let ask = || client.get("/api/x").origin(PAGE).token(&token);
        let cases = [
            (
                "many headers",
                (0..100).fold(ask(), |ask, number| ask.header(&format!("X-{number}"), "y")),
                431,
                "headers_too_large",
            ),
            ("a large header", ask().header("X", &"y".repeat(20_000)), 431, "headers_too_large"),
            ("a long URL", client.get(&format!("/api/{}", "y".repeat(9_000))).origin(PAGE), 414, "url_too_long"),
        ];
        for (what, ask, status, name) in cases {
            let answer = ask.send().await;
            assert_eq!(answer.refusal(), (status, name.into()), "{what}");
            answer.is_for_page(PAGE);
        }
    }
    assert_eq!(gate.refusals("headers_too_large").await, 4.0);
    app.heard_nothing();
}

#[tokio::test]
async fn what_is_not_even_read_is_noted_and_counted() {
    let (app, gate, _) = open_pair().await;
    let large = format!("GET /api/x HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(40_000));
    for (request, status, name) in [
        (large.as_str(), "431", "headers_too_large"),
        ("GET /api/x HTTP/1.1\r\nHost : localhost\r\n\r\n", "400", "malformed_request"),
        ("\x16\x03\x01\x02\r\n\r\n", "400", "malformed_request"),
    ] {
        let before = gate.refusals(name).await;
        let mut line = gate.client().raw(request).await;
        assert_eq!(line.expect_answer("GET").await.status.to_string(), status, "{request:.40}");
        line.end().await;
        let noted = [("message", "request"), ("refusal", name), ("status", status), ("kind", "none"), ("address", "127.0.0.1")];
        gate.record(&noted).await;
        // The record of the one before may be the one that was found.
        eventually("it is counted", async || (gate.refusals(name).await >= before + 1.0).then_some(())).await;
    }
    app.heard_nothing();
}

#[tokio::test]
async fn a_fragment_goes_no_further() {
    let (app, gate, token) = open_pair().await;
    let mut line = gate
        .client()
        .raw(format!("GET /api/x?y#/../z HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"))
        .await;
    if line.expect_answer("GET").await.status == 200 {
        assert_eq!(app.only_request().target, "/api/x?y", "the app sees what was judged");
    }
}

#[tokio::test]
async fn hop_by_hop_headers_and_what_connection_names_stay_here() {
    let (app, gate, token) = open_pair().await;
    let request = format!(
        "GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: keep-alive, X-Mine, x-auth-subject, X-Forwarded-For\r\n\
         X-Mine: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAA\r\nX-Stays: 1\r\n\r\n"
    );
    let mut line = gate.client().raw(request).await;
    assert_eq!(line.expect_answer("GET").await.status, 200);
    let seen = app.only_request();
    for name in ["x-mine", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "upgrade", "http2-settings"]
    {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("x-stays"), Some("1"));
    assert_eq!(seen.header("x-auth-subject"), Some("ana"), "what the gate says cannot be struck out");
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
}

#[tokio::test]
async fn what_connection_names_stays_here_on_upgrades_too() {
    let (app, gate, token) = open_pair().await;
    let ask = gate.client().upgrade("/ws").token(&token);
    let request = String::from_utf8(ask.to_bytes())
        .expect("text")
        .replace("Connection: Upgrade", "Connection: Upgrade, X-Auth-Subject, X-Mine\r\nX-Mine: 1");
    let mut line = gate.client().raw(request).await;
    assert_eq!(line.expect_answer("GET").await.status, 101);
    let seen = app.only_request();
    assert_eq!((seen.header("x-mine"), seen.header("x-auth-subject")), (None, Some("ana")));
}
