//! Who the client is, told by whom, and what the app hears of it.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;
use proptest::prelude::*;
use sockgate::{
    http::{
        Host,
        forwarded::{self, Client, Fresh, SPOKEN_FOR, Standing},
        headers::{self, NameSet},
    },
    net::Peer,
};

use super::headers::map;

const FRESH: Fresh = Fresh { request: [0xab; 16], trace: [0x11; 16], span: [0x22; 8] };

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn peer(address: &str, secure: bool) -> Peer {
    let address: IpAddr = address.parse().unwrap();
    Peer { address, port: 50_000, secure, http2: false, resumed: false }
}

fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).to_vec()
}

fn client(peer: &Peer, headers: &HeaderMap) -> Client {
    forwarded::client(peer, headers, &trusted())
}

/// What the app is told, as sorted lines.
fn told(peer: &Peer, lines: &[(&str, &str)]) -> Vec<String> {
    let incoming = map(lines);
    let client = client(peer, &incoming);
    let host: Host = "app.example:8443".parse().unwrap();
    let mut headers = headers::without(&incoming, &NameSet::new(SPOKEN_FOR), 0);
    forwarded::set(&mut headers, &incoming, &client, peer, &host, &FRESH);
    let mut told: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    told.sort_unstable();
    told
}

#[test]
fn a_strangers_headers_are_not_believed() {
    let headers = map(&[
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4;proto=https;host=evil"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-real-ip", "1.2.3.4"),
    ]);
    let client = client(&peer("203.0.113.9", false), &headers);
    assert_eq!(client.address.to_string(), "203.0.113.9");
    assert_eq!((client.secure, client.host, client.standing), (false, None, Standing::Stranger));
}

#[test]
fn the_client_is_the_rightmost_address_that_is_no_proxy() {
    let cases: [(&[&str], &str); 22] = [
        (&["203.0.113.9"], "203.0.113.9"),
        (&["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (&["6.6.6.6, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        (&["6.6.6.6", "203.0.113.9 ,10.1.1.1"], "203.0.113.9"),
        (&["10.1.1.1, 203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        (&["10.3.3.3, 10.2.2.2, 10.1.1.1"], "10.3.3.3"),
        (&["2001:db8::9"], "2001:db8::9"),
        (&["[2001:db8::9]"], "2001:db8::9"),
        (&["[2001:db8::9]:1234"], "2001:db8::9"),
        (&["203.0.113.9:1234"], "203.0.113.9"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&["6.6.6.6, ::ffff:10.1.1.1"], "6.6.6.6"),
        (&["203.0.113.9, fd00::1"], "203.0.113.9"),
        // Entries that are no address end the walk.
        (&["6.6.6.6, unknown"], "10.0.0.1"),
        (&["6.6.6.6, unknown, 10.1.1.1"], "10.1.1.1"),
        (&["6.6.6.6, _hidden, 10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        (&["6.6.6.6,"], "10.0.0.1"),
        (&[""], "10.0.0.1"),
        (&["6.6.6.6 10.1.1.1"], "10.0.0.1"),
        (&["localhost"], "10.0.0.1"),
        (&["6.6.6.6, 203.0.113.999"], "10.0.0.1"),
        (&["6.6.6.6, 0x7f.1"], "10.0.0.1"),
    ];
    for (lines, address) in cases {
        let lines: Vec<(&str, &str)> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(client(&peer("10.0.0.1", true), &map(&lines)).address.to_string(), address, "{lines:?}");
    }
}

#[test]
fn the_standard_header_is_read_the_same_way() {
    let cases: [(&[&str], &str); 14] = [
        (&["for=203.0.113.9"], "203.0.113.9"),
        (&["For=6.6.6.6, FOR=203.0.113.9;proto=https, for=10.1.1.1"], "203.0.113.9"),
        (&["for=6.6.6.6", "for=203.0.113.9"], "203.0.113.9"),
        (&["for=\"[2001:db8::9]:4711\";by=10.0.0.1"], "2001:db8::9"),
        (&["by=x ; for=203.0.113.9"], "203.0.113.9"),
        (&["for=203.0.113.9;host=\"a,b;for=6.6.6.6\""], "203.0.113.9"),
        (&["for=6.6.6.6, for=unknown"], "10.0.0.1"),
        (&["for=6.6.6.6, for=\"_secret\", for=10.1.1.1"], "10.1.1.1"),
        (&["for=6.6.6.6, proto=https"], "10.0.0.1"),
        (&["for=6.6.6.6;for=7.7.7.7"], "10.0.0.1"),
        (&["for=6.6.6.6, for=\"10.1.1.1"], "10.0.0.1"),
        (&["for=6.6.6.6", "garbage"], "10.0.0.1"),
        (&["for=\"6.6.6.6\\\""], "10.0.0.1"),
        (&[""], "10.0.0.1"),
    ];
    for (lines, address) in cases {
        let lines: Vec<(&str, &str)> = lines.iter().map(|line| ("forwarded", *line)).collect();
        assert_eq!(client(&peer("10.0.0.1", true), &map(&lines)).address.to_string(), address, "{lines:?}");
    }
}

#[test]
fn what_most_proxies_set_is_believed_before_what_they_pass_on() {
    let headers = map(&[("forwarded", "for=6.6.6.6;host=evil;proto=https"), ("x-forwarded-for", "203.0.113.9")]);
    let client = client(&peer("10.0.0.1", false), &headers);
    assert_eq!((client.address.to_string().as_str(), client.secure, client.host), ("203.0.113.9", false, None));
}

#[test]
fn scheme_host_and_port_are_those_the_client_used() {
    let cases: [(&[(&str, &str)], bool, Option<&str>, Option<u16>); 9] = [
        (&[("x-forwarded-proto", "https"), ("x-forwarded-host", "Pub.Example")], true, Some("pub.example"), None),
        (&[("x-forwarded-proto", "wss"), ("x-forwarded-port", "8443")], true, None, Some(8443)),
        (&[("x-forwarded-proto", "ws")], false, None, None),
        (&[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b"), ("x-forwarded-port", "0")], false, None, None),
        // One proxy before the peer: the client's entry is the second from the right.
        (
            &[
                ("x-forwarded-for", "203.0.113.9, 10.1.1.1"),
                ("x-forwarded-proto", "http, https, http"),
                ("x-forwarded-host", "evil, pub.example, inner"),
            ],
            true,
            Some("pub.example"),
            None,
        ),
        // The list was overwritten on the way.
        (&[("x-forwarded-for", "203.0.113.9, 10.1.1.1"), ("x-forwarded-proto", "https")], true, None, None),
        (&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https, http")], false, None, None),
        (
            &[("forwarded", "for=203.0.113.9;proto=https;host=\"pub.example:444\", for=10.1.1.1;proto=http")],
            true,
            Some("pub.example:444"),
            None,
        ),
        (&[("forwarded", "proto=https;host=evil")], false, None, None),
    ];
    for (lines, secure, host, port) in cases {
        let client = client(&peer("10.0.0.1", false), &map(lines));
        let said = client.host.map(|host| host.to_string());
        assert_eq!((client.secure, said.as_deref(), client.port), (secure, host, port), "{lines:?}");
    }
}

#[test]
fn a_strangers_spellings_are_replaced() {
    let lines = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("x_forwarded_for", "6.6.6.6"),
        ("X-Forwarded_Proto", "http"),
        ("X-Forwarded-Host", "evil"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded", "for=6.6.6.6"),
        ("Forwarded", "for=6.6.6.6"),
        ("Forwarded-For", "6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
        ("x_real_ip", "6.6.6.6"),
        ("True-Client-IP", "6.6.6.6"),
        ("CF-Connecting-IP", "6.6.6.6"),
        ("X-Original-URL", "/admin"),
        ("X-Original-Host", "evil"),
        ("X-Rewrite-URL", "/admin"),
        ("Proxy", "http://evil"),
        ("X-Request-Id", "forged"),
        ("X_Request_Id", "forged"),
        ("tracestate", "vendor=1"),
        ("traceparent", "00-0-0-0"),
        ("accept", "*/*"),
    ];
    assert_eq!(
        told(&peer("203.0.113.9", true), &lines),
        [
            "accept: */*",
            "forwarded: for=203.0.113.9;host=\"app.example:8443\";proto=https",
            "traceparent: 00-11111111111111111111111111111111-2222222222222222-01",
            "x-forwarded-for: 203.0.113.9",
            "x-forwarded-host: app.example:8443",
            "x-forwarded-port: 8443",
            "x-forwarded-proto: https",
            "x-request-id: abababababababababababababababab",
        ]
    );
}

#[test]
fn a_trusted_peers_chain_is_continued_from_the_client_on() {
    let lines = [
        ("X-Forwarded-For", "6.6.6.6, 2001:db8::9, 10.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "pub.example"),
        ("X-Real-IP", "6.6.6.6"),
        ("X-Request-Id", "req-1"),
        ("traceparent", TRACE),
        ("tracestate", "vendor=1"),
    ];
    assert_eq!(
        told(&peer("::ffff:10.0.0.1", false), &lines),
        [
            "forwarded: for=\"[2001:db8::9]\";host=\"pub.example\";proto=https, for=10.1.1.1, for=10.0.0.1",
            &format!("traceparent: {TRACE}"),
            "tracestate: vendor=1",
            "x-forwarded-for: 2001:db8::9, 10.1.1.1, 10.0.0.1",
            "x-forwarded-host: pub.example",
            "x-forwarded-port: 443",
            "x-forwarded-proto: https",
            "x-request-id: req-1",
        ]
    );
}

#[test]
fn a_trusted_peer_that_says_nothing_is_the_client() {
    let told = told(&peer("fd00::1", true), &[]);
    assert!(told.contains(&"x-forwarded-for: fd00::1".to_owned()), "{told:?}");
    assert!(told.contains(&"forwarded: for=\"[fd00::1]\";host=\"app.example:8443\";proto=https".to_owned()), "{told:?}");
}

#[test]
fn only_a_trusted_and_plain_request_id_is_kept() {
    let new = "abababababababababababababababab";
    let long = "a".repeat(129);
    let cases: [(&str, &[&str], &str); 6] = [
        ("10.0.0.1", &["3f2c-Ab.9"], "3f2c-Ab.9"),
        ("203.0.113.9", &["3f2c-Ab.9"], new),
        ("10.0.0.1", &["a", "b"], new),
        ("10.0.0.1", &[""], new),
        ("10.0.0.1", &["a b\"<"], new),
        ("10.0.0.1", &[&long], new),
    ];
    for (address, ids, kept) in cases {
        let lines: Vec<(&str, &str)> = ids.iter().map(|id| ("x-request-id", *id)).collect();
        let told = told(&peer(address, true), &lines);
        assert!(told.contains(&format!("x-request-id: {kept}")), "{ids:?}: {told:?}");
        let standing = client(&peer(address, true), &HeaderMap::new()).standing;
        assert_eq!(forwarded::request_id(&map(&lines), standing, &FRESH), kept, "the log names the same");
    }
}

#[test]
fn a_valid_trace_is_continued_whoever_started_it() {
    let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-abc";
    for trace in [TRACE, later] {
        assert!(told(&peer("203.0.113.9", true), &[("traceparent", trace)]).contains(&format!("traceparent: {trace}")));
    }
    let hostile = [
        "",
        "00",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-\"",
    ];
    for trace in hostile {
        let told = told(&peer("203.0.113.9", true), &[("traceparent", trace), ("tracestate", "v=1")]);
        let new = "traceparent: 00-11111111111111111111111111111111-2222222222222222-01";
        assert!(told.iter().any(|line| line == new), "{trace}");
        assert!(!told.iter().any(|line| line.starts_with("tracestate")), "{trace}");
    }
    let named = told(
        &peer("10.0.0.1", true),
        &[("traceparent", TRACE), ("x-request-id", "r"), ("connection", "Traceparent, x-request-id")],
    );
    assert!(
        !named.iter().any(|line| line.contains(TRACE) || line == "x-request-id: r"),
        "they belong to that connection: {named:?}"
    );
    let two = told(&peer("203.0.113.9", true), &[("traceparent", TRACE), ("traceparent", TRACE)]);
    assert!(!two.contains(&format!("traceparent: {TRACE}")));
}

proptest! {
    #[test]
    fn a_stranger_never_changes_who_it_is(
        name in "x-forwarded-(for|proto|host|port)|forwarded|x-real-ip|x_forwarded_for",
        value in "[ -~]{0,60}",
        secure: bool,
    ) {
        let peer = peer("203.0.113.9", secure);
        let quiet = client(&peer, &HeaderMap::new());
        prop_assert_eq!(client(&peer, &map(&[(&name, &value)])), quiet);
        prop_assert_eq!(told(&peer, &[(&name, &value)]), told(&peer, &[]));
    }

    #[test]
    fn nothing_left_of_the_client_changes_anything(noise in "[ -~]{0,60}") {
        let peer = peer("10.0.0.1", true);
        let honest = "203.0.113.9, 10.1.1.1";
        let noisy = format!("{noise},{honest}");
        prop_assert_eq!(told(&peer, &[("x-forwarded-for", &noisy)]), told(&peer, &[("x-forwarded-for", honest)]));
    }

    #[test]
    fn hostile_headers_of_a_trusted_peer_never_panic(
        name in "x-forwarded-(for|proto|host|port)|forwarded|x-request-id|traceparent",
        value in "([ -~]|for=|\"|,|;|10\\.0\\.0\\.2){0,60}",
    ) {
        let told = told(&peer("10.0.0.1", true), &[(&name, &value)]);
        let proto = told.iter().find(|line| line.starts_with("x-forwarded-proto: ")).unwrap();
        prop_assert!(proto.ends_with(": http") || proto.ends_with(": https"));
        prop_assert_eq!(told.iter().filter(|line| line.starts_with("forwarded: ")).count(), 1);
    }
}
