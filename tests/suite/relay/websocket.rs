//! Open WebSockets: frames are followed and judged, payloads are not touched, and both ends learn how the other left.

use crate::support::{
    App, Event, Gate, Issuer, OPEN_WEBSOCKET, Session, Settings, WebSocket,
    app::Ended,
    client::Client,
    eventually,
    frames::{BINARY, CLOSE, CONTINUATION, FIN, MASK, PING, PONG, TEXT, closing, frame, header},
    sample::{before, secure_pair, with_plain_routes},
};

/// A gate with `/ws` before an app that echoes.
async fn echo_pair() -> (App, Gate) {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    (app, gate)
}

async fn open(client: &Client) -> WebSocket {
    client.upgrade("/ws").token(&Issuer::default().token("ana")).open_well().await
}

#[tokio::test]
async fn messages_go_both_ways_in_both_versions_of_http() {
    let (_app, gate) = secure_pair(with_plain_routes).await;
    for client in gate.clients() {
        let mut websocket = open(&client).await;
        websocket.text("hello").await;
        assert_eq!(websocket.next_text().await, "hello");
        websocket.binary(&[0, 1, 2, 255]).await;
        assert_eq!(websocket.next().await, Event::Binary(vec![0, 1, 2, 255]));
        for size in [0, 1, 125, 126, 127, 65_535, 65_536, 900_000] {
            let text = "x".repeat(size);
            websocket.text(&text).await;
            assert!(websocket.next_text().await == text, "{size} bytes come back as they went");
        }
        websocket.close(1000, "bye").await;
        assert_eq!(websocket.closing().await, Some((1000, "bye".into())));
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_can_live_on_a_websocket_from_its_beginning_in_both_versions_of_http() {
    let (app, gate) = secure_pair(|settings| settings).await;
    for client in gate.clients() {
        let mut websocket = client.upgrade(OPEN_WEBSOCKET).token(&Issuer::default().token("ana")).open_well().await;
        assert!(websocket.next_text().await.starts_with("0{\"sid\":\""));
        websocket.text("42[\"x\"]").await;
        assert_eq!(websocket.next_text().await, "42[\"x\"]");
        gate.has_sessions("websocket", 1).await;
        websocket.close(1000, "").await;
        assert_eq!(websocket.close_code().await, Some(1000));
        gate.has_sessions("websocket", 0).await;
    }
    assert!(app.sids().is_empty());
}

#[tokio::test]
async fn a_polling_session_upgrades_in_both_versions_of_http() {
    let (_app, gate) = secure_pair(|settings| settings).await;
    for client in gate.clients() {
        let session = Session::open(&client, &Issuer::default().token("ana")).await;
        session.exchange("40").await;
        let poll = tokio::spawn(session.poll().send());
        let mut websocket = session.upgrade().open_well().await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        let _ = poll.await;
        websocket.text("5").await;
        websocket.text("42[\"x\"]").await;
        loop {
            match websocket.next_text().await.as_str() {
                "6" => {}
                other => {
                    assert_eq!(other, "42[\"x\"]");
                    break;
                }
            }
        }
        gate.has_sessions("websocket", 1).await;
        gate.has_sessions("polling", 0).await;
        drop(websocket);
        gate.has_sessions("websocket", 0).await;
    }
    assert_eq!(gate.metric("sockgate_upgrades_total{outcome=\"done\"}").await, 2.0);
    assert_eq!(gate.metric("sockgate_upgrades_total{outcome=\"failed\"}").await, 0.0);
}

#[tokio::test]
async fn an_upgrade_that_comes_to_nothing_leaves_the_session_polling() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let mut websocket = session.upgrade().open_well().await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    drop(websocket);
    eventually("the upgrade is counted as failed", async || {
        (gate.metric("sockgate_upgrades_total{outcome=\"failed\"}").await == 1.0).then_some(())
    })
    .await;
    assert_eq!(session.exchange("42[\"still\"]").await, "42[\"still\"]");
    let mut again = session.upgrade_well().await;
    again.text("42[\"now\"]").await;
    assert_eq!(again.next_text().await, "42[\"now\"]");
}

#[tokio::test]
async fn pings_and_pongs_pass_from_end_to_end() {
    let (_app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.frame(FIN | PING, b"from the client").await;
    assert_eq!(websocket.next().await, Event::Pong(b"from the client".to_vec()));
    websocket.text("ping from the app").await;
    assert_eq!(websocket.next().await, Event::Ping(b"from the app".to_vec()));
}

#[tokio::test]
async fn fragments_arrive_as_fragments_with_control_frames_between() {
    let (app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.frame(TEXT, b"one ").await;
    websocket.frame(FIN | PING, b"between").await;
    websocket.frame(CONTINUATION, b"two ").await;
    websocket.frame(FIN | CONTINUATION, b"three").await;
    let frames = eventually("the app has all of it", async || {
        let frames = app.frames();
        (frames.len() == 4).then_some(frames)
    })
    .await;
    let seen: Vec<(u8, String)> = frames.iter().map(|frame| (frame.first, frame.text())).collect();
    let expected = [(TEXT, "one "), (FIN | PING, "between"), (CONTINUATION, "two "), (FIN | CONTINUATION, "three")];
    assert_eq!(seen, expected.map(|(first, text)| (first, text.to_string())));
}

#[tokio::test]
async fn a_frame_cut_anywhere_is_put_together() {
    let (_app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    let whole = frame(FIN | TEXT, &[b'y'; 300], Some(MASK));
    for byte in whole {
        websocket.raw([byte]).await;
    }
    assert_eq!(websocket.next_text().await, "y".repeat(300));
}

#[tokio::test]
async fn what_breaks_the_rules_is_closed_and_not_passed_on() {
    let cases: [(&str, Vec<u8>, u16); 19] = [
        ("unmasked", frame(FIN | TEXT, b"bad", None), 1002),
        ("RSV1", frame(FIN | 0x40 | TEXT, b"bad", Some(MASK)), 1002),
        ("RSV2", frame(FIN | 0x20 | TEXT, b"bad", Some(MASK)), 1002),
        ("RSV3", frame(FIN | 0x10 | TEXT, b"bad", Some(MASK)), 1002),
        ("opcode 3", frame(FIN | 0x3, b"bad", Some(MASK)), 1002),
        ("opcode 11", frame(FIN | 0xb, b"bad", Some(MASK)), 1002),
        ("a fragmented ping", frame(PING, b"bad", Some(MASK)), 1002),
        ("a ping of 126 bytes", frame(FIN | PING, &[b'p'; 126], Some(MASK)), 1002),
        ("a close of one byte", frame(FIN | CLOSE, b"x", Some(MASK)), 1002),
        ("close 999", frame(FIN | CLOSE, &closing(999, ""), Some(MASK)), 1002),
        ("close 1005", frame(FIN | CLOSE, &closing(1005, ""), Some(MASK)), 1002),
        ("close 1006", frame(FIN | CLOSE, &closing(1006, ""), Some(MASK)), 1002),
        ("a reason that is not UTF-8", frame(FIN | CLOSE, &[3, 232, 0xff, 0xfe], Some(MASK)), 1007),
        ("a stray continuation", frame(FIN | CONTINUATION, b"bad", Some(MASK)), 1002),
        ("a message inside another", [frame(TEXT, b"one", Some(MASK)), frame(FIN | TEXT, b"bad", Some(MASK))].concat(), 1002),
        ("a length in a longer form", [&[FIN | TEXT, 0x80 | 126, 0, 3], MASK.as_slice(), b"bad"].concat(), 1002),
        (
            "a length in the longest form",
            [&[FIN | TEXT, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 3], MASK.as_slice(), b"bad"].concat(),
            1002,
        ),
        ("a length with its highest bit", header(FIN | BINARY, 1 << 63, Some(MASK)), 1002),
        ("HTTP", b"GET /admin HTTP/1.1\r\nHost: app\r\n\r\n".to_vec(), 1002),
    ];
    for (what, bytes, code) in cases {
        let (app, gate) = echo_pair().await;
        let mut websocket = open(&gate.client()).await;
        websocket.text("before").await;
        assert_eq!(websocket.next_text().await, "before");

        websocket.raw(&bytes).await;

        assert_eq!(websocket.close_code().await, Some(code), "{what}");
        assert_eq!(app.heard_close().await, Some(code), "{what}: the app is told as well");
        let passed: Vec<String> = app.frames().iter().filter(|frame| frame.opcode() != CLOSE).map(|frame| frame.text()).collect();
        assert!(passed.iter().all(|text| !text.contains("bad")), "{what}: {passed:?}");
        drop(websocket);
        gate.is_empty().await;
        assert!(gate.is_running());
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_goodbye_is_left() {
    let (_app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.frame(FIN | 0x3, b"bad").await;
    assert_eq!(websocket.close_code().await, Some(1002));
    gate.is_empty().await;
    assert!(matches!(websocket.next().await, Event::End | Event::Broken));
}

#[tokio::test]
async fn nothing_after_a_close_frame_is_passed_on() {
    let (app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.raw([frame(FIN | CLOSE, &closing(1000, ""), Some(MASK)), frame(FIN | TEXT, b"after", Some(MASK))].concat()).await;
    assert_eq!(websocket.close_code().await, Some(1000));
    gate.is_empty().await;
    assert!(app.frames().iter().all(|frame| frame.opcode() == CLOSE), "{:?}", app.frames());
}

#[tokio::test]
async fn a_message_larger_than_allowed_is_closed_with_1009() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("socketio.max_payload", "10 KB")).await;
    let declared = header(FIN | BINARY, 1 << 62, Some(MASK));
    let whole = frame(FIN | TEXT, &[b'x'; 10_001], Some(MASK));
    let fragments = [frame(TEXT, &[b'x'; 6_000], Some(MASK)), frame(FIN | CONTINUATION, &[b'x'; 6_000], Some(MASK))].concat();
    for (what, bytes) in [("declared", declared), ("whole", whole), ("in fragments", fragments)] {
        let mut websocket = open(&gate.client()).await;
        websocket.raw(&bytes).await;
        assert_eq!(websocket.close_code().await, Some(1009), "{what}");
    }
    let mut websocket = open(&gate.client()).await;
    let text = "x".repeat(10_000);
    websocket.text(&text).await;
    assert_eq!(websocket.next_text().await, text, "exactly as much is fine");
    gate.record(&[("message", "session ended"), ("reason", "payload_too_large"), ("code", "1009")]).await;
}

#[tokio::test]
async fn a_message_in_too_many_fragments_is_closed() {
    let (app, gate) = echo_pair().await;
    for payload in [b"x".as_slice(), b""] {
        let mut websocket = open(&gate.client()).await;
        let mut bytes = frame(TEXT, payload, Some(MASK));
        for _ in 0..300 {
            bytes.extend(frame(CONTINUATION, payload, Some(MASK)));
        }
        websocket.raw(bytes).await;
        assert_eq!(websocket.closing().await, Some((1008, "too_many_fragments".into())));
    }
    assert!(app.frames().len() <= 2 * 250, "{} fragments reached the app", app.frames().len());
}

#[tokio::test]
async fn a_large_message_may_have_as_many_fragments_as_browsers_cut_it_into() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings.set("socketio.max_payload", "20 MB")).await;
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&Issuer::default().token("ana")).open_well().await;
    assert!(websocket.next_text().await.starts_with("0{"));
    let fragment = vec![b'x'; 65_536];
    let mut bytes = frame(TEXT, &fragment, Some(MASK));
    for number in 1..300 {
        let last = if number == 299 { FIN } else { 0 };
        bytes.extend(frame(last | CONTINUATION, &fragment, Some(MASK)));
    }
    websocket.raw(bytes).await;
    eventually("all of it reaches the app", async || (app.frames().len() == 300).then_some(())).await;
}

#[tokio::test]
async fn a_flood_of_control_frames_is_closed() {
    let (_app, gate) = echo_pair().await;
    for opcode in [PING, PONG] {
        let mut websocket = open(&gate.client()).await;
        let mut bytes = Vec::new();
        for _ in 0..500 {
            bytes.extend(frame(FIN | opcode, b"", Some(MASK)));
        }
        websocket.raw(bytes).await;
        assert_eq!(websocket.close_code().await, Some(1008));
    }
    gate.record(&[("message", "session ended"), ("reason", "control_flood")]).await;
}

#[tokio::test]
async fn close_codes_pass_both_ways() {
    let (app, gate) = secure_pair(with_plain_routes).await;
    for client in gate.clients() {
        for code in [1000, 1001, 1003, 1008, 1011, 1012, 1013, 3000, 4000, 4401, 4999] {
            let mut websocket = open(&client).await;
            websocket.text(&format!("close {code}")).await;
            assert_eq!(websocket.closing().await, Some((code, "by the app".into())));
            websocket.close(code, "").await;
        }
        let mut websocket = open(&client).await;
        websocket.close(4242, "by the client").await;
        assert_eq!(websocket.closing().await, Some((4242, "by the client".into())));
        assert!(app.frames().iter().any(|frame| frame.closing() == Some((4242, "by the client".into()))));
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn the_record_says_who_closed_first() {
    let (_app, gate) = echo_pair().await;
    let closed = |reason: &'static str| (reason, format!("sockgate_sessions_closed_total{{reason=\"{reason}\"}}"));
    for ((reason, series), count) in [closed("app_closed"), closed("client_closed")].iter().zip([2.0, 1.0]) {
        for _ in 0..count as u32 {
            let mut websocket = open(&gate.client()).await;
            match *reason {
                "app_closed" => {
                    websocket.text("close 4001").await;
                    assert_eq!(websocket.closing().await, Some((4001, "by the app".into())));
                    websocket.close(4001, "by the app").await;
                }
                _ => {
                    websocket.close(1000, "").await;
                    assert_eq!(websocket.close_code().await, Some(1000));
                }
            }
            gate.has_sessions("websocket", 0).await;
        }
        gate.record(&[("message", "session ended"), ("reason", reason)]).await;
        assert_eq!(gate.metric(series).await, count, "{reason}");
    }
}

#[tokio::test]
async fn a_close_without_a_code_stays_without_one() {
    let (app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.text("close").await;
    assert_eq!(websocket.closing().await, None);
    websocket.frame(FIN | CLOSE, b"").await;
    assert_eq!(app.heard_close().await, None);

    let mut websocket = open(&gate.client()).await;
    websocket.frame(FIN | CLOSE, b"").await;
    assert_eq!(websocket.closing().await, None);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_reset_is_passed_on_both_ways() {
    let (app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.text("reset").await;
    assert_eq!(websocket.next().await, Event::Broken, "the app's reset reaches the client");

    let websocket = open(&gate.client()).await;
    websocket.line.stream.reset();
    eventually("the client's reset reaches the app", async || app.ends().contains(&Ended::Reset).then_some(())).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_half_closed_app_can_still_be_spoken_to() {
    let (app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.text("half").await;
    assert_eq!(websocket.next().await, Event::End, "the half close reaches the client");
    websocket.text("more").await;
    eventually("what the client still says reaches the app", async || {
        app.frames().iter().any(|frame| frame.text() == "more").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_closes_its_half_still_hears_the_app() {
    let (_app, gate) = echo_pair().await;
    let mut websocket = open(&gate.client()).await;
    websocket.text("last words").await;
    tokio::io::AsyncWriteExt::shutdown(&mut websocket.line.stream).await.expect("a half close");
    assert_eq!(websocket.next_text().await, "last words");
    assert!(matches!(websocket.next().await, Event::End | Event::Broken));
    gate.is_empty().await;
}

#[tokio::test]
async fn an_app_that_dies_takes_only_its_own_websockets_along() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let gate = Gate::start(with_plain_routes(Settings::before(&[&one, &two]).set_upstream("balance", "round_robin"))).await;
    let mut open_ones = Vec::new();
    for _ in 0..4 {
        let mut websocket = open(&gate.client()).await;
        websocket.text("name").await;
        let name = websocket.next_text().await;
        open_ones.push((name, websocket));
    }
    one.stop();
    for (name, mut websocket) in open_ones {
        if name == "one" {
            let end = websocket.next().await;
            assert!(matches!(end, Event::End | Event::Broken | Event::Close(_)), "{end:?}");
        } else {
            websocket.text("alive").await;
            assert_eq!(websocket.next_text().await, "alive");
        }
    }
}

#[tokio::test]
async fn a_client_that_falls_silent_is_closed() {
    let app = App::with_heartbeat(100, 100).await;
    let gate = before(&app, |settings| settings).await;
    // The first open packet tells the gate how often the app's clients speak.
    Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&Issuer::default().token("ana")).open_well().await;
    assert_eq!(websocket.closing().await, Some((4408, "client_silent".into())));
}

#[tokio::test]
async fn an_idle_client_of_a_plain_route_is_asked_whether_it_is_there() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("socketio.websocket_ping", "300ms")).await;
    let mut websocket = open(&gate.client()).await;
    assert_eq!(websocket.next().await, Event::Ping(Vec::new()));
    assert_eq!(websocket.close_code().await, Some(4408), "no pong, no client");
    assert!(app.frames().iter().all(|frame| frame.opcode() != PING), "the gate's own pings are not the app's");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("listen.write_deadline", "500ms")).await;
    let mut websocket = open(&gate.client()).await;
    websocket.line.stream.shrink();
    let message = frame(FIN | BINARY, &vec![7; 900_000], Some(MASK));
    eventually("the gate gives up", async || {
        // Whatever the gate still takes comes back and is not read.
        let wrote = tokio::time::timeout(std::time::Duration::from_millis(50), websocket.line.write(&message)).await;
        let told = gate.records().iter().any(|record| record["reason"] == "slow_reader");
        (told || matches!(wrote, Ok(Err(_)))).then_some(())
    })
    .await;
    gate.record(&[("message", "session ended"), ("reason", "slow_reader")]).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn nothing_is_left_of_many_that_came_and_went() {
    let (app, gate) = echo_pair().await;
    for round in 0..30 {
        let mut websocket = open(&gate.client()).await;
        websocket.text("x").await;
        assert_eq!(websocket.next_text().await, "x");
        match round % 3 {
            0 => websocket.close(1000, "").await,
            1 => drop(websocket),
            _ => websocket.line.stream.reset(),
        }
    }
    gate.is_empty().await;
    assert_eq!(app.requests().len(), 30);
}
