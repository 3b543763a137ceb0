//! A session ends with the token it was opened with.

use crate::support::{
    App, Event, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Step, eventually,
    sample::{before, joined, pair_with, with_plain_routes},
};

#[tokio::test]
async fn a_waiting_poll_is_answered_when_the_token_expires() {
    let (app, gate) = pair_with(|settings| settings.set("auth.leeway", "0s")).await;
    let token = Issuer::default().token_for("ana", 2);
    let session = Session::open_from(&gate.client(), &token, PAGE).await;

    let answer = session.poll().send().await;

    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    assert_eq!(answer.json()["code"], 1);
    answer.is_for_page(PAGE);
    eventually("the poll is given up at the app too", async || (app.aborted() == 1).then_some(())).await;
    assert_eq!(session.post("42[\"late\"]").send().await.refusal(), (400, "session_unknown".into()));
    assert_eq!(gate.metric("sockgate_sessions_closed_total{reason=\"token_expired\"}").await, 1.0);
    gate.is_empty().await;
}

#[tokio::test]
async fn an_answer_that_has_begun_ends_with_the_token_too() {
    let app = App::scripted(|seen| {
        let began = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n42[\"half";
        seen.query("sid").map(|_| vec![Step::say(began), Step::Hang])
    })
    .await;
    let gate = before(&app, |settings| settings.set("auth.leeway", "0s").set_upstream("answer_deadline", "60s")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token_for("ana", 2)).await;
    let mut line = session.poll().begin().await.expect("connected");
    line.end().await;
    eventually("the app's connection is given up", async || (app.aborted() == 1).then_some(())).await;
    gate.record(&[("message", "session ended"), ("reason", "token_expired")]).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_websocket_is_closed_with_4401_when_the_token_expires() {
    let (app, gate) = pair_with(|settings| with_plain_routes(settings).set("auth.leeway", "0s")).await;
    let issuer = Issuer::default();
    for target in [OPEN_WEBSOCKET, "/ws"] {
        let token = issuer.token_for("ana", 2);
        let mut websocket = gate.client().upgrade(target).token(&token).open_well().await;
        assert_eq!(websocket.closing().await, Some((4401, "token_expired".into())), "{target}");
        websocket.close(4401, "").await;
        assert!(matches!(websocket.next().await, Event::End | Event::Broken));
    }
    assert_eq!(app.heard_close().await, Some(4401));
    gate.record(&[("message", "session ended"), ("reason", "token_expired"), ("code", "4401")]).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn an_upgraded_session_ends_with_its_token_and_no_other_session_does() {
    let (_app, gate) = pair_with(|settings| settings.set("auth.leeway", "0s")).await;
    let issuer = Issuer::default();
    let lasting = Session::open(&gate.client(), &issuer.token("ana")).await;
    let short = Session::open(&gate.client(), &issuer.token_for("ana", 2)).await;
    let mut ending = short.upgrade_well().await;
    let mut staying = lasting.upgrade_well().await;

    assert_eq!(ending.close_code().await, Some(4401));

    staying.text("42[\"here\"]").await;
    assert_eq!(staying.next_text().await, "42[\"here\"]");
}

#[tokio::test]
async fn the_leeway_counts_for_sessions_as_it_does_for_tokens() {
    let (_app, gate) = pair_with(|settings| settings.set("auth.leeway", "60s")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token_for("ana", -5)).await;
    assert_eq!(session.exchange("42[\"x\"]").await, "42[\"x\"]");
}

#[tokio::test]
async fn a_newer_token_does_not_prolong_the_session() {
    let (_app, gate) = pair_with(|settings| settings.set("auth.leeway", "0s")).await;
    let issuer = Issuer::default();
    let session = Session::open(&gate.client(), &issuer.token_for("ana", 2)).await;
    let renewed = session.with_token(Some(&issuer.token("ana")));
    let poll = tokio::spawn(renewed.poll().send());
    assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
    assert_eq!(
        gate.client().get(OPEN).token(&issuer.token("ana")).send().await.status,
        200,
        "a new session is what it is good for"
    );
}
