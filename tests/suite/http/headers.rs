//! Headers that must not pass, in every spelling.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::prelude::*;
use sockgate::http::headers::{self, NameSet, Repeated, TooMany};

/// A map of what is written as lines.
pub fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) { (name.parse().unwrap(), value.parse().unwrap()) };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_single_value_is_single() {
    let headers = map(&[("authorization", "Bearer a"), ("origin", "https://a"), ("origin", "https://a")]);
    assert_eq!(headers::single(&headers, header::AUTHORIZATION).unwrap().unwrap(), "Bearer a");
    assert_eq!(headers::single(&headers, "origin"), Err(Repeated));
    assert_eq!(headers::single(&headers, "cookie"), Ok(None));
}

#[test]
fn connection_is_a_list_over_all_its_lines() {
    let headers = map(&[("connection", "keep-alive,  Upgrade\t,"), ("connection", ", x")]);
    assert_eq!(headers::tokens(&headers, header::CONNECTION), Ok(vec!["keep-alive", "Upgrade", "x"]));
    assert!(headers::has_token(&headers, header::CONNECTION, "upgrade"));
    assert!(!headers::has_token(&headers, header::CONNECTION, "up"));
    assert!(!headers::has_token(&map(&[("connection", "not-upgrade, upgrade2")]), header::CONNECTION, "upgrade"));
}

#[test]
fn lists_have_at_most_16_items() {
    let list = |items: usize| map(&[("connection", &vec!["x"; items].join(","))]);
    assert_eq!(headers::tokens(&list(16), header::CONNECTION).map(|items| items.len()), Ok(16));
    assert_eq!(headers::tokens(&list(17), header::CONNECTION), Err(TooMany));
    assert_eq!(headers::tokens(&list(300), header::CONNECTION), Err(TooMany));
}

#[test]
fn hop_by_hop_headers_and_those_connection_names_are_dropped() {
    let mut headers = map(&[
        ("Connection", "close, X-Secret, x-user-id"),
        ("Connection", "Keep-Alive, not a name, Host, Content-Length"),
        ("X-Secret", "1"),
        ("X-Secret", "2"),
        ("X-User-Id", "1"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic x"),
        ("Proxy-Authenticate", "Basic"),
        ("Host", "a"),
        ("Content-Length", "5"),
        ("Accept", "*/*"),
    ]);
    headers::drop_hop_by_hop(&mut headers);
    assert_eq!(names(&headers), ["accept", "content-length", "host"]);
}

#[test]
fn an_unreadable_item_does_not_hide_what_connection_names() {
    let mut headers = map(&[("x-secret", "1")]);
    headers.insert("connection", HeaderValue::from_bytes(b"\xff, x-secret").unwrap());
    headers::drop_hop_by_hop(&mut headers);
    assert_eq!(names(&headers), Vec::<&str>::new());
}

#[test]
fn identity_names_are_dropped_in_every_spelling() {
    let set = NameSet::new(["X-User-Id", "X-Auth-*", " Remote_User "]);
    let headers = map(&[
        ("X-User-Id", "1"),
        ("X-User-Id", "2"),
        ("x_user_id", "3"),
        ("X-User_Id", "4"),
        ("X-AUTH-ROLES", "admin"),
        ("x_auth_", "x"),
        ("remote-user", "root"),
        ("X-User", "kept"),
        ("X-Author", "kept"),
        ("X-User-Id2", "kept"),
    ]);
    assert_eq!(names(&headers::without(&headers, &set, 0)), ["x-author", "x-user", "x-user-id2"]);
}

#[test]
fn a_copy_keeps_every_value_of_what_stays_and_nothing_that_connection_names() {
    let headers =
        map(&[("accept", "a"), ("x-list", "1"), ("Connection", "x-mine, HOST"), ("X-Mine", "1"), ("host", "a"), ("x-list", "2")]);
    let kept = headers::without(&headers, &NameSet::new(["connection"]), 4);
    assert_eq!(names(&kept), ["accept", "x-list"]);
    assert_eq!(kept.get_all("x-list").iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn an_apps_cors_headers_are_dropped() {
    let mut headers = map(&[
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Origin", "https://a"),
        ("Access-Control-Expose-Headers", "x"),
        ("Access-Control-Something-New", "x"),
        ("Vary", "Accept"),
    ]);
    headers::drop_cors(&mut headers);
    assert_eq!(names(&headers), ["vary"]);
}

#[test]
fn a_cookie_is_found_among_all_fields() {
    let headers = map(&[("cookie", "a=1; token2=no;token = abc ; x"), ("cookie", "token=\"second\"; e=")]);
    assert_eq!(headers::cookie(&headers, "token"), Some("abc"));
    assert_eq!(headers::cookies(&headers, "token").collect::<Vec<_>>(), ["abc", "second"]);
    assert_eq!(headers::cookie(&headers, "e"), Some(""));
    assert_eq!(headers::cookie(&headers, "x"), None);
    assert_eq!(headers::cookie(&headers, "Token"), None);
    assert_eq!(headers::cookie(&headers, ""), None);
}

#[test]
fn a_token_cookie_is_cut_and_the_rest_joined() {
    let mut headers = map(&[("cookie", "a=1; token=abc; b=\"x y\""), ("cookie", "token =d"), ("cookie", "c=3;;")]);
    headers::without_cookie(&mut headers, &["token".into(), "io".into()]);
    assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=\"x y\"; c=3"]);

    let mut headers = map(&[("cookie", "token=abc")]);
    headers::without_cookie(&mut headers, &["token".into()]);
    assert!(headers.is_empty());
}

#[test]
fn cookies_that_are_not_text_pass_untouched() {
    let mut headers = HeaderMap::new();
    headers.insert("cookie", HeaderValue::from_bytes(b"a=\xe9; token=x").unwrap());
    headers::without_cookie(&mut headers, &["token".into()]);
    assert_eq!(headers["cookie"].as_bytes(), b"a=\xe9");
    assert_eq!(headers::cookie(&headers, "a"), None);
}

proptest! {
    #[test]
    fn no_cookie_of_a_cut_name_survives(value in "([a-c=; \"]|to|token){0,20}") {
        let mut headers = map(&[("cookie", &value)]);
        headers::without_cookie(&mut headers, &["token".into()]);
        prop_assert_eq!(headers::cookie(&headers, "token"), None);
    }

    #[test]
    fn what_connection_names_never_survives(name in "[a-z]{1,8}", other in "[a-z ,]{0,12}") {
        let mut headers = map(&[("connection", &format!("{other},{name}")), (&format!("x-{name}"), "kept"), (&name, "1")]);
        headers::drop_hop_by_hop(&mut headers);
        prop_assert!(name == "host" || !headers.contains_key(&name));
    }
}
