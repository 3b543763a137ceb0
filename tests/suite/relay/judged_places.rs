//! How much one user may have whom only a CONNECT packet names.

use serde_json::{Value, json};

use crate::support::{
    App, Gate, Issuer, OPEN_WEBSOCKET, PAGE, Session, Settings, WebSocket, eventually,
    sample::{before, secure_pair},
    settings::Literal,
};

fn connect(namespace: &str, subject: &str) -> String {
    format!("40{namespace}{}", json!({ "token": Issuer::default().token(subject) }))
}

fn one_session(settings: Settings) -> Settings {
    settings.set("auth.when", "connect").set("limit.sessions_per_user", 1)
}

async fn open(gate: &Gate) -> Session {
    Session::open_as(&gate.client(), None, Some(PAGE)).await
}

async fn open_websocket(gate: &Gate) -> WebSocket {
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).origin(PAGE).open_well().await;
    websocket.next_text().await;
    websocket
}

/// What a refusal of the main namespace tells.
fn refusal(answer: &str) -> Value {
    let json = answer.strip_prefix("44").unwrap_or_else(|| panic!("no refusal: {answer}"));
    serde_json::from_str(json).expect("a refusal is JSON")
}

const JOINED: &str = "40{\"sid\":\"public\"}";

#[tokio::test]
async fn a_user_has_so_many_sessions_at_once_whatever_they_travel_on() {
    let (app, gate) = secure_pair(one_session).await;
    let first = open(&gate).await;
    assert_eq!(first.exchange(&connect("", "ana")).await, JOINED);
    let heard = app.requests().len();

    let second = open(&gate).await;
    let told = refusal(&second.exchange(&connect("", "ana")).await);
    assert_eq!(told["message"], "Too many sessions of this user");
    assert_eq!(told["data"], json!({ "code": "user_sessions", "hint": "close a session first" }));
    let mut third = open_websocket(&gate).await;
    third.text(&connect("", "ana")).await;
    assert_eq!(refusal(&third.next_text().await)["data"]["code"], "user_sessions");
    assert_eq!(app.requests().len(), heard, "the app hears of neither");
    assert_eq!(gate.refusals("user_sessions").await, 2.0);
    assert_eq!(open(&gate).await.exchange(&connect("", "bob")).await, JOINED);

    // One that ends gives its place back, and the same session may ask again.
    assert_eq!(first.post("1").send().await.text(), "ok");
    eventually("a place is free again", async || {
        third.text(&connect("", "ana")).await;
        (third.next_text().await == JOINED).then_some(())
    })
    .await;
    assert_eq!(refusal(&second.exchange(&connect("", "ana")).await)["data"]["code"], "user_sessions");
    drop(third);
    eventually("and once more", async || (second.exchange(&connect("", "ana")).await == JOINED).then_some(())).await;
}

#[tokio::test]
async fn namespaces_of_one_session_are_one_session() {
    let app = App::start().await;
    let gate = before(&app, |settings| one_session(settings).set("limit.handshakes_per_user", "1/1h")).await;
    let mut websocket = open_websocket(&gate).await;
    for namespace in ["", "/a,", "/b,"] {
        websocket.text(&connect(namespace, "ana")).await;
    }
    for _ in 0..3 {
        // The app answers to all of them in the same way.
        assert_eq!(websocket.next_text().await, JOINED);
    }
    assert_eq!(gate.refusals("user_sessions").await + gate.refusals("user_rate").await, 0.0);
}

#[tokio::test]
async fn a_user_who_may_not_join_holds_no_place() {
    let app = App::start().await;
    let rules = Literal::raw("[{ join = ['/admin'], needs = { roles = ['admin'] } }]");
    let gate = before(&app, |settings| one_session(settings).set("access.rule", rules)).await;
    let sessions = [open(&gate).await, open(&gate).await];
    for session in &sessions {
        let answer = session.exchange(&connect("/admin,", "ana")).await;
        assert!(answer.starts_with("44/admin,") && answer.contains("namespace_refused"), "{answer}");
    }
    assert_eq!(sessions[0].exchange(&connect("", "ana")).await, JOINED);
    assert_eq!(refusal(&sessions[1].exchange(&connect("", "ana")).await)["data"]["code"], "user_sessions");
}

#[tokio::test]
async fn a_user_is_held_to_a_rate_of_handshakes() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings.set("auth.when", "connect").set("limit.handshakes_per_user", "2/1h")).await;
    for _ in 0..2 {
        assert_eq!(open(&gate).await.exchange(&connect("", "ana")).await, JOINED);
    }
    let told = refusal(&open(&gate).await.exchange(&connect("", "ana")).await);
    assert_eq!(told["data"]["code"], "user_rate");
    assert!(told["data"]["retry_after_ms"].as_u64().is_some_and(|wait| (1..=3_600_000).contains(&wait)), "{told}");
    assert_eq!(open(&gate).await.exchange(&connect("", "bob")).await, JOINED);
}

#[tokio::test]
async fn a_lower_limit_holds_for_those_who_have_yet_to_say_who_they_are() {
    let app = App::start().await;
    let settings = || Settings::before(&[&app]).set("auth.when", "connect");
    let gate = Gate::start(settings()).await;
    assert_eq!(open(&gate).await.exchange(&connect("", "ana")).await, JOINED);
    let (session, mut websocket) = (open(&gate).await, open_websocket(&gate).await);
    gate.reload(&settings().set("limit.sessions_per_user", 1)).await;
    websocket.text(&connect("", "ana")).await;
    assert_eq!(refusal(&websocket.next_text().await)["data"]["code"], "user_sessions");
    assert_eq!(refusal(&session.exchange(&connect("", "ana")).await)["data"]["code"], "user_sessions");
}
