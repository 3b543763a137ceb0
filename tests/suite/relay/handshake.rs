//! WebSocket handshakes with apps that answer them wrongly, or say no, or say more at once than asked.

use crate::support::{
    App, Event, Gate, Issuer, OPEN_WEBSOCKET, PAGE, Session, Step,
    client::Answer,
    frames::{FIN, TEXT, frame},
    sample::{before, with_plain_routes},
    websocket,
};

async fn ask(gate: &Gate, target: &str) -> Result<crate::support::WebSocket, Answer> {
    gate.client().upgrade(target).origin(PAGE).token(&Issuer::default().token("ana")).open().await
}

#[tokio::test]
async fn bytes_that_come_with_the_101_are_not_lost() {
    let app = App::scripted(|seen| {
        let frames = [frame(FIN | TEXT, b"first", None), frame(FIN | TEXT, b"second", None)].concat();
        Some(vec![Step::Say([seen.accepted(""), frames].concat()), Step::Echo])
    })
    .await;
    let gate = before(&app, with_plain_routes).await;
    let mut websocket = ask(&gate, "/ws").await.expect("open");
    assert_eq!(websocket.next_text().await, "first");
    assert_eq!(websocket.next_text().await, "second");
    websocket.text("third").await;
    assert_eq!(websocket.next_text().await, "third");
}

#[tokio::test]
async fn bytes_the_client_sends_with_its_handshake_are_kept_until_the_app_agrees() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let request = gate.client().upgrade("/ws").token(&Issuer::default().token("ana")).to_bytes();
    let early = frame(FIN | TEXT, b"early", Some(crate::support::frames::MASK));
    let mut line = gate.client().raw([request, early].concat()).await;
    let answer = line.expect_answer("GET").await;
    assert_eq!(answer.status, 101);
    let mut websocket = crate::support::WebSocket { line, answer };
    assert_eq!(websocket.next_text().await, "early");
}

#[tokio::test]
async fn an_answer_that_is_not_right_in_every_part_is_502_and_nothing_is_passed_on() {
    let wrong = |head: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{head}\r\nstolen");
    let accept = "Sec-WebSocket-Accept: {accept}\r\n";
    let cases = [
        ("no accept", "Upgrade: websocket\r\nConnection: Upgrade\r\n".to_string()),
        (
            "a wrong accept",
            format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n", websocket::ACCEPT),
        ),
        ("two accepts", format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{accept}{accept}")),
        ("no Upgrade", format!("Connection: Upgrade\r\n{accept}")),
        ("another protocol", format!("Upgrade: h2c\r\nConnection: Upgrade\r\n{accept}")),
        ("two protocols", format!("Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n{accept}")),
        ("no Connection", format!("Upgrade: websocket\r\n{accept}")),
        (
            "an extension",
            format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{accept}Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        ),
        ("a subprotocol", format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{accept}Sec-WebSocket-Protocol: chat\r\n")),
    ];
    for (what, head) in cases {
        let template = wrong(&head);
        let app = App::scripted(move |seen| {
            let accept = websocket::accept_of(seen.header("sec-websocket-key").unwrap_or_default());
            Some(vec![Step::say(template.replace("{accept}", &accept)), Step::Hang])
        })
        .await;
        let gate = before(&app, with_plain_routes).await;
        for target in ["/ws", OPEN_WEBSOCKET] {
            let answer = ask(&gate, target).await.expect_err(what);
            assert_eq!(answer.refusal(), (502, "upstream_invalid".into()), "{what}");
            assert!(!answer.text().contains("stolen"));
            answer.is_for_page(PAGE);
        }
        gate.is_empty().await;
    }
}

/// An app that answers handshakes with this, `{accept}` and `{agreed}` being what RFC 6455 asks for, and then says no more.
async fn answering(template: String) -> App {
    App::scripted(move |seen| {
        let accept = websocket::accept_of(seen.header("sec-websocket-key").unwrap_or_default());
        let agreed = format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n");
        Some(vec![Step::say(template.replace("{agreed}", &agreed)), Step::Hang])
    })
    .await
}

#[tokio::test]
async fn an_answer_whose_end_is_in_doubt_is_502_and_nothing_is_passed_on() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\n{agreed}";
    let early = |count: usize| "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(count);
    let both = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nstolen\r\n0\r\n\r\n";
    let cases = [
        ("a 101 with a length", format!("{switched}Content-Length: 6\r\n\r\nstolen")),
        ("a 101 with two lengths", format!("{switched}Content-Length: 0\r\nContent-Length: 6\r\n\r\nstolen")),
        ("a 101 with a coding", format!("{switched}Transfer-Encoding: chunked\r\n\r\n6\r\nstolen\r\n0\r\n\r\n")),
        ("a 101 of an old HTTP", format!("{}\r\nstolen", switched.replace("HTTP/1.1", "HTTP/1.0"))),
        ("a refusal with length and coding", format!("HTTP/1.1 403 Forbidden\r\n{both}")),
        ("a refusal with two lengths", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nContent-Length: 6\r\n\r\nstolen".into()),
        ("nine interim answers", format!("{}{switched}\r\n", early(9))),
        ("two thousand interim answers", early(2000)),
        ("nine interim answers before a refusal", format!("{}HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", early(9))),
        ("a large interim answer", format!("HTTP/1.1 103 Early Hints\r\nX: {}\r\n\r\n", "x".repeat(20_000))),
    ];
    for (what, template) in cases {
        let app = answering(template).await;
        let gate = before(&app, |settings| with_plain_routes(settings).set_upstream("eject_after", 1000)).await;
        for target in ["/ws", OPEN_WEBSOCKET] {
            let answer = ask(&gate, target).await.expect_err(what);
            assert_eq!(answer.refusal(), (502, "upstream_invalid".into()), "{what}");
            assert!(!answer.text().contains("stolen"), "{what}");
            answer.is_for_page(PAGE);
        }
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn an_answer_that_says_more_than_it_must_is_taken() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(8);
    for (what, head) in [
        ("a length of 0", "HTTP/1.1 101 Switching Protocols\r\n{agreed}Content-Length: 0\r\n\r\n".to_string()),
        ("eight interim answers", format!("{early}HTTP/1.1 101 Switching Protocols\r\n{{agreed}}\r\n")),
    ] {
        let app = answering(head).await;
        let gate = before(&app, with_plain_routes).await;
        assert!(ask(&gate, "/ws").await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn garbage_and_silence_in_place_of_an_answer_are_told() {
    let cases: [(&str, Vec<Step>, &[u16]); 5] = [
        ("garbage", vec![Step::say("\0\0\0\0 what?\r\n\r\n"), Step::Close], &[502]),
        ("nothing", vec![Step::Close], &[502]),
        ("a reset", vec![Step::Reset], &[502]),
        ("half a head", vec![Step::say("HTTP/1.1 101 Switching"), Step::Close], &[502]),
        ("no answer", vec![Step::Hang], &[504]),
    ];
    for (what, steps, statuses) in cases {
        let app = App::scripted(move |_| Some(steps.clone())).await;
        let gate = before(&app, |settings| with_plain_routes(settings).set("socketio.connect_timeout", "500ms")).await;
        for target in ["/ws", OPEN_WEBSOCKET] {
            let answer = ask(&gate, target).await.expect_err(what);
            assert!(statuses.contains(&answer.status), "{what}: {answer:?}");
            answer.is_for_page(PAGE);
        }
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn the_apps_refusal_reaches_the_client_with_and_without_a_body() {
    let cases = [
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 18\r\n\r\nSession ID unknown", 400, "Session ID unknown"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403, ""),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", 403, ""),
        ("HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 401, "no"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
    ];
    for (said, status, body) in cases {
        let app = App::saying(said).await;
        let gate = before(&app, with_plain_routes).await;
        for target in ["/ws", OPEN_WEBSOCKET] {
            let answer = ask(&gate, target).await.expect_err(said);
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{said}");
            answer.is_for_page(PAGE);
        }
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn a_refused_upgrade_leaves_the_polling_session_alone() {
    let app = App::scripted(|seen| {
        seen.wants_websocket().then(|| vec![Step::say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), Step::Close])
    })
    .await;
    let gate = before(&app, |settings| settings).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    assert_eq!(session.upgrade().open().await.expect_err("refused").status, 403);
    assert_eq!(session.exchange("42[\"still\"]").await, "42[\"still\"]");
}

#[tokio::test]
async fn a_101_followed_by_an_end_is_told_as_it_is() {
    let after: [(&str, Vec<Step>); 3] = [
        ("a close frame", vec![Step::Say(frame(FIN | 0x8, b"", None)), Step::Close]),
        ("the end", vec![Step::Close]),
        ("a reset", vec![Step::Reset]),
    ];
    for (what, steps) in after {
        let app = App::scripted(move |seen| Some([vec![Step::Say(seen.accepted(""))], steps.clone()].concat())).await;
        let gate = before(&app, with_plain_routes).await;
        for target in ["/ws", OPEN_WEBSOCKET] {
            // A reset may overtake the app's 101.
            let Ok(mut websocket) = ask(&gate, target).await else { continue };
            let end = websocket.next().await;
            assert!(matches!(end, Event::Close(_) | Event::End | Event::Broken), "{what}: {end:?}");
        }
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn frames_that_are_none_end_the_websocket_and_are_not_passed_on() {
    let garbage: [(&str, Vec<u8>); 5] = [
        ("HTTP", b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a masked frame", frame(FIN | TEXT, b"bad", Some([1, 2, 3, 4]))),
        ("RSV1", frame(FIN | 0x40 | TEXT, b"bad", None)),
        ("opcode 3", frame(FIN | 0x3, b"bad", None)),
        ("a close of one byte", frame(FIN | 0x8, b"x", None)),
    ];
    for (what, bytes) in garbage {
        let app = App::scripted(move |seen| Some(vec![Step::Say([seen.accepted(""), bytes.clone()].concat()), Step::Hang])).await;
        let gate = before(&app, with_plain_routes).await;
        for target in ["/ws", OPEN_WEBSOCKET] {
            let mut websocket = ask(&gate, target).await.expect("open");
            assert_eq!(websocket.close_code().await, Some(1014), "{what}");
        }
        gate.record(&[("message", "session ended"), ("reason", "app_invalid")]).await;
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn a_first_message_that_is_no_open_packet_ends_the_session() {
    for first in ["hello", "1", "0{}", "0{\"sid\":1}", "40{\"sid\":\"a\"}"] {
        let first = first.to_string();
        let app = App::scripted(move |seen| {
            Some(vec![Step::Say([seen.accepted(""), frame(FIN | TEXT, first.as_bytes(), None)].concat()), Step::Hang])
        })
        .await;
        let gate = before(&app, |settings| settings).await;
        let mut websocket = ask(&gate, OPEN_WEBSOCKET).await.expect("open");
        assert_eq!(websocket.close_code().await, Some(1014));
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn an_open_packet_in_pieces_is_put_together() {
    let word = std::sync::Arc::new(tokio::sync::Notify::new());
    let next = word.clone();
    let app = App::scripted(move |seen| {
        let open = br#"0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}"#;
        let bytes = [seen.accepted(""), frame(FIN | 0x9, b"are you there", None), frame(FIN | TEXT, open, None)].concat();
        let (one, two) = bytes.split_at(bytes.len() - 40);
        Some(vec![Step::say(one), Step::Wait(next.clone()), Step::say(two), Step::Echo])
    })
    .await;
    let gate = before(&app, |settings| settings).await;
    let mut websocket = ask(&gate, OPEN_WEBSOCKET).await.expect("open");
    word.notify_one();
    let mut events = Vec::new();
    loop {
        match websocket.next().await {
            Event::Text(text) => {
                assert!(text.starts_with("0{\"sid\":\"") && !text.contains("\"abc\""), "{text}");
                break;
            }
            event => events.push(event),
        }
    }
    assert!(events.iter().all(|event| matches!(event, Event::Ping(_))), "{events:?}");
    websocket.text("after").await;
    assert_eq!(websocket.next_text().await, "after");
}

#[tokio::test]
async fn extensions_are_not_offered_to_the_app() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let offer = "permessage-deflate; client_max_window_bits";
    let websocket = gate
        .client()
        .upgrade("/ws")
        .header("Sec-WebSocket-Extensions", offer)
        .token(&Issuer::default().token("ana"))
        .open_well()
        .await;
    assert_eq!(websocket.answer.header("sec-websocket-extensions"), None);
    let seen = app.only_request();
    assert_eq!(seen.header("sec-websocket-extensions"), None);
    assert_eq!(seen.header("sec-websocket-version"), Some("13"));
    assert_ne!(seen.header("sec-websocket-key"), Some(websocket::KEY), "the gate's handshake is its own");
}

#[tokio::test]
async fn the_apps_choice_of_subprotocol_reaches_the_client() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let ask =
        gate.client().upgrade("/ws").header("Sec-WebSocket-Protocol", "chat, superchat").token(&Issuer::default().token("ana"));
    let websocket = ask.open_well().await;
    assert_eq!(websocket.answer.header("sec-websocket-protocol"), Some("chat"));
    assert_eq!(app.only_request().header("sec-websocket-protocol"), Some("chat, superchat"));
}
