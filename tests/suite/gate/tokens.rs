//! Tokens through the whole gate, by every place and transport: the table of what is no good, and what is. The judge itself has
//! the longer table.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::support::{
    App, Issuer, OPEN, OPEN_WEBSOCKET, PAGE,
    issuer::now,
    sample::{before, pair_with, secure_pair, with_plain_routes},
    settings::Literal,
};

#[tokio::test]
async fn bad_tokens_are_refused_before_the_app_hears_of_them() {
    let app = App::start().await;
    let gate = before(&app, |settings| {
        with_plain_routes(settings).set("auth.issuer", ["https://id.example.com"]).set("auth.audience", ["app"])
    })
    .await;
    let issuer = Issuer::default();
    let whole = json!({ "sub": "ana", "exp": now() + 600, "iss": "https://id.example.com", "aud": "app" });
    let with = |key: &str, value: serde_json::Value| {
        let mut claims = whole.clone();
        claims[key] = value;
        issuer.claims(&claims)
    };
    let without = |key: &str| {
        let mut claims = whole.clone();
        claims.as_object_mut().expect("an object").remove(key);
        issuer.claims(&claims)
    };
    let good = issuer.claims(&whole);
    let (_, rest) = good.split_once('.').expect("three parts");
    let header = |text: &str| format!("{}.{rest}", URL_SAFE_NO_PAD.encode(text));
    let unsigned = |text: &str| {
        let (payload, _) = rest.split_once('.').expect("two parts");
        format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(text))
    };
    let cases = [
        ("none", unsigned(r#"{"alg":"none"}"#), "token_invalid"),
        ("NONE", unsigned(r#"{"alg":"NoNe"}"#), "token_invalid"),
        ("no alg", header("{}"), "token_invalid"),
        ("alg as a list", header(r#"{"alg":["HS256"]}"#), "token_invalid"),
        ("HS384", issuer.signed(Algorithm::HS384, &whole), "token_invalid"),
        ("RS256", header(r#"{"alg":"RS256"}"#), "token_invalid"),
        ("crit", header(r#"{"alg":"HS256","crit":["exp"]}"#), "token_invalid"),
        ("another secret", Issuer::with("another secret, also of thirty-two bytes").claims(&whole), "token_invalid"),
        ("an altered payload", good.replacen(&rest[..8], "eyJzdWIi", 1) + "x", "token_invalid"),
        ("two parts", good.rsplit_once('.').expect("parts").0.to_string(), "token_invalid"),
        ("nonsense", "nonsense".into(), "token_invalid"),
        ("60 KB", "x".repeat(9_000), "token_invalid"),
        ("expired", with("exp", json!(now() - 100)), "token_expired"),
        ("no expiry", without("exp"), "token_invalid"),
        ("an expiry in text", with("exp", json!((now() + 600).to_string())), "token_invalid"),
        ("an expiry of null", with("exp", json!(null)), "token_invalid"),
        ("not yet", with("nbf", json!(now() + 600)), "token_not_yet_valid"),
        ("issued tomorrow", with("iat", json!(now() + 86_400)), "token_not_yet_valid"),
        ("no subject", without("sub"), "token_invalid"),
        ("an empty subject", with("sub", json!("")), "token_invalid"),
        ("a subject with a line break", with("sub", json!("ana\r\nX-Auth-Roles: admin")), "token_invalid"),
        ("a subject that is an object", with("sub", json!({ "id": 1 })), "token_invalid"),
        ("another issuer", with("iss", json!("https://id.example.com.evil.net")), "token_invalid"),
        ("no issuer", without("iss"), "token_invalid"),
        ("another audience", with("aud", json!("application")), "token_invalid"),
        ("no audience", without("aud"), "token_invalid"),
    ];
    for (what, token, name) in cases {
        for target in [OPEN, "/api/x"] {
            let answer = gate.client().get(target).origin(PAGE).token(&token).send().await;
            assert_eq!(answer.refusal(), (401, name.into()), "{what} at {target}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            answer.is_for_page(PAGE);
        }
        for target in [OPEN_WEBSOCKET, "/ws"] {
            let answer = gate.client().upgrade(target).origin(PAGE).token(&token).open().await.expect_err(what);
            assert_eq!(answer.refusal(), (401, name.into()), "{what} at {target}");
        }
    }
    app.heard_nothing();
    assert_eq!(gate.client().get("/api/x").token(&good).send().await.status, 200);
}

#[tokio::test]
async fn a_token_is_found_in_each_place_in_both_versions_of_http() {
    let (app, gate) = secure_pair(with_plain_routes).await;
    let token = Issuer::default().token("ana");
    let mut count = 0;
    for client in gate.clients() {
        let asks = [
            client.get(OPEN).token(&token),
            client.get(OPEN).header("Cookie", &format!("a=b; token={token}")),
            client.get(&format!("{OPEN}&token={token}")),
        ];
        for ask in asks {
            assert_eq!(ask.send().await.status, 200);
            count += 1;
        }
        let upgrades = [
            client.upgrade("/ws").token(&token),
            client.upgrade("/ws").header("Cookie", &format!("token={token}")),
            client.upgrade(&format!("/ws?token={token}")),
            client.upgrade("/ws").header("Sec-WebSocket-Protocol", &format!("bearer, {token}")),
        ];
        for ask in upgrades {
            drop(ask.open_well().await);
            count += 1;
        }
    }
    assert_eq!(app.heard(count).await.iter().filter(|seen| seen.header("x-auth-subject") == Some("ana")).count(), count);
}

#[tokio::test]
async fn a_place_that_is_not_named_is_not_looked_at() {
    let (app, gate) = pair_with(|settings| settings.set("auth.from", ["header"])).await;
    let token = Issuer::default().token("ana");
    for ask in
        [gate.client().get(&format!("{OPEN}&token={token}")), gate.client().get(OPEN).header("Cookie", &format!("token={token}"))]
    {
        assert_eq!(ask.send().await.refusal(), (401, "token_absent".into()));
    }
    gate.record(&[("refusal", "token_absent"), ("detail", "looked in header (auth.from)")]).await;
    app.heard_nothing();
}

#[tokio::test]
async fn several_keys_are_good_at_the_same_time() {
    let next = "the issuer's next secret, 32 bytes and more";
    let keys = Literal::raw(&format!("[{{ secret = \"{next}\" }}]"));
    let (_app, gate) = pair_with(|settings| settings.set("auth.keys", keys)).await;
    for issuer in [Issuer::default(), Issuer::with(next)] {
        assert_eq!(gate.client().get(OPEN).token(&issuer.token("ana")).send().await.status, 200);
    }
    let stranger = Issuer::with("another secret, also of thirty-two bytes").token("ana");
    assert_eq!(gate.client().get(OPEN).token(&stranger).send().await.refusal(), (401, "token_invalid".into()));
}

#[tokio::test]
async fn a_token_of_an_hour_that_began_just_now_is_good_within_the_leeway() {
    let (_app, gate) = pair_with(|settings| settings).await;
    let early = Issuer::default().claims(&json!({ "sub": "ana", "exp": now() + 600, "nbf": now() + 30, "iat": now() + 30 }));
    let late = Issuer::default().token_for("ana", -30);
    for token in [early, late] {
        assert_eq!(gate.client().get(OPEN).token(&token).send().await.status, 200);
    }
}
