//! What a client's request becomes on its way to the app: what ends at the gate, what the gate says itself, and in which order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, request::Parts};
use hyper::ext::Protocol;
use proptest::prelude::*;
use sockgate::{
    config::{auth::Auth, listen::Listen, route, upstream},
    http::{
        Head,
        forwarded::{self, Fresh},
        head::HeadShape,
    },
    net::Peer,
    policy::auth::{Identity, IdentityHeaders, Places, SealedIdentity},
    relay::outgoing::{self, Manners, Told},
};

const FRESH: Fresh = Fresh { request: [0xab; 16], trace: [0x11; 16], span: [0x22; 8] };
const MEMBER: &str = "10.0.0.9:3000";

/// A Socket.IO route, its upstream and what they make of requests.
#[derive(Default)]
struct Case {
    route: route::Route,
    upstream: upstream::Upstream,
    identity: Option<SealedIdentity>,
    sid: Option<&'static str>,
}

impl Case {
    fn new() -> Self {
        let route = route::Route { path: "/chat/socket.io/".into(), auth: auth(), ..route::Route::default() };
        Self { route, ..Self::default() }
    }

    fn request(&self, parts: &Parts) -> Request<()> {
        let head = Head::read(parts, &HeadShape::new(&Listen::default())).expect("a good request");
        let identity = IdentityHeaders::new(&self.route.auth).unwrap_or_else(|problems| panic!("{problems:?}"));
        let places = Places::parse(&self.route.auth.from).unwrap_or_else(|problems| panic!("{problems:?}"));
        let manners = Manners::new(&self.route, &self.upstream, identity, &places);
        let peer = Peer {
            address: "203.0.113.9".parse().expect("an address"),
            port: 50_000,
            secure: true,
            http2: false,
            resumed: false,
        };
        let client = forwarded::client(&peer, &parts.headers, &[]);
        let identity = self.identity.clone().map(Identity::sealed);
        let told = Told {
            client: &client,
            peer: &peer,
            identity: identity.as_ref(),
            sid: self.sid,
            fresh: &FRESH,
            member_host: MEMBER,
            now: now(),
        };
        outgoing::request(parts, &head, &manners, &told)
    }

    fn headers(&self, lines: &[(&str, &str)]) -> HeaderMap {
        self.request(&get("/chat/socket.io/?EIO=4", lines)).headers().clone()
    }

    fn target(&self, target: &str) -> String {
        self.request(&get(target, &[])).uri().to_string()
    }
}

fn auth() -> Auth {
    let places = ["header", "query:token", "cookie:session", "subprotocol"].map(String::from).to_vec();
    Auth { from: places, ..Auth::default() }
}

fn ana() -> Option<SealedIdentity> {
    Some(SealedIdentity { subject: Some("ana".into()), roles: vec!["admin".into()], ..SealedIdentity::default() })
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn get(target: &str, lines: &[(&str, &str)]) -> Parts {
    let mut request = Request::get(target);
    if !lines.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "app.example:8443");
    }
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
}

#[test]
fn the_target_keeps_its_order_and_loses_only_the_token() {
    let case = Case::new();
    for (asked, forwarded) in [
        ("/chat/socket.io/?EIO=4&transport=polling&t=x", "/chat/socket.io/?EIO=4&transport=polling&t=x"),
        ("/chat/socket.io/?token=secret&EIO=4", "/chat/socket.io/?EIO=4"),
        ("/chat/socket.io/?EIO=4&token=secret&x=%20y&token=again", "/chat/socket.io/?EIO=4&x=%20y"),
        ("/chat/socket.io/?EIO=4&%74oken=secret", "/chat/socket.io/?EIO=4"),
        ("/chat/socket.io/?a;token=secret&EIO=4", "/chat/socket.io/?EIO=4"),
        ("/chat/socket.io/?token=secret", "/chat/socket.io/"),
        ("/chat/socket.io/?tokens=2", "/chat/socket.io/?tokens=2"),
    ] {
        assert_eq!(case.target(asked), forwarded, "{asked}");
    }
}

#[test]
fn the_token_stays_in_the_target_where_the_app_wants_it() {
    let mut case = Case::new();
    case.route.auth.token_in_url = true;
    assert_eq!(case.target("/chat/socket.io/?token=secret&EIO=4"), "/chat/socket.io/?token=secret&EIO=4");
}

#[test]
fn the_apps_own_id_takes_the_sealed_ones_place() {
    let case = Case { sid: Some("own id+&"), ..Case::new() };
    assert_eq!(case.target("/chat/socket.io/?EIO=4&sid=sealed&t=x"), "/chat/socket.io/?EIO=4&sid=own%20id%2B%26&t=x");
    assert_eq!(case.target("/chat/socket.io/?EIO=4"), "/chat/socket.io/?EIO=4", "nothing is added");
}

#[test]
fn a_rewrite_changes_the_routes_part_of_the_path_alone() {
    for (to, asked, forwarded) in [
        ("/socket.io/", "/chat/socket.io/?a", "/socket.io/?a"),
        ("/socket.io", "/chat/socket.io/x?a", "/socket.io/x?a"),
        ("/", "/chat/socket.io/", "/"),
        ("/", "/chat/socket.io/chat/socket.io/", "/chat/socket.io/"),
    ] {
        let mut case = Case::new();
        case.route.rewrite = Some(to.into());
        assert_eq!(case.target(asked), forwarded, "{to}");
    }
}

#[test]
fn an_extended_connect_leaves_as_a_get() {
    let mut parts = get("https://app.example/chat/socket.io/?EIO=4", &[]);
    parts.headers.remove("host");
    (parts.method, parts.version) = (Method::CONNECT, Version::HTTP_2);
    parts.extensions.insert(Protocol::from_static("websocket"));
    let request = Case::new().request(&parts);
    assert_eq!((request.method(), request.uri().to_string()), (&Method::GET, "/chat/socket.io/?EIO=4".into()));
    assert_eq!(values(request.headers(), "host"), ["app.example"]);
    for method in [Method::POST, Method::DELETE] {
        let mut parts = get("/chat/socket.io/", &[]);
        parts.method = method.clone();
        assert_eq!(Case::new().request(&parts).method(), method);
    }
}

#[test]
fn what_belongs_to_the_clients_connection_and_body_stays_here() {
    let headers = Case::new().headers(&[
        ("connection", "keep-alive, x-mine, x-auth-subject, cookie"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-connection", "close"),
        ("expect", "100-continue"),
        ("content-length", "5"),
        ("cookie", "lang=en"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAA"),
        ("sec-websocket-key", "x"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "bearer, secret"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-accept", "x"),
        ("x-stays", "1"),
        ("x-stays", "2"),
    ]);
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).filter(|name| !is_ours(name)).collect();
    names.sort_unstable();
    assert_eq!(names, ["x-stays"]);
    assert_eq!(values(&headers, "x-stays"), ["1", "2"]);
}

/// Names that the gate says to every app.
fn is_ours(name: &str) -> bool {
    matches!(name, "host" | "forwarded" | "traceparent" | "x-request-id") || name.starts_with("x-forwarded-")
}

#[test]
fn only_the_gate_says_who_asks() {
    let spoofed = [
        ("x-auth-subject", "root"),
        ("X-Auth_Subject", "root"),
        ("x_auth_subject", "root"),
        ("x-auth-roles", "admin"),
        ("x_auth_tenant", "acme"),
    ];
    let nobody = Case::new().headers(&spoofed);
    assert!(nobody.keys().all(|name| is_ours(name.as_str())), "{nobody:?}");
    let known = Case { identity: ana(), ..Case::new() }.headers(&spoofed);
    assert_eq!((values(&known, "x-auth-subject"), values(&known, "x-auth-roles")), (vec!["ana"], vec!["admin"]));
    assert!(known.keys().all(|name| is_ours(name.as_str()) || matches!(name.as_str(), "x-auth-subject" | "x-auth-roles")));
}

#[test]
fn only_the_gate_says_where_it_came_from() {
    let headers = Case::new().headers(&[
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil"),
        ("forwarded", "for=1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("x_forwarded_for", "1.2.3.4"),
        ("true-client-ip", "1.2.3.4"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("proxy", "http://evil"),
    ]);
    assert!(headers.keys().all(|name| is_ours(name.as_str())), "{headers:?}");
    assert_eq!(values(&headers, "x-forwarded-for"), ["203.0.113.9"]);
    assert_eq!((values(&headers, "x-forwarded-proto"), values(&headers, "x-forwarded-host").len()), (vec!["https"], 1));
    assert!(values(&headers, "forwarded")[0].contains("203.0.113.9"), "{headers:?}");
}

#[test]
fn tokens_go_no_further_unless_the_app_wants_them() {
    let lines = [
        ("authorization", "Bearer secret"),
        ("cookie", "lang=en; session=secret"),
        ("cookie", "theme=dark; session=again"),
        ("referer", "https://app.example/x?token=secret"),
    ];
    let mut case = Case::new();
    case.route.auth.pass_token = false;
    let headers = case.headers(&lines);
    assert!(!format!("{headers:?}").contains("secret"), "{headers:?}");
    assert_eq!(values(&headers, "cookie"), ["lang=en; theme=dark"], "one field, as HTTP/1.1 servers need it");

    case.route.auth.pass_token = true;
    let headers = case.headers(&lines);
    assert_eq!(values(&headers, "authorization"), ["Bearer secret"]);
    assert_eq!(values(&headers, "cookie"), ["lang=en; session=secret; theme=dark; session=again"]);
}

#[test]
fn a_referer_goes_when_it_may_hold_a_token() {
    let case = Case::new();
    for (referer, stays) in [
        ("https://app.example/x?y=1", true),
        ("https://app.example/token=secret", true),
        ("https://app.example/x?a&token=secret", false),
        ("https://app.example/x?%74oken=secret", false),
        ("https://app.example/x?token", false),
    ] {
        assert_eq!(case.headers(&[("referer", referer)]).contains_key("referer"), stays, "{referer}");
    }
    let mut parts = get("/chat/socket.io/", &[]);
    parts.headers.insert("referer", HeaderValue::from_bytes(b"https://app.example/\xe9?token=secret").expect("a value"));
    assert!(!case.request(&parts).headers().contains_key("referer"), "what cannot be read");
}

#[test]
fn the_app_sees_the_origin_that_was_agreed_on() {
    let shown = |kind, origin: &str| {
        let mut case = Case::new();
        (case.route.kind, case.upstream.origin) = (kind, origin.into());
        values(&case.headers(&[("origin", "https://page.example")]), "origin").join("|")
    };
    for kind in [route::Kind::Socketio, route::Kind::Websocket, route::Kind::Http] {
        assert_eq!(shown(kind, "remove"), "", "{kind:?}");
        assert_eq!(shown(kind, "keep"), "https://page.example", "{kind:?}");
        assert_eq!(shown(kind, "http://localhost:3000"), "http://localhost:3000", "{kind:?}");
    }
    assert_eq!(shown(route::Kind::Socketio, ""), "", "its page was judged here");
    assert_eq!(shown(route::Kind::Websocket, ""), "");
    assert_eq!(shown(route::Kind::Http, ""), "https://page.example");
}

#[test]
fn the_app_is_called_by_the_clients_name_for_it_or_by_its_own() {
    let mut case = Case::new();
    assert_eq!(values(&case.headers(&[]), "host"), ["app.example:8443"]);
    case.upstream.host = upstream::Host::Member;
    assert_eq!(values(&case.headers(&[]), "host"), [MEMBER]);
}

proptest! {
    /// Whatever else a client sends and names away: what the gate says is said once, and is the gate's.
    #[test]
    fn nothing_a_client_writes_passes_for_our_word(
        lines in proptest::collection::vec(("[xX][-_][aA]uth[-_](subject|Roles|TENANT)|x-[a-z]{1,8}|connection", "[ -~]{0,30}"), 0..20),
    ) {
        let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assume!(lines.iter().filter(|(name, _)| *name == "connection").map(|(_, list)| list.split(',').count()).sum::<usize>() <= 16);
        let headers = Case { identity: ana(), ..Case::new() }.headers(&lines);
        prop_assert_eq!(values(&headers, "x-auth-subject"), ["ana"]);
        prop_assert_eq!(values(&headers, "x-auth-roles"), ["admin"]);
        prop_assert_eq!(values(&headers, "x-forwarded-for"), ["203.0.113.9"]);
        let told: Vec<String> = headers.keys().map(|name| name.as_str().replace('_', "-")).filter(|name| name.starts_with("x-auth-")).collect();
        prop_assert_eq!(told.len(), 2);
    }
}
