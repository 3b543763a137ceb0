//! WebSockets that tell who they are with their CONNECT packet: the gate answers them itself, and the app hears of none but those
//! that were accepted, whichever way they came.

use serde_json::{Value, json};

use crate::support::{
    App, Event, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Settings, Step, WebSocket,
    app::Seen,
    eventually,
    frames::{FIN, MASK, PING, TEXT, frame},
    sample::{before, joined, secure_pair},
    session::open_packet,
};

fn by_connect(settings: Settings) -> Settings {
    settings.set("auth.when", "connect")
}

async fn pair() -> (App, Gate) {
    let app = App::start().await;
    let gate = before(&app, by_connect).await;
    (app, gate)
}

fn connect(subject: &str) -> String {
    format!("40{}", json!({ "token": Issuer::default().token(subject) }))
}

async fn open(gate: &Gate) -> WebSocket {
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).origin(PAGE).open_well().await;
    let open = open_packet(&websocket.next_text().await);
    assert_eq!(open["upgrades"], json!([]));
    websocket
}

/// What the app was sent as text messages.
fn heard(app: &App) -> Vec<String> {
    app.frames().iter().filter(|frame| frame.opcode() == TEXT).map(|frame| frame.text()).collect()
}

fn code_of(answer: &str) -> Value {
    let json = answer.strip_prefix("44").unwrap_or_else(|| panic!("no refusal: {answer}"));
    let refusal: Value = serde_json::from_str(json).expect("a refusal is JSON");
    refusal["data"]["code"].clone()
}

#[tokio::test]
async fn the_app_hears_of_a_websocket_once_somebody_was_accepted() {
    let (app, gate) = secure_pair(by_connect).await;
    for client in gate.clients() {
        let heard = app.requests().len();
        let target = format!("{OPEN_WEBSOCKET}&room=7");
        let mut websocket = client.upgrade(&target).header("X-Device", "phone").open_well().await;
        let open = open_packet(&websocket.next_text().await);
        assert_eq!(
            (&open["upgrades"], &open["pingInterval"], &open["pingTimeout"]),
            (&json!([]), &json!(25_000), &json!(20_000))
        );
        websocket.text("40{\"token\":\"no\"}").await;
        assert_eq!(code_of(&websocket.next_text().await), json!("token_invalid"));
        websocket.text("40").await;
        assert_eq!(code_of(&websocket.next_text().await), json!("token_absent"));
        assert_eq!(app.requests().len(), heard, "refused ones leave no trace");

        websocket.text(&connect("ana")).await;
        assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
        let first = app.requests().remove(heard);
        assert!(first.wants_websocket() && app.requests().len() == heard + 1);
        assert_eq!((first.query("sid"), first.query("room"), first.query("transport")), (None, Some("7"), Some("websocket")));
        assert_eq!((first.header("x-device"), first.header("x-auth-subject")), (Some("phone"), Some("ana")));
        websocket.text("421[\"add\"]").await;
        assert_eq!(websocket.next_text().await, "431[\"add\"]");
        websocket.close(1000, "").await;
        assert_eq!(websocket.close_code().await, Some(1000));
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn what_a_client_sends_early_waits_and_keeps_its_order() {
    let (app, gate) = pair().await;
    let mut websocket = open(&gate).await;
    let events: Vec<String> = (0..20).map(|number| format!("42[\"n\",{number}]")).collect();
    let said: Vec<String> = std::iter::once(connect("ana")).chain(events.clone()).collect();
    websocket.raw(said.iter().flat_map(|text| frame(FIN | TEXT, text.as_bytes(), Some(MASK))).collect::<Vec<u8>>()).await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    for event in &events {
        assert_eq!(websocket.next_text().await, *event);
    }
    assert_eq!(heard(&app)[1..], events);
}

#[tokio::test]
async fn a_client_that_leaves_before_leaves_no_trace() {
    let (app, gate) = pair().await;
    let mut closing = open(&gate).await;
    closing.close(1000, "").await;
    assert_eq!(closing.close_code().await, Some(1000));
    let mut saying = open(&gate).await;
    saying.text("1").await;
    assert_eq!(saying.close_code().await, Some(1000));
    drop(open(&gate).await);
    gate.is_empty().await;
    app.heard_nothing();
}

#[tokio::test]
async fn pings_are_answered_while_nobody_is_accepted() {
    let (app, gate) = pair().await;
    let mut websocket = open(&gate).await;
    websocket.frame(FIN | PING, b"there?").await;
    assert_eq!(websocket.next().await, Event::Pong(b"there?".to_vec()));
    websocket.text("3").await;
    websocket.text(&connect("ana")).await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    assert_eq!(heard(&app).len(), 1, "what was for the gate did not reach the app");
}

#[tokio::test]
async fn who_says_nothing_in_time_is_closed() {
    let app = App::start().await;
    let gate = before(&app, |settings| by_connect(settings).set("auth.connect_deadline", "1s")).await;
    let mut websocket = open(&gate).await;
    assert_eq!(websocket.close_code().await, Some(4408));
    gate.is_empty().await;
    app.heard_nothing();
}

#[tokio::test]
async fn an_app_that_refuses_or_is_not_there_closes_with_1014() {
    let refusing = App::saying("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    let odd =
        App::scripted(|seen| Some(vec![Step::Say([seen.accepted(""), frame(FIN | TEXT, b"42", None)].concat()), Step::Hang]))
            .await;
    let gone = App::start().await;
    for app in [&refusing, &odd, &gone] {
        let gate = before(app, by_connect).await;
        let mut websocket = open(&gate).await;
        if std::ptr::eq(app, &gone) {
            gone.stop();
        }
        websocket.text(&connect("ana")).await;
        assert_eq!(websocket.close_code().await, Some(1014));
        websocket.close(1014, "").await;
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn an_upgrade_before_anybody_was_accepted_is_the_gates_own() {
    let (app, gate) = secure_pair(by_connect).await;
    for (number, client) in gate.clients().into_iter().enumerate() {
        let before = app.requests().len();
        let opened = client.get(&format!("{OPEN}&room=7")).header("X-Device", "phone").origin(PAGE).send().await;
        let session = Session::of(&client, &opened, None, Some(PAGE));
        let poll = tokio::spawn(session.poll().send());
        let mut websocket = session.upgrade().open_well().await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        assert_eq!(joined(poll).await.text(), "6");
        websocket.text("5").await;
        gate.has_sessions("websocket", 1).await;
        assert_eq!(app.requests().len(), before);
        websocket.text(&connect("ana")).await;
        assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
        let first = app.requests().remove(before);
        assert!(first.wants_websocket());
        assert_eq!((first.query("sid"), first.query("room"), first.query("transport")), (None, Some("7"), Some("websocket")));
        assert_eq!(first.header("x-device"), Some("phone"), "as the first request was");
        assert_eq!(heard(&app).len(), 2 * number + 1);
        websocket.text("42[\"x\"]").await;
        assert_eq!(websocket.next_text().await, "42[\"x\"]");
        websocket.close(1000, "").await;
        assert_eq!(websocket.close_code().await, Some(1000));
        gate.has_sessions("websocket", 0).await;
    }
}

#[tokio::test]
async fn a_session_that_polls_have_opened_meanwhile_is_upgraded_at_the_app() {
    let (app, gate) = secure_pair(by_connect).await;
    for client in gate.clients() {
        let session = Session::open_as(&client, None, Some(PAGE)).await;
        let poll = tokio::spawn(session.poll().send());
        let mut websocket = session.upgrade().open_well().await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        assert_eq!(joined(poll).await.text(), "6");
        // As browsers do: CONNECT travels by POST while the WebSocket is being tried.
        assert_eq!(session.post(&connect("ana")).send().await.text(), "ok");
        websocket.text("5").await;
        websocket.text("42[\"x\"]").await;
        assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
        assert_eq!(websocket.next_text().await, "42[\"x\"]");
        let upgrade = app.requests().into_iter().rfind(Seen::wants_websocket).expect("an upgrade");
        assert!(upgrade.query("sid").is_some_and(|sid| sid.contains("own-sid")), "{upgrade:?}");
        assert_eq!(heard(&app)[heard(&app).len() - 3..], ["2probe", "5", "42[\"x\"]"]);
        app.push("42[\"news\"]");
        assert_eq!(websocket.next_text().await, "42[\"news\"]");
        websocket.close(1000, "").await;
        assert_eq!(websocket.close_code().await, Some(1000));
        gate.has_sessions("websocket", 0).await;
    }
}

#[tokio::test]
async fn what_a_websocket_says_before_it_takes_over_goes_nowhere_however_well_known_it_is() {
    let (app, gate) = pair().await;
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    let poll = tokio::spawn(session.poll().send());
    let mut websocket = session.upgrade().open_well().await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    assert_eq!(joined(poll).await.text(), "6");
    assert_eq!(session.exchange(&connect("ana")).await, "40{\"sid\":\"public\"}");
    for _ in 0..2 {
        assert_eq!(session.exchange("42[\"x\",\"polled\"]").await, "42[\"x\",\"polled\"]");
    }
    websocket.text("42[\"x\",\"too early\"]").await;
    websocket.text("5").await;
    websocket.text("42[\"x\",\"in time\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"x\",\"in time\"]");
    assert!(!heard(&app).concat().contains("too early"), "{:?}", heard(&app));
}

#[tokio::test]
async fn a_handshake_is_refused_for_a_moment_after_the_app_could_not_be_dialed() {
    let (app, gate) = pair().await;
    // What clients take for a success, for the gate has not asked yet.
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    let mut websocket = open(&gate).await;
    app.stop();
    let lost = session.post(&connect("ana")).send().await;
    assert_eq!(lost.refusal(), (400, "session_unknown".into()));
    websocket.text(&connect("ana")).await;
    assert_eq!(websocket.close_code().await, Some(1014));
    let polling = gate.client().get(OPEN).origin(PAGE).send().await;
    assert_eq!(polling.refusal(), (503, "upstream_unavailable".into()));
    let websocket = gate.client().upgrade(OPEN_WEBSOCKET).origin(PAGE).open().await.expect_err("refused");
    assert_eq!(websocket.refusal(), (503, "upstream_unavailable".into()));
    gate.is_empty().await;
    eventually("the app is asked for again", async || {
        let answer = gate.client().get(OPEN).origin(PAGE).send().await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_that_polls_may_upgrade_as_ever() {
    let (app, gate) = pair().await;
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    assert_eq!(session.exchange(&connect("ana")).await, "40{\"sid\":\"public\"}");
    let mut websocket = session.upgrade_well().await;
    websocket.text("42[\"x\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"x\"]");
    assert_eq!(heard(&app), ["2probe", "5", "42[\"x\"]"]);
}

#[tokio::test]
async fn an_upgrade_that_comes_to_nothing_leaves_the_session_polling() {
    let (app, gate) = pair().await;
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    for _ in 0..2 {
        let mut websocket = session.upgrade().open_well().await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        websocket.close(1000, "").await;
        assert_eq!(websocket.close_code().await, Some(1000));
        gate.has_sessions("polling", 1).await;
    }
    assert_eq!(session.poll().send().await.text(), "6", "left over from the tries");
    assert_eq!(session.exchange(&connect("ana")).await, "40{\"sid\":\"public\"}");
    eventually("the app knows it", async || (app.sids().len() == 1).then_some(())).await;
}
