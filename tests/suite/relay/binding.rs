//! A session belongs to whoever opened it: every later request must show the same subject and page.

use serde_json::json;

use crate::support::{
    Event, Issuer, OPEN, OTHER_PAGE, PAGE, STRANGE_PAGE, Session,
    issuer::now,
    sample::{pair, pair_with},
};

#[tokio::test]
async fn a_stolen_id_without_a_token_reads_and_writes_nothing() {
    let (app, gate) = pair().await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    app.push("42[\"secret\"]");

    let thief = session.with_token(None).with_origin(None);
    for ask in [thief.poll(), thief.post("42[\"forged\"]")] {
        let answer = ask.send().await;
        assert_eq!(answer.refusal(), (401, "token_absent".into()));
        assert!(!answer.text().contains("secret"));
    }

    assert_eq!(app.requests().len(), 1, "the app heard of none of it");
    assert_eq!(session.poll().send().await.text(), "42[\"secret\"]", "nothing was lost to the thief");
}

#[tokio::test]
async fn a_stolen_id_with_the_thiefs_own_token_reads_and_writes_nothing() {
    let (app, gate) = pair().await;
    let issuer = Issuer::default();
    let session = Session::open_from(&gate.client(), &issuer.token("ana"), PAGE).await;
    let mallory = session.with_token(Some(&issuer.token("mallory")));
    for ask in [mallory.poll(), mallory.post("42[\"forged\"]"), mallory.upgrade()] {
        let answer = ask.send().await;
        assert_eq!(answer.refusal(), (403, "session_subject".into()));
        answer.is_for_page(PAGE);
    }
    assert_eq!(app.requests().len(), 1);
    gate.record(&[("message", "request"), ("refusal", "session_subject"), ("target", "sockgate::security")]).await;
}

#[tokio::test]
async fn the_same_subject_of_another_issuer_or_tenant_is_somebody_else() {
    let (app, gate) = pair_with(|settings| {
        settings.set("auth.issuer", ["https://one.example.com", "https://two.example.com"]).set("auth.tenant", "org")
    })
    .await;
    let token = |issuer: &str, tenant: &str, expires: i64| {
        Issuer::default().claims(&json!({
            "sub": "ana", "iss": format!("https://{issuer}.example.com"), "org": tenant, "exp": now() + expires
        }))
    };
    let session = Session::open(&gate.client(), &token("one", "acme", 600)).await;
    app.push("42[\"secret\"]");

    for stranger in [token("two", "acme", 600), token("one", "globex", 600)] {
        let stranger = session.with_token(Some(&stranger));
        for ask in [stranger.poll(), stranger.post("42[\"forged\"]"), stranger.upgrade()] {
            let answer = ask.send().await;
            assert_eq!(answer.refusal(), (403, "session_subject".into()));
            assert!(!answer.text().contains("secret"));
        }
    }
    assert_eq!(app.requests().len(), 1, "the app heard of none of it");

    let renewed = session.with_token(Some(&token("one", "acme", 900)));
    assert_eq!(renewed.poll().send().await.text(), "42[\"secret\"]", "another token of the same person is as good");
}

#[tokio::test]
async fn a_bad_token_does_not_pass_for_the_sessions() {
    let (app, gate) = pair().await;
    let issuer = Issuer::default();
    let session = Session::open(&gate.client(), &issuer.token("ana")).await;
    let forged = Issuer::with("another secret, also of thirty-two bytes").token("ana");
    for (token, name) in
        [(forged.as_str(), "token_invalid"), ("nonsense", "token_invalid"), (&issuer.token_for("ana", -100), "token_expired")]
    {
        let other = session.with_token(Some(token));
        for ask in [other.poll(), other.post("42[\"x\"]"), other.upgrade()] {
            assert_eq!(ask.send().await.refusal(), (401, name.into()), "{token}");
        }
    }
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn another_good_token_of_the_same_subject_goes_on_with_the_session() {
    let (_app, gate) = pair().await;
    let issuer = Issuer::default();
    let session = Session::open(&gate.client(), &issuer.token("ana")).await;
    let renewed = session.with_token(Some(&issuer.token_for("ana", 7200)));
    assert_eq!(renewed.exchange("42[\"x\"]").await, "42[\"x\"]");
}

#[tokio::test]
async fn another_allowed_page_cannot_use_the_session() {
    let (app, gate) = pair().await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    let elsewhere = session.with_origin(Some(OTHER_PAGE));
    for ask in [elsewhere.poll(), elsewhere.post("42[\"x\"]"), elsewhere.upgrade()] {
        let answer = ask.send().await;
        assert_eq!(answer.refusal(), (403, "session_origin".into()));
        answer.is_for_page(OTHER_PAGE);
    }
    let answer = session.with_origin(Some(STRANGE_PAGE)).poll().send().await;
    assert_eq!(answer.refusal(), (403, "origin_refused".into()));
    answer.is_for_no_page();
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn the_first_page_shown_binds_a_session_opened_without_one() {
    let (_app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let page = session.with_origin(Some(PAGE));
    assert_eq!(page.exchange("42[\"x\"]").await, "42[\"x\"]");
    let answer = session.with_origin(Some(OTHER_PAGE)).poll().send().await;
    assert_eq!(answer.refusal(), (403, "session_origin".into()));
}

#[tokio::test]
async fn an_upgrade_may_omit_a_token_that_came_by_header_once() {
    let (_app, gate) = pair().await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    let browser = session.with_token(None);

    let mut websocket = browser.upgrade_well().await;
    websocket.text("42[\"upgraded\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"upgraded\"]");

    let again = browser.upgrade().send().await;
    assert!(again.status == 401 || again.status == 400, "only once: {again:?}");
}

#[tokio::test]
async fn a_second_upgrade_on_trust_is_refused() {
    let (app, gate) = pair().await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    let browser = session.with_token(None);
    // The first one comes to nothing: the session goes on by polling.
    drop(browser.upgrade().open_well().await);
    app.heard(2).await;
    let answer = browser.upgrade().send().await;
    assert_eq!(answer.refusal(), (401, "token_absent".into()));
    answer.is_for_page(PAGE);
    assert_eq!(session.exchange("42[\"still\"]").await, "42[\"still\"]");
}

#[tokio::test]
async fn an_upgrade_on_trust_comes_from_the_same_page() {
    let (app, gate) = pair().await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    for origin in [None, Some(OTHER_PAGE)] {
        let answer = session.with_token(None).with_origin(origin).upgrade().send().await;
        assert!(matches!(answer.status, 401 | 403), "{origin:?}: {answer:?}");
    }
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn an_upgrade_may_not_omit_a_token_that_came_otherwise() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let ways = [
        gate.client().get(&format!("{OPEN}&token={token}")),
        gate.client().get(OPEN).header("Cookie", &format!("token={token}")),
    ];
    for ask in ways {
        let answer = ask.origin(PAGE).send().await;
        let session = Session::of(&gate.client(), &answer, None, Some(PAGE));
        assert_eq!(session.upgrade().send().await.refusal(), (401, "token_absent".into()));
    }
    assert_eq!(app.requests().len(), 2);
}

#[tokio::test]
async fn a_token_that_is_present_at_the_upgrade_must_agree() {
    let (app, gate) = pair().await;
    let issuer = Issuer::default();
    let session = Session::open_from(&gate.client(), &issuer.token("ana"), PAGE).await;
    let other = issuer.token("mallory");
    let target = format!("/socket.io/?EIO=4&transport=websocket&sid={}", session.sid);
    let asks = [
        gate.client().upgrade(&format!("{target}&token={other}")),
        gate.client().upgrade(&target).header("Cookie", &format!("token={other}")),
        gate.client().upgrade(&target).header("Sec-WebSocket-Protocol", &format!("bearer, {other}")),
    ];
    for ask in asks {
        let answer = ask.origin(PAGE).send().await;
        assert_eq!(answer.refusal(), (403, "session_subject".into()));
    }
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn a_client_that_polls_from_elsewhere_keeps_its_session() {
    let (_app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let roaming = session.with_client(&gate.client().from("127.0.0.9"));
    assert_eq!(roaming.exchange("42[\"x\"]").await, "42[\"x\"]");
}

#[tokio::test]
async fn a_websocket_of_a_stranger_never_opens_on_a_live_session() {
    let (app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let mut websocket = session.upgrade_well().await;
    let answer = session.with_token(Some(&Issuer::default().token("mallory"))).upgrade().send().await;
    assert_eq!(answer.refusal(), (403, "session_subject".into()));
    websocket.text("42[\"mine\"]").await;
    assert_eq!(websocket.next().await, Event::Text("42[\"mine\"]".into()));
    assert_eq!(app.requests().iter().filter(|seen| seen.wants_websocket()).count(), 1);
}

#[tokio::test]
async fn where_nobody_is_asked_who_they_are_pages_still_keep_to_themselves() {
    let (_app, gate) = pair_with(|settings| settings.set("auth.when", "none")).await;
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    assert_eq!(session.exchange("42[\"x\"]").await, "42[\"x\"]");
    let answer = session.with_origin(Some(OTHER_PAGE)).poll().send().await;
    assert_eq!(answer.refusal(), (403, "session_origin".into()));
}

#[tokio::test]
async fn a_claim_that_is_required_must_be_there() {
    let (app, gate) = pair_with(|settings| settings.set("auth.required.status", "active")).await;
    let issuer = Issuer::default();
    let token = |status: &str| issuer.claims(&json!({ "sub": "ana", "exp": now() + 60, "status": status }));
    let answer = gate.client().get(OPEN).origin(PAGE).token(&token("blocked")).send().await;
    assert_eq!(answer.refusal(), (403, "claim_refused".into()));
    answer.is_for_page(PAGE);
    app.heard_nothing();
    assert_eq!(gate.client().get(OPEN).token(&token("active")).send().await.status, 200);
}
