//! Where a token is found, and when two places contradict each other.

use std::borrow::Cow;

use http::HeaderValue;
use sockgate::policy::auth::{Carrier, Places, TOKEN_SIZE, TokenRefusal, token_tag};

/// A request by what of it may hold a token.
#[derive(Clone, Default)]
struct Ask {
    headers: Vec<String>,
    cookies: Vec<(&'static str, String)>,
    query: Vec<(&'static str, String)>,
    protocols: Vec<&'static str>,
}

fn places(from: &[&str]) -> Places {
    Places::parse(&from.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).expect("these are places")
}

fn find(from: &[&str], ask: &Ask) -> Result<Option<(String, String)>, TokenRefusal> {
    let headers: Vec<HeaderValue> = ask.headers.iter().map(|text| HeaderValue::from_str(text).expect("a value")).collect();
    let query: Vec<(Cow<str>, Cow<str>)> =
        ask.query.iter().map(|(name, value)| (Cow::from(*name), Cow::from(value.as_str()))).collect();
    let cookies = |name: &str| {
        ask.cookies.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()).collect::<Vec<&str>>()
    };
    let places = places(from);
    let carrier =
        Carrier { authorization: headers.iter().collect(), cookies: &cookies, query: &query, subprotocols: &ask.protocols };
    places.find(&carrier).map(|found| found.map(|found| (found.place.to_string(), found.token.to_owned())))
}

const ALL: [&str; 4] = ["header", "cookie:token", "query:token", "subprotocol"];

fn found(place: &str, token: &str) -> Result<Option<(String, String)>, TokenRefusal> {
    Ok(Some((place.to_owned(), token.to_owned())))
}

fn header(text: &str) -> Ask {
    Ask { headers: vec![text.to_owned()], ..Ask::default() }
}

fn query(value: &str) -> Ask {
    Ask { query: vec![("token", value.to_owned())], ..Ask::default() }
}

#[test]
fn a_token_is_found_in_each_place() {
    assert_eq!(find(&ALL, &Ask::default()), Ok(None));
    assert_eq!(find(&ALL, &header("Bearer a.b.c")), found("header", "a.b.c"));
    assert_eq!(find(&ALL, &header("bEaReR   a.b.c")), found("header", "a.b.c"));
    assert_eq!(find(&ALL, &Ask { cookies: vec![("token", "a.b.c".into())], ..Ask::default() }), found("cookie:token", "a.b.c"));
    assert_eq!(find(&ALL, &query("a.b.c")), found("query:token", "a.b.c"));
    let pair = Ask { protocols: vec!["chat", "bearer", "a.b.c"], ..Ask::default() };
    assert_eq!(find(&ALL, &pair), found("subprotocol", "a.b.c"));
}

#[test]
fn places_that_are_not_configured_are_not_looked_at() {
    assert_eq!(find(&["cookie:token"], &header("Basic YTpi")), Ok(None));
    assert_eq!(find(&["header"], &query("a.b.c")), Ok(None));
    assert_eq!(find(&["query:token"], &Ask { query: vec![("Token", "x".into())], ..Ask::default() }), Ok(None));
}

#[test]
fn the_first_place_decides_and_others_must_agree() {
    let both = |one: &str, other: &str| Ask { headers: vec![format!("Bearer {one}")], ..query(other) };
    assert_eq!(find(&ALL, &both("a.b.c", "a.b.c")), found("header", "a.b.c"));
    assert_eq!(find(&["query:token", "header"], &both("a.b.c", "a.b.c")), found("query:token", "a.b.c"));
    assert_eq!(find(&ALL, &both("a.b.c", "a.b.d")), Err(TokenRefusal::Disagree));
    let third = Ask { protocols: vec!["bearer", "x.y.z"], ..both("a.b.c", "a.b.c") };
    assert_eq!(find(&ALL, &third), Err(TokenRefusal::Disagree));
}

#[test]
fn what_is_not_one_whole_token_is_refused_and_never_skipped() {
    let malformed = [
        "Basic YTpi",
        "Bearer",
        "Bearer ",
        "a.b.c",
        "Bearer a.b.c, Bearer d.e.f",
        "Bearer a.b.c d",
        "Bearer \"a.b.c\"",
        "Bearer a.b.c;",
        "Bearer a,b",
        "Bearer\ta.b.c",
        "",
    ];
    for text in malformed {
        let with_good_query = Ask { headers: vec![text.to_owned()], ..query("a.b.c") };
        assert_eq!(find(&ALL, &with_good_query), Err(TokenRefusal::Malformed), "{text:?}");
    }
    for value in ["a b", "a\nb", "a\0b", "ä", "a,b", " a"] {
        assert_eq!(find(&ALL, &query(value)), Err(TokenRefusal::Malformed), "{value:?}");
    }
    let no_pair = Ask { protocols: vec!["chat", "bearer"], ..Ask::default() };
    assert_eq!(find(&ALL, &no_pair), Err(TokenRefusal::Malformed));
}

#[test]
fn two_tokens_in_one_place_are_refused() {
    let headers = Ask { headers: vec!["Bearer a.b.c".into(), "Bearer a.b.c".into()], ..Ask::default() };
    assert_eq!(find(&ALL, &headers), Err(TokenRefusal::Repeated));
    let parameters = Ask { query: vec![("token", "a".into()), ("x", "1".into()), ("token", "a".into())], ..Ask::default() };
    assert_eq!(find(&ALL, &parameters), Err(TokenRefusal::Repeated));
    let cookies = |other: &str| Ask { cookies: vec![("token", "a.b.c".into()), ("token", other.into())], ..Ask::default() };
    assert_eq!(find(&ALL, &cookies("d.e.f")), Err(TokenRefusal::Repeated));
    assert_eq!(find(&ALL, &cookies("a.b.c")), found("cookie:token", "a.b.c"));
    let protocols = Ask { protocols: vec!["bearer", "a.b.c", "bearer", "a.b.c"], ..Ask::default() };
    assert_eq!(find(&ALL, &protocols), Err(TokenRefusal::Repeated));
}

#[test]
fn an_empty_cookie_or_parameter_is_no_token() {
    let signed_out = Ask { cookies: vec![("token", String::new())], ..query("") };
    assert_eq!(find(&ALL, &signed_out), Ok(None));
}

#[test]
fn a_token_has_at_most_8_kib() {
    let exact = "a".repeat(TOKEN_SIZE);
    assert_eq!(find(&ALL, &query(&exact)), found("query:token", &exact));
    assert_eq!(find(&ALL, &query(&format!("{exact}a"))), Err(TokenRefusal::TooLarge));
    assert_eq!(find(&ALL, &header(&format!("Bearer {}", "a".repeat(60_000)))), Err(TokenRefusal::TooLarge));
}

#[test]
fn places_are_judged_all_at_once() {
    let from = ["header", "cookies:x", "query:sid", "cookie:", "header", "query:a b", "cookie:a=b", ""].map(str::to_owned);
    let problems = Places::parse(&from).expect_err("most of these are no places");
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        ["auth.from[1]", "auth.from[2]", "auth.from[3]", "auth.from[4]", "auth.from[5]", "auth.from[6]", "auth.from[7]"]
    );
    assert!(Places::parse(&[]).is_err());
    let places = places(&["header", "cookie:a", "query:b", "cookie:c"]);
    assert_eq!(places.cookie_names(), ["a", "c"]);
    assert_eq!(places.query_names(), ["b"]);
}

#[test]
fn a_found_token_does_not_print() {
    let places = places(&["query:token"]);
    let query = [(Cow::from("token"), Cow::from("secret.secret.secret"))];
    let carrier = Carrier { authorization: vec![], cookies: &|_| vec![], query: &query, subprotocols: &[] };
    let found = places.find(&carrier).expect("a token").expect("a token");
    assert_eq!(format!("{found:?}"), "a token from query:token");
}

#[test]
fn a_tag_recognises_the_same_token_only() {
    assert_eq!(token_tag("a.b.c"), token_tag("a.b.c"));
    assert_ne!(token_tag("a.b.c"), token_tag("a.b.d"));
    // SHA-256 of nothing begins so.
    assert_eq!(token_tag("")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
}
