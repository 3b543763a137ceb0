//! Rules of access on plain routes, through the whole gate: who may ask for which path, what the refused read, and what a trial
//! run of rules leaves behind.

use serde_json::json;

use crate::support::{
    App, Issuer, OPEN, PAGE,
    issuer::now,
    sample::{before, secure_pair, with_plain_routes},
    settings::Literal,
};

const RULES: &str =
    "[{ request = ['/api/open'] }, { request = ['/api/**', '/ws'], needs = { roles = ['admin', 'ops'], 'user.plan' = 'pro' } }]";

fn token(roles: &[&str], plan: &str) -> String {
    Issuer::default().claims(&json!({ "sub": "ana", "exp": now() + 600, "roles": roles, "user": { "plan": plan } }))
}

#[tokio::test]
async fn paths_are_for_those_whose_token_says_so() {
    let (app, gate) = secure_pair(|settings| with_plain_routes(settings).set("access.rule", Literal::raw(RULES))).await;
    let (admin, poor, user) = (token(&["ops"], "pro"), token(&["ops"], "free"), token(&["user"], "pro"));
    let mut passed = 0;
    for client in gate.clients() {
        for (path, token) in [("/api/open", &user), ("/api/x/y", &admin), (OPEN, &user)] {
            assert_eq!(client.get(path).origin(PAGE).token(token).send().await.status, 200, "{path}");
            passed += 1;
        }
        for (path, token) in [("/api/x", &user), ("/api/x", &poor), ("/api/", &user), ("/API/x", &user), ("/api/OPEN/x", &poor)] {
            let answer = client.get(path).origin(PAGE).token(token).send().await;
            match path {
                // No route has this path: routes are told apart by case.
                "/API/x" => assert_eq!(answer.refusal(), (404, "not_found".into())),
                _ => assert_eq!(answer.refusal(), (403, "access_refused".into()), "{path}"),
            }
        }
        drop(client.upgrade("/ws").token(&admin).open_well().await);
        passed += 1;
        let refused = client.upgrade("/ws").token(&user).open().await.expect_err("refused");
        assert_eq!(refused.refusal(), (403, "access_refused".into()));
    }
    assert_eq!(app.heard(passed).await.len(), passed);
    gate.record(&[("refusal", "access_refused"), ("detail", "access.rule[1]"), ("subject", "ana"), ("status", "403")]).await;
}

#[tokio::test]
async fn a_route_has_rules_of_its_own_and_what_no_rule_names_may_be_closed() {
    let app = App::start().await;
    let gate = before(&app, |settings| {
        with_plain_routes(settings)
            .set("access.rule", Literal::raw(RULES))
            .set_route("access.request", "deny")
            .set_route("access.rule", Literal::raw("[{ request = ['/api/x'] }]"))
    })
    .await;
    let user = token(&["user"], "free");
    let get = |path: &str| gate.client().get(path).token(&user).send();
    assert_eq!(get("/api/x").await.status, 200);
    assert_eq!(get("/api/open").await.refusal(), (403, "access_refused".into()));
    gate.record(&[("refusal", "access_refused"), ("detail", "access.request")]).await;
    let refused = gate.client().upgrade("/ws").token(&user).open().await.expect_err("the general rules hold here");
    assert_eq!(refused.refusal(), (403, "access_refused".into()));
}

#[tokio::test]
async fn rules_on_trial_are_told_and_refuse_nothing() {
    let app = App::start().await;
    let gate =
        before(&app, |settings| with_plain_routes(settings).set("access.rule", Literal::raw(RULES)).set("access.shadow", true))
            .await;
    assert_eq!(gate.client().get("/api/x").token(&token(&["user"], "pro")).send().await.status, 200);
    gate.record(&[
        ("message", "would be refused"),
        ("target", "sockgate::security"),
        ("refusal", "access_refused"),
        ("detail", "access.rule[1]"),
        ("subject", "ana"),
        ("path", "/api/x"),
    ])
    .await;
    assert_eq!(gate.refusals("access_refused").await, 0.0);
}
