//! Sessions at the admin door: who is connected, and ending one.

use serde_json::json;

use super::deeds::{TOKEN, act, gate_before, read};
use crate::support::{
    App, Gate, Issuer, OPEN_WEBSOCKET, PAGE, Session,
    issuer::{SECRET, now},
    sample::with_plain_routes,
    settings::SEAL,
};

async fn names(gate: &Gate, query: &str) -> Vec<String> {
    let page = read(gate, &format!("/sessions{query}")).await.json();
    let sessions = page["sessions"].as_array().expect("a list").iter();
    sessions.map(|session| session["session"].as_str().expect("a name").to_string()).collect()
}

#[tokio::test]
async fn everybody_who_is_connected_is_listed() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| with_plain_routes(settings).set("auth.tenant", "org")).await;
    let token = Issuer::default().claims(&json!({
        "sub": "ana", "exp": now() + 600, "iat": now(), "jti": "t-1", "org": "acme", "roles": ["admin"], "iss": "https://id.example"
    }));
    let polling = Session::open_from(&gate.client(), &token, PAGE).await;
    polling.exchange("42[\"on\"]").await;
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&Issuer::default().token("bob")).open_well().await;
    websocket.next_text().await;
    let _plain = gate.client().from("127.0.0.9").upgrade("/ws").token(&Issuer::default().token("cy")).open_well().await;
    gate.has_sessions("websocket", 2).await;

    assert_eq!(names(&gate, "").await.len(), 3);
    for (query, count) in [
        ("?subject=ana", 1),
        ("?subject=nobody", 0),
        ("?address=127.0.0.9", 1),
        ("?address=127.0.0.0/8", 3),
        ("?address=10.0.0.0/8", 0),
        ("?address=::ffff:127.0.0.9", 1),
        ("?route=/ws", 1),
        ("?route=/socket.io/&subject=bob", 1),
    ] {
        assert_eq!(names(&gate, query).await.len(), count, "{query}");
    }
    let page = read(&gate, "/sessions?subject=ana").await.json();
    let ana = &page["sessions"][0];
    assert_eq!(ana["transport"], "polling");
    assert_eq!((&ana["tenant"], &ana["issuer"]), (&json!("acme"), &json!("https://id.example")));
    assert_eq!((&ana["address"], &ana["route"], &ana["member"]), (&json!("127.0.0.1"), &json!("/socket.io/"), &json!(app.url())));
    assert!(ana["bytes_in"].as_u64().is_some_and(|bytes| bytes > 0) && ana["opened_seconds"].is_u64(), "{ana}");
    let name = ana["session"].as_str().expect("a name");
    let one = read(&gate, &format!("/sessions/{name}")).await.json();
    assert_eq!((&one["session"], &one["token_id"], &one["roles"]), (&json!(name), &json!("t-1"), &json!(["admin"])));
    gate.record(&[("session", name), ("kind", "open")]).await;
    assert_eq!(read(&gate, "/sessions/0000000000000000").await.status, 404);

    let own = app.sids().pop().expect("a session");
    for secret in [SECRET, SEAL, TOKEN, &token, &polling.sid, &own] {
        assert!(![&page, &one].iter().any(|page| page.to_string().contains(secret)), "{secret}");
    }
}

#[tokio::test]
async fn a_long_list_is_read_a_page_at_a_time() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    for number in 0..5 {
        Session::open(&gate.client(), &Issuer::default().token(&format!("user-{number}"))).await;
    }
    let (mut all, mut query) = (Vec::new(), "?limit=2".to_string());
    for sizes in [2, 2, 1] {
        let page = read(&gate, &format!("/sessions{query}")).await.json();
        let sessions = page["sessions"].as_array().expect("a list");
        assert_eq!(sessions.len(), sizes);
        all.extend(sessions.iter().map(|session| session["session"].as_str().expect("a name").to_string()));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&after={next}"),
            None => assert_eq!(all.len(), 5),
        }
    }
    assert!(all.is_sorted(), "{all:?}");
    assert_eq!(names(&gate, "").await, all);
}

#[tokio::test]
async fn a_killed_session_ends_at_once_and_alone() {
    let app = App::start().await;
    let gate = gate_before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    let polling = Session::open(&gate.client(), &token).await;
    polling.exchange("40").await;
    let other = Session::open(&gate.client().from("127.0.0.8"), &token).await;
    let mut websocket = gate.client().from("127.0.0.9").upgrade("/ws").token(&token).open_well().await;
    gate.has_sessions("websocket", 1).await;

    let waiting = polling.poll().begin().await.expect("the gate reads");
    app.heard(6).await;
    let name = names(&gate, "?address=127.0.0.1").await.pop().expect("the polling session");
    let killed = act(&gate, &format!("/sessions/{name}/kill"), &json!({})).await;
    assert_eq!((killed.status, &killed.json()["killed"]["session"]), (200, &json!(name)), "{}", killed.text());
    assert_eq!(killed.json()["survives_restart"], false);
    let mut waiting = waiting;
    assert_eq!(waiting.expect_answer("GET").await.refusal(), (400, "session_unknown".into()));
    for ask in [polling.poll(), polling.post("42[\"on\"]"), polling.upgrade()] {
        assert_eq!(ask.send().await.refusal(), (400, "session_unknown".into()));
    }
    assert_eq!(act(&gate, &format!("/sessions/{name}/kill"), &json!({})).await.status, 404, "it is not open any more");

    let name = names(&gate, "?route=/ws").await.pop().expect("the WebSocket");
    assert_eq!(act(&gate, &format!("/sessions/{name}/kill"), &json!({})).await.status, 200);
    assert_eq!(websocket.closing().await, Some((4403, "killed".into())));
    gate.record(&[("message", "session ended"), ("session", &name), ("reason", "killed"), ("code", "4403")]).await;
    gate.record(&[("deed", "kill"), ("status", "200"), ("what", &format!("session {name} of ana"))]).await;

    assert_eq!(other.exchange("42[\"on\"]").await, "42[\"on\"]", "the others go on");
    Session::open(&gate.client(), &token).await;
    assert_eq!(gate.metric("sockgate_sessions_closed_total{reason=\"killed\"}").await, 2.0);
    assert_eq!(gate.metric("sockgate_revocations").await, 1.0, "a WebSocket cannot come back");
}
