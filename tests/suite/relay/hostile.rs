//! App servers that do not speak HTTP as they should: the client gets a clean refusal, nobody else gets anything, and the
//! connection is thrown away.

use crate::support::{
    App, Gate, Issuer, OPEN, PAGE, Session, Settings, Step,
    sample::{before, with_plain_routes},
};

fn hostile_answers() -> Vec<(&'static str, Vec<u8>)> {
    let open = "0{\"sid\":\"abc\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":100000}";
    let length = open.len();
    let many = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(2000);
    let headers = (0..200).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let text = [
        (
            "length and coding",
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{open}"),
        ),
        ("two lengths", format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Length: 5\r\n\r\n{open}")),
        ("a length that is none", format!("HTTP/1.1 200 OK\r\nContent-Length: +{length}\r\n\r\n{open}")),
        ("a NUL in a header", format!("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: {length}\r\n\r\n{open}")),
        ("a bare CR in a header", format!("HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: {length}\r\n\r\n{open}")),
        ("an unknown coding", format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{open}")),
        (
            "two megabytes of headers",
            format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: {length}\r\n\r\n{open}", "x".repeat(2_000_000)),
        ),
        ("two hundred headers", format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{open}")),
        ("a body that breaks off", format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{open}", length + 10)),
        ("chunks that break off", format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{open}")),
        (
            "a chunk size that is none",
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x10\r\n{open}\r\n0\r\n\r\n"),
        ),
        ("two thousand interim answers", format!("{many}HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{open}")),
        (
            "a 101 nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".into(),
        ),
        ("no HTTP", "220 mail.example.com ESMTP\r\n\r\n".into()),
        ("an old HTTP", "HTTP/0.9 200 OK\r\n\r\n".into()),
        ("a status that is none", "HTTP/1.1 20 OK\r\n\r\n".into()),
        ("nothing", String::new()),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le".into()),
    ];
    text.into_iter().map(|(what, bytes)| (what, bytes.into_bytes())).collect()
}

#[tokio::test]
async fn a_hostile_answer_becomes_a_502_and_nothing_of_it_is_passed_on() {
    for (what, bytes) in hostile_answers() {
        let app = App::saying(bytes).await;
        let gate = before(&app, |settings| settings.set_upstream("eject_after", 1000)).await;
        let answer = gate.client().get(OPEN).origin(PAGE).token(&Issuer::default().token("ana")).send().await;
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert!(matches!(answer.refusal().1.as_str(), "upstream_failed" | "upstream_invalid"), "{what}");
        answer.is_for_page(PAGE);
        assert!(!answer.text().contains("abc"), "{what}");
        assert!(gate.is_running());
    }
}

#[tokio::test]
async fn a_hostile_answer_on_a_plain_route_reaches_nobody_else() {
    let app = App::scripted(|seen| {
        let two = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
        (seen.path() == "/api/two").then(|| vec![Step::say(two)])
    })
    .await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("listen.workers", 1)).await;
    let token = Issuer::default().token("ana");
    for round in 0..5 {
        let answer = gate.client().get("/api/two").token(&token).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        let answer = gate.client().get(&format!("/api/{round}")).token(&token).send().await;
        assert_eq!(answer.text(), format!("app says: GET /api/{round} "), "an answer nobody asked for is nobody's");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_off_and_not_completed() {
    let app = App::scripted(|seen| {
        let say = match seen.path() {
            "/api/length" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            "/api/chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            _ => return None,
        };
        Some(vec![Step::say(say), Step::Close])
    })
    .await;
    let gate = before(&app, with_plain_routes).await;
    for target in ["/api/length", "/api/chunks"] {
        let result = gate.client().get(target).token(&Issuer::default().token("ana")).try_send().await;
        assert!(result.is_err() || result.as_ref().is_ok_and(|answer| answer.status == 502), "{target}: {result:?}");
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn one_broken_member_does_not_harm_sessions_of_the_other() {
    let (good, bad) =
        (App::named("good").await, App::saying("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n").await);
    let gate = Gate::start(Settings::before(&[&good, &bad]).set_upstream("balance", "round_robin")).await;
    let token = Issuer::default().token("ana");
    let mut sessions = Vec::new();
    for _ in 0..10 {
        let answer = gate.client().get(OPEN).token(&token).send().await;
        match answer.status {
            200 => sessions.push(Session::of(&gate.client(), &answer, Some(&token), None)),
            status => assert_eq!(status, 502),
        }
    }
    assert!(sessions.len() >= 5, "the broken member is left alone after a while: {}", sessions.len());
    for session in sessions {
        assert_eq!(session.exchange("42[\"x\"]").await, "42[\"x\"]");
    }
}

#[tokio::test]
async fn a_hundred_continues_are_not_passed_on() {
    let app = App::scripted(|seen| {
        let say = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        (seen.path() == "/api/hints").then(|| vec![Step::say(say)])
    })
    .await;
    let gate = before(&app, with_plain_routes).await;
    let answer = gate.client().get("/api/hints").token(&Issuer::default().token("ana")).send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}
