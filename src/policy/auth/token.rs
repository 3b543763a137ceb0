//! Where a token is found in a request, or in the CONNECT packet after it (`connect`). `Places` is what `auth.from` says, read once; `find` looks at every one of them,
//! takes the token of the first that has one, and refuses requests whose places contradict each other: whoever reads the
//! request after us could believe the other token. Nothing is decoded here, and nothing larger than 8 KiB gets past.

use std::{borrow::Cow, fmt};

use aws_lc_rs::digest;
use http::HeaderValue;

use super::{TokenRefusal, problem::AuthProblem};

/// The places to look at, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places(Vec<Place>);

/// One place a token may be in.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// A path into the payload of the CONNECT packet, which is no part of any request.
    Connect(String),
    /// `Authorization: Bearer TOKEN`.
    Header,
    /// A cookie of this name.
    Cookie(String),
    /// A query parameter of this name.
    Query(String),
    /// The item after `bearer` in `Sec-WebSocket-Protocol`.
    Subprotocol,
}

/// What of a request may hold a token.
pub struct Carrier<'a> {
    /// Every `Authorization` header.
    pub authorization: Vec<&'a HeaderValue>,
    /// The values of all cookies of a name.
    pub cookies: &'a dyn Fn(&str) -> Vec<&'a str>,
    /// The query's parameters, decoded, in order.
    pub query: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// The items of `Sec-WebSocket-Protocol`, trimmed, in order.
    pub subprotocols: &'a [&'a str],
}

/// A token and where it was.
#[derive(Clone, Eq, PartialEq)]
pub struct Found<'a> {
    pub token: &'a str,
    pub place: &'a Place,
}

impl Places {
    /// Reads `auth.from`. At least one place, none twice, and one in the CONNECT packet.
    pub fn parse(from: &[String]) -> Result<Self, Vec<AuthProblem>> {
        let mut places = Vec::with_capacity(from.len());
        let mut problems = Vec::new();
        for (index, text) in from.iter().enumerate() {
            let key = format!("auth.from[{index}]");
            match Place::parse(text) {
                Ok(place) if places.contains(&place) => {
                    problems.push(AuthProblem::new(key, format!("{text:?} is named twice"), "name it once"));
                }
                Ok(Place::Connect(_)) if places.iter().any(|known| matches!(known, Place::Connect(_))) => {
                    problems.push(AuthProblem::new(key, "there is another place in the CONNECT packet already", "name one"));
                }
                Ok(place) => places.push(place),
                Err(what) => problems.push(AuthProblem::new(key, what, PLACES_HELP)),
            }
        }
        if from.is_empty() {
            problems.push(AuthProblem::new("auth.from", "no place is named", PLACES_HELP));
        }
        if problems.is_empty() { Ok(Self(places)) } else { Err(problems) }
    }

    /// The token of the first place of the request that has one. A place with two, or two places that differ, are refused.
    pub fn find<'a>(&'a self, carrier: &Carrier<'a>) -> Result<Option<Found<'a>>, TokenRefusal> {
        let mut found: Option<Found<'a>> = None;
        for place in &self.0 {
            let Some(token) = place.look(carrier)? else { continue };
            match &found {
                None => found = Some(Found { token, place }),
                Some(first) if first.token != token => return Err(TokenRefusal::Disagree),
                Some(_) => {}
            }
        }
        Ok(found)
    }

    /// Whether a token may be in the query, which must be parsed then.
    pub fn look_in_query(&self) -> bool {
        self.0.iter().any(|place| matches!(place, Place::Query(_)))
    }

    /// The path of the token in the payload of a CONNECT packet.
    pub fn connect_field(&self) -> Option<&str> {
        self.0.iter().find_map(|place| match place {
            Place::Connect(path) => Some(path.as_str()),
            Place::Header | Place::Cookie(_) | Place::Query(_) | Place::Subprotocol => None,
        })
    }

    /// Which of two tokens counts: the one of a CONNECT packet or the one that the handshake before it showed.
    pub fn preferred<T>(&self, packet: Option<T>, handshake: Option<T>) -> Option<T> {
        match self.0.first() {
            Some(Place::Connect(_)) => packet.or(handshake),
            _ => handshake.or(packet),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }

    /// The cookies to remove before a request is forwarded.
    pub fn cookie_names(&self) -> Vec<&str> {
        self.0.iter().filter_map(Place::cookie_name).collect()
    }

    /// The query parameters to cut out before a request is forwarded or logged.
    pub fn query_names(&self) -> Vec<&str> {
        self.0.iter().filter_map(Place::query_name).collect()
    }
}

impl Place {
    /// The cookie it is, if it is one.
    pub fn cookie_name(&self) -> Option<&str> {
        match self {
            Self::Cookie(name) => Some(name),
            Self::Connect(_) | Self::Header | Self::Query(_) | Self::Subprotocol => None,
        }
    }

    /// The query parameter it is, if it is one.
    pub fn query_name(&self) -> Option<&str> {
        match self {
            Self::Query(name) => Some(name),
            Self::Connect(_) | Self::Header | Self::Cookie(_) | Self::Subprotocol => None,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "header" => Ok(Self::Header),
            None if text == "subprotocol" => Ok(Self::Subprotocol),
            Some(("connect", path)) if is_connect_path(path) => Ok(Self::Connect(path.into())),
            Some(("cookie", name)) if is_cookie_name(name) => Ok(Self::Cookie(name.into())),
            Some(("query", name)) if ENGINE_PARAMETERS.contains(&name) => {
                Err(format!("the query parameter {name:?} belongs to Engine.IO"))
            }
            Some(("query", name)) if is_query_name(name) => Ok(Self::Query(name.into())),
            Some(("connect" | "cookie" | "query", name)) => Err(format!("{name:?} is not a name")),
            _ => Err(format!("{text:?} is not a place")),
        }
    }

    fn look<'a>(&self, carrier: &Carrier<'a>) -> Result<Option<&'a str>, TokenRefusal> {
        match self {
            Self::Connect(_) => Ok(None),
            Self::Header => in_header(&carrier.authorization),
            Self::Cookie(name) => in_cookies((carrier.cookies)(name)),
            Self::Query(name) => in_query(carrier.query, name),
            Self::Subprotocol => in_subprotocols(carrier.subprotocols),
        }
    }
}

/// The token's fingerprint: recognises the same token again without holding it. The first half of its SHA-256.
pub fn token_tag(token: &str) -> [u8; 16] {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let mut tag = [0; 16];
    tag.copy_from_slice(&digest.as_ref()[..16]);
    tag
}

/// Another scheme than Bearer is refused, not skipped: it would reach the app as an identity that nobody checked.
fn in_header<'a>(values: &[&'a HeaderValue]) -> Result<Option<&'a str>, TokenRefusal> {
    let value = match values {
        [] => return Ok(None),
        [one] => one.to_str().map_err(|_| TokenRefusal::Malformed)?,
        _ => return Err(TokenRefusal::Repeated),
    };
    let (scheme, token) = value.trim_ascii().split_once(' ').ok_or(TokenRefusal::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenRefusal::Malformed);
    }
    in_one_piece(token.trim_ascii()).map(Some)
}

/// A page of a neighbouring host can add a cookie of the same name, so two that differ are refused. An empty one is what
/// signing out leaves behind.
fn in_cookies(values: Vec<&str>) -> Result<Option<&str>, TokenRefusal> {
    let mut values = values.into_iter().filter(|value| !value.is_empty());
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|value| value != first) {
        return Err(TokenRefusal::Repeated);
    }
    in_one_piece(first).map(Some)
}

fn in_query<'a>(query: &'a [(Cow<'a, str>, Cow<'a, str>)], name: &str) -> Result<Option<&'a str>, TokenRefusal> {
    let mut values = query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_ref());
    let first = values.next();
    if values.next().is_some() {
        return Err(TokenRefusal::Repeated);
    }
    first.filter(|value| !value.is_empty()).map(in_one_piece).transpose()
}

fn in_subprotocols<'a>(items: &[&'a str]) -> Result<Option<&'a str>, TokenRefusal> {
    let mut marks = items.iter().enumerate().filter(|(_, item)| **item == SUBPROTOCOL_MARK).map(|(at, _)| at);
    let Some(at) = marks.next() else { return Ok(None) };
    if marks.next().is_some() {
        return Err(TokenRefusal::Repeated);
    }
    items.get(at + 1).ok_or(TokenRefusal::Malformed).and_then(|token| in_one_piece(token)).map(Some)
}

/// Size first, so that nothing is spent on what is too large. The characters of `b64token` (RFC 6750 section 2.1): a comma
/// or a space would mean that a header holds more than one credential.
fn in_one_piece(token: &str) -> Result<&str, TokenRefusal> {
    if token.len() > TOKEN_SIZE {
        return Err(TokenRefusal::TooLarge);
    }
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    // All are looked at, whatever the first are: that takes fewer steps than looking for the first that is not.
    let is_whole = !token.is_empty() && token.bytes().fold(true, |all, byte| all & is_of_it(byte));
    if is_whole { Ok(token) } else { Err(TokenRefusal::Malformed) }
}

/// RFC 6265 section 4.1.1: a token of RFC 9110.
fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Only what needs no encoding, so that there is one way to write it and cutting it out is safe.
fn is_query_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// Names that need no escape in JSON, divided by dots.
fn is_connect_path(path: &str) -> bool {
    path.len() <= CONNECT_PATH_SIZE && path.split('.').all(is_query_name)
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(path) => write!(out, "connect:{path}"),
            Self::Header => out.write_str("header"),
            Self::Cookie(name) => write!(out, "cookie:{name}"),
            Self::Query(name) => write!(out, "query:{name}"),
            Self::Subprotocol => out.write_str("subprotocol"),
        }
    }
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a token from {}", self.place)
    }
}

/// No token is larger. What it costs to look at one is bounded by it.
pub const TOKEN_SIZE: usize = 8 * 1024;

/// What goes before the token in `Sec-WebSocket-Protocol`, and what the gate answers there.
const SUBPROTOCOL_MARK: &str = "bearer";

/// Parameters that mean something to Engine.IO.
const ENGINE_PARAMETERS: [&str; 6] = ["EIO", "transport", "sid", "t", "j", "b64"];

/// Real ones have one or two names.
const CONNECT_PATH_SIZE: usize = 128;

const PLACES_HELP: &str = "write \"connect:NAME\", \"header\", \"cookie:NAME\", \"query:NAME\" or \"subprotocol\"";
