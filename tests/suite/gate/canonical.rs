//! Only the plain form of a request passes; what the app sees is what was judged.

use crate::support::{
    App, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session,
    sample::{before, pair, secure_pair, with_plain_routes},
};

#[tokio::test]
async fn every_other_spelling_of_an_engine_request_is_refused_in_both_versions_of_http() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let token = Issuer::default().token("ana");
    let cases: [(&str, &str, u16, u64); 34] = [
        ("GET", "/socket.io/", 400, 0),
        ("GET", "/socket.io/?EIO=4", 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=", 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=webtransport", 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=__proto__", 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=constructor", 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=Polling", 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=%70olling", 400, 0),
        ("GET", "/socket.io/?transport=polling", 400, 5),
        ("GET", "/socket.io/?EIO=3&transport=polling", 400, 5),
        ("GET", "/socket.io/?EIO=99&transport=polling", 400, 5),
        ("GET", "/socket.io/?EIO=04&transport=polling", 400, 5),
        ("GET", "/socket.io/?EIO=%34&transport=polling", 400, 5),
        ("GET", "/socket.io/?EIO=4&EIO=4&transport=polling", 400, 3),
        ("GET", "/socket.io/?EIO=4&transport=polling&transport=websocket", 400, 3),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=a&sid=b", 400, 3),
        ("GET", "/socket.io/?EIO=4&transport=polling&s%69d=a", 400, 3),
        ("GET", "/socket.io/?EIO=4&%74ransport=polling", 400, 3),
        ("GET", "/socket.io/?EIO=4&transport=polling&%74ransport=websocket", 400, 3),
        ("GET", "/socket.io/?EIO=4&transport=polling&j=0", 400, 3),
        ("GET", "/socket%2Eio/?EIO=4&transport=polling", 400, 3),
        ("GET", "/%73ocket.io/?EIO=4&transport=polling", 400, 3),
        ("GET", "//socket.io/?EIO=4&transport=polling", 400, 3),
        ("GET", "/socket.io//?EIO=4&transport=polling", 400, 3),
        ("GET", "/./socket.io/?EIO=4&transport=polling", 400, 3),
        ("GET", "/x/../socket.io/?EIO=4&transport=polling", 400, 3),
        ("GET", "/x/%2e%2e/socket.io/?EIO=4&transport=polling", 400, 3),
        ("GET", "/socket.io/..;/?EIO=4&transport=polling", 400, 3),
        ("GET", "/socket.io/%2F?EIO=4&transport=polling", 400, 3),
        ("GET", "/socket.io/%00?EIO=4&transport=polling", 400, 3),
        ("POST", "/socket.io/?EIO=4&transport=polling", 400, 2),
        ("PUT", "/socket.io/?EIO=4&transport=polling", 400, 2),
        ("DELETE", "/socket.io/?EIO=4&transport=polling&sid=abc", 400, 2),
        ("POST", "/socket.io/?EIO=4&transport=websocket", 400, 2),
    ];
    for client in gate.clients() {
        for (method, target, status, code) in cases {
            let answer = client.ask(method, target).origin(PAGE).token(&token).send().await;
            let what = format!("{method} {target}: {}", answer.text());
            // A route that does not take the odd path is as good as a refusal of it.
            if answer.status != 404 {
                assert_eq!((answer.status, answer.json()["code"].as_u64()), (status, Some(code)), "{what}");
            }
            answer.is_for_page(PAGE);
        }
    }
    app.heard_nothing();
}

#[tokio::test]
async fn a_token_given_twice_is_refused() {
    let (app, gate) = pair().await;
    let (ana, bob) = (Issuer::default().token("ana"), Issuer::default().token("bob"));
    let client = gate.client();
    let asks = [
        client.get(&format!("{OPEN}&token={ana}&token={ana}")),
        client.get(&format!("{OPEN}&token={ana}&token={bob}")),
        client.get(&format!("{OPEN}&token={ana}")).token(&bob),
        client.get(OPEN).token(&ana).token(&bob),
        client.get(OPEN).token(&ana).header("Cookie", &format!("token={bob}")),
        client.get(OPEN).header("Cookie", &format!("token={ana}; token={bob}")),
    ];
    for ask in asks {
        let answer = ask.origin(PAGE).send().await;
        assert_eq!(answer.refusal(), (401, "token_ambiguous".into()));
        answer.is_for_page(PAGE);
    }
    app.heard_nothing();
}

#[tokio::test]
async fn an_upgrade_is_one_only_where_the_transport_says_so() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&gate.client(), &token).await;
    let polling = format!("{OPEN}&sid={}", session.sid);
    for target in [OPEN, &polling] {
        let answer = gate.client().upgrade(target).token(&token).send().await;
        assert_eq!(answer.refusal(), (400, "upgrade_malformed".into()), "python servers would upgrade: {target}");
    }
    let answer = gate.client().get(OPEN_WEBSOCKET).token(&token).send().await;
    assert_eq!(answer.refusal(), (400, "upgrade_malformed".into()));
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn a_websocket_handshake_that_is_none_reaches_nobody() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    let handshake = |change: &dyn Fn(&str) -> String| {
        change(&String::from_utf8(gate.client().upgrade("/ws").token(&token).to_bytes()).expect("text"))
    };
    let cases: [(&str, String, &[u16]); 16] = [
        ("version 8", handshake(&|text| text.replace("Version: 13", "Version: 8")), &[426]),
        ("version 777", handshake(&|text| text.replace("Version: 13", "Version: 777")), &[426]),
        ("no version", handshake(&|text| text.replace("Sec-WebSocket-Version: 13\r\n", "")), &[426]),
        ("no key", handshake(&|text| text.replace("Sec-WebSocket-Key", "X-Key")), &[400]),
        ("a short key", handshake(&|text| text.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl")), &[400]),
        ("no Connection", handshake(&|text| text.replace("Connection: Upgrade\r\n", "")), &[400]),
        ("POST", handshake(&|text| text.replace("GET /ws", "POST /ws")), &[400]),
        ("HTTP/1.0", handshake(&|text| text.replace("HTTP/1.1", "HTTP/1.0")), &[400, 505]),
        ("a body", handshake(&|text| text.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc")), &[400]),
        (
            "a chunked body",
            handshake(&|text| text.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
            &[400],
        ),
        (
            "h2c",
            handshake(&|text| {
                text.replace("Upgrade: websocket", "Upgrade: h2c").replace("\r\n\r\n", "\r\nHTTP2-Settings: AAA\r\n\r\n")
            }),
            &[400, 426],
        ),
        ("foo", handshake(&|text| text.replace("Upgrade: websocket", "Upgrade: foo")), &[426]),
        ("a list", handshake(&|text| text.replace("Upgrade: websocket", "Upgrade: websocket, h2c")), &[400]),
        ("a version", handshake(&|text| text.replace("Upgrade: websocket", "Upgrade: websocket/13")), &[400]),
        (
            "300 subprotocols",
            handshake(&|text| {
                text.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Protocol: {}\r\n\r\n", "a, ".repeat(299) + "a"))
            }),
            &[400],
        ),
        (
            "300 upgrades",
            handshake(&|text| text.replace("Upgrade: websocket", &format!("Upgrade: {}", "x, ".repeat(300) + "websocket"))),
            &[400],
        ),
    ];
    for (what, request, statuses) in cases {
        let next = String::from_utf8(gate.client().get("/api/smuggled").token(&token).to_bytes()).expect("text");
        let mut line = gate.client().raw(format!("{request}{next}")).await;
        let answer = line.expect_answer("GET").await;
        assert!(statuses.contains(&answer.status), "{what}: {answer:?} {}", answer.text());
    }
    // What followed a refusal on the same connection was another request, judged alone, or nothing.
    assert!(
        app.requests().iter().all(|seen| seen.path() == "/api/smuggled" && !seen.headers.has("upgrade")),
        "{:?}",
        app.requests()
    );
}

#[tokio::test]
async fn odd_paths_are_refused_on_plain_routes_too() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    for path in [
        "/api/../admin",
        "/api/./x",
        "/api/%2e%2e/admin",
        "/api/%2E%2e/admin",
        "/api/.%2e/x",
        "/api/..%2fadmin",
        "/api/..;/admin",
        "/api/..%5cadmin",
        "/api/a\\b",
        "/api/%5c..%5c",
        "/api/%00",
        "/api/a%0d%0aX:%20y",
        "/api/%c0%ae%c0%ae/x",
        "/api/%252e%252e/..",
    ] {
        let mut line =
            gate.client().raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        let answer = line.expect_answer("GET").await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    app.heard_nothing();
    for path in ["/api/a%20b", "/api/%C3%A4", "/api/a.b/..c/d..", "/api/x?next=../..//%2e"] {
        let answer = gate.client().get(path).token(&token).send().await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(app.last_request().target, path, "what is good is passed on as it is");
    }
}

#[tokio::test]
async fn a_redirect_is_never_made_up() {
    let (_app, gate) = pair().await;
    for target in ["/socket.io", "/socket.io?EIO=4&transport=polling", "/", "/nowhere"] {
        let answer = gate.client().get(target).token(&Issuer::default().token("ana")).send().await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{target}");
        assert_eq!(answer.header("location"), None);
    }
}

#[tokio::test]
async fn a_path_below_a_socketio_route_is_judged_like_the_route_or_not_taken() {
    let (app, gate): (App, Gate) = pair().await;
    let answer = gate.client().get("/socket.io/any/thing").token(&Issuer::default().token("ana")).send().await;
    assert!(matches!(answer.status, 400 | 404), "{answer:?}");
    app.heard_nothing();
}
