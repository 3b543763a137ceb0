//! Request heads: what passes, what each hostile form is refused for, and what Engine.IO is asked.

use http::{Method, Request, StatusCode, Version, request::Parts};
use hyper::ext::Protocol;
use proptest::prelude::*;
use sockgate::codec::engine::Revision;
use sockgate::http::{
    Head, HeadError,
    head::{self, EngineAsk, HeadShape, Step, Transport, Upgrade},
    path::PathError,
};
use sockgate::policy::Refused;

const SHAPE: HeadShape = HeadShape { url_size: 8192, head_size: 16_384, head_count: 64 };

/// A request as hyper gives it to us: HTTP/1.1, `Host: app` unless another is among the headers.
fn http1(method: &str, target: &str, lines: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    if !lines.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", "app");
    }
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn http2(method: &str, target: &str, lines: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target).version(Version::HTTP_2);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn extended_connect(target: &str, protocol: &'static str) -> Parts {
    let mut parts = http2("CONNECT", target, &[]);
    parts.extensions.insert(Protocol::from_static(protocol));
    parts
}

fn read(parts: &Parts) -> Result<Head, HeadError> {
    Head::read(parts, &SHAPE)
}

const WEBSOCKET: [(&str, &str); 2] = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];

fn status_of(error: HeadError) -> StatusCode {
    Refused::from(error).refusal.status()
}

#[test]
fn a_plain_request_is_read() {
    let head = read(&http1("POST", "/a/b?x=1&y", &[("host", "App.Example:8443"), ("content-length", "5")])).unwrap();
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.host.to_string(), "app.example:8443");
    assert_eq!(head.path, "/a/b");
    assert_eq!(head.query.as_str(), "x=1&y");
    assert_eq!(head.upgrade, None);
}

#[test]
fn only_known_methods_pass() {
    for method in ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert!(read(&http1(method, "/", &[])).is_ok(), "{method}");
        assert!(read(&http2(method, "https://app/", &[])).is_ok(), "{method}");
    }
    let cases = [
        ("TRACE", HeadError::Method, StatusCode::METHOD_NOT_ALLOWED),
        ("CONNECT", HeadError::Method, StatusCode::METHOD_NOT_ALLOWED),
        ("get", HeadError::UnknownMethod, StatusCode::NOT_IMPLEMENTED),
        ("PROPFIND", HeadError::UnknownMethod, StatusCode::NOT_IMPLEMENTED),
        ("PRI", HeadError::UnknownMethod, StatusCode::NOT_IMPLEMENTED),
    ];
    for (method, error, status) in cases {
        assert_eq!(read(&http1(method, "/", &[])), Err(error), "{method}");
        assert_eq!(status_of(error), status);
    }
    assert_eq!(read(&http1("CONNECT", "app:443", &[])), Err(HeadError::Method));
    assert_eq!(read(&http2("CONNECT", "app:443", &[])), Err(HeadError::Method));
}

#[test]
fn exactly_one_well_formed_host_is_named() {
    let mut without_host = http1("GET", "/", &[]);
    without_host.headers.remove("host");
    assert_eq!(read(&without_host), Err(HeadError::HostMissing));
    without_host.version = Version::HTTP_10;
    assert_eq!(read(&without_host), Err(HeadError::HostMissing));

    let cases: [(&str, &[(&str, &str)], HeadError); 12] = [
        ("/", &[("host", "a"), ("host", "a")], HeadError::HostRepeated),
        ("/", &[("host", "a"), ("Host", "b")], HeadError::HostRepeated),
        ("/", &[("host", "")], HeadError::HostMalformed),
        ("/", &[("host", "a b")], HeadError::HostMalformed),
        ("/", &[("host", "a/b")], HeadError::HostMalformed),
        ("/", &[("host", "a@b")], HeadError::HostMalformed),
        ("/", &[("host", "a, b")], HeadError::HostMalformed),
        ("http://b/", &[("host", "a")], HeadError::HostDisagrees),
        ("http://a:81/", &[("host", "a")], HeadError::HostDisagrees),
        ("http://user@a/", &[("host", "a")], HeadError::HostMalformed),
        ("ftp://a/", &[("host", "a")], HeadError::Target),
        ("ws://a/", &[("host", "a")], HeadError::Target),
    ];
    for (target, lines, error) in cases {
        assert_eq!(read(&http1("GET", target, lines)), Err(error), "{target} {lines:?}");
    }
    assert_eq!(read(&http1("GET", "http://APP/x", &[])).unwrap().host.to_string(), "app");
}

#[test]
fn a_target_without_its_host_header_is_refused_on_http1() {
    let mut parts = http1("GET", "http://app/", &[]);
    parts.headers.remove("host");
    assert_eq!(read(&parts), Err(HeadError::HostMissing));
}

#[test]
fn http2_authority_and_host_agree() {
    assert_eq!(read(&http2("GET", "https://app:1/", &[])).unwrap().host.to_string(), "app:1");
    assert_eq!(read(&http2("GET", "https://app/", &[("host", "APP")])).unwrap().host.to_string(), "app");
    assert_eq!(read(&http2("GET", "/", &[("host", "app")])).unwrap().host.to_string(), "app");
    assert_eq!(read(&http2("GET", "https://app/", &[("host", "evil")])), Err(HeadError::HostDisagrees));
    assert_eq!(read(&http2("GET", "https://app/", &[("host", "app"), ("host", "app")])), Err(HeadError::HostRepeated));
    assert_eq!(read(&http2("GET", "/", &[])), Err(HeadError::HostMissing));
}

#[test]
fn targets_that_are_no_path_are_refused() {
    assert_eq!(read(&http1("OPTIONS", "*", &[])), Err(HeadError::Path(PathError::NotAbsolute)));
    assert_eq!(read(&http1("GET", "app:443", &[("host", "app:443")])), Err(HeadError::Target));
    let long = format!("/{}", "a".repeat(SHAPE.url_size));
    assert_eq!(read(&http1("GET", &long, &[])), Err(HeadError::UrlTooLong));
    assert_eq!(status_of(HeadError::UrlTooLong), StatusCode::URI_TOO_LONG);
    assert!(read(&http1("GET", &long[1..].replacen('a', "/", 1), &[])).is_ok());
}

#[test]
fn heads_are_bounded_in_size_and_number() {
    let size = |parts: &Parts| -> usize {
        let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let line = parts.method.as_str().len() + target + parts.uri.authority().map_or(0, |name| name.as_str().len()) + 14;
        line + parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
    };
    let with_value = |length: usize| {
        let value = "x".repeat(length);
        [http1("GET", "/a?b", &[("x", &value)]), http2("GET", "https://app/a?b", &[("x", &value)])]
    };
    for (http1_or_2, bare) in with_value(0).into_iter().enumerate() {
        let room = SHAPE.head_size - size(&bare);
        assert!(read(&with_value(room)[http1_or_2]).is_ok());
        assert_eq!(read(&with_value(room + 1)[http1_or_2]), Err(HeadError::TooLarge));
    }
    let written = "GET /a?b HTTP/1.1\r\nhost: app\r\nx: \r\n\r\n";
    assert_eq!(size(&with_value(0)[0]), written.len(), "what is counted is what was sent");

    let lines: Vec<(&str, &str)> = vec![("x", "1"); SHAPE.head_count];
    assert_eq!(read(&http1("GET", "/", &lines)), Err(HeadError::TooManyHeaders), "and a Host");
    assert!(read(&http1("GET", "/", &lines[1..])).is_ok());
    assert!(read(&http2("GET", "https://app/", &lines)).is_ok());
    for error in [HeadError::TooLarge, HeadError::TooManyHeaders] {
        assert_eq!(status_of(error), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert!(!error.is_about_framing());
    }
}

#[test]
fn other_spellings_of_a_path_are_refused_on_every_route() {
    for target in ["/socket%2Eio/", "//socket.io/", "/x/../socket.io/", "/socket.io%2f", "/x\\y", "/%c0%ae/", "/a%00"] {
        assert!(matches!(read(&http1("GET", target, &[])), Err(HeadError::Path(_))), "{target}");
        assert!(matches!(read(&http2("GET", &format!("https://app{target}"), &[])), Err(HeadError::Path(_))), "{target}");
    }
}

#[test]
fn framing_that_could_be_read_in_two_ways_is_refused() {
    let cases: [(&[(&str, &str)], HeadError); 16] = [
        (&[("transfer-encoding", "gzip, chunked")], HeadError::TransferCoding),
        (&[("transfer-encoding", "chunked, identity")], HeadError::TransferCoding),
        (&[("transfer-encoding", "xchunked")], HeadError::TransferCoding),
        (&[("transfer-encoding", "\"chunked\"")], HeadError::TransferCoding),
        (&[("transfer-encoding", "chunked;q=1")], HeadError::TransferCoding),
        (&[("transfer-encoding", "")], HeadError::TransferCoding),
        (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], HeadError::TransferCoding),
        (&[("transfer-encoding", "chunked"), ("content-length", "5")], HeadError::TwoFramings),
        (&[("content-length", "5"), ("content-length", "6")], HeadError::ContentLength),
        (&[("content-length", "5, 5")], HeadError::ContentLength),
        (&[("content-length", "+5")], HeadError::ContentLength),
        (&[("content-length", "0x5")], HeadError::ContentLength),
        (&[("content-length", "1_0")], HeadError::ContentLength),
        (&[("content-length", "")], HeadError::ContentLength),
        (&[("content-length", "18446744073709551621")], HeadError::ContentLength),
        (&[("content-length", "5 5")], HeadError::ContentLength),
    ];
    for (lines, error) in cases {
        assert_eq!(read(&http1("POST", "/", lines)), Err(error), "{lines:?}");
        assert!(error.is_about_framing());
    }
    let mut old = http1("POST", "/", &[("transfer-encoding", "chunked")]);
    assert!(read(&old).is_ok());
    old.version = Version::HTTP_10;
    assert_eq!(read(&old), Err(HeadError::TransferCoding));
    assert!(read(&http1("POST", "/", &[("content-length", "5"), ("content-length", "5")])).is_ok());
    assert!(read(&http1("POST", "/", &[("transfer-encoding", "Chunked")])).is_ok());
}

#[test]
fn http2_has_no_headers_about_connections() {
    let cases = [
        ("connection", "x-user-id"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
    ];
    for line in cases {
        assert_eq!(read(&http2("GET", "https://app/", &[line])), Err(HeadError::ConnectionHeader), "{line:?}");
    }
    assert!(read(&http2("GET", "https://app/", &[("te", "trailers")])).is_ok());
}

#[test]
fn a_websocket_is_asked_for_in_two_ways() {
    assert_eq!(read(&http1("GET", "/", &WEBSOCKET)).unwrap().upgrade, Some(Upgrade::Http1));
    assert_eq!(read(&extended_connect("https://app/", "websocket")).unwrap().upgrade, Some(Upgrade::Http2));
}

#[test]
fn malformed_asks_for_a_websocket_are_refused() {
    let split = [("connection", "keep-alive"), ("connection", "upgrade"), ("upgrade", "websocket")];
    assert_eq!(read(&http1("GET", "/", &split)).unwrap().upgrade, Some(Upgrade::Http1));

    let cases: [(&str, &[(&str, &str)], HeadError); 9] = [
        ("POST", &WEBSOCKET, HeadError::UpgradeMethod),
        ("OPTIONS", &WEBSOCKET, HeadError::UpgradeMethod),
        ("GET", &[("connection", "upgrade"), ("upgrade", "h2c, websocket")], HeadError::UpgradeList),
        ("GET", &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "websocket")], HeadError::UpgradeList),
        ("GET", &[("connection", "upgrade"), ("upgrade", "websocket/13")], HeadError::UpgradeList),
        ("GET", &[("upgrade", "websocket")], HeadError::UpgradeUnnamed),
        ("GET", &[("connection", "keep-alive, not-upgrade"), ("upgrade", "websocket")], HeadError::UpgradeUnnamed),
        ("GET", &[("connection", "upgrade"), ("upgrade", "websocket"), ("content-length", "1")], HeadError::UpgradeBody),
        ("GET", &[("connection", "upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")], HeadError::UpgradeBody),
    ];
    for (method, lines, error) in cases {
        assert_eq!(read(&http1(method, "/", lines)), Err(error), "{method} {lines:?}");
    }
    let mut old = http1("GET", "/", &WEBSOCKET);
    old.version = Version::HTTP_10;
    assert_eq!(read(&old), Err(HeadError::UpgradeMethod));

    let mut with_length = extended_connect("https://app/", "websocket");
    with_length.headers.insert("content-length", 5.into());
    assert_eq!(read(&with_length), Err(HeadError::UpgradeBody));
    assert_eq!(read(&extended_connect("https://app/", "connect-udp")), Err(HeadError::UnknownProtocol));
    assert_eq!(status_of(HeadError::UnknownProtocol), StatusCode::NOT_IMPLEMENTED);
}

#[test]
fn other_protocols_are_no_upgrade() {
    for protocol in ["h2c", "foo", "TLS/1.0", "websockets", ""] {
        let lines = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", protocol), ("http2-settings", "AAMAAABk")];
        assert_eq!(read(&http1("GET", "/", &lines)).unwrap().upgrade, None, "{protocol}");
    }
}

#[test]
fn long_connection_lists_are_refused() {
    let items = vec!["x"; 17].join(", ");
    assert_eq!(read(&http1("GET", "/", &[("connection", &items)])), Err(HeadError::ListTooLong));
    assert_eq!(read(&http1("GET", "/", &[("upgrade", &items)])), Err(HeadError::ListTooLong));
}

fn ask(parts: &Parts) -> Result<EngineAsk, HeadError> {
    head::engine(&read(parts).unwrap())
}

fn poll(query: &str) -> Result<EngineAsk, HeadError> {
    ask(&http1("GET", &format!("/socket.io/?{query}"), &[]))
}

#[test]
fn revisions_are_told_apart() {
    let revision = |query: &str| poll(query).map(|ask| ask.revision);
    assert_eq!(revision("EIO=4&transport=polling"), Ok(Revision::Four));
    assert_eq!(revision("EIO=3&transport=polling&b64=1"), Ok(Revision::Three));
    for twice in ["EIO=3&EIO=3&transport=polling", "EIO=3&EIO=4&transport=polling"] {
        assert_eq!(revision(twice), Err(HeadError::DuplicateParameter), "{twice}");
    }
}

#[test]
fn engine_steps_are_told_apart() {
    let polling = "/socket.io/?EIO=4&transport=polling&t=x";
    let websocket = "/socket.io/?EIO=4&transport=websocket";
    let with_sid = |url: &str| format!("{url}&sid=v1.a~B-_9");
    let step = |parts: &Parts| ask(parts).map(|ask| (ask.transport, ask.sid, ask.step)).unwrap();
    let sid = Some("v1.a~B-_9".to_owned());

    assert_eq!(step(&http1("GET", polling, &[])), (Transport::Polling, None, Step::Open));
    assert_eq!(step(&http1("GET", &with_sid(polling), &[])), (Transport::Polling, sid.clone(), Step::Poll));
    assert_eq!(step(&http1("POST", &with_sid(polling), &[])), (Transport::Polling, sid.clone(), Step::Post));
    assert_eq!(step(&http1("GET", websocket, &WEBSOCKET)), (Transport::WebSocket, None, Step::Open));
    assert_eq!(step(&http1("GET", &with_sid(websocket), &WEBSOCKET)), (Transport::WebSocket, sid.clone(), Step::Upgrade));

    let over_http2 = |url: &str| format!("https://app{url}");
    assert_eq!(step(&http2("GET", &over_http2(polling), &[])), (Transport::Polling, None, Step::Open));
    let connect = extended_connect(&over_http2(&with_sid(websocket)), "websocket");
    assert_eq!(step(&connect), (Transport::WebSocket, sid, Step::Upgrade));
}

#[test]
fn engine_parameters_are_required_once_and_plainly() {
    let long_sid = format!("EIO=4&transport=polling&sid={}", "s".repeat(4097));
    let cases = [
        ("", HeadError::Transport, 0),
        ("EIO=4", HeadError::Transport, 0),
        ("EIO=4&transport=", HeadError::Transport, 0),
        ("EIO=4&transport=__proto__", HeadError::Transport, 0),
        ("EIO=4&transport=constructor", HeadError::Transport, 0),
        ("EIO=4&transport=webtransport", HeadError::Transport, 0),
        ("EIO=4&transport=Polling", HeadError::Transport, 0),
        ("EIO=4&transport=p%6Flling", HeadError::Transport, 0),
        ("EIO=4&TRANSPORT=polling", HeadError::Transport, 0),
        ("transport=polling", HeadError::Protocol, 5),
        ("EIO=2&transport=polling", HeadError::Protocol, 5),
        ("EIO=03&transport=polling", HeadError::Protocol, 5),
        ("EIO=99&transport=polling", HeadError::Protocol, 5),
        ("EIO=04&transport=polling", HeadError::Protocol, 5),
        ("EIO=%34&transport=polling", HeadError::Protocol, 5),
        ("EIO&transport=polling", HeadError::Protocol, 5),
        ("eio=4&transport=polling", HeadError::Protocol, 5),
        ("EIO=4&EIO=4&transport=polling", HeadError::DuplicateParameter, 3),
        ("EIO=4&EIO=3&transport=polling", HeadError::DuplicateParameter, 3),
        ("EIO=4&transport=polling&transport=websocket", HeadError::DuplicateParameter, 3),
        ("EIO=4&transport=polling&%74ransport=websocket", HeadError::DuplicateParameter, 3),
        ("EIO=4&transport=polling&sid=a&sid=b", HeadError::DuplicateParameter, 3),
        ("EIO=4&transport=polling&sid=a&s%69d=b", HeadError::DuplicateParameter, 3),
        ("EIO=4&%74ransport=polling", HeadError::DisguisedParameter, 3),
        ("%45IO=4&transport=polling", HeadError::DisguisedParameter, 3),
        ("EIO=4&transport=polling&%73id=a", HeadError::DisguisedParameter, 3),
        ("EIO=4&transport=polling;sid=a", HeadError::DisguisedParameter, 3),
        ("EIO=4&transport=polling&x=1;sid=a", HeadError::DisguisedParameter, 3),
        ("EIO=4&transport=polling&j=0", HeadError::Jsonp, 3),
        ("EIO=4&transport=polling&j", HeadError::Jsonp, 3),
        ("EIO=4&transport=polling&%6a=0", HeadError::Jsonp, 3),
        ("EIO=4&transport=polling&j=%3Cscript%3E", HeadError::Jsonp, 3),
        ("EIO=4&transport=polling&sid=", HeadError::SessionId, 1),
        ("EIO=4&transport=polling&sid", HeadError::SessionId, 1),
        ("EIO=4&transport=polling&sid=a%2Eb", HeadError::SessionId, 1),
        ("EIO=4&transport=polling&sid=%00", HeadError::SessionId, 1),
        ("EIO=4&transport=polling&sid=a%0d%0aX-Evil:1", HeadError::SessionId, 1),
        ("EIO=4&transport=polling&sid=10.0.0.1:6379", HeadError::SessionId, 1),
        ("EIO=4&transport=polling&sid=a+b", HeadError::SessionId, 1),
        ("EIO=4&transport=polling&sid=a/b", HeadError::SessionId, 1),
        (&long_sid, HeadError::SessionId, 1),
        ("EIO=4&transport=websocket", HeadError::UpgradeMissing, 3),
        ("EIO=4&transport=websocket&sid=a", HeadError::UpgradeMissing, 3),
    ];
    for (query, error, code) in cases {
        assert_eq!(poll(query), Err(error), "{query}");
        let refusal = Refused::from(error).refusal;
        assert_eq!(refusal.engine_code(), code, "{query}");
        assert!(refusal.status().is_client_error(), "{query}");
    }
}

#[test]
fn unknown_parameters_do_not_disturb() {
    let query = "a=%00&EIO=4&b64=1&filter%5Bx%5D=1&t=1&transport=polling&t=2&Sid=x&xj=1&a;b";
    assert_eq!(poll(query).map(|ask| ask.step), Ok(Step::Open));
    let head = read(&http1("GET", &format!("/socket.io/?{query}"), &[])).unwrap();
    assert_eq!(head.query.as_str(), query);
}

#[test]
fn a_sid_of_4096_characters_is_possible() {
    let sid = "s".repeat(4096);
    assert_eq!(poll(&format!("EIO=4&transport=polling&sid={sid}")).unwrap().sid, Some(sid));
}

#[test]
fn methods_that_engine_io_does_not_use_are_refused() {
    let polling = "/socket.io/?EIO=4&transport=polling";
    for method in ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        assert_eq!(ask(&http1(method, polling, &[])), Err(HeadError::EngineMethod), "{method}");
    }
    for method in ["PUT", "DELETE", "HEAD"] {
        assert_eq!(ask(&http1(method, &format!("{polling}&sid=a"), &[])), Err(HeadError::EngineMethod), "{method}");
    }
    let websocket = "/socket.io/?EIO=4&transport=websocket&sid=a";
    assert_eq!(ask(&http1("POST", websocket, &[])), Err(HeadError::EngineMethod));
    assert_eq!(Refused::from(HeadError::EngineMethod).refusal.engine_code(), 2);
}

#[test]
fn an_upgrade_is_websocket_transport_only() {
    let polling = "/socket.io/?EIO=4&transport=polling&sid=a";
    assert_eq!(ask(&http1("GET", polling, &WEBSOCKET)), Err(HeadError::UpgradeOnPolling));
    assert_eq!(ask(&extended_connect(&format!("https://app{polling}"), "websocket")), Err(HeadError::UpgradeOnPolling));
}

#[test]
fn an_encoded_path_is_no_engine_path() {
    assert_eq!(ask(&http1("GET", "/a%20b/?EIO=4&transport=polling", &[])), Err(HeadError::EncodedPath));
}

proptest! {
    #[test]
    fn hostile_heads_never_panic(
        target in "(http://)?[ -~]{0,40}",
        host in "[ -~]{0,20}",
        connection in "[ -~]{0,40}",
        upgrade in "(websocket|h2c|[ -~]{0,12})",
    ) {
        let request = Request::builder().uri(target).header("host", host).header("connection", connection).header("upgrade", upgrade);
        if let Ok(request) = request.body(()) {
            let head = Head::read(&request.into_parts().0, &SHAPE);
            let _ = head.map(|head| head::engine(&head));
        }
    }

    #[test]
    fn what_was_read_is_what_was_written(path in "(/[a-z0-9._~-]{0,8}){1,4}", query in "[a-zA-Z0-9=&%._~+-]{0,40}") {
        if let Ok(head) = read(&http1("GET", &format!("{path}?{query}"), &[])) {
            prop_assert_eq!(head.path, path);
            prop_assert_eq!(head.query.as_str(), query);
        }
    }

    #[test]
    fn a_judged_ask_means_the_same_to_every_server(query in "(EIO=4|EIO=3|transport=polling|sid=[ab]|%73id=a|t=[;&%a]|j|[&;]){0,6}") {
        if let Ok(ask) = poll(&query) {
            let decoded: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let all = |name: &str| decoded.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>();
            prop_assert_eq!(all("EIO"), [if ask.revision == Revision::Four { "4" } else { "3" }]);
            prop_assert_eq!(all("transport"), ["polling"]);
            prop_assert_eq!(all("sid"), ask.sid.iter().collect::<Vec<_>>());
            prop_assert!(all("j").is_empty());
        }
    }
}
