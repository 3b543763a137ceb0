//! The page that asks, as its `Origin` header names it (RFC 6454 7.1): scheme, host and port, nothing else. Reading is
//! strict because this text decides who may connect: what a browser would not have sent is malformed and never repaired.
//! The canonical text is what a browser sends, so comparing pages is comparing texts.

use std::{fmt, ops::Range};

use ::http::{HeaderMap, HeaderName, header};

use crate::config::pattern::{Scheme, browser_host};

/// Scheme, host and port of a page.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Page {
    /// `https://app.example.com:8443`; without the port that the scheme implies.
    text: Box<str>,
    scheme: Scheme,
    host: Range<usize>,
    port: u16,
}

/// Why a text is no page.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PageError {
    #[error("not an origin as browsers write it: scheme, host and, where it is not the usual one, port")]
    Malformed,
    #[error("pages come by http or https")]
    Scheme,
}

/// What a request's `Origin` header said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shown<'a> {
    Absent,
    Value(&'a [u8]),
    Repeated,
}

/// What `Sec-Fetch-Site` said: a browser's own statement, which pages cannot forge and other clients can.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FetchSite {
    Absent,
    SameOrigin,
    SameSite,
    CrossSite,
    /// The user's own doing: an address typed, a bookmark.
    None,
    /// Several values, or one that nobody has defined yet.
    Other,
}

impl Page {
    /// Reads the value of an `Origin` header that is not `null`.
    pub fn parse(value: &[u8]) -> Result<Self, PageError> {
        if value.len() > LONGEST_ORIGIN {
            return Err(PageError::Malformed);
        }
        // Header values are bytes; international names come as punycode, so everything beyond ASCII is malformed.
        let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).ok_or(PageError::Malformed)?;
        let (scheme, authority) = text.split_once("://").ok_or(PageError::Malformed)?;
        let (host, port) = split_port(authority).ok_or(PageError::Malformed)?;
        let scheme = scheme_named(scheme)?;
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => port_number(digits).ok_or(PageError::Malformed)?,
        };
        Self::new(scheme, host, port)
    }

    /// A page from its parts; `host` as in a `Host` header, IPv6 in brackets.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Result<Self, PageError> {
        if !is_plain_host(host) {
            return Err(PageError::Malformed);
        }
        let host = browser_host(host).map_err(|_| PageError::Malformed)?;
        let mut text = format!("{}://{host}", scheme.as_str());
        let host = text.len() - host.len()..text.len();
        if port != scheme.default_port() {
            text.push_str(&format!(":{port}"));
        }
        Ok(Self { text: text.into(), scheme, host, port })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub fn host(&self) -> &str {
        &self.text[self.host.clone()]
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://app.example.com`, whatever the port is.
    pub fn without_port(&self) -> &str {
        &self.text[..self.host.end]
    }

    /// Whether a stranger could make this host name point here. A browser at `http://evil.example` whose DNS answer
    /// changes to our address shows our own `Host` (DNS rebinding). Certificates, addresses and names without a public
    /// owner cannot be rebound.
    pub fn is_rebindable(&self) -> bool {
        let host = self.host();
        let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        let is_local = !host.contains('.') || host.ends_with(".localhost");
        self.scheme == Scheme::Http && !is_address && !is_local
    }
}

impl fmt::Display for Page {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Page({})", self.text)
    }
}

impl<'a> Shown<'a> {
    pub fn read(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::ORIGIN).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Value(value.as_bytes()),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }
}

impl FetchSite {
    pub fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(SEC_FETCH_SITE).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => value.to_str().map_or(Self::Other, |text| Self::from(Some(text))),
            (Some(_), Some(_)) => Self::Other,
        }
    }
}

impl From<Option<&str>> for FetchSite {
    fn from(value: Option<&str>) -> Self {
        match value {
            None => Self::Absent,
            Some("same-origin") => Self::SameOrigin,
            Some("same-site") => Self::SameSite,
            Some("cross-site") => Self::CrossSite,
            Some("none") => Self::None,
            Some(_) => Self::Other,
        }
    }
}

/// Schemes of apps and extensions are well-formed but no page of ours; anything else before `://` is noise.
fn scheme_named(text: &str) -> Result<Scheme, PageError> {
    if text.eq_ignore_ascii_case("https") {
        return Ok(Scheme::Https);
    }
    if text.eq_ignore_ascii_case("http") {
        return Ok(Scheme::Http);
    }
    let is_scheme = text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    Err(if is_scheme { PageError::Scheme } else { PageError::Malformed })
}

/// The host and the digits behind its colon. The colons of an IPv6 address stand inside its brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, rest) = authority.split_at(authority[after_address..].find(':').map_or(authority.len(), |at| after_address + at));
    Some((host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) }))
}

/// A browser writes no leading zero, no sign and no empty port.
fn port_number(digits: &str) -> Option<u16> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if is_plain { digits.parse().ok() } else { None }
}

/// Letters, digits, `-`, `.` and `_`, or an address in brackets: what is left of a host after a browser has read it. User
/// names, lists, escapes, wildcards and control bytes all fail here.
fn is_plain_host(host: &str) -> bool {
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_ipv6 = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(is_ipv6),
        None => !host.is_empty() && is_name(host),
    }
}

/// More than any browser sends: a host of 241 bytes with scheme and port.
pub const LONGEST_ORIGIN: usize = 256;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
