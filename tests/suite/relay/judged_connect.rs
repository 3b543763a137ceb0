//! Sessions by polling that tell who they are with their CONNECT packet: the gate opens them itself, and the app hears of none
//! but those that were accepted.

use serde_json::json;

use crate::support::{
    App, Gate, Issuer, OPEN, PAGE, Session, Settings, Step, eventually,
    sample::{before, joined, secure_pair},
};

fn by_connect(settings: Settings) -> Settings {
    settings.set("auth.when", "connect")
}

async fn pair() -> (App, Gate) {
    let app = App::start().await;
    let gate = before(&app, by_connect).await;
    (app, gate)
}

fn connect(token: &str) -> String {
    format!("40{}", json!({ "token": token }))
}

async fn open(gate: &Gate) -> Session {
    Session::open_as(&gate.client(), None, Some(PAGE)).await
}

#[tokio::test]
async fn the_app_hears_of_a_session_once_somebody_was_accepted() {
    let (app, gate) = secure_pair(by_connect).await;
    for (number, client) in gate.clients().into_iter().enumerate() {
        let heard = app.requests().len();
        let opened = client.get(&format!("{OPEN}&room=7")).header("X-Device", "phone").send().await;
        let session = Session::of(&client, &opened, None, None);
        assert_eq!(session.open["upgrades"], json!(["websocket"]));
        assert_eq!((&session.open["pingInterval"], &session.open["pingTimeout"]), (&json!(25_000), &json!(20_000)));
        let poll = tokio::spawn(session.poll().send());
        gate.has_sessions("polling", number as u64 + 1).await;
        assert_eq!(app.requests().len(), heard);

        let token = Issuer::default().token("ana");
        assert_eq!(session.post(&connect(&token)).send().await.text(), "ok");
        assert_eq!(joined(poll).await.text(), "40{\"sid\":\"public\"}");
        let first = &app.requests()[heard];
        assert_eq!((first.method.as_str(), first.query("sid"), first.query("room")), ("GET", None, Some("7")));
        assert_eq!((first.query("transport"), first.query("EIO")), (Some("polling"), Some("4")));
        assert_eq!(first.header("x-device"), Some("phone"), "apps read the first request and no other");
        assert_eq!(first.header("x-auth-subject"), Some("ana"));
        assert_eq!(session.exchange("421[\"add\"]").await, "431[\"add\"]");
    }
}

#[tokio::test]
async fn a_refused_connect_leaves_no_trace_at_the_app_and_may_be_mended() {
    let (app, gate) = pair().await;
    let session = open(&gate).await;
    let stranger = Issuer::with("another secret, which this gate does not know");
    let refused = [
        ("40".to_string(), "token_absent"),
        ("40{}".to_string(), "token_absent"),
        (connect("no token"), "token_invalid"),
        (connect(&stranger.token("ana")), "token_invalid"),
        (connect(&Issuer::default().token_for("ana", -600)), "token_expired"),
    ];
    for (packet, code) in refused {
        let answer = session.exchange(&packet).await;
        let error: serde_json::Value = serde_json::from_str(answer.strip_prefix("44").expect("a refusal")).expect("JSON");
        assert_eq!(error["data"]["code"], code, "{packet}");
        assert!(error["message"].is_string());
    }
    app.heard_nothing();
    assert_eq!(session.exchange(&connect(&Issuer::default().token("ana"))).await, "40{\"sid\":\"public\"}");
    assert_eq!(app.requests()[0].header("x-auth-subject"), Some("ana"));
}

#[tokio::test]
async fn events_before_the_accepted_connect_do_not_reach_the_app() {
    let (app, gate) = pair().await;
    let session = open(&gate).await;
    assert_eq!(session.post("42[\"early\"]").send().await.text(), "ok");
    app.heard_nothing();
    let body = format!("{}\u{1e}42[\"next\"]", connect(&Issuer::default().token("ana")));
    assert_eq!(session.post(&body).send().await.text(), "ok");
    assert_eq!(session.poll().send().await.text(), "40{\"sid\":\"public\"}");
    assert_eq!(session.poll().send().await.text(), "42[\"next\"]");
    let said: Vec<String> = app.requests().iter().map(crate::support::app::Seen::text).collect();
    assert!(!said.iter().any(|body| body.contains("early")), "{said:?}");
}

#[tokio::test]
async fn a_token_of_the_handshake_serves_a_connect_without_one() {
    let (app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    app.heard_nothing();
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    assert_eq!(app.requests()[0].header("x-auth-subject"), Some("ana"));
    // From here on none is needed, but another's is refused.
    assert_eq!(session.with_token(None).exchange("42[\"x\"]").await, "42[\"x\"]");
    assert_eq!(session.with_token(Some(&Issuer::default().token_for("ana", 60))).exchange("42[\"y\"]").await, "42[\"y\"]");
    let others = session.with_token(Some(&Issuer::default().token("eve")));
    assert_eq!(others.poll().send().await.refusal(), (403, "session_subject".into()));
}

#[tokio::test]
async fn who_says_nothing_in_time_is_gone() {
    let app = App::start().await;
    let gate = before(&app, |settings| by_connect(settings).set("auth.connect_deadline", "300ms")).await;
    let (polling, silent) = (open(&gate).await, open(&gate).await);
    let answer = polling.poll().send().await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    gate.is_empty().await;
    gate.record(&[("reason", "connect_timeout")]).await;
    let late = silent.post(&connect(&Issuer::default().token("ana"))).send().await;
    assert_eq!(late.refusal(), (400, "session_unknown".into()));
    app.heard_nothing();
}

#[tokio::test]
async fn so_many_may_wait_and_those_who_were_accepted_wait_no_longer() {
    let app = App::start().await;
    let gate = before(&app, |settings| by_connect(settings).set("auth.waiting_per_address", 2)).await;
    let (first, _second) = (open(&gate).await, open(&gate).await);
    let third = gate.client().get(OPEN).origin(PAGE).send().await;
    assert_eq!(third.refusal(), (429, "address_sessions".into()));
    third.is_for_page(PAGE);
    assert_eq!(first.exchange(&connect(&Issuer::default().token("ana"))).await, "40{\"sid\":\"public\"}");
    eventually("there is a place again", async || {
        (gate.client().get(OPEN).origin(PAGE).send().await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_app_that_does_not_open_ends_the_session() {
    let app = App::scripted(|_| Some(vec![Step::say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")])).await;
    let gate = before(&app, by_connect).await;
    let session = open(&gate).await;
    let poll = tokio::spawn(session.poll().send());
    let answer = session.post(&connect(&Issuer::default().token("ana"))).send().await;
    assert_eq!(answer.refusal(), (502, "upstream_failed".into()));
    assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
    gate.is_empty().await;
}

#[tokio::test]
async fn what_comes_with_the_apps_open_packet_is_not_lost() {
    let app = App::scripted(|seen| {
        let open = "0{\"sid\":\"abc\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":100000}\u{1e}2";
        match (seen.method.as_str(), seen.query("sid")) {
            ("GET", None) => Some(vec![Step::say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{open}", open.len()))]),
            ("POST", _) => Some(vec![Step::say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]),
            _ => Some(vec![Step::Hang]),
        }
    })
    .await;
    let gate = before(&app, by_connect).await;
    let session = open(&gate).await;
    assert_eq!(session.post(&connect(&Issuer::default().token("ana"))).send().await.text(), "ok");
    assert_eq!(session.poll().send().await.text(), "2");
    assert_eq!(app.last_request().query("sid").or(app.requests()[1].query("sid")), Some("abc"));
}

#[tokio::test]
async fn cookies_of_the_apps_first_answer_go_with_the_post_that_it_was_asked_for() {
    let (app, gate) = secure_pair(by_connect).await;
    for client in gate.clients() {
        let opened = client.get(OPEN).send().await;
        assert_eq!(opened.header("set-cookie"), None);
        let session = Session::of(&client, &opened, None, None);
        let answer = session.post(&connect(&Issuer::default().token("ana"))).send().await;
        assert_eq!((answer.status, answer.header("set-cookie")), (200, Some("lang=en")), "and not the app's own session id");
        let answer = session.post("42[\"y\"]").send().await;
        assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    }
    assert!(app.requests().len() > 2);
}

#[tokio::test]
async fn a_session_of_our_own_is_no_other_gates() {
    let app = App::start().await;
    let (one, two) = (before(&app, by_connect).await, before(&app, by_connect).await);
    let session = open(&one).await;
    let mut elsewhere = session.poll();
    elsewhere.client = two.client();
    assert_eq!(elsewhere.send().await.refusal(), (400, "session_unknown".into()));
    let answer = session.with_origin(Some("https://other.example.com")).poll().send().await;
    assert_eq!(answer.refusal(), (403, "session_origin".into()));
    app.heard_nothing();
}
