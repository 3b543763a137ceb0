//! The token in a CONNECT payload: where it is, where it is not, and what is refused instead of guessed.

use proptest::prelude::*;
use serde_json::json;
use sockgate::policy::auth::{Places, TOKEN_SIZE, TokenRefusal, connect};

fn token(payload: &str, path: &str) -> Result<Option<String>, TokenRefusal> {
    connect::token(payload, path).map(|token| token.map(|token| token.to_string()))
}

#[test]
fn a_token_is_found_at_its_path() {
    let cases = [
        (r#"{"token":"abc"}"#, "token", Some("abc")),
        (" { \"x\" : [1,{\"token\":2}] ,\t\"token\" :\n\"a.b.c\" } ", "token", Some("a.b.c")),
        (r#"{"user":{"token":"abc","token2":"x"},"token":"other"}"#, "user.token", Some("abc")),
        (r#"{"tok\u0065n":"\u0061bc"}"#, "token", Some("abc")),
        (r#"{"token":"!#$%&'()*+,-./:;<=>?@[]^_`{|}~\\\""}"#, "token", Some("!#$%&'()*+,-./:;<=>?@[]^_`{|}~\\\"")),
        (r#"{"pid":"p","offset":"o","token":"abc"}"#, "token", Some("abc")),
        ("", "token", None),
        ("{}", "token", None),
        (r#"{"Token":"abc"}"#, "token", None),
        (r#"{"user.token":"abc"}"#, "user.token", None),
        (r#"{"token":null}"#, "token", None),
        (r#"{"token":""}"#, "token", None),
        (r#"{"user":null}"#, "user.token", None),
        (r#"{"user":{}}"#, "user.token", None),
    ];
    for (payload, path, found) in cases {
        assert_eq!(token(payload, path), Ok(found.map(str::to_owned)), "{payload}");
    }
}

#[test]
fn what_has_two_readings_or_none_is_refused() {
    let deep = format!("{{\"x\":{}1{},\"token\":\"abc\"}}", "[".repeat(40), "]".repeat(40));
    let deeper = "[".repeat(200_000);
    let large = json!({ "token": "a".repeat(TOKEN_SIZE + 1) }).to_string();
    let cases = [
        ("null", TokenRefusal::Malformed),
        ("\"token\"", TokenRefusal::Malformed),
        ("[\"token\",\"abc\"]", TokenRefusal::Malformed),
        ("1", TokenRefusal::Malformed),
        ("{", TokenRefusal::Malformed),
        (r#"{"token":"abc"}x"#, TokenRefusal::Malformed),
        (r#"{"token":"abc",}"#, TokenRefusal::Malformed),
        (r#"{"token":"abc"}{"token":"abd"}"#, TokenRefusal::Malformed),
        (r#"{'token':'abc'}"#, TokenRefusal::Malformed),
        (r#"{"token":"abc","x":NaN}"#, TokenRefusal::Malformed),
        (r#"{"token":"abc","x":01}"#, TokenRefusal::Malformed),
        (r#"{"token":"abc","\ud800":1}"#, TokenRefusal::Malformed),
        (r#"{"token":1}"#, TokenRefusal::Malformed),
        (r#"{"token":true}"#, TokenRefusal::Malformed),
        (r#"{"token":["abc"]}"#, TokenRefusal::Malformed),
        (r#"{"token":{"abc":1}}"#, TokenRefusal::Malformed),
        (r#"{"token":"a b"}"#, TokenRefusal::Malformed),
        (r#"{"token":"a\r\nX-Auth-Subject: root"}"#, TokenRefusal::Malformed),
        (r#"{"token":"a\u0000"}"#, TokenRefusal::Malformed),
        (r#"{"token":"é"}"#, TokenRefusal::Malformed),
        (r#"{"token":"\ud800"}"#, TokenRefusal::Malformed),
        (r#"{"token":"abc","token":"abd"}"#, TokenRefusal::DuplicateKey),
        (r#"{"token":"abc","t\u006fken":"abc"}"#, TokenRefusal::DuplicateKey),
        (r#"{"x":1,"token":"abc","x":2}"#, TokenRefusal::DuplicateKey),
        (deep.as_str(), TokenRefusal::TooLarge),
        (deeper.as_str(), TokenRefusal::TooLarge),
        (large.as_str(), TokenRefusal::TooLarge),
    ];
    for (payload, refusal) in cases {
        assert_eq!(token(payload, "token"), Err(refusal), "{}", &payload[..payload.len().min(80)]);
    }
    for (payload, refusal) in [
        (r#"{"user":"abc"}"#, TokenRefusal::Malformed),
        (r#"{"user":[{"token":"abc"}]}"#, TokenRefusal::Malformed),
        (r#"{"user":{"token":"abc","token":"abd"}}"#, TokenRefusal::DuplicateKey),
        (r#"{"user":{"token":"abc"},"user":{}}"#, TokenRefusal::DuplicateKey),
    ] {
        assert_eq!(token(payload, "user.token"), Err(refusal), "{payload}");
    }
    let exact = "a".repeat(TOKEN_SIZE);
    assert_eq!(token(&json!({ "token": exact }).to_string(), "token"), Ok(Some(exact)));
}

#[test]
fn the_packet_counts_first_only_where_it_is_named_first() {
    let places = |from: &[&str]| Places::parse(&from.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).expect("places");
    let first = places(&["connect:token", "header"]);
    assert_eq!(first.preferred(Some("packet"), Some("request")), Some("packet"));
    assert_eq!(first.preferred(None, Some("request")), Some("request"));
    let second = places(&["header", "connect:token"]);
    assert_eq!(second.preferred(Some("packet"), Some("request")), Some("request"));
    assert_eq!(second.preferred(Some("packet"), None), Some("packet"));
    assert_eq!(first.preferred::<&str>(None, None), None);
}

proptest! {
    #[test]
    fn no_payload_makes_it_panic_and_what_is_found_was_sent(payload in "\\PC{0,64}|[{}\\[\\]\",:a-z\\\\u0-9]{0,64}") {
        if let Ok(Some(found)) = token(&payload, "token") {
            let value: serde_json::Value = serde_json::from_str(&payload).expect("it was read");
            prop_assert_eq!(value["token"].as_str(), Some(found.as_str()));
        }
    }

    #[test]
    fn any_sound_token_is_found(text in "[!-~]{1,100}", before in any::<Option<i32>>()) {
        let payload = json!({ "before": before, "user": { "token": text } }).to_string();
        prop_assert_eq!(token(&payload, "user.token"), Ok(Some(text)));
    }
}
