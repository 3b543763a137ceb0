//! Tokens that only an authorizer can judge, through the whole gate: by place and transport, with what the app is told, and what
//! a client reads when nobody answers.

use std::time::Duration;

use serde_json::json;

use crate::{
    http::pages::{Page, Pages},
    support::{
        App, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Settings,
        issuer::now,
        sample::{before, with_plain_routes},
    },
};

const WHO: &str = "/who";

async fn stage(change: impl FnOnce(Settings) -> Settings) -> (App, Pages, Gate) {
    let (app, pages) = (App::start().await, Pages::start().await);
    let claims = json!({ "sub": "ana", "roles": ["admin"], "exp": now() + 600 });
    pages.put(WHO, Page::Document(claims.to_string().into_bytes()));
    let url = pages.url(WHO);
    let gate = before(&app, |settings| {
        change(with_plain_routes(settings).set("auth.authorizer.url", url.as_str()).set("auth.authorizer.deadline", "20s"))
    })
    .await;
    (app, pages, gate)
}

#[tokio::test]
async fn an_opaque_token_opens_what_a_jwt_opens() {
    let (app, pages, gate) = stage(|settings| settings).await;
    let client = gate.client();
    for ask in [
        client.get("/api/x").token("opaque-1"),
        client.get("/api/x").header("Cookie", "token=opaque-1"),
        client.get("/api/x?token=opaque-1"),
        client.get("/api/x").token(&Issuer::default().token("bob")),
    ] {
        assert_eq!(ask.send().await.status, 200);
    }
    drop(client.upgrade("/ws").header("Sec-WebSocket-Protocol", "bearer, opaque-1").open_well().await);
    let session = Session::open_from(&client, "opaque-1", PAGE).await;
    session.exchange("42[\"x\"]").await;
    drop(client.upgrade(OPEN_WEBSOCKET).origin(PAGE).token("opaque-1").open_well().await);
    assert_eq!(pages.asked(WHO), 1, "the answer is remembered, and polls repeat the token of their session");
    let seen = app.heard(5).await;
    let subjects: Vec<_> = seen.iter().filter_map(|seen| seen.header("x-auth-subject")).collect();
    assert_eq!(subjects[..5], ["ana", "ana", "ana", "bob", "ana"]);
    assert!(seen.iter().all(|seen| !seen.target.contains("opaque-1")), "a token in the query is cut out");
    assert_eq!(gate.metric("sockgate_authorizer_calls_total{outcome=\"yes\"}").await, 1.0);
    assert!(gate.metric("sockgate_authorizer_saved_total{source=\"yes\"}").await >= 4.0);
}

#[tokio::test]
async fn who_is_not_known_reaches_no_app() {
    let (app, pages, gate) = stage(|settings| settings).await;
    pages.put(WHO, Page::Status(401));
    for target in [OPEN, "/api/x"] {
        let answer = gate.client().get(target).origin(PAGE).token("opaque").send().await;
        assert_eq!(answer.refusal(), (401, "token_invalid".into()));
        answer.is_for_page(PAGE);
    }
    assert_eq!(pages.asked(WHO), 1, "a no is remembered");
    pages.put(WHO, Page::Status(500));
    let answer = gate.client().get(OPEN).origin(PAGE).token("another").send().await;
    assert_eq!(answer.refusal(), (503, "authorizer_unavailable".into()));
    answer.is_for_page(PAGE);
    assert_eq!(gate.client().get(OPEN).token("x y").send().await.refusal(), (401, "token_invalid".into()));
    app.heard_nothing();
    assert!(gate.log().iter().all(|line| !line.contains("another")), "no log holds a token");
}

#[tokio::test]
async fn who_connects_while_nobody_judges_comes_back_by_itself() {
    let (app, pages, gate) = stage(|settings| settings.set("auth.when", "connect")).await;
    pages.put(WHO, Page::Status(500));
    let connect = "40{\"token\":\"opaque\"}";
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).origin(PAGE).open_well().await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket.text(connect).await;
    assert_eq!(websocket.closing().await, Some((1013, "tokens_unchecked".into())), "no CONNECT_ERROR before");
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    session.post(connect).send().await;
    assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
    gate.record(&[("message", "session ended"), ("transport", "polling"), ("reason", "tokens_unchecked")]).await;
    app.heard_nothing();
    let claims = json!({ "sub": "ana", "exp": now() + 600 });
    pages.put(WHO, Page::Document(claims.to_string().into_bytes()));
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    assert_eq!(session.exchange(connect).await, "40{\"sid\":\"public\"}");
}

#[tokio::test]
async fn an_authorizer_that_hangs_holds_up_nobody_else() {
    let (app, pages, gate) = stage(|settings| settings.set("auth.authorizer.deadline", "500ms")).await;
    pages.put(WHO, Page::Silence);
    let client = gate.client();
    let waiting = tokio::spawn(client.get("/api/x").token("opaque").try_send());
    let known = client.get("/api/x").token(&Issuer::default().token("bob")).send();
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), known).await.expect("at once").status, 200);
    let answer = waiting.await.expect("nobody panics").expect("an answer");
    assert_eq!(answer.refusal(), (503, "authorizer_unavailable".into()));
    assert_eq!(app.heard(1).await.len(), 1);
}

#[tokio::test]
async fn a_closed_account_is_refused_whatever_its_token_says() {
    let (app, pages, gate) =
        stage(|settings| settings.set("auth.authorizer.use", "always").set("auth.authorizer.cache", "0s")).await;
    let token = Issuer::default().token("bob");
    assert_eq!(gate.client().get("/api/x").token(&token).send().await.status, 200);
    pages.put(WHO, Page::Status(403));
    assert_eq!(gate.client().get("/api/x").token(&token).send().await.refusal(), (401, "token_invalid".into()));
    assert_eq!(app.heard(1).await.len(), 1);
}

#[tokio::test]
async fn a_gate_with_an_authorizer_alone_needs_no_key() {
    let (_app, _pages, gate) = stage(|settings| settings.without("auth.secret")).await;
    assert_eq!(gate.client().get("/api/x").token("opaque").send().await.status, 200);
    assert_eq!(gate.admin_client().get("/readyz").send().await.status, 200);
}
