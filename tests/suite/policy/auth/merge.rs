//! The identity in a CONNECT payload: what the gate says is in it, what the client said in its place is not, all else is as it was.

use proptest::prelude::*;
use serde_json::{Value, json};
use sockgate::{
    config::auth::Auth,
    policy::auth::{Identity, Merge, MergeError, Places, SealedIdentity},
};

fn merge(field: &str, from: &str, pass_token: bool) -> Merge {
    let mut auth = Auth { from: vec![from.into()], pass_token, ..Auth::default() };
    auth.identity.connect_field = field.into();
    auth.identity.claims.insert("X-Plan".into(), "user.plan".into());
    Merge::new(&auth, &Places::parse(&auth.from).expect("a place"))
}

fn ana() -> Identity {
    let claims = json!({ "user.plan": "gold", "for the balancer alone": 1 });
    Identity::sealed(SealedIdentity {
        subject: Some("ana".into()),
        roles: vec!["admin".into(), "böse \"Rolle\"".into()],
        tenant: Some("t1".into()),
        claims: claims.as_object().expect("an object").clone(),
        ..SealedIdentity::default()
    })
}

fn told() -> Value {
    json!({ "subject": "ana", "roles": ["admin", "böse \"Rolle\""], "tenant": "t1", "claims": { "user.plan": "gold" } })
}

#[test]
fn the_app_reads_who_it_is() {
    let merge = merge("identity", "header", true);
    for payload in ["", "{}", " { } "] {
        let merged = merge.apply(payload, Some(&ana())).expect("an object");
        assert_eq!(serde_json::from_str::<Value>(&merged).expect("JSON"), json!({ "identity": told() }), "{payload:?}");
    }
}

#[test]
fn what_a_client_says_of_itself_is_removed() {
    let merge = merge("identity", "header", true);
    for payload in [
        r#"{"identity":{"subject":"root","roles":["admin"]},"x":1}"#,
        r#"{"x":1,"identity":null}"#,
        r#"{"IDENTITY":{"subject":"root"},"x":1,"Identity":1}"#,
        r#"{"x":1,"identit\u0079":{"subject":"root"}}"#,
    ] {
        let merged: Value = serde_json::from_str(&merge.apply(payload, Some(&ana())).expect("an object")).expect("JSON");
        assert_eq!(merged, json!({ "x": 1, "identity": told() }), "{payload}");
        for nobody in [None, Some(Identity::sealed(SealedIdentity::default()))] {
            let merged: Value = serde_json::from_str(&merge.apply(payload, nobody.as_ref()).expect("an object")).expect("JSON");
            assert_eq!(merged, json!({ "x": 1 }), "{payload}");
        }
    }
}

#[test]
fn everything_else_stays_as_it_was_written() {
    let kept = r#""pid":"aB\/c","offset":"\ud83d\ude00","big":123456789012345678901234567890,"tiny":1e-400,"minus":-0,"lone":"\ud800","nested":{"a":1,"a":2}"#;
    let merged = merge("identity", "header", true).apply(&format!("{{{kept}}}"), Some(&ana())).expect("an object");
    assert!(merged.starts_with(&format!("{{{kept},\"identity\":")), "{merged}");
}

#[test]
fn the_token_goes_where_the_app_is_not_to_see_it() {
    let cases = [
        ("connect:token", r#"{"token":"abc","x":1.0}"#, r#"{"x":1.0}"#),
        ("connect:token", r#"{"t\u006fken":"abc"}"#, "{}"),
        ("connect:token", "{}", "{}"),
        (
            "connect:user.token",
            r#"{"user":{"token":"abc","name":"\/"},"token":"stays"}"#,
            r#"{"user":{"name":"\/"},"token":"stays"}"#,
        ),
        ("connect:a.b.c", r#"{"x":0,"a":{"y":1,"b":{"c":"abc","z":2}}}"#, r#"{"x":0,"a":{"y":1,"b":{"z":2}}}"#),
        ("connect:user.token", r#"{"user":"abc"}"#, r#"{"user":"abc"}"#),
        ("connect:user.token", r#"{"user":null}"#, r#"{"user":null}"#),
    ];
    for (from, payload, left) in cases {
        assert_eq!(merge("", from, false).apply(payload, Some(&ana())).as_deref(), Ok(left), "{payload}");
        assert_eq!(merge("", from, true).apply(payload, Some(&ana())).as_deref(), Ok(payload));
        assert!(merge("", from, true).is_idle());
        let both = merge("identity", from, false).apply(payload, Some(&ana())).expect("an object");
        assert!(!both.contains("abc") || left.contains("abc"), "{both}");
        assert!(both.contains("\"subject\":\"ana\""), "{both}");
    }
    assert!(merge("", "header", false).is_idle());
    assert_eq!(merge("", "connect:token", false).apply("", Some(&ana())).as_deref(), Ok("{}"));
}

#[test]
fn what_has_two_readings_or_none_is_refused() {
    let deep = format!("{{\"x\":{}}}", "[".repeat(100_000));
    let cases = [
        ("null", MergeError::NotAnObject),
        ("[]", MergeError::NotAnObject),
        ("\"x\"", MergeError::NotAnObject),
        ("{\"x\":1", MergeError::NotAnObject),
        ("{\"x\":1}}", MergeError::NotAnObject),
        ("{\"x\":1,\"x\":2}", MergeError::DuplicateKey),
        ("{\"identity\":1,\"identity\":2}", MergeError::DuplicateKey),
        (deep.as_str(), MergeError::TooDeep),
    ];
    for (payload, error) in cases {
        for merge in [merge("identity", "header", true), merge("", "connect:token", false)] {
            assert_eq!(merge.apply(payload, Some(&ana())), Err(error), "{}", &payload[..payload.len().min(40)]);
        }
    }
    let twice = r#"{"user":{"token":"a","token":"b"}}"#;
    assert_eq!(merge("", "connect:user.token", false).apply(twice, None), Err(MergeError::DuplicateKey));
}

proptest! {
    #[test]
    fn nothing_a_client_sends_is_read_as_the_gate_s_word(payload in "\\PC{0,64}|[{}\\[\\]\",:identy\\\\u0-9]{0,64}") {
        if let Ok(merged) = merge("identity", "connect:token", false).apply(&payload, Some(&ana())) {
            let merged: Value = serde_json::from_str(&merged).expect("JSON");
            prop_assert_eq!(&merged["identity"], &told());
            prop_assert!(merged.get("token").is_none());
        }
    }
}
