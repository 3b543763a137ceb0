//! WebSocket handshakes of clients: what is one, over either version of HTTP, and what is answered to it.

use http::{HeaderValue, Method, Request, Version, request::Parts};
use hyper::ext::Protocol;
use proptest::prelude::*;
use sockgate::http::upgrade::{self, UpgradeError};

/// Section 1.3 of RFC 6455.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const GOOD: [(&str, &str); 4] =
    [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-key", KEY), ("sec-websocket-version", "13")];

fn parts(lines: &[(&str, &str)]) -> Parts {
    let request = lines.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request").into_parts().0
}

/// The good handshake with other lines in place of those of the same names.
fn with(lines: &[(&str, &str)]) -> Parts {
    let kept = GOOD.iter().filter(|(name, _)| !lines.iter().any(|(other, _)| other == name));
    parts(&kept.chain(lines).copied().collect::<Vec<_>>())
}

fn without(name: &str) -> Parts {
    parts(&GOOD.iter().filter(|(known, _)| *known != name).copied().collect::<Vec<_>>())
}

fn http2(lines: &[(&str, &str)], protocol: &'static str) -> Parts {
    let mut parts = parts(lines);
    parts.method = Method::CONNECT;
    parts.version = Version::HTTP_2;
    parts.extensions.insert(Protocol::from_static(protocol));
    parts
}

#[test]
fn the_example_of_the_rfc_is_accepted_as_it_says() {
    assert_eq!(upgrade::accept_key(KEY), ACCEPT);
    let ask = upgrade::read(&parts(&GOOD)).expect("a handshake");
    assert!(ask.protocols.is_empty());
    let answer = upgrade::accept(&ask, None);
    assert_eq!(answer.status(), 101);
    let said: Vec<_> = answer.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
    assert_eq!(said, [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", ACCEPT)]);
}

#[test]
fn the_chosen_protocol_is_said() {
    let ask = upgrade::read(&with(&[("sec-websocket-protocol", "chat")])).expect("a handshake");
    let answer = upgrade::accept(&ask, Some(&HeaderValue::from_static("chat")));
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
}

#[test]
fn an_extended_connect_is_answered_200_and_nothing_of_http1() {
    let version = [("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat")];
    let ask = upgrade::read(&http2(&version, "websocket")).expect("a handshake");
    assert_eq!(ask.protocols, ["chat"]);
    let answer = upgrade::accept(&ask, Some(&HeaderValue::from_static("chat")));
    assert_eq!(answer.status(), 200);
    let said: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(said, ["sec-websocket-protocol"]);
}

#[test]
fn names_are_compared_without_case_and_lists_may_have_more() {
    for lines in [
        &[("upgrade", "WebSocket")][..],
        &[("upgrade", " websocket ")],
        &[("connection", "keep-alive, UPGRADE")],
        &[("connection", "keep-alive"), ("connection", "upgrade")],
        &[("content-length", "0")],
    ] {
        assert!(upgrade::read(&with(lines)).is_ok(), "{lines:?}");
    }
}

#[test]
fn a_handshake_that_is_none_is_refused_for_what_is_wrong() {
    let cases: [(&[(&str, &str)], UpgradeError); 21] = [
        (&[("upgrade", "h2c")], UpgradeError::Protocol),
        (&[("upgrade", "websocket, h2c")], UpgradeError::Protocol),
        (&[("upgrade", "websocket/13")], UpgradeError::Protocol),
        (&[("upgrade", "websocket"), ("upgrade", "websocket")], UpgradeError::Protocol),
        (&[("upgrade", "")], UpgradeError::Protocol),
        (&[("connection", "close")], UpgradeError::Connection),
        (&[("connection", "x-upgrade")], UpgradeError::Connection),
        (&[("sec-websocket-key", "")], UpgradeError::Key),
        (&[("sec-websocket-key", "c2hvcnQ=")], UpgradeError::Key),
        (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZSE=")], UpgradeError::Key),
        (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")], UpgradeError::Key),
        (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR==")], UpgradeError::Key),
        (&[("sec-websocket-key", "****************")], UpgradeError::Key),
        (&[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)], UpgradeError::Key),
        (&[("sec-websocket-version", "8")], UpgradeError::Version),
        (&[("sec-websocket-version", "777")], UpgradeError::Version),
        (&[("sec-websocket-version", "13, 8")], UpgradeError::Version),
        (&[("sec-websocket-version", "13"), ("sec-websocket-version", "13")], UpgradeError::Version),
        (&[("content-length", "5")], UpgradeError::Body),
        (&[("content-length", "00")], UpgradeError::Body),
        (&[("transfer-encoding", "chunked")], UpgradeError::Body),
    ];
    for (lines, error) in cases {
        assert_eq!(upgrade::read(&with(lines)), Err(error), "{lines:?}");
    }
    for (name, error) in [
        ("upgrade", UpgradeError::Protocol),
        ("connection", UpgradeError::Connection),
        ("sec-websocket-key", UpgradeError::Key),
        ("sec-websocket-version", UpgradeError::Version),
    ] {
        assert_eq!(upgrade::read(&without(name)), Err(error), "no {name}");
    }
}

#[test]
fn other_requests_are_no_handshakes() {
    let mut post = parts(&GOOD);
    post.method = Method::POST;
    let mut old = parts(&GOOD);
    old.version = Version::HTTP_10;
    let mut without_protocol = parts(&GOOD);
    without_protocol.method = Method::CONNECT;
    for request in [post, old, without_protocol] {
        assert_eq!(upgrade::read(&request), Err(UpgradeError::Request), "{request:?}");
    }
    let version = [("sec-websocket-version", "13")];
    assert_eq!(upgrade::read(&http2(&version, "connect-udp")), Err(UpgradeError::Protocol));
    assert_eq!(upgrade::read(&http2(&[], "websocket")), Err(UpgradeError::Version));
    let mut get = http2(&version, "websocket");
    get.method = Method::GET;
    assert_eq!(upgrade::read(&get), Err(UpgradeError::Protocol), "the protocol belongs to CONNECT");
}

#[test]
fn subprotocols_are_tokens_and_not_many() {
    let offer = |value: &str| upgrade::read(&with(&[("sec-websocket-protocol", value)])).map(|ask| ask.protocols);
    assert_eq!(offer("chat,superchat , v2.x").expect("a list"), ["chat", "superchat", "v2.x"]);
    let lines = [("sec-websocket-protocol", "b, a"), ("sec-websocket-protocol", "c")];
    assert_eq!(upgrade::read(&with(&lines)).expect("two lines").protocols, ["b", "a", "c"], "in the order of the offer");
    let many = |count: usize| vec!["p"; count].join(",");
    assert_eq!(offer(&many(16)).map(|protocols| protocols.len()), Ok(16));
    for bad in [&many(17), "", "a,,b", "a,", "a b", "a\"b", "(a)", "a;b", &",".repeat(20_000)] {
        assert_eq!(offer(bad), Err(UpgradeError::Subprotocols), "{bad:.40}");
    }
}

proptest! {
    #[test]
    fn a_key_is_sixteen_bytes_and_its_answer_twenty(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let key = STANDARD.encode(&bytes);
        let read = upgrade::read(&with(&[("sec-websocket-key", &key)]));
        prop_assert_eq!(read.is_ok(), bytes.len() == 16);
        let accept = STANDARD.decode(upgrade::accept_key(&key)).expect("base64");
        prop_assert_eq!(accept.len(), 20);
    }
}
