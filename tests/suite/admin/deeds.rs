//! What changes something at the admin door: with a token, by POST, for no page, strictly read, and noted.

use serde_json::{Value, json};

use crate::support::{App, Gate, PAGE, Settings, client::Answer, sample::pair};

pub const TOKEN: &str = "the-operators-own-token";

/// A gate before this app that takes deeds.
pub async fn gate_before(app: &App, change: impl FnOnce(Settings) -> Settings) -> Gate {
    Gate::start_with_admin_token(change(Settings::before(&[app]).set("admin.token", TOKEN)), TOKEN).await
}

/// Does something at the admin door.
pub async fn act(gate: &Gate, path: &str, body: &Value) -> Answer {
    gate.admin_client().post(path, body.to_string()).token(TOKEN).send().await
}

/// Reads a page of it.
pub async fn read(gate: &Gate, path: &str) -> Answer {
    gate.admin_client().get(path).token(TOKEN).send().await
}

const DEEDS: [&str; 4] = ["/revoke", "/unrevoke", "/sessions/5f1c2a9b03de4471/kill", "/reload"];

#[tokio::test]
async fn nothing_is_changed_without_a_token() {
    let (_app, open) = pair().await;
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    for path in DEEDS {
        let body = json!({ "subject": "ana" }).to_string();
        assert_eq!(open.admin_client().post(path, body.clone()).send().await.status, 403, "{path}: there is none");
        assert_eq!(open.admin_client().post(path, body.clone()).token(TOKEN).send().await.status, 403, "{path}");
        assert_eq!(gate.admin_client().post(path, body.clone()).send().await.status, 401, "{path}");
        assert_eq!(gate.admin_client().post(path, body.clone()).token("the-operators-own-tokem").send().await.status, 401);
        assert_eq!(gate.admin_client().post(path, body.clone()).token(TOKEN).origin(PAGE).send().await.status, 403, "{path}");
        let rebound = gate.admin_client().post(path, body).token(TOKEN).host("evil.example.net").send().await;
        assert_eq!(rebound.status, 403, "{path}");
    }
    assert_eq!((open.status().await["revocations"].clone(), gate.status().await["revocations"].clone()), (json!(0), json!(0)));
    gate.record(&[("deed", "revoke"), ("status", "401")]).await;
    open.record(&[("deed", "kill"), ("status", "403")]).await;
}

#[tokio::test]
async fn deeds_are_done_by_post_on_the_admin_door_alone() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings.set("admin.probe_address", "127.0.0.1:0")).await;
    let probe = crate::support::Client::new(gate.probe.expect("a probe door"), None);
    for path in DEEDS {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            let answer = gate.admin_client().ask(method, path).token(TOKEN).send().await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method} {path}");
        }
        assert_eq!(probe.post(path, "{}").token(TOKEN).send().await.status, 404, "{path}");
        assert_eq!(gate.client().post(path, "{}").token(TOKEN).send().await.status, 404, "{path}");
    }
    for path in ["/sessions", "/revocations", "/sessions/5f1c2a9b03de4471"] {
        assert_eq!(probe.get(path).send().await.status, 404, "{path}");
        assert_eq!(gate.client().get(path).send().await.status, 404, "{path}");
        assert_eq!(gate.admin_client().get(path).send().await.status, 401, "{path}");
    }
    for path in ["/sessions/", "/sessions/x", "/sessions/5F1C2A9B03DE4471", "/sessions/5f1c2a9b03de4471/kill/", "/revoke/"] {
        assert_eq!(act(&gate, path, &json!({})).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    let long = "x".repeat(300);
    for body in [
        String::new(),
        "[]".into(),
        "{}".into(),
        "subject=ana".into(),
        r#"{"subject":"ana"} x"#.into(),
        r#"{"subject":"ana","subject":"bob"}"#.into(),
        r#"{"subject":"ana","sesion":"5f1c2a9b03de4471"}"#.into(),
        r#"{"subject":"ana","token_id":"t"}"#.into(),
        r#"{"subject":7}"#.into(),
        r#"{"subject":""}"#.into(),
        r#"{"tenant":"acme"}"#.into(),
        r#"{"token_id":"t","all":true}"#.into(),
        r#"{"session":"5f1c2a9b03de4471","issuer":"i"}"#.into(),
        r#"{"session":"../../revoke"}"#.into(),
        r#"{"subject":"ana","until":1}"#.into(),
        r#"{"subject":"ana","until":-1}"#.into(),
        r#"{"subject":"ana","until":9007199254740993}"#.into(),
        r#"{"subject":"ana","for":"0s"}"#.into(),
        r#"{"subject":"ana","for":"a while"}"#.into(),
        r#"{"subject":"ana","for":"1h","until":4000000000}"#.into(),
        r#"{"subject":"ana","reason":"a\nb"}"#.into(),
        r#"{"subject":"ana","reason":"\u001b[2J"}"#.into(),
        format!(r#"{{"subject":"ana","reason":"{long}"}}"#),
    ] {
        let answer = gate.admin_client().post("/revoke", body.clone()).token(TOKEN).send().await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(answer.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{body}");
    }
    assert_eq!(act(&gate, "/reload", &json!({ "now": true })).await.status, 400);
    assert_eq!(act(&gate, "/sessions/5f1c2a9b03de4471/kill", &json!({ "x": 1 })).await.status, 400);
    for query in ["?x=1", "?limit=0", "?limit=1001", "?limit=x", "?limit=1&limit=2", "?after=x", "?address=ana", "?limt=1"] {
        assert_eq!(read(&gate, &format!("/sessions{query}")).await.status, 400, "{query}");
    }
    assert_eq!(read(&gate, "/revocations?subject=ana").await.status, 400);
    assert_eq!(gate.status().await["revocations"], 0);
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_read() {
    let app = App::start().await;
    let gate = gate_before(&app, |settings| settings).await;
    let head =
        |more: &str| format!("POST /revoke HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{more}\r\n\r\n");
    let mut line = gate.admin_client().raw(head("Content-Length: 10000000")).await;
    assert_eq!(line.expect_answer("POST").await.status, 413);
    let chunks = format!("{}4001\r\n{}", head("Transfer-Encoding: chunked"), "x".repeat(0x4001));
    let mut line = gate.admin_client().raw(chunks).await;
    assert_eq!(line.expect_answer("POST").await.status, 413);
}

#[tokio::test]
async fn a_reload_is_done_and_told_at_the_door() {
    let app = App::start().await;
    let settings = || Settings::before(&[&app]).set("admin.token", TOKEN);
    let gate = Gate::start_with_admin_token(settings(), TOKEN).await;
    let taken = act(&gate, "/reload", &json!({})).await;
    assert_eq!((taken.status, &taken.json()["taken"]), (200, &json!(true)), "{}", taken.text());
    assert!(taken.json()["generation"].as_u64().is_some_and(|generation| generation >= 2));
    gate.record(&[("deed", "reload"), ("status", "200")]).await;

    let generation = gate.generation().await;
    gate.rewrite(&settings().set("auth.secret", "too short").set("limit.keys", 0));
    let refused = act(&gate, "/reload", &json!({})).await;
    let page = refused.json();
    assert_eq!((refused.status, &page["taken"], &page["generation"]), (422, &json!(false), &json!(generation)), "{page}");
    let keys: Vec<&str> =
        page["problems"].as_array().expect("a list").iter().filter_map(|problem| problem["key"].as_str()).collect();
    assert!(keys.contains(&"auth.secret") && keys.contains(&"limit.keys"), "{page}");
    assert!(!refused.text().contains("too short"), "a secret is not told, however bad");
    assert_eq!(gate.generation().await, generation);
}
