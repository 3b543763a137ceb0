//! Taking tokens and sessions back: at once, for every transport, until their time is over, and over restarts.

use std::path::Path;

use serde_json::{Value, json};

use super::deeds::{TOKEN, act, gate_before, read};
use crate::support::{
    App, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Settings, eventually, issuer::now, sample::with_plain_routes,
};

/// A token issued so many seconds from now; clocks may disagree by a minute.
fn token(subject: &str, id: &str, issued: i64) -> String {
    Issuer::default().claims(&json!({ "sub": subject, "exp": now() + 600, "iat": now() + issued, "jti": id }))
}

async fn revoke(gate: &Gate, body: Value) -> Value {
    let answer = act(gate, "/revoke", &body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer.json()
}

fn revoked() -> (u16, String) {
    (401, "revoked".into())
}

#[tokio::test]
async fn revoking_a_subject_ends_its_sessions_at_once_and_no_other() {
    let app = App::start().await;
    let gate = gate_before(&app, with_plain_routes).await;
    let (ana, bob) = (token("ana", "t-1", -60), token("bob", "t-2", -60));
    let polling = Session::open_from(&gate.client(), &ana, PAGE).await;
    let mut upgraded = Session::open(&gate.client(), &ana).await.upgrade_well().await;
    let mut started = gate.client().upgrade(OPEN_WEBSOCKET).token(&ana).open_well().await;
    started.next_text().await;
    let mut plain = gate.client().upgrade("/ws").token(&ana).open_well().await;
    let other = Session::open(&gate.client(), &bob).await;
    let mut staying = gate.client().upgrade("/ws").token(&bob).open_well().await;
    gate.has_sessions("websocket", 4).await;
    let mut waiting = polling.poll().begin().await.expect("the gate reads");
    app.heard(8).await;

    let done = revoke(&gate, json!({ "subject": "ana", "reason": "left the company" })).await;

    assert_eq!((&done["sessions_ended"], &done["survives_restart"]), (&json!(4), &json!(false)), "{done}");
    waiting.expect_answer("GET").await.is_for_page(PAGE);
    for websocket in [&mut upgraded, &mut started, &mut plain] {
        assert_eq!(websocket.closing().await, Some((4403, "revoked".into())));
    }
    for ask in [polling.poll(), polling.post("42[\"on\"]"), polling.upgrade()] {
        assert_eq!(ask.send().await.refusal(), revoked());
    }
    for ask in [
        gate.client().get(OPEN).token(&ana),
        gate.client().upgrade(OPEN_WEBSOCKET).token(&ana),
        gate.client().upgrade("/ws").token(&ana),
        gate.client().get("/api/x").token(&ana),
    ] {
        assert_eq!(ask.send().await.refusal(), revoked());
    }
    assert_eq!(other.exchange("42[\"on\"]").await, "42[\"on\"]");
    staying.text("here").await;
    assert_eq!(staying.next_text().await, "here");
    gate.record(&[("message", "session ended"), ("reason", "revoked"), ("transport", "websocket"), ("code", "4403")]).await;
    gate.record(&[("deed", "revoke"), ("status", "200"), ("what", "subject ana; 4 sessions ended; \"left the company\"")]).await;
    assert_eq!(gate.metric("sockgate_sessions_closed_total{reason=\"revoked\"}").await, 4.0);
    assert_eq!(gate.metric("sockgate_revocations").await, 1.0);
    assert!(gate.refusals("revoked").await >= 7.0);
}

#[tokio::test]
async fn a_login_after_the_revocation_is_let_in_unless_all_are_refused() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    let (old, silent, new) = (token("ana", "t-1", -60), Issuer::default().token("ana"), token("ana", "t-2", 30));
    let session = Session::open(&gate.client(), &old).await;
    revoke(&gate, json!({ "subject": "ana" })).await;
    for token in [&old, &silent] {
        assert_eq!(gate.client().get(OPEN).token(token).send().await.refusal(), revoked());
    }
    assert_eq!(session.with_token(Some(&new)).poll().send().await.refusal(), revoked(), "the session is of the old token");
    let session = Session::open(&gate.client(), &new).await;
    assert_eq!(session.exchange("42[\"on\"]").await, "42[\"on\"]");
    assert_eq!(
        session.with_token(Some(&old)).poll().send().await.refusal(),
        revoked(),
        "nor does an old token speak for a new session"
    );
    assert_eq!(session.exchange("42[\"on\"]").await, "42[\"on\"]", "which goes on");

    revoke(&gate, json!({ "subject": "ana", "all": true })).await;
    assert_eq!(session.poll().send().await.refusal(), revoked());
    assert_eq!(gate.client().get(OPEN).token(&token("ana", "t-3", 40)).send().await.refusal(), revoked());
    let lifted = act(&gate, "/unrevoke", &json!({ "subject": "ana" })).await;
    assert_eq!(lifted.status, 200, "{}", lifted.text());
    Session::open(&gate.client(), &new).await;
    assert_eq!(act(&gate, "/unrevoke", &json!({ "subject": "ana" })).await.status, 404);
    gate.record(&[("deed", "unrevoke"), ("status", "200"), ("what", "subject ana")]).await;
}

#[tokio::test]
async fn an_open_session_of_an_issuer_whose_clock_is_ahead_does_not_come_back() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    let ahead = token("ana", "t-1", 30);
    let session = Session::open(&gate.client(), &ahead).await;
    let done = revoke(&gate, json!({ "subject": "ana" })).await;
    assert_eq!(done["sessions_ended"], 1);
    assert_eq!(session.poll().send().await.refusal(), revoked());
    assert_eq!(gate.client().get(OPEN).token(&ahead).send().await.refusal(), revoked());
}

#[tokio::test]
async fn one_token_is_revoked_by_its_own_name_however_long() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    for id in ["t-1".to_string(), "größe".into(), "x".repeat(1_000)] {
        let (lost, kept) = (token("ana", &id, -60), token("ana", "t-2", -60));
        let (ending, staying) = (Session::open(&gate.client(), &lost).await, Session::open(&gate.client(), &kept).await);
        assert_eq!(revoke(&gate, json!({ "token_id": id, "for": "1h" })).await["sessions_ended"], 1, "{id}");
        assert_eq!(ending.poll().send().await.refusal(), revoked());
        assert_eq!(ending.with_token(Some(&kept)).poll().send().await.refusal(), revoked());
        assert_eq!(staying.exchange("42[\"on\"]").await, "42[\"on\"]");
        assert_eq!(gate.client().get(OPEN).token(&lost).send().await.refusal(), revoked());
    }
}

#[tokio::test]
async fn what_is_revoked_is_listed_until_its_end() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings.set("revocation.longest_token", "2h").set("revocation.most", 3)).await;
    let before = now();
    revoke(&gate, json!({ "subject": "ana", "tenant": "acme", "reason": "stolen" })).await;
    revoke(&gate, json!({ "token_id": "t-1", "until": before + 1_000 })).await;
    revoke(&gate, json!({ "session": "5f1c2a9b03de4471", "for": "10m" })).await;
    let full = act(&gate, "/revoke", &json!({ "subject": "bob" })).await;
    assert_eq!(full.status, 507);
    assert!(full.text().contains("revocation.most"), "{}", full.text());

    let page = read(&gate, "/revocations").await.json();
    let held = page["revocations"].as_array().expect("a list");
    assert_eq!((held.len(), &page["held"], &page["survives_restart"]), (3, &json!(3), &json!(false)), "{page}");
    assert_eq!((&held[0]["subject"], &held[0]["tenant"], &held[0]["reason"]), (&json!("ana"), &json!("acme"), &json!("stolen")));
    assert!(held[0]["until"].as_i64().is_some_and(|until| (before + 7_200..before + 7_220).contains(&until)), "{page}");
    assert!(held[0]["issued_until"].is_u64() && held[1]["issued_until"].is_null());
    assert_eq!((&held[1]["token_id"], &held[1]["until"]), (&json!("t-1"), &json!(before + 1_000)));
    assert_eq!(held[2]["session"], "5f1c2a9b03de4471");
    let first = read(&gate, "/revocations?limit=2").await.json();
    let next = first["next"].as_u64().expect("there is more");
    let rest = read(&gate, &format!("/revocations?limit=2&after={next}")).await.json();
    assert_eq!((rest["revocations"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
    assert_eq!(act(&gate, "/unrevoke", &json!({ "subject": "ana" })).await.status, 404, "it was the one of acme");
    assert_eq!(act(&gate, "/unrevoke", &json!({ "subject": "ana", "tenant": "acme" })).await.status, 200);
    revoke(&gate, json!({ "subject": "bob" })).await;
}

#[tokio::test]
async fn a_revocation_holds_as_long_as_the_longest_token_that_is_seen() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings.set("revocation.longest_token", "1m").set("auth.leeway", "0s")).await;
    let expires = now() + 5_000;
    let token = Issuer::default().claims(&json!({ "sub": "ana", "exp": expires, "iat": now() - 9 }));
    Session::open(&gate.client(), &token).await;
    assert_eq!(revoke(&gate, json!({ "subject": "ana" })).await["revoked"]["until"], expires);
    let until = now() + 100;
    assert_eq!(revoke(&gate, json!({ "subject": "bob", "until": until })).await["revoked"]["until"], until);
}

fn kept_in(settings: Settings, file: &Path) -> Settings {
    settings.set("revocation.file", file.to_str().expect("a plain path"))
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let app = App::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revocations.json");
    let gate = gate_before(&app, |settings| kept_in(settings, &file)).await;
    let (ana, bob) = (token("ana", "t-1", -60), token("bob", "t-2", -60));
    let (taken, killed, lifted) = (
        Session::open(&gate.client(), &ana).await,
        Session::open(&gate.client(), &bob).await,
        Session::open(&gate.client(), &token("cy", "t-3", -60)).await,
    );
    assert_eq!(revoke(&gate, json!({ "subject": "ana" })).await["survives_restart"], true);
    revoke(&gate, json!({ "subject": "cy" })).await;
    let page = read(&gate, "/sessions?subject=bob").await.json();
    let name = page["sessions"][0]["session"].as_str().expect("a name");
    assert_eq!(act(&gate, &format!("/sessions/{name}/kill"), &json!({})).await.json()["survives_restart"], true);
    act(&gate, "/unrevoke", &json!({ "subject": "cy" })).await;
    // It has no time for last words.
    drop(gate);

    let gate = gate_before(&app, |settings| kept_in(settings, &file)).await;
    let again = |session: &Session| session.with_client(&gate.client());
    assert_eq!(again(&taken).poll().send().await.refusal(), revoked());
    assert_eq!(gate.client().get(OPEN).token(&ana).send().await.refusal(), revoked());
    assert_eq!(again(&killed).poll().send().await.refusal(), (400, "session_unknown".into()));
    assert_eq!(again(&lifted).exchange("42[\"on\"]").await, "42[\"on\"]");
    Session::open(&gate.client(), &bob).await;
    Session::open(&gate.client(), &token("ana", "t-4", 30)).await;
    assert_eq!(gate.status().await["revocations"], 2);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_told_and_the_revocation_holds() {
    let app = App::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revocations.json");
    let gate = gate_before(&app, |settings| kept_in(settings, &file)).await;
    // Nothing can take the place of a directory that is not empty.
    eventually("it is written at the start", async || std::fs::remove_file(&file).ok()).await;
    std::fs::create_dir_all(file.join("full")).expect("a directory");
    let ana = token("ana", "t-1", -60);
    let session = Session::open(&gate.client(), &ana).await;
    let answer = act(&gate, "/revoke", &json!({ "subject": "ana" })).await;
    let page = answer.json();
    assert_eq!((answer.status, &page["survives_restart"], &page["sessions_ended"]), (500, &json!(false), &json!(1)), "{page}");
    assert!(page["error"].as_str().is_some_and(|error| error.contains("revocations.json")), "{page}");
    assert_eq!(session.poll().send().await.refusal(), revoked());
    std::fs::remove_dir_all(&file).expect("it is ours");
    assert_eq!(revoke(&gate, json!({ "subject": "bob" })).await["survives_restart"], true);
    drop(gate);
    let gate = gate_before(&app, |settings| kept_in(settings, &file)).await;
    assert_eq!(gate.client().get(OPEN).token(&ana).send().await.refusal(), revoked(), "what was late is there as well");
}

#[tokio::test]
async fn a_reload_takes_nothing_back() {
    let app = App::start().await;
    let settings = || Settings::before(&[&app]).set("admin.token", TOKEN);
    let gate = Gate::start_with_admin_token(settings(), TOKEN).await;
    let ana = token("ana", "t-1", -60);
    revoke(&gate, json!({ "subject": "ana" })).await;
    gate.reload(&settings().set("auth.leeway", "30s")).await;
    assert_eq!(gate.client().get(OPEN).token(&ana).send().await.refusal(), revoked());
}

#[tokio::test]
async fn a_garbled_file_refuses_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, config) = (directory.path().join("revocations.json"), directory.path().join("sockgate.toml"));
    std::fs::write(&file, "{\"version\":1,").expect("it can be written");
    let app = App::start().await;
    std::fs::write(&config, kept_in(Settings::before(&[&app]), &file).to_toml()).expect("it can be written");
    for command in ["run", "check"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sockgate"))
            .args([command, "--config"])
            .arg(&config)
            .env_clear()
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains("revocation.file") && said.contains("revocations.json"), "{command}: {said}");
    }
}
