//! The request toward the app, made from the client's: what ends at the gate is dropped first, what the gate vouches for is
//! set afterwards, so that nothing a client writes can pass for our word.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, header, request::Parts};

use crate::{
    config::{self, route::Kind, upstream::Host},
    http::{
        forwarded::{self, Client, Fresh, SPOKEN_FOR},
        head::Head,
        headers::{self, HOP_BY_HOP, NameSet},
    },
    net::Peer,
    policy::auth::{Identity, IdentityHeaders, Places},
};

/// How a route speaks to its app.
pub struct Manners {
    pub origin: OriginManner,
    pub host: Host,
    /// Put in place of the route's path; `None` forwards it as it is.
    pub rewrite: Option<Rewrite>,
    pub identity: IdentityHeaders,
    /// What goes no further than here: what is the connection's, and what only the gate may say to the app.
    pub dropped: NameSet,
    /// Query parameters that may hold a token, cut out before forwarding.
    pub token_parameters: Vec<String>,
    /// Cookies that may hold a token, where they are not left to the app.
    pub token_cookies: Vec<String>,
}

/// A path prefix and what stands in its place.
pub struct Rewrite {
    pub from: String,
    pub to: String,
}

/// The Origin header toward the app.
pub enum OriginManner {
    Remove,
    Keep,
    Fixed(HeaderValue),
}

/// What the app is told beyond the client's own request.
pub struct Told<'a> {
    pub client: &'a Client,
    pub peer: &'a Peer,
    pub identity: Option<&'a Identity>,
    /// The app's session id, where the client's sealed one stands in the query.
    pub sid: Option<&'a str>,
    /// Random bytes for a request id and a trace.
    pub fresh: &'a Fresh,
    pub member_host: &'a str,
    pub now: SystemTime,
}

/// The method, target and headers toward the app. The body and its framing are the caller's.
pub fn request(parts: &Parts, head: &Head, manners: &Manners, told: &Told<'_>) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = if parts.method == Method::CONNECT { Method::GET } else { parts.method.clone() };
    *request.uri_mut() = target(head, manners, told);
    *request.headers_mut() = client_headers(parts, manners);
    say(request.headers_mut(), &parts.headers, head, manners, told);
    request
}

fn target(head: &Head, manners: &Manners, told: &Told<'_>) -> Uri {
    let query = head.query.without(&manners.token_parameters);
    let mut target = String::with_capacity(head.path.len() + query.as_str().len() + ROOM);
    manners.write_path(&head.path, &mut target);
    if !query.is_empty() {
        target.push('?');
    }
    match told.sid {
        Some(sid) => query.write_replaced("sid", sid, &mut target),
        None => target.push_str(query.as_str()),
    }
    // The path and the query were a URI's already.
    Uri::try_from(target).unwrap_or_else(|_| Uri::from_static("/"))
}

fn client_headers(parts: &Parts, manners: &Manners) -> HeaderMap {
    let mut headers = headers::without(&parts.headers, &manners.dropped, OURS);
    // Also joins what HTTP/2 clients send as several fields: HTTP/1.1 servers need one.
    headers::without_cookie(&mut headers, &manners.token_cookies);
    if refers_to_token(&headers, manners) {
        headers.remove(header::REFERER);
    }
    if let OriginManner::Fixed(origin) = &manners.origin {
        headers.insert(header::ORIGIN, origin.clone());
    }
    headers
}

/// What the gate vouches for.
fn say(headers: &mut HeaderMap, incoming: &HeaderMap, head: &Head, manners: &Manners, told: &Told<'_>) {
    let host = match manners.host {
        Host::Keep => head.host.to_string(),
        Host::Member => told.member_host.to_string(),
    };
    if let Ok(host) = HeaderValue::try_from(host) {
        headers.insert(header::HOST, host);
    }
    forwarded::set(headers, incoming, told.client, told.peer, &head.host, told.fresh);
    if let Some(identity) = told.identity {
        manners.identity.write(headers, identity, told.now);
    }
}

fn refers_to_token(headers: &HeaderMap, manners: &Manners) -> bool {
    let Some(referer) = headers.get(header::REFERER) else { return false };
    let Ok(referer) = referer.to_str() else { return true };
    let Some((_, query)) = referer.split_once('?') else { return false };
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| manners.token_parameters.iter().any(|token| *token == name))
}

impl Manners {
    /// The path the app is asked for.
    pub fn path(&self, path: &str) -> String {
        let mut written = String::with_capacity(path.len());
        self.write_path(path, &mut written);
        written
    }

    fn write_path(&self, path: &str, out: &mut String) {
        match self.rewrite.as_ref().and_then(|rewrite| Some((rewrite, path.strip_prefix(rewrite.from.as_str())?))) {
            Some((rewrite, rest)) => {
                out.push_str(rewrite.to.trim_end_matches('/'));
                out.push('/');
                out.push_str(rest.trim_start_matches('/'));
            }
            None => out.push_str(path),
        }
    }

    /// What a route's and its upstream's configuration ask for. A fixed origin was judged by `config/check`.
    pub fn new(
        route: &config::route::Route,
        upstream: &config::upstream::Upstream,
        identity: IdentityHeaders,
        places: &Places,
    ) -> Self {
        let owned = |names: Vec<&str>, wanted: bool| match wanted {
            true => names.into_iter().map(str::to_string).collect(),
            false => Vec::new(),
        };
        let origin = match (upstream.origin.as_str(), route.kind) {
            ("remove", _) | ("", Kind::Socketio | Kind::Websocket) => OriginManner::Remove,
            ("keep", _) | ("", Kind::Http) => OriginManner::Keep,
            (fixed, _) => HeaderValue::try_from(fixed).map_or(OriginManner::Remove, OriginManner::Fixed),
        };
        let dropped = dropped(&identity, &origin, route.auth.pass_token);
        Self {
            origin,
            host: upstream.host,
            rewrite: route.rewrite.clone().map(|to| Rewrite { from: route.path.clone(), to }),
            dropped,
            identity,
            token_parameters: owned(places.query_names(), !route.auth.token_in_url),
            token_cookies: owned(places.cookie_names(), !route.auth.pass_token),
        }
    }
}

/// Names that end at the gate, in one set: a request's headers are gone through once.
fn dropped(identity: &IdentityHeaders, origin: &OriginManner, pass_token: bool) -> NameSet {
    let fixed = HOP_BY_HOP.iter().chain(&SPOKEN_FOR).chain(&ENDS_HERE).copied();
    let told = identity.names().iter().map(String::as_str);
    let origin = (!matches!(origin, OriginManner::Keep)).then_some("origin");
    let token = (!pass_token).then_some("authorization");
    NameSet::new(fixed.chain(told).chain(origin).chain(token))
}

/// What the caller of [`request`] sets anew, and what the gate answers itself. Handshakes with the app are the gate's own
/// (`relay/websocket`).
const ENDS_HERE: [&str; 9] = [
    "proxy-*",
    "host",
    "content-length",
    "expect",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
];
/// Fields that the gate adds, as a rule.
const OURS: usize = 12;
/// What an app's session id may be longer than ours, or a path that is rewritten.
const ROOM: usize = 64;
