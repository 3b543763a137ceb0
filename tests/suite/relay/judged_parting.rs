//! Polling sessions that end while their client is between two polls: at once for everybody else, and for the client when it comes.

use serde_json::json;

use crate::support::{App, Gate, Issuer, OPEN, PAGE, Session, Settings, app::Seen, eventually, issuer::now, sample::joined};

const TOKEN: &str = "the token of the admin door in this test";

async fn gate_before(app: &App, change: impl FnOnce(Settings) -> Settings) -> Gate {
    let settings = Settings::before(&[app]).set("admin.token", TOKEN).set("socketio.judge", "always");
    Gate::start_with_admin_token(change(settings), TOKEN).await
}

async fn act(gate: &Gate, target: &str, body: &serde_json::Value) {
    let answer = gate.admin_client().post(target, body.to_string()).token(TOKEN).send().await;
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

async fn kill_of(gate: &Gate, subject: &str) {
    let page = gate.admin_client().get(&format!("/sessions?subject={subject}")).token(TOKEN).send().await.json();
    let name = page["sessions"][0]["session"].as_str().unwrap_or_else(|| panic!("no session: {page}")).to_string();
    act(gate, &format!("/sessions/{name}/kill"), &json!({})).await;
}

fn token(subject: &str, id: &str) -> String {
    Issuer::default().claims(&json!({ "sub": subject, "exp": now() + 600, "iat": now() - 60, "jti": id }))
}

fn posts(app: &App) -> Vec<String> {
    app.requests().iter().filter(|seen| seen.method == "POST").map(Seen::text).collect()
}

/// A session that has joined the main namespace with a token of its handshake, and whose client is between two polls.
async fn joined_session(gate: &Gate, token: &str) -> Session {
    let session = Session::open_from(&gate.client(), token, PAGE).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    session
}

/// The app has been told, and nothing is held any more; nobody has polled for that.
async fn is_over_for_all_others(app: &App, gate: &Gate, reason: &str, told: &str) {
    gate.record(&[("message", "session ended"), ("reason", reason)]).await;
    gate.is_empty().await;
    eventually("the app is told", async || (posts(app).last().map(String::as_str) == Some(told)).then_some(())).await;
    eventually("and not asked any more", async || app.sids().is_empty().then_some(())).await;
}

#[tokio::test]
async fn one_that_is_killed_is_over_at_once_and_its_client_hears_so_at_its_next_poll() {
    for when in ["handshake", "connect"] {
        let app = App::start().await;
        let gate = gate_before(&app, |settings| settings.set("auth.when", when).set("limit.sessions_per_user", 1)).await;
        let session = joined_session(&gate, &token("ana", "t-1")).await;
        kill_of(&gate, "ana").await;
        is_over_for_all_others(&app, &gate, "killed", "41\u{1e}1").await;
        assert_eq!(gate.metric("sockgate_sessions_closed_total{reason=\"killed\"}").await, 1.0);
        joined_session(&gate, &token("ana", "t-1")).await;

        assert_eq!(session.poll().send().await.text(), "41", "it is told to stay away");
        let poll = tokio::spawn(session.poll().send());
        assert_eq!(session.post("1").send().await.text(), "ok");
        assert_eq!(joined(poll).await.text(), "6");
        eventually("then it is unknown", async || {
            (session.poll().send().await.refusal() == (400, "session_unknown".into())).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn one_that_is_revoked_is_over_at_once() {
    for (when, on_revocation) in [("handshake", "stay_closed"), ("connect", "stay_closed"), ("handshake", "reconnect")] {
        let app = App::start().await;
        let gate = gate_before(&app, |settings| settings.set("auth.when", when).set("auth.on_revocation", on_revocation)).await;
        let session = joined_session(&gate, &token("ana", "t-1")).await;
        act(&gate, "/revoke", &json!({ "subject": "ana" })).await;
        let stays = on_revocation == "stay_closed";
        is_over_for_all_others(&app, &gate, "revoked", if stays { "41\u{1e}1" } else { "1" }).await;
        if stays {
            assert_eq!(session.poll().send().await.text(), "41");
        } else {
            assert_eq!(session.poll().send().await.refusal(), (401, "revoked".into()));
            assert_eq!(session.post("42[\"x\"]").send().await.refusal(), (401, "revoked".into()));
        }
    }
}

#[tokio::test]
async fn one_whose_token_expires_is_over_in_time() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings.set("auth.leeway", "0s")).await;
    let session = joined_session(&gate, &Issuer::default().token_for("ana", 2)).await;
    is_over_for_all_others(&app, &gate, "token_expired", "1").await;
    assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
}

#[tokio::test]
async fn one_that_nobody_has_polled_yet_is_over_as_well() {
    for when in ["handshake", "connect"] {
        let app = App::start().await;
        let gate = gate_before(&app, |settings| settings.set("auth.when", when)).await;
        let session = Session::open_from(&gate.client(), &token("ana", "t-1"), PAGE).await;
        let page = gate.admin_client().get("/sessions").token(TOKEN).send().await.json();
        let name = page["sessions"][0]["session"].as_str().expect("it is listed").to_string();
        act(&gate, &format!("/sessions/{name}/kill"), &json!({})).await;
        gate.record(&[("message", "session ended"), ("reason", "killed")]).await;
        gate.is_empty().await;
        let told = if when == "connect" { vec![] } else { vec!["1".to_string()] };
        eventually("the app hears of it where it knew", async || (posts(&app) == told).then_some(())).await;
        assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
    }
}

#[tokio::test]
async fn one_that_a_websocket_carries_is_left_to_that() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    let mut websocket = joined_session(&gate, &token("ana", "t-1")).await.upgrade_well().await;
    websocket.text("42[\"x\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"x\"]");
    kill_of(&gate, "ana").await;
    assert_eq!(websocket.next_text().await, "41");
    assert_eq!(websocket.close_code().await, Some(4403));
    gate.is_empty().await;
}

#[tokio::test]
async fn the_token_that_opened_a_session_is_judged_again_after_another_has_taken_its_place() {
    for when in ["handshake", "connect"] {
        let app = App::start().await;
        let gate = gate_before(&app, |settings| settings.set("auth.when", when)).await;
        let session = joined_session(&gate, &token("ana", "t-1")).await;
        let later = Issuer::default().claims(&json!({ "sub": "ana", "exp": now() + 900, "iat": now(), "jti": "t-2" }));
        let answer = session.exchange(&format!("425[\"sockgate:refresh\",\"{later}\"]")).await;
        assert!(answer.starts_with("435[{\"ok\":true"), "{answer}");
        // It shows the old one, as clients do whose headers stay what they were.
        assert_eq!(session.exchange("42[\"x\"]").await, "42[\"x\"]");
        act(&gate, "/revoke", &json!({ "token_id": "t-1" })).await;
        assert_eq!(session.post("42[\"y\"]").send().await.refusal(), (401, "revoked".into()), "{when}");
        assert_eq!(session.upgrade().send().await.refusal(), (401, "revoked".into()), "{when}");
        let newer = session.with_token(Some(&later));
        assert_eq!(newer.exchange("42[\"z\"]").await, "42[\"z\"]", "the session is the new one's");
        if when == "connect" {
            let answer = newer.exchange("40/more,").await;
            assert!(answer.starts_with("44/more,") && answer.contains("\"revoked\""), "{answer}");
        }
        assert_eq!(gate.client().get(OPEN).token(&later).send().await.status, 200);
    }
}
