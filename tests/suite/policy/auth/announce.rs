//! The headers that tell the app who is asking.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};
use sockgate::{
    config::{Secret, auth::Auth},
    policy::auth::{Identity, IdentityHeaders, SealedIdentity},
};

use super::issuer::{NOW, SECRET, now};

fn ana() -> SealedIdentity {
    SealedIdentity {
        subject: Some("ana".into()),
        issuer: Some("https://id.example.com".into()),
        roles: vec!["admin".into(), "Team Lead".into(), "a,b".into()],
        tenant: Some("acme".into()),
        expires: Some(NOW + 600),
        issued: Some(1_800_000_000),
        token_id: Some("7d3f0a52-6f0e-4d4c-9d7b-1f5f5a0c8f11".into()),
        signed_by: None,
        claims: [("email".into(), json!("ana@example.com"))].into_iter().collect(),
    }
}

fn with_claim(header: &str, path: &str) -> Auth {
    let mut auth = Auth::default();
    auth.identity.claims.insert(header.into(), path.into());
    auth
}

fn written(auth: &Auth, identity: SealedIdentity) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Left over from a client, in spite of everything.
    headers.insert("x-auth-subject", HeaderValue::from_static("eve"));
    headers.append("x-auth-subject", HeaderValue::from_static("mallory"));
    headers.insert("x-auth-tenant", HeaderValue::from_static("evil"));
    let announcer = IdentityHeaders::new(auth).unwrap_or_else(|problems| panic!("{problems:?}"));
    announcer.write(&mut headers, &Identity::sealed(identity), now());
    headers
}

#[test]
fn the_app_is_told_who_is_asking() {
    let headers = written(&with_claim("X-Auth-Email", "email"), ana());
    assert_eq!(headers["x-auth-subject"], "ana");
    assert_eq!(headers.get_all("x-auth-subject").iter().count(), 1);
    assert_eq!(headers["x-auth-roles"], "admin,Team%20Lead,a%2Cb");
    assert_eq!(headers["x-auth-tenant"], "acme");
    assert_eq!(headers["x-auth-email"], "ana@example.com");
}

#[test]
fn of_nobody_nothing_is_said() {
    let headers = written(&with_claim("X-Auth-Email", "email"), SealedIdentity::default());
    assert!(headers.is_empty(), "{headers:?}");
}

#[test]
fn no_claim_can_begin_a_second_header() {
    let cases = [
        (json!("a\r\nX-Admin: 1"), Some("a%0D%0AX-Admin: 1")),
        (json!("José \u{202e}"), Some("Jos%C3%A9 %E2%80%AE")),
        (json!("100%"), Some("100%25")),
        (json!(" edges "), Some("%20edges%20")),
        (json!("\0"), Some("%00")),
        (json!(7), Some("7")),
        (json!(true), Some("true")),
        (json!(["a", { "b": "ü" }]), Some("[\"a\",{\"b\":\"%C3%BC\"}]")),
        (json!(null), None),
        (json!("x".repeat(5000)), None),
    ];
    for (claim, value) in cases {
        let identity = SealedIdentity { claims: [("c".into(), claim.clone())].into_iter().collect(), ..ana() };
        let headers = written(&with_claim("X-Auth-C", "c"), identity);
        assert_eq!(headers.get("x-auth-c").map(|value| value.to_str().expect("ASCII")), value, "{claim}");
    }
}

#[test]
fn every_name_is_known_for_removal() {
    let mut auth = with_claim("X-Auth-Email", "email");
    auth.identity.remove = vec!["X-Remote-User".into()];
    let announcer = IdentityHeaders::new(&auth).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(announcer.names(), ["x-auth-subject", "x-auth-roles", "x-auth-tenant", "x-auth-email", "X-Remote-User"]);
}

#[test]
fn names_with_a_meaning_of_their_own_are_refused() {
    for name in [
        "Authorization",
        "Host",
        "X-Forwarded-For",
        "X_Forwarded_User",
        "Sec-WebSocket-Key",
        "Cookie",
        "a b",
        "x-auth_subject",
        "Proxy-Foo",
    ] {
        assert!(IdentityHeaders::new(&with_claim(name, "email")).is_err(), "{name}");
    }
    let mut auth = Auth::default();
    auth.identity.token = "X-Auth-Token".into();
    assert!(IdentityHeaders::new(&auth).is_err(), "there is no secret");
    auth.identity.token_secret = Some(Secret::from("short".to_owned()));
    assert!(IdentityHeaders::new(&auth).is_err(), "the secret is short");
}

#[test]
fn the_gates_own_token_is_signed_and_short() {
    let mut auth = with_claim("X-Auth-Email", "email");
    auth.identity.token = "X-Auth-Token".into();
    auth.identity.token_secret = Some(Secret::from(SECRET.to_owned()));
    let read = |identity: SealedIdentity| {
        let headers = written(&auth, identity);
        let validation = Validation { validate_exp: false, ..Validation::default() };
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        let token = headers.get("x-auth-token")?.to_str().expect("ASCII").to_owned();
        Some(jsonwebtoken::decode::<Value>(token, &key, &validation).expect("the gate's signature").claims)
    };
    let claims = read(ana()).expect("a token");
    assert_eq!((&claims["sub"], &claims["tenant"], &claims["exp"]), (&json!("ana"), &json!("acme"), &json!(NOW + 60)));
    assert_eq!((&claims["roles"][1], &claims["claims"]["email"]), (&json!("Team Lead"), &json!("ana@example.com")));
    let ending = read(SealedIdentity { expires: Some(NOW + 5), ..ana() }).expect("a token");
    assert_eq!(ending["exp"], json!(NOW + 5), "never longer than the client's own");
    assert_eq!(read(SealedIdentity::default()), None);
    assert_eq!(now(), UNIX_EPOCH + Duration::from_secs(NOW));
}
