//! Who the app is told it speaks with: only the gate says so, and a token goes no further than the gate.

use serde_json::json;

use crate::support::{
    App, Issuer, OPEN, PAGE, Session,
    issuer::now,
    sample::{before, pair, pair_with, secure_pair, with_plain_routes},
};

#[tokio::test]
async fn the_app_is_told_subject_roles_and_tenant() {
    let (app, gate) =
        pair_with(|settings| settings.set("auth.tenant", "org.id").set("auth.identity.claims.X-Auth-Email", "email")).await;
    let token = Issuer::default().claims(&json!({
        "sub": "ana", "exp": now() + 60, "roles": ["admin", "ops"], "org": { "id": "acme" }, "email": "ana@example.com"
    }));
    let session = Session::open(&gate.client(), &token).await;
    session.exchange("42[\"x\"]").await;
    let mut websocket = session.upgrade_well().await;
    websocket.close(1000, "").await;
    for seen in app.requests() {
        assert_eq!(seen.header("x-auth-subject"), Some("ana"));
        assert_eq!(seen.header("x-auth-roles"), Some("admin,ops"));
        assert_eq!(seen.header("x-auth-tenant"), Some("acme"));
        assert_eq!(seen.header("x-auth-email"), Some("ana@example.com"));
    }
}

#[tokio::test]
async fn identity_headers_of_clients_are_removed_in_every_spelling() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("auth.identity.remove", ["X-User-Id", "X-Role"])).await;
    let token = Issuer::default().token("ana");
    let spellings = [
        "X-Auth-Subject",
        "x-auth-subject",
        "X_Auth_Subject",
        "x-auth_subject",
        "X_AUTH-SUBJECT",
        "X-Auth-Roles",
        "X_Auth_Roles",
        "X-Auth-Tenant",
        "x_auth_tenant",
        "X-User-Id",
        "X_User_Id",
        "x_user-id",
        "X-Role",
        "X_ROLE",
    ];
    let mut plain = gate.client().get("/api/x").token(&token);
    let mut polling = gate.client().get(OPEN).token(&token);
    let mut upgrade = gate.client().upgrade("/ws").token(&token);
    for name in spellings {
        plain = plain.header(name, "root");
        polling = polling.header(name, "root");
        upgrade = upgrade.header(name, "root");
    }
    for ask in [plain, polling, upgrade] {
        assert!(ask.send().await.status < 300);
    }
    for seen in app.requests() {
        let forged: Vec<_> = seen.headers.0.iter().filter(|(_, value)| value == "root").collect();
        assert!(forged.is_empty(), "{}: {forged:?}", seen.target);
        assert_eq!(seen.header("x-auth-subject"), Some("ana"));
    }
}

#[tokio::test]
async fn identity_headers_are_removed_from_http2_too() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let ask = gate
        .client_h2()
        .get(OPEN)
        .token(&Issuer::default().token("ana"))
        .header("x-auth-subject", "root")
        .header("x_auth_subject", "root");
    assert_eq!(ask.send().await.status, 200);
    let seen = app.only_request();
    assert_eq!(seen.header("x-auth-subject"), Some("ana"));
    assert!(seen.headers.0.iter().all(|(_, value)| value != "root"));
}

#[tokio::test]
async fn identity_headers_are_removed_where_nobody_is_known() {
    let (app, gate) = pair_with(|settings| settings.set("auth.when", "none")).await;
    let answer = gate
        .client()
        .get(OPEN)
        .header("X-Auth-Subject", "root")
        .header("X_Auth_Roles", "admin")
        .header("X-User-Id", "1")
        .send()
        .await;
    assert_eq!(answer.status, 200);
    let seen = app.only_request();
    assert!(seen.headers.0.iter().all(|(name, _)| !name.to_ascii_lowercase().replace('_', "-").starts_with("x-auth-")
        && !name.eq_ignore_ascii_case("x-user-id")));
}

#[tokio::test]
async fn every_way_to_carry_a_token_ends_at_the_gate() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("auth.pass_token", false)).await;
    let token = Issuer::default().token("ana");
    let client = gate.client();
    let asks = [
        client.get("/api/x?a=1&b=2").token(&token),
        client.get(&format!("/api/x?a=1&token={token}&b=2")),
        client.get("/api/x?a=1&b=2").header("Cookie", &format!("theme=dark; token={token}; lang=en")),
        client.get("/api/x?a=1&b=2").token(&token).header("Referer", &format!("https://app.example.com/?token={token}")),
        client.upgrade("/ws?a=1&b=2").header("Sec-WebSocket-Protocol", &format!("bearer, {token}, chat")),
        client.upgrade(&format!("/ws?a=1&token={token}&b=2")),
    ];
    for ask in asks {
        let what = ask.target.clone();
        assert!(ask.send().await.status < 300, "{what}");
        let seen = app.last_request();
        assert_eq!(seen.header("x-auth-subject"), Some("ana"));
        assert!(seen.target.ends_with("?a=1&b=2"), "{}", seen.target);
        let told: Vec<_> = seen.headers.0.iter().filter(|(_, value)| value.contains(&token)).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn a_token_in_a_cookie_is_the_gates_and_other_cookies_the_apps() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("auth.pass_token", false)).await;
    let token = Issuer::default().token("ana");
    let ask = gate.client().get("/api/x").header("Cookie", &format!("theme=dark; token={token}; lang=en"));
    assert_eq!(ask.send().await.status, 200);
    let cookie = app.only_request().header("cookie").map(str::to_string).unwrap_or_default();
    assert!(cookie.contains("theme=dark") && cookie.contains("lang=en"), "{cookie}");
    assert!(!cookie.contains(&token), "the token's cookie stays here: {cookie}");
}

#[tokio::test]
async fn the_app_gets_the_token_where_the_client_put_it_and_in_the_url_where_the_operator_says_so() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    gate.client().get("/api/x").token(&token).send().await;
    assert_eq!(app.last_request().header("authorization"), Some(format!("Bearer {token}").as_str()));
    gate.client().get("/api/x").header("Cookie", &format!("token={token}")).send().await;
    assert_eq!(app.last_request().header("cookie"), Some(format!("token={token}").as_str()));
    gate.client().get(&format!("/api/x?token={token}")).send().await;
    assert_eq!(app.last_request().target, "/api/x", "but not in the URL");

    let gate = before(&app, |settings| with_plain_routes(settings).set("auth.token_in_url", true)).await;
    gate.client().get(&format!("/api/x?token={token}")).send().await;
    assert_eq!(app.last_request().target, format!("/api/x?token={token}"));
}

#[tokio::test]
async fn tokens_and_session_ids_are_told_to_nobody() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let issuer = Issuer::default();
    let (good, expired) = (issuer.token("ana"), issuer.token_for("ana", -1000));
    let forged = Issuer::with("another secret, also of thirty-two bytes").token("ana");
    let session = Session::open_from(&gate.client(), &good, PAGE).await;
    session.exchange("42[\"payload nobody logs\"]").await;
    let client = gate.client();
    let mut answers = Vec::new();
    for token in [&good, &expired, &forged] {
        for ask in [
            client.get(OPEN).token(token),
            client.get(&format!("{OPEN}&token={token}")),
            client.get(OPEN).header("Cookie", &format!("token={token}")),
            client.upgrade("/ws").header("Sec-WebSocket-Protocol", &format!("bearer, {token}")),
            client.get(&format!("/nowhere?token={token}")),
            client.get(&format!("//odd?token={token}")),
            client.get(&format!("{OPEN}&token={token}&token={token}")),
        ] {
            answers.push(ask.origin(PAGE).send().await);
        }
    }
    let secrets = [
        good.as_str(),
        &expired,
        &forged,
        &session.sid,
        "payload nobody logs",
        crate::support::issuer::SECRET,
        crate::support::settings::SEAL,
    ];
    assert_eq!(gate.tells(&secrets).await, None);
    let signatures: Vec<&str> = [&good, &expired, &forged].iter().filter_map(|token| token.rsplit('.').next()).collect();
    assert_eq!(gate.tells(&signatures).await, None, "nor parts of them");
    for answer in answers {
        let told = format!("{:?} {}", answer.headers, answer.text());
        assert!(signatures.iter().all(|signature| !told.contains(signature)), "{told}");
    }
    let own = app.sids().pop().expect("a session");
    assert_eq!(gate.tells(&[&own]).await, None, "nor the app's own id");
}

#[tokio::test]
async fn a_line_of_the_log_is_one_line_whatever_a_client_writes() {
    let (_app, gate) = pair().await;
    let mut line = gate.client().raw("GET /x%0a%1b[31m HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a\tb\x1b[0m\r\n\r\n").await;
    let _ = line.answer("GET").await;
    gate.client().get("/marker-of-the-end").send().await;
    gate.log_has(&["marker-of-the-end"]).await;
    for line in gate.log() {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line:?}");
        assert!(!line.contains('\x1b'), "{line:?}");
    }
}

#[tokio::test]
async fn identity_is_what_the_session_was_opened_with() {
    let (app, gate) = pair().await;
    let issuer = Issuer::default();
    let token = |role: &str| issuer.claims(&json!({ "sub": "ana", "exp": now() + 60, "roles": [role] }));
    let session = Session::open(&gate.client(), &token("user")).await;
    session.with_token(Some(&token("admin"))).exchange("42[\"x\"]").await;
    assert_eq!(app.last_request().header("x-auth-roles"), Some("user"));
}

#[tokio::test]
async fn the_gate_can_sign_what_it_says() {
    let (app, gate) = pair_with(|settings| {
        settings
            .set("auth.identity.token", "X-Auth-Token")
            .set("auth.identity.token_secret", "the secret between gate and app, 32 bytes")
    })
    .await;
    gate.client().get(OPEN).header("X-Auth-Token", "forged").token(&Issuer::default().token("ana")).send().await;
    let seen = app.only_request();
    let signed = seen.header("x-auth-token").expect("a token of the gate's own");
    let key = jsonwebtoken::DecodingKey::from_secret(b"the secret between gate and app, 32 bytes");
    let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    let claims = jsonwebtoken::decode::<serde_json::Value>(signed, &key, &validation).expect("signed by the gate").claims;
    assert_eq!(claims["sub"], "ana");
    assert!(claims["exp"].as_i64().is_some_and(|at| at <= now() + 61));
}
