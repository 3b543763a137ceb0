//! Judged sessions over WebSocket through the whole gate: what may go on does, what may not leaves no trace at the app, and what
//! the gate says stands between whole messages.

use serde_json::{Value, json};

use crate::support::{
    App, Event, Gate, Issuer, OPEN_WEBSOCKET, PAGE, Session, Settings, WebSocket,
    client::Client,
    frames::{BINARY, CONTINUATION, FIN, Frame, MASK, TEXT, frame},
    sample::{before, joined, secure_pair},
    settings::Literal,
};

fn judged(settings: Settings) -> Settings {
    settings.set("socketio.judge", "always")
}

/// Sending `secret` needs a role that nobody has.
fn with_a_secret(settings: Settings) -> Settings {
    judged(settings).set("access.rule", Literal::raw("[{ send = ['secret'], needs = { roles = ['admin'] } }]"))
}

async fn judged_pair() -> (App, Gate) {
    let app = App::start().await;
    let gate = before(&app, with_a_secret).await;
    (app, gate)
}

async fn open(client: &Client) -> WebSocket {
    let mut websocket = client.upgrade(OPEN_WEBSOCKET).token(&Issuer::default().token("ana")).open_well().await;
    assert!(websocket.next_text().await.starts_with("0{\"sid\":\""));
    websocket
}

async fn open_joined(client: &Client) -> WebSocket {
    let mut websocket = open(client).await;
    websocket.text("40").await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    websocket
}

/// What the app was sent, put together again.
fn heard(app: &App) -> Vec<String> {
    let data = |frame: &&Frame| matches!(frame.opcode(), TEXT | BINARY | CONTINUATION);
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for frame in app.frames().iter().filter(data) {
        match (frame.opcode(), messages.last_mut()) {
            (CONTINUATION, Some(open)) => open.extend(&frame.payload),
            _ => messages.push(frame.payload.clone()),
        }
    }
    messages.into_iter().map(|message| String::from_utf8_lossy(&message).into_owned()).collect()
}

fn error_of(answer: &str, id: u64) -> Value {
    let json = answer.strip_prefix(&format!("43{id}")).unwrap_or_else(|| panic!("no answer to {id}: {answer}"));
    let arguments: Value = serde_json::from_str(json).expect("an answer is JSON");
    arguments[0]["error"].clone()
}

#[tokio::test]
async fn a_session_has_one_line_a_second_for_each_rule_and_the_rest_is_counted() {
    let app = App::start().await;
    let gate = before(&app, |settings| {
        let rules = "[{ events = ['say:*'], rate = '1/1h', over = 'warn' }, { events = ['*'], size = '10 B', over = 'warn' }]";
        // The limit of every user must not come first, however fast this machine is.
        judged(settings).set("limit.event", Literal::raw(rules)).set("limit.messages_per_user", "off")
    })
    .await;
    let mut websocket = open_joined(&gate.client()).await;
    for number in 0..200 {
        // Names are the client's to choose.
        let text = format!("42[\"say:{number}\"]");
        websocket.text(&text).await;
        assert_eq!(websocket.next_text().await, text);
    }
    websocket.close(1000, "").await;
    assert_eq!(websocket.close_code().await, Some(1000));
    gate.has_sessions("websocket", 0).await;
    gate.record(&[("message", "packets would be refused")]).await;
    let records = gate.records();
    let lines = |message: &str| -> Vec<&Value> { records.iter().filter(|record| record["message"] == message).collect() };
    let (each, rest) = (lines("packet would be refused"), lines("packets would be refused"));
    let left_out: u64 = each.iter().chain(&rest).filter_map(|record| record["left_out"].as_u64()).sum();
    let told = each.len() as u64 + left_out;
    let counted = gate.metrics().await;
    assert!(each.len() <= 20, "{} lines", each.len());
    assert!(told >= 199, "{told} of them: {counted}");
    let series = "sockgate_shadowed_total{reason=\"event_rate\"";
    let total: f64 = counted.lines().filter_map(|line| line.strip_prefix(series)?.split_once("} ")?.1.parse::<f64>().ok()).sum();
    assert_eq!(told as f64, total, "{counted}");
}

#[tokio::test]
async fn one_too_many_of_the_same_ends_a_session_at_once() {
    let (app, gate) = {
        let app = App::start().await;
        let limits =
            |settings| judged(settings).set("limit.messages_per_session", "1/1h burst 3").set("limit.abuse", "1/1h burst 1");
        let gate = before(&app, limits).await;
        (app, gate)
    };
    let mut websocket = open_joined(&gate.client()).await;
    // CONNECT was the first of three, and one more may be refused.
    for text in ["42[\"m\",1]", "42[\"m\",2]"] {
        websocket.text(text).await;
        assert_eq!(websocket.next_text().await, text);
    }
    websocket.text("42[\"m\",3]").await;
    websocket.text("42[\"m\",4]").await;
    assert_eq!(websocket.next_text().await, "41");
    assert_eq!(websocket.close_code().await, Some(4429));
    assert_eq!(heard(&app), ["40", "42[\"m\",1]", "42[\"m\",2]", "41"]);
}

#[tokio::test]
async fn messages_of_every_size_go_both_ways_in_both_versions_of_http() {
    let (_app, gate) = secure_pair(judged).await;
    for client in gate.clients() {
        let mut websocket = open_joined(&client).await;
        for size in [0, 1, 100, 125, 126, 1_000, 1_024, 5_000, 65_535, 65_536, 900_000] {
            let text = format!("42[\"x\",\"{}\"]", "y".repeat(size));
            websocket.text(&text).await;
            assert!(websocket.next_text().await == text, "{size} bytes come back as they went");
        }
        websocket.text("451-[\"b\",{\"_placeholder\":true,\"num\":0}]").await;
        websocket.binary(&[0, 1, 2, 255]).await;
        assert_eq!(websocket.next().await, Event::Binary(vec![0, 1, 2, 255]));
        websocket.close(1000, "bye").await;
        assert_eq!(websocket.closing().await, Some((1000, "bye".into())));
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn packets_of_a_namespace_wait_for_the_apps_yes_and_keep_their_order() {
    let (app, gate) = judged_pair().await;
    let mut websocket = open(&gate.client()).await;
    let said: Vec<String> =
        std::iter::once("40".to_string()).chain((0..20).map(|number| format!("42[\"n\",{number}]"))).collect();
    let frames: Vec<u8> = said.iter().flat_map(|text| frame(FIN | TEXT, text.as_bytes(), Some(MASK))).collect();
    websocket.raw(frames).await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    for event in &said[1..] {
        assert_eq!(websocket.next_text().await, *event);
    }
    assert_eq!(heard(&app), said);
}

#[tokio::test]
async fn a_refused_event_leaves_no_trace_and_is_answered() {
    let (app, gate) = judged_pair().await;
    let mut websocket = open_joined(&gate.client()).await;
    let events = ["42[\"open\",1]", "427[\"secret\",\"s\"]", "428[\"open\",2]"];
    websocket.raw(events.map(|text| frame(FIN | TEXT, text.as_bytes(), Some(MASK))).concat()).await;
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(websocket.next_text().await);
    }
    got.sort();
    assert_eq!(got[0], "42[\"open\",1]");
    assert_eq!(error_of(&got[1], 7)["code"], json!("event_refused"), "{}", got[1]);
    assert_eq!(got[2], "438[\"open\",2]");
    assert_eq!(heard(&app), ["40", "42[\"open\",1]", "428[\"open\",2]"]);
}

#[tokio::test]
async fn a_refused_binary_event_goes_with_its_attachments_and_fragments() {
    let (app, gate) = judged_pair().await;
    let mut websocket = open_joined(&gate.client()).await;
    websocket.frame(TEXT, b"451-[\"sec").await;
    websocket.frame(FIN | CONTINUATION, b"ret\",{\"_placeholder\":true,\"num\":0}]").await;
    websocket.frame(BINARY, &[1; 3_000]).await;
    websocket.frame(FIN | CONTINUATION, &[2; 3_000]).await;
    websocket.text("42[\"open\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"open\"]");
    assert_eq!(heard(&app), ["40", "42[\"open\"]"]);
}

#[tokio::test]
async fn what_is_no_packet_ends_the_session_and_does_not_reach_the_app() {
    let (app, gate) = judged_pair().await;
    let long = format!("42[\"x\",\"{}\"", "y".repeat(5_000));
    let cases = ["4 2[\"x\"]", "hello", "42[\"x\"]x", "42[\"x\",NaN]", "44{}", "2", "7", "42[\"connect\"]", &long];
    for said in cases {
        let before = heard(&app).len();
        let mut websocket = open_joined(&gate.client()).await;
        websocket.text(said).await;
        websocket.text("42[\"late\"]").await;
        assert_eq!(websocket.close_code().await, Some(4400), "{said}");
        let got = heard(&app).split_off(before);
        assert!(got.iter().all(|message| message == "40" || message.is_empty()), "{said}: {got:?}");
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn text_in_base64_becomes_the_binary_message_it_stands_for() {
    let (app, gate) = judged_pair().await;
    let mut websocket = open_joined(&gate.client()).await;
    websocket.text("451-[\"b\",{\"_placeholder\":true,\"num\":0}]").await;
    websocket.text("bAQID").await;
    assert_eq!(websocket.next().await, Event::Binary(vec![1, 2, 3]));
    assert!(app.frames().iter().any(|frame| frame.opcode() == BINARY && frame.payload == [1, 2, 3]));
}

#[tokio::test]
async fn an_expired_session_hears_so_and_is_closed_with_4401() {
    let app = App::start().await;
    let gate = before(&app, |settings| judged(settings).set("auth.leeway", "0s")).await;
    let token = Issuer::default().token_for("ana", 2);
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&token).open_well().await;
    websocket.next_text().await;
    websocket.text("40").await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    assert_eq!(websocket.close_code().await, Some(4401));
    assert_eq!(app.heard_close().await, Some(4401));
    gate.is_empty().await;
}

#[tokio::test]
async fn an_upgraded_session_is_one_session() {
    let (app, gate) = secure_pair(with_a_secret).await;
    for client in gate.clients() {
        let session = Session::open(&client, &Issuer::default().token("ana")).await;
        assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
        let asked = app.requests().len();
        let poll = tokio::spawn(session.poll().send());
        app.heard(asked + 1).await;
        let mut websocket = session.upgrade_well().await;
        assert_eq!(joined(poll).await.text(), "6");
        websocket.text("427[\"secret\"]").await;
        websocket.text("42[\"open\"]").await;
        let (mut answered, mut echoed) = (false, false);
        while !(answered && echoed) {
            let text = websocket.next_text().await;
            answered |= text.starts_with("437[{\"error\"");
            echoed |= text == "42[\"open\"]";
        }
        assert!(!heard(&app).iter().any(|message| message.contains("secret")));
        assert_eq!(session.poll().send().await.status, 400, "it does not poll any more");
        websocket.close(1000, "").await;
        assert_eq!(websocket.close_code().await, Some(1000));
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn what_a_poll_has_not_taken_comes_first_on_the_websocket() {
    let (_app, gate) = judged_pair().await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    assert_eq!(session.post("427[\"secret\"]").send().await.text(), "ok");
    let mut websocket = session.upgrade_well().await;
    assert_eq!(error_of(&websocket.next_text().await, 7)["code"], json!("event_refused"));
    websocket.text("42[\"open\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"open\"]");
}

#[tokio::test]
async fn an_upgrade_that_comes_to_nothing_leaves_the_session_polling() {
    let (app, gate) = judged_pair().await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    for _ in 0..2 {
        let mut websocket = session.upgrade().open_well().await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        websocket.close(1000, "").await;
        assert_eq!(websocket.close_code().await, Some(1000));
        gate.has_sessions("polling", 1).await;
    }
    assert_eq!(session.exchange("42[\"open\"]").await, "42[\"open\"]");
    assert_eq!(app.sids().len(), 1);
    let mut websocket = session.upgrade_well().await;
    websocket.text("42[\"more\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"more\"]");
    gate.has_sessions("websocket", 1).await;
}

#[tokio::test]
async fn a_message_in_fragments_is_paid_for_whole() {
    let app = App::start().await;
    let gate = before(&app, |settings| judged(settings).set("limit.bytes_per_user", "1 KiB/1h burst 4 KiB")).await;
    let mut websocket = open_joined(&gate.client()).await;
    let begun = frame(TEXT, b"42[\"big\",\"", Some(MASK));
    let rest = frame(FIN | CONTINUATION, &[&[b'x'; 8_000][..], b"\"]"].concat(), Some(MASK));
    websocket.raw([begun, rest].concat()).await;
    websocket.text("427[\"add\"]").await;
    assert_eq!(error_of(&websocket.next_text().await, 7)["code"], "event_rate");
}
