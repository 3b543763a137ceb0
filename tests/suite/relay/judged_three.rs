//! Clients of Socket.IO 2 (Engine.IO 3) in judged sessions: the same rules, in their words.

use crate::support::{
    App, Event, Gate, Issuer, Settings, WebSocket,
    app::Seen,
    sample::{before, joined},
    settings::Literal,
};

use super::three::{OPEN_WEBSOCKET_THREE, Old, body, served};

const RULES: &str = "[{ join = ['/', '/chat'] }, { send = ['echo', 'twice'], in = ['/'] }, { send = ['*'], in = ['/chat'] }]";

fn judged(settings: Settings) -> Settings {
    served(settings).set("access.join", "deny").set("access.send", "deny").set("access.rule", Literal::raw(RULES))
}

async fn judged_pair() -> (App, Gate) {
    let app = App::start().await;
    let gate = before(&app, judged).await;
    (app, gate)
}

fn posts(app: &App) -> Vec<String> {
    app.requests().iter().filter(|seen| seen.method == "POST").map(Seen::text).collect()
}

async fn polling(gate: &Gate) -> Old {
    let session = Old::open(&gate.client(), "ana").await;
    assert_eq!(session.poll().send().await.text(), "2:40");
    session
}

async fn websocket(gate: &Gate) -> WebSocket {
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET_THREE).token(&Issuer::default().token("ana")).open_well().await;
    assert!(websocket.next_text().await.starts_with("0{"));
    assert_eq!(websocket.next_text().await, "40");
    websocket
}

const DENIED: &str = "[{\"error\":{\"code\":\"event_refused\"";

#[tokio::test]
async fn events_are_judged_by_polling() {
    let (app, gate) = judged_pair().await;
    let session = polling(&gate).await;
    assert_eq!(session.exchange(&["2"]).await, "1:3");
    assert_eq!(session.exchange(&["427[\"echo\",\"\u{1f600}\"]"]).await, body(&["437[\"echo\",\"\u{1f600}\"]"]));
    let before = posts(&app);
    let answer = session.exchange(&["428[\"delete\"]"]).await;
    assert!(answer.contains(&format!(":438{DENIED}")), "{answer}");
    assert_eq!(posts(&app), before, "the app heard nothing");
    assert_eq!(session.exchange(&["40/chat?room=1,"]).await, body(&["40/chat,"]));
    assert_eq!(posts(&app).last().cloned(), Some(body(&["40/chat?room=1,"])), "with its query");
    let answer = session.exchange(&["40/admin?key=1,"]).await;
    assert!(answer.contains("44/admin,{\"code\":\"namespace_refused\"") && answer.contains("\"message\":"), "{answer}");
}

#[tokio::test]
async fn bodies_have_sixteen_packets_and_bytes_become_text() {
    let (app, gate) = judged_pair().await;
    let session = polling(&gate).await;
    let many: Vec<String> = (0..40).map(|number| format!("42[\"echo\",{number}]")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(session.post(&many).send().await.text(), "ok");
    assert_eq!(posts(&app), many.chunks(16).map(body).collect::<Vec<_>>());
    let said = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]";
    let text = [&[0, 4, 2, 0xff], said.as_bytes()].concat();
    assert_eq!(said.len(), 42);
    let mut ask = session.post(&[]);
    ask.body = [&text[..], &[1, 4, 0xff, 4, 1, 2, 3]].concat();
    assert_eq!(ask.header("Content-Type", "application/octet-stream").send().await.text(), "ok");
    assert_eq!(posts(&app).last().cloned(), Some(format!("42:{said}6:b4AQID")));
}

#[tokio::test]
async fn events_are_judged_by_websocket_and_binary_frames_are_seen_through() {
    let (app, gate) = judged_pair().await;
    let mut websocket = websocket(&gate).await;
    websocket.text("2").await;
    assert_eq!(websocket.next_text().await, "3");
    websocket.text("421[\"delete\"]").await;
    let answer = websocket.next_text().await;
    assert!(answer.starts_with(&format!("431{DENIED}")), "{answer}");
    websocket.text("451-[\"delete\",{\"_placeholder\":true,\"num\":0}]").await;
    websocket.binary(&[4, 9, 9]).await;
    websocket.text("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]").await;
    websocket.binary(&[4, 1, 2, 3]).await;
    // The app sends every frame of bytes back.
    assert_eq!(websocket.next().await, Event::Binary(vec![4, 1, 2, 3]));
    // As clients that are told to avoid binary frames write them.
    websocket.text("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]").await;
    websocket.text("b4BQY=").await;
    assert_eq!(websocket.next().await, Event::Binary(vec![4, 5, 6]));
    let frames: Vec<Vec<u8>> = app.frames().iter().map(|frame| frame.payload.clone()).collect();
    assert!(!frames.contains(&vec![4, 9, 9]), "{frames:?}");
}

#[tokio::test]
async fn a_session_goes_on_as_a_websocket_under_the_same_rules() {
    let (_app, gate) = judged_pair().await;
    let session = polling(&gate).await;
    assert_eq!(session.exchange(&["40/chat,"]).await, body(&["40/chat,"]));
    let mut websocket = session.upgrade().open_well().await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    websocket.text("5").await;
    websocket.text("421[\"delete\"]").await;
    assert!(websocket.next_text().await.starts_with(&format!("431{DENIED}")));
    websocket.text("42[\"twice\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"twice\"]");
}

#[tokio::test]
async fn a_forbidden_main_namespace_ends_the_session_for_good() {
    let app = App::start().await;
    let rules = "[{ join = ['/'], needs = { roles = ['admin'] } }]";
    let gate = before(&app, |settings| served(settings).set("access.rule", Literal::raw(rules))).await;
    let session = Old::open(&gate.client(), "ana").await;
    let answer = session.poll().send().await.text();
    assert!(answer.contains(":44{\"code\":\"namespace_refused\"") && answer.ends_with("2:41"), "{answer}");
    gate.is_empty().await;

    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET_THREE).token(&Issuer::default().token("ana")).open_well().await;
    assert!(websocket.next_text().await.starts_with("0{"));
    assert!(websocket.next_text().await.starts_with("44{\"code\":\"namespace_refused\""));
    assert_eq!(websocket.next_text().await, "41");
    assert_eq!(websocket.closing().await, Some((4403, "namespace_refused".into())));
}

#[tokio::test]
async fn what_the_app_said_with_its_open_packet_is_judged_too() {
    use crate::support::Step;
    let app = App::scripted(move |seen| {
        let open = r#"0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
        let said = body(&[open, "40", "42[\"hello\"]", "42[\"secret\"]"]);
        seen.query("sid")
            .is_none()
            .then(|| vec![Step::say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len()))])
    })
    .await;
    let rules = "[{ receive = ['hello'] }]";
    let gate =
        before(&app, |settings| served(settings).set("access.receive", "deny").set("access.rule", Literal::raw(rules))).await;
    let session = Old::open(&gate.client(), "ana").await;
    assert_eq!(session.poll().send().await.text(), body(&["40", "42[\"hello\"]"]));
}

#[tokio::test]
async fn what_apps_would_read_in_another_way_is_refused() {
    let packets: [&str; 20] = [
        "42/x/../admin,[\"echo\"]",
        "42//host/admin,[\"echo\"]",
        "42/./admin,[\"echo\"]",
        "42/admin#x,[\"echo\"]",
        "42/admin?x,[\"echo\"]",
        "42/%61dmin,[\"echo\"]",
        "42/a\\b,[\"echo\"]",
        "40/x/../admin,",
        "40//host/admin,",
        "40/chat?x#y,",
        "40/chat?\u{e4},",
        "40/chat?x,{\"token\":\"y\"}",
        "40/chat,{}",
        "42[\"error\"]",
        "42[\"connect\"]",
        "3",
        "0",
        "7",
        "b",
        "4\"2\"",
    ];
    let (app, gate) = judged_pair().await;
    for packet in packets {
        let session = polling(&gate).await;
        let before = posts(&app).len();
        let answer = session.post(&[packet]).send().await;
        assert_eq!(answer.refusal(), (400, "packet_malformed".into()), "{packet}");
        let told: Vec<String> = posts(&app).split_off(before);
        assert!(told.iter().all(|body| body == "1:1"), "{packet}: {told:?}");

        let mut websocket = websocket(&gate).await;
        websocket.text(packet).await;
        assert_eq!(websocket.closing().await.map(|(code, _)| code), Some(4400), "{packet}");
    }
    for bytes in [&[][..], &[2], &[4], &[0x34, 1]] {
        let mut websocket = websocket(&gate).await;
        websocket.binary(bytes).await;
        assert!(websocket.closing().await.is_some(), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_has_its_poll_answered() {
    let (app, gate) = judged_pair().await;
    let session = polling(&gate).await;
    let heard = app.requests().len();
    let poll = tokio::spawn(session.poll().send());
    app.heard(heard + 1).await;
    assert_eq!(session.post(&["1"]).send().await.text(), "ok");
    assert_eq!(joined(poll).await.text(), "1:6");
    gate.is_empty().await;
}
