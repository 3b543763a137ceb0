//! The strict reading of headers and claims.

use proptest::prelude::*;
use serde_json::{Value, json};
use sockgate::policy::auth::{Claims, Header, StrictError, TokenRefusal, strict_object};

fn claims(value: Value) -> Claims {
    Claims::read(value.to_string().as_bytes()).expect("an object")
}

#[test]
fn only_one_whole_object_with_one_meaning_is_read() {
    use StrictError::{DuplicateKey, Malformed, TooDeep};
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let lists = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let cases: Vec<(String, Result<(), StrictError>)> = vec![
        ("{}".into(), Ok(())),
        (" {\"a\": [1, {\"a\": null}]} ".into(), Ok(())),
        (nested(32), Ok(())),
        (nested(33), Err(TooDeep)),
        (lists(32), Ok(())),
        (lists(33), Err(TooDeep)),
        (nested(3000), Err(TooDeep)),
        ("[".repeat(8000), Err(TooDeep)),
        ("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}".into(), Ok(())),
        ("{\"a\":1,\"a\":1}".into(), Err(DuplicateKey)),
        ("{\"a\":1,\"\\u0061\":2}".into(), Err(DuplicateKey)),
        ("{\"x\":{\"a\":1,\"b\":{\"c\":1,\"c\":2}}}".into(), Err(DuplicateKey)),
        ("{\"x\":[{\"a\":1,\"a\":2}]}".into(), Err(DuplicateKey)),
        ("{\"a\":1}{\"a\":1}".into(), Err(Malformed)),
        ("{\"a\":1} x".into(), Err(Malformed)),
        ("[]".into(), Err(Malformed)),
        ("\"text\"".into(), Err(Malformed)),
        ("null".into(), Err(Malformed)),
        ("".into(), Err(Malformed)),
        ("{\"a\":1e400}".into(), Err(Malformed)),
        ("{\"a\":NaN}".into(), Err(Malformed)),
        ("{\"a\":01}".into(), Err(Malformed)),
        ("{\"a\":1,}".into(), Err(Malformed)),
        ("{\"a\":\"\\ud800\"}".into(), Err(Malformed)),
        ("{\"a\":\"\n\"}".into(), Err(Malformed)),
        ("\u{feff}{}".into(), Err(Malformed)),
    ];
    for (text, outcome) in cases {
        assert_eq!(strict_object(text.as_bytes()).map(drop), outcome, "{}", &text[..text.len().min(80)]);
    }
    assert_eq!(strict_object(b"{\"a\":\"\xff\"}"), Err(Malformed));
    assert_eq!(strict_object(b"{\"a\":\"\xc0\xaf\"}"), Err(Malformed));
}

#[test]
fn a_header_is_an_algorithm_and_perhaps_a_key() {
    use TokenRefusal::{Critical, DuplicateKey, Kind, Malformed};
    let cases = [
        (json!({ "alg": "RS256" }).to_string(), Ok(None)),
        (json!({ "alg": "RS256", "kid": "../../etc/passwd' OR 1=1" }).to_string(), Ok(Some("../../etc/passwd' OR 1=1"))),
        (json!({ "alg": "RS256", "jku": "http://evil/", "x5u": "http://evil/", "jwk": {}, "x5c": [] }).to_string(), Ok(None)),
        (json!({ "alg": "RS256", "typ": "at+jwt" }).to_string(), Ok(None)),
        (json!({ "alg": "RS256", "typ": "application/AT+JWT" }).to_string(), Ok(None)),
        (json!({ "alg": "RS256", "typ": "something" }).to_string(), Ok(None)),
        (json!({ "alg": "RS256", "typ": "logout+jwt" }).to_string(), Err(Kind)),
        (json!({ "alg": "RS256", "typ": "dpop+JWT" }).to_string(), Err(Kind)),
        (json!({ "alg": "RS256", "typ": 1 }).to_string(), Err(Malformed)),
        (json!({ "alg": "RS256", "kid": { "a": 1 } }).to_string(), Err(Malformed)),
        (json!({ "alg": "RS256", "kid": 7 }).to_string(), Err(Malformed)),
        (json!({ "alg": "RS256", "kid": null }).to_string(), Err(Malformed)),
        (json!({ "alg": ["RS256"] }).to_string(), Err(Malformed)),
        (json!({ "alg": null }).to_string(), Err(Malformed)),
        (json!({}).to_string(), Err(Malformed)),
        (json!({ "alg": "RS256", "crit": ["exp"] }).to_string(), Err(Critical)),
        (json!({ "alg": "RS256", "crit": [] }).to_string(), Err(Critical)),
        (json!({ "alg": "RS256", "b64": false }).to_string(), Err(Critical)),
        (json!({ "alg": "RS256", "zip": "DEF" }).to_string(), Err(Critical)),
        ("{\"alg\":\"none\",\"alg\":\"RS256\"}".to_owned(), Err(DuplicateKey)),
    ];
    for (text, outcome) in cases {
        let read = Header::read(text.as_bytes()).map(|header| header.key);
        assert_eq!(read, outcome.map(|key| key.map(str::to_owned)), "{text}");
    }
}

#[test]
fn times_are_plain_numbers_of_seconds() {
    let cases = [
        ("9", Ok(Some(9))),
        ("9.7", Ok(Some(9))),
        ("0", Ok(Some(0))),
        ("1.8e9", Ok(Some(1_800_000_000))),
        ("9007199254740992", Ok(Some(9_007_199_254_740_992))),
        ("18446744073709551615", Err(TokenRefusal::Timestamp)),
        ("1e300", Err(TokenRefusal::Timestamp)),
        ("-1", Err(TokenRefusal::Timestamp)),
        ("-0.5", Err(TokenRefusal::Timestamp)),
        ("\"9\"", Err(TokenRefusal::Timestamp)),
        ("null", Err(TokenRefusal::Timestamp)),
        ("true", Err(TokenRefusal::Timestamp)),
        ("[9]", Err(TokenRefusal::Timestamp)),
        ("{}", Err(TokenRefusal::Timestamp)),
    ];
    for (text, outcome) in cases {
        let claims = Claims::read(format!("{{\"exp\":{text}}}").as_bytes()).expect("an object");
        assert_eq!(claims.seconds("exp"), outcome, "{text}");
    }
    assert_eq!(Claims::default().seconds("exp"), Ok(None));
}

#[test]
fn a_path_is_a_name_first_and_steps_second() {
    let claims = claims(json!({
        "user": { "id": 7, "name": { "first": "Ana" } }, "https://app.example.com/roles": ["x"], "a.b": 1, "a": { "b": 2 },
    }));
    assert_eq!(claims.at("user.id"), Some(&json!(7)));
    assert_eq!(claims.at("user.name.first"), Some(&json!("Ana")));
    assert_eq!(claims.at("https://app.example.com/roles"), Some(&json!(["x"])));
    assert_eq!(claims.at("a.b"), Some(&json!(1)));
    for missing in ["", "user.", "user.id.x", ".user", "nobody", "user.Id"] {
        assert_eq!(claims.at(missing), None, "{missing}");
    }
}

#[test]
fn a_label_is_printable_or_a_whole_number() {
    let label = |value: Value| claims(json!({ "sub": value })).label("sub", TokenRefusal::Subject);
    assert_eq!(label(json!("ana@example.com|7")), Ok(Some("ana@example.com|7".into())));
    assert_eq!(label(json!(42)), Ok(Some("42".into())));
    assert_eq!(label(json!(-42)), Ok(Some("-42".into())));
    assert_eq!(label(json!("x".repeat(256))), Ok(Some("x".repeat(256))));
    let wrong = [
        json!(""),
        json!("x".repeat(257)),
        json!("a b"),
        json!("a\r\nX-Admin: 1"),
        json!("a\0"),
        json!("\u{202e}ana"),
        json!("änne"),
        json!(1.5),
        json!(1e20),
        json!(null),
        json!(true),
        json!({ "id": 1 }),
        json!(["ana"]),
        json!("\u{7f}"),
    ];
    for value in wrong {
        assert_eq!(label(value.clone()), Err(TokenRefusal::Subject), "{value}");
    }
}

#[test]
fn roles_are_a_list_or_a_text() {
    let roles = |value: Value| claims(json!({ "roles": value })).texts("roles", TokenRefusal::Roles);
    let are = |texts: &[&str]| Ok(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    assert_eq!(roles(json!(["admin", "Team Lead", "größe"])), are(&["admin", "Team Lead", "größe"]));
    assert_eq!(roles(json!("read:a write:b, c")), are(&["read:a", "write:b", "c"]));
    assert_eq!(roles(json!("")), are(&[]));
    assert_eq!(roles(json!([])), are(&[]));
    assert_eq!(Claims::default().texts("roles", TokenRefusal::Roles), are(&[]));
    for value in [
        json!(["a", 1]),
        json!([["a"]]),
        json!(null),
        json!(1),
        json!({ "admin": true }),
        json!([""]),
        json!(["a\nb"]),
        json!("a\rb"),
    ] {
        assert_eq!(roles(value.clone()), Err(TokenRefusal::Roles), "{value}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = strict_object(&bytes);
        let _ = Header::read(&bytes);
    }

    #[test]
    fn what_is_read_is_what_every_reader_reads(text in "\\{(\"[ab]\":(1|null|\\[1,2\\]|\"x\"|\\{\"c\":true\\}),?){0,4}\\}") {
        match strict_object(text.as_bytes()) {
            Ok(map) => prop_assert_eq!(Value::Object(map), serde_json::from_str::<Value>(&text).expect("both read it")),
            Err(StrictError::DuplicateKey) => prop_assert!(text.matches("\"a\":").count() > 1 || text.matches("\"b\":").count() > 1),
            Err(_) => prop_assert!(serde_json::from_str::<Value>(&text).is_err()),
        }
    }
}
