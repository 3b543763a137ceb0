//! Names in the environment. `SOCKGATE_ORIGIN__ALLOW` is `origin.allow`: two underscores go one table down, numbers pick from
//! lists, commas separate the entries of a list. Beside these stand the names that existing apps already read, in one table:
//! the loader applies it, the reference prints it. Values stay raw texts here; the types decide later what they are.

use figment::value::{Empty, Tag, Value};

use super::{
    keys::{Key, Shape},
    pattern::{Pattern, PatternError, page_host},
    stack::Path,
};

/// Every own name starts with this.
pub const PREFIX: &str = "SOCKGATE_";

/// Picks the profile's file beside each file.
pub const PROFILE: &str = "SOCKGATE_PROFILE";

/// One upstream in one variable: its members, separated by commas.
pub const UPSTREAM: &str = "SOCKGATE_UPSTREAM";

/// A name that existing apps already read.
#[derive(Clone, Copy, Debug)]
pub struct Legacy {
    pub name: &'static str,
    /// The keys it sets.
    pub keys: &'static str,
    pub reading: Reading,
    /// How its value is read, for the reference.
    pub note: &'static str,
}

/// How the value of a legacy name is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// `production` sets the environment, anything else nothing.
    Production,
    /// A truth: 1, true, yes, on and their opposites.
    Truth,
    /// The port of an address.
    OwnPort,
    /// Hosts or ports of the computed list, which gives way to every explicit one.
    Computed,
    /// Origins that replace the computed list.
    Origins,
    /// The URL of a page; its origin replaces the computed list.
    Page,
    /// A list.
    List,
    /// A length of time whose bare number is seconds below 1000 (Flask) and milliseconds from there (Node).
    Time,
    /// As it is.
    Text,
    /// Known, but nothing here uses it.
    Unused,
}

/// The legacy names, weakest first: a later row wins over an earlier one that sets the same key.
pub const LEGACY: &[Legacy] = &[
    legacy("NODE_ENV", "environment", Reading::Production, "`production` sets it; every other value does nothing"),
    legacy("FLASK_ENV", "environment", Reading::Production, "`production` sets it; every other value does nothing"),
    legacy("PORT", "listen.address", Reading::OwnPort, "the gate's own port; the address before it stays"),
    legacy("BEHIND_PROXY", "listen.behind_proxy", Reading::Truth, "1, true, yes, on, or 0, false, no, off"),
    legacy(
        "FLASK_HOST",
        "origin.hosts",
        Reading::Computed,
        "hosts of the computed list, separated by commas; `0.0.0.0` and `::` mean loopback. Gives way to every explicit list of origins",
    ),
    legacy(
        "FLASK_PORT",
        "origin.ports",
        Reading::Computed,
        "ports of the computed list, separated by commas. Gives way to every explicit list of origins",
    ),
    legacy("FRONTEND_URL", "origin.allow", Reading::Page, "pages by URL; a path is cut off. Replaces the computed list"),
    legacy("FRONTEND_ORIGIN", "origin.allow", Reading::Origins, "origins, separated by commas. Replaces the computed list"),
    legacy("CORS_ORIGIN", "origin.allow", Reading::Origins, "origins, separated by commas. Replaces the computed list"),
    legacy("SOCKETIO_CORS_ORIGINS", "origin.allow", Reading::Origins, "origins, separated by commas. Replaces the computed list"),
    legacy("SOCKETIO_TRANSPORTS", "socketio.transports", Reading::List, "transports, separated by commas"),
    legacy("SOCKETIO_PING_INTERVAL", "socketio.ping_interval", Reading::Time, TIME),
    legacy("SOCKETIO_PING_TIMEOUT", "socketio.ping_timeout", Reading::Time, TIME),
    legacy("SOCKETIO_CONNECT_TIMEOUT", "socketio.connect_timeout", Reading::Time, TIME),
    legacy("SOCKETIO_MAX_HTTP_BUFFER_SIZE", "socketio.max_payload", Reading::Text, "a bare number is bytes"),
    legacy("JWT_SECRET", "auth.secret", Reading::Text, "at least 32 bytes"),
    legacy("REDIS_URL", "", Reading::Unused, "not used: this release shares no state between gates, limits count in each"),
];

const TIME: &str = "a bare number is seconds below 1000, as Flask writes them, and milliseconds from there, as Node writes them";

const fn legacy(name: &'static str, keys: &'static str, reading: Reading, note: &'static str) -> Legacy {
    Legacy { name, keys, reading, note }
}

/// Keys whose malformed values refuse the start even when they come from a variable: who may enter, and with which keys.
const GUARDED: &[&str] = &[
    "environment",
    "tls",
    "auth",
    "access",
    "seal",
    "admin",
    "upstream",
    "route",
    "origin.credentials",
    "origin.missing",
    "origin.own",
    "origin.csrf_cookie",
    "origin.csrf_header",
    "listen.trusted_proxies",
    "listen.proxy_protocol",
    "listen.public_origins",
];

/// Whether a wrong value of this key could weaken the gate.
pub fn is_guarded(path: &[String]) -> bool {
    let key = path.join(".");
    GUARDED.iter().any(|guarded| key.strip_prefix(guarded).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// The key of an own name: `SOCKGATE_ROUTE__0__PATH` is `route.0.path`.
pub fn path_of(name: &str) -> Option<Path> {
    let rest = name.strip_prefix(PREFIX)?;
    Some(rest.split("__").map(str::to_ascii_lowercase).collect())
}

/// The own name of a key, where one can be written: upper case, digits and single underscores.
pub fn name_of(path: &str) -> Option<String> {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'));
    is_plain.then(|| format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase()))
}

/// Orders own names so that tables come before their parts and entry 2 before entry 10.
pub fn order_of(name: &str) -> Vec<(usize, String)> {
    path_of(name).unwrap_or_default().into_iter().map(|step| (step.parse().unwrap_or(usize::MAX), step)).collect()
}

/// The variables Kubernetes makes for a service called `sockgate` or `sockgate-something` beside us (`SOCKGATE_PORT=tcp://…`,
/// `SOCKGATE_SERVICE_HOST`): nobody wrote them, so nobody is warned.
pub fn is_service_link(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX.trim_end_matches('_')) else { return false };
    if rest.ends_with("_SERVICE_HOST") || rest.ends_with("_SERVICE_PORT") || rest.contains("_SERVICE_PORT_") {
        return true;
    }
    // `_PORT_8443_TCP`, with `_PROTO`, `_PORT` or `_ADDR` after it.
    let Some((_, tail)) = rest.rsplit_once("_PORT_") else { return rest.ends_with("_PORT") && value.contains("://") };
    let mut parts = tail.split('_');
    let (port, protocol, what, end) = (parts.next(), parts.next(), parts.next(), parts.next());
    port.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        && matches!(protocol, Some("TCP" | "UDP" | "SCTP"))
        && matches!(what, None | Some("PROTO" | "PORT" | "ADDR"))
        && end.is_none()
}

/// A raw text as the value of a key: lists at commas, everything else as it is. `None`: a table has no text.
pub fn to_value(key: Key<'_>, text: &str) -> Option<Value> {
    match key.shape() {
        Shape::Table | Shape::Map | Shape::Tables => None,
        Shape::List => Some(Value::from(entries(text))),
        Shape::Value if text.is_empty() && key.is_optional() && !key.is_secret() => Some(Value::Empty(Tag::Default, Empty::None)),
        Shape::Value => Some(Value::from(text)),
    }
}

/// The entries of a list as own names write it: `a, b`.
pub fn entries(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_string).collect()
}

/// The entries of a list as existing apps write it: `a,b`, `a b`, `["a", "b"]`.
pub fn loose_entries(text: &str) -> Vec<String> {
    let inner = text.trim();
    let inner = inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(inner);
    let parts = inner.split(|letter: char| letter == ',' || letter.is_whitespace());
    parts.map(|part| part.trim_matches(['"', '\''])).filter(|part| !part.is_empty()).map(str::to_string).collect()
}

/// A length of time as existing apps write it.
pub fn legacy_time(text: &str) -> String {
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..1000.0).contains(&number) => format!("{number}s"),
        Ok(number) if number.is_finite() && number >= 1000.0 => format!("{number}ms"),
        _ => text.trim().to_string(),
    }
}

/// The origin of a page's URL: everything up to the path.
pub fn origin_of_page(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |colon| colon + 3);
    let end = url[after_scheme..].find(['/', '?', '#']).map_or(url.len(), |length| after_scheme + length);
    &url[..end]
}

/// What is wrong with an entry of a list of origins or hosts that came from a variable; entries of other keys are fine.
pub fn entry_error(path: &[String], entry: &str) -> Option<PatternError> {
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    match steps.as_slice() {
        ["origin", "allow"] | ["route", _, "origin", "allow"] => entry.parse::<Pattern>().err(),
        ["origin", "hosts"] | ["route", _, "origin", "hosts"] => page_host(entry).err(),
        _ => None,
    }
}
