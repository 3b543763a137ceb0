//! Schemas of events through the whole gate: what does not fit leaves no trace at the app, over both transports, and a file that
//! changes is read anew.

use serde_json::{Value, json};

use crate::support::{
    App, Issuer, OPEN_WEBSOCKET, PAGE, Session, Settings,
    app::Seen,
    eventually,
    sample::{before, pair_with},
    settings::Literal,
};

const SCHEMA: &str = r#"{ "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 }"#;

fn with_schema(settings: Settings) -> Settings {
    settings.set("access.payload", Literal::raw(&format!("[{{ events = ['add'], schema = '{SCHEMA}', size = '1 KiB' }}]")))
}

fn code_of(answer: &str) -> Value {
    let answer: Value = serde_json::from_str(answer.strip_prefix("437").expect("an answer")).expect("JSON");
    answer[0]["error"]["code"].clone()
}

#[tokio::test]
async fn what_does_not_fit_never_reaches_the_app() {
    let (app, gate) = pair_with(with_schema).await;
    let token = Issuer::default().token("ana");
    let large = format!("427[\"add\",{}1,2]", " ".repeat(2000));
    let wrongs = [
        (r#"427["add",1,{"a":"the value"}]"#, "event_invalid"),
        (r#"427["add"]"#, "event_invalid"),
        (r#"427["\u0061dd","1",2]"#, "event_invalid"),
        (large.as_str(), "event_too_large"),
    ];

    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&token).open_well().await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket.text("40").await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    for (text, code) in wrongs {
        websocket.text(text).await;
        assert_eq!(code_of(&websocket.next_text().await), json!(code), "{text}");
    }
    websocket.text(r#"427["add",1,2]"#).await;
    assert_eq!(websocket.next_text().await, r#"437["add",1,2]"#);
    assert_eq!(app.frames().iter().filter(|frame| frame.text().starts_with("427")).count(), 1);

    let session = Session::open_from(&gate.client(), &token, PAGE).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    for (text, code) in wrongs {
        assert_eq!(code_of(&session.exchange(text).await), json!(code), "{text}");
    }
    assert_eq!(session.exchange(r#"427["add",1,2]"#).await, r#"437["add",1,2]"#);
    let posted: Vec<String> = app.requests().iter().filter(|seen| seen.method == "POST").map(Seen::text).collect();
    assert_eq!(posted, ["40", r#"427["add",1,2]"#]);

    assert_eq!(gate.refusals("event_invalid").await, 6.0);
    gate.record(&[
        ("message", "packet refused"),
        ("refusal", "event_invalid"),
        ("detail", "/ add: access.payload[0]: /1 by /items/type"),
        ("subject", "ana"),
    ])
    .await;
    assert_eq!(gate.tells(&["the value"]).await, None, "values are not told");
}

#[tokio::test]
async fn a_changed_schema_reaches_open_sessions_and_a_bad_one_changes_nothing() {
    let app = App::start().await;
    let directory = tempfile::TempDir::new().expect("a directory for one test");
    let file = directory.path().join("add.json");
    let write = |schema: &str| std::fs::write(&file, schema).expect("it can be written");
    write(SCHEMA);
    let entry = format!("[{{ events = ['add'], schema_file = '{}' }}]", file.display());
    let gate = before(&app, |settings| settings.set("access.payload", Literal::raw(&entry))).await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    assert_eq!(code_of(&session.exchange(r#"427["add"]"#).await), json!("event_invalid"));

    write(r#"{ "minitems": 1 }"#);
    eventually("the bad schema is refused", async || {
        (gate.metric("sockgate_reloads_total{outcome=\"refused\"}").await > 0.0).then_some(())
    })
    .await;
    gate.log_has(&["JSON Schema has no word"]).await;
    assert_eq!(code_of(&session.exchange(r#"427["add"]"#).await), json!("event_invalid"));

    write(r#"{ "maxItems": 0 }"#);
    eventually("the new schema is in effect", async || (gate.generation().await == 2).then_some(())).await;
    assert_eq!(session.exchange(r#"427["add"]"#).await, r#"437["add"]"#);
    assert_eq!(code_of(&session.exchange(r#"427["add",1,2]"#).await), json!("event_invalid"));
}
