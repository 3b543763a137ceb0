//! How long sessions that nobody looks into may last, and may be quiet.

use crate::support::{
    Issuer, OPEN_WEBSOCKET, Session, eventually,
    sample::{joined, pair_with, with_plain_routes},
};

#[tokio::test]
async fn a_session_that_has_lasted_long_enough_is_closed_on_both_transports() {
    let (_app, gate) = pair_with(|settings| with_plain_routes(settings).set("limit.session_life", "1s")).await;
    let token = Issuer::default().token("ana");
    for target in [OPEN_WEBSOCKET, "/ws"] {
        let mut websocket = gate.client().upgrade(target).token(&token).open_well().await;
        assert_eq!(websocket.closing().await, Some((4408, "session_life".into())), "{target}");
    }
    let session = Session::open(&gate.client(), &token).await;
    let mut upgraded = Session::open(&gate.client(), &token).await.upgrade_well().await;
    let answer = session.poll().send().await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    assert_eq!(answer.json()["code"], 1, "its client opens another");
    assert_eq!(session.post("42[\"late\"]").send().await.refusal(), (400, "session_unknown".into()));
    assert_eq!(upgraded.close_code().await, Some(4408));
    eventually("four sessions have ended of it", async || {
        (gate.metric("sockgate_sessions_closed_total{reason=\"session_life\"}").await == 4.0).then_some(())
    })
    .await;
    gate.record(&[("message", "session ended"), ("reason", "session_life"), ("code", "4408")]).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_whose_client_says_nothing_is_closed_on_both_transports() {
    let (app, gate) = pair_with(|settings| with_plain_routes(settings).set("limit.session_idle", "300ms")).await;
    let token = Issuer::default().token("ana");
    for target in [OPEN_WEBSOCKET, "/ws"] {
        let mut websocket = gate.client().upgrade(target).token(&token).open_well().await;
        assert_eq!(websocket.closing().await, Some((4408, "session_idle".into())), "{target}");
    }
    let session = Session::open(&gate.client(), &token).await;
    let heard = app.requests().len();
    let poll = tokio::spawn(session.poll().send());
    app.heard(heard + 1).await;
    assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
    gate.record(&[("message", "session ended"), ("reason", "session_idle"), ("transport", "polling")]).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_polling_client_that_only_beats_says_nothing() {
    let (app, gate) = pair_with(|settings| settings.set("limit.session_idle", "600ms")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let poll = tokio::spawn(session.poll().send());
    app.heard(2).await;
    while !poll.is_finished() {
        session.post("3").send().await;
    }
    assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
    gate.record(&[("message", "session ended"), ("reason", "session_idle"), ("transport", "polling")]).await;
}
