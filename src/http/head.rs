//! What a request asks for: method, host, path, query, and whether it wants to become a WebSocket. `gate` reads each request
//! once with `Head::read`, before anything is decided or forwarded, and on Socket.IO routes once more with `engine`. hyper has
//! framed the message; what hyper leaves to its user is judged here: hosts, targets, methods, codings, upgrades (RFC 9110,
//! 9112, 9113, 8441), and for Engine.IO the one spelling of its parameters. Nothing is repaired.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header, request::Parts};
use hyper::ext::Protocol;

use super::{
    headers,
    host::Host,
    path::{self, PathError},
    query::Query,
};
use crate::{codec::engine::Revision, config::listen::Listen};

/// One request, as far as the gate needs it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    pub method: Method,
    pub host: Host,
    /// The path in its only accepted spelling; the one to forward.
    pub path: String,
    pub query: Query,
    /// A WebSocket is asked for. Its own headers are judged by `upgrade`.
    pub upgrade: Option<Upgrade>,
}

/// How a WebSocket is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upgrade {
    /// `Upgrade: websocket` (RFC 6455).
    Http1,
    /// Extended CONNECT (RFC 8441).
    Http2,
}

/// What a request may measure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadShape {
    /// Bytes of path and query together.
    pub url_size: usize,
    /// Bytes of the request line and the headers together.
    pub head_size: usize,
    /// Headers.
    pub head_count: usize,
}

impl HeadShape {
    pub fn new(listen: &Listen) -> Self {
        Self { url_size: listen.url_size.to_usize(), head_size: listen.head_size.to_usize(), head_count: listen.head_count }
    }
}

impl Head {
    /// Reads and judges. The order: how large it is, what is asked at all, for whom, how it is framed, what it wants to become,
    /// where it goes.
    pub fn read(parts: &Parts, shape: &HeadShape) -> Result<Self, HeadError> {
        judge_size(parts, shape)?;
        judge_method(parts)?;
        let host = read_host(parts)?;
        judge_framing(parts)?;
        let upgrade = read_upgrade(parts)?;
        let target = parts.uri.path_and_query().ok_or(HeadError::Target)?;
        path::judge(target.path())?;
        Ok(Self {
            method: parts.method.clone(),
            host,
            path: target.path().to_owned(),
            query: Query::new(target.query().unwrap_or_default()),
            upgrade,
        })
    }
}

/// What a request on a Socket.IO route asks Engine.IO for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EngineAsk {
    pub revision: Revision,
    pub transport: Transport,
    /// The session id, in unreserved characters only. Whether it is one of ours is for its seal to tell.
    pub sid: Option<String>,
    pub step: Step,
}

/// The way a session travels.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Transport {
    Polling,
    WebSocket,
}

/// A step in the life of a session.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// A session starts, on either transport.
    Open,
    /// A polling session asks what there is.
    Poll,
    /// A polling session sends.
    Post,
    /// A polling session moves to a WebSocket.
    Upgrade,
}

/// Judges the Engine.IO part of a request. Servers differ in which of two parameters they take, which spellings they decode
/// and what they assume when one is missing, so each is required once and plainly.
pub fn engine(head: &Head) -> Result<EngineAsk, HeadError> {
    if head.path.contains('%') {
        return Err(HeadError::EncodedPath);
    }
    let asked = Parameters::read(&head.query)?;
    let transport = match asked.transport {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::WebSocket,
        _ => return Err(HeadError::Transport),
    };
    let revision = asked.protocol.and_then(Revision::of).ok_or(HeadError::Protocol)?;
    let sid = asked.sid.map(read_sid).transpose()?;
    let step = read_step(head, transport, sid.is_some())?;
    Ok(EngineAsk { revision, transport, sid, step })
}

/// Why a request is refused before anything was decided about it. The client is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeadError {
    #[error("an HTTP version that is not served")]
    Version,
    #[error("a method that is not served")]
    Method,
    #[error("an unknown method")]
    UnknownMethod,
    #[error("the target is not a path")]
    Target,
    #[error("path and query are too long")]
    UrlTooLong,
    #[error("the head is too large")]
    TooLarge,
    #[error("there are too many headers")]
    TooManyHeaders,
    #[error("the path has another spelling: {0}")]
    Path(#[from] PathError),
    #[error("no host is named")]
    HostMissing,
    #[error("two hosts are named")]
    HostRepeated,
    #[error("the host is not a name with an optional port")]
    HostMalformed,
    #[error("target and Host header name different hosts")]
    HostDisagrees,
    #[error("a transfer coding other than chunked alone")]
    TransferCoding,
    #[error("a Content-Length that is not one number")]
    ContentLength,
    #[error("both Content-Length and Transfer-Encoding")]
    TwoFramings,
    #[error("a Connection or Upgrade list that is too long")]
    ListTooLong,
    #[error("a header that HTTP/2 does not have")]
    ConnectionHeader,
    #[error("a WebSocket is asked for, but not by GET with HTTP/1.1")]
    UpgradeMethod,
    #[error("a WebSocket is asked for among other protocols")]
    UpgradeList,
    #[error("Upgrade without Connection: Upgrade")]
    UpgradeUnnamed,
    #[error("a WebSocket is asked for with a body")]
    UpgradeBody,
    #[error("an extended CONNECT for another protocol than websocket")]
    UnknownProtocol,
    #[error("an encoded path on a Socket.IO route")]
    EncodedPath,
    #[error("EIO, transport or sid is given twice")]
    DuplicateParameter,
    #[error("an Engine.IO parameter in another spelling")]
    DisguisedParameter,
    #[error("JSONP is not served")]
    Jsonp,
    #[error("transport is missing or unknown")]
    Transport,
    #[error("EIO is missing or neither 3 nor 4")]
    Protocol,
    #[error("a sid that cannot be one")]
    SessionId,
    #[error("a method that Engine.IO does not use for this")]
    EngineMethod,
    #[error("transport=polling with an Upgrade")]
    UpgradeOnPolling,
    #[error("transport=websocket without an Upgrade; a proxy in front must pass Upgrade and Connection on")]
    UpgradeMissing,
}

impl HeadError {
    /// Whether the end of the message is in doubt, so that the connection must be closed after the answer.
    pub fn is_about_framing(self) -> bool {
        matches!(self, Self::TransferCoding | Self::ContentLength | Self::TwoFramings | Self::UpgradeBody)
    }
}

/// hyper reads twice as much (`serve`), so that who sends somewhat more than allowed is told so by us.
fn judge_size(parts: &Parts, shape: &HeadShape) -> Result<(), HeadError> {
    if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > shape.url_size) {
        return Err(HeadError::UrlTooLong);
    }
    if parts.headers.len() > shape.head_count {
        return Err(HeadError::TooManyHeaders);
    }
    if size_of(parts) > shape.head_size { Err(HeadError::TooLarge) } else { Ok(()) }
}

/// As HTTP/1.1 would write it, also where it came as HTTP/2.
fn size_of(parts: &Parts) -> usize {
    let uri = &parts.uri;
    let origin = uri.authority().map_or(0, |authority| authority.as_str().len());
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = parts.method.as_str().len() + origin + target + "  HTTP/1.1\r\n\r\n".len();
    let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    line + parts.headers.iter().map(field).sum::<usize>()
}

fn judge_method(parts: &Parts) -> Result<(), HeadError> {
    if !matches!(parts.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(HeadError::Version);
    }
    match parts.method {
        Method::GET | Method::POST | Method::HEAD | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => Ok(()),
        Method::CONNECT if is_extended_connect(parts) => Ok(()),
        Method::CONNECT | Method::TRACE => Err(HeadError::Method),
        _ => Err(HeadError::UnknownMethod),
    }
}

fn is_extended_connect(parts: &Parts) -> bool {
    parts.version == Version::HTTP_2 && parts.extensions.get::<Protocol>().is_some()
}

/// The host of the target and of the header: at least one, and one host. HTTP/1 always has the header.
fn read_host(parts: &Parts) -> Result<Host, HeadError> {
    let in_target = host_of_target(&parts.uri)?;
    let in_header = headers::single(&parts.headers, header::HOST).map_err(|_| HeadError::HostRepeated)?;
    let in_header = in_header.map(|value| parse_host(value.to_str().unwrap_or_default())).transpose()?;
    match (in_target, in_header) {
        (Some(target), Some(header)) if target != header => Err(HeadError::HostDisagrees),
        (_, Some(header)) => Ok(header),
        (Some(target), None) if parts.version == Version::HTTP_2 => Ok(target),
        (_, None) => Err(HeadError::HostMissing),
    }
}

fn host_of_target(uri: &Uri) -> Result<Option<Host>, HeadError> {
    let Some(authority) = uri.authority() else { return Ok(None) };
    // An authority without a scheme is the form of a plain CONNECT.
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(HeadError::Target);
    }
    parse_host(authority.as_str()).map(Some)
}

fn parse_host(text: &str) -> Result<Host, HeadError> {
    text.parse().map_err(|_| HeadError::HostMalformed)
}

/// hyper decodes by these rules, but only looks at the last coding and drops what contradicts it; we refuse.
fn judge_framing(parts: &Parts) -> Result<(), HeadError> {
    let headers = &parts.headers;
    if parts.version == Version::HTTP_2 {
        return judge_http2_headers(headers).and_then(|()| judge_length(headers));
    }
    judge_length(headers)?;
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(HeadError::TwoFramings);
    }
    let is_chunked = match headers::single(headers, header::TRANSFER_ENCODING) {
        Ok(Some(coding)) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        Ok(None) | Err(headers::Repeated) => false,
    };
    if is_chunked && parts.version == Version::HTTP_11 { Ok(()) } else { Err(HeadError::TransferCoding) }
}

/// Headers about a connection make an HTTP/2 request malformed (RFC 9113 section 8.2.2).
fn judge_http2_headers(headers: &HeaderMap) -> Result<(), HeadError> {
    let has_any = ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"]
        .iter()
        .any(|name| headers.contains_key(*name));
    let has_odd_te = headers.get_all(header::TE).iter().any(|value| value != "trailers");
    if has_any || has_odd_te { Err(HeadError::ConnectionHeader) } else { Ok(()) }
}

/// Digits only, and the same ones where there are several.
fn judge_length(headers: &HeaderMap) -> Result<(), HeadError> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(()) };
    let is_number = (1..=LENGTH_DIGITS).contains(&first.len()) && first.as_bytes().iter().all(u8::is_ascii_digit);
    if is_number && lengths.all(|other| other == first) { Ok(()) } else { Err(HeadError::ContentLength) }
}

/// Other protocols than `websocket` are not answered, and their header goes no further than here.
fn read_upgrade(parts: &Parts) -> Result<Option<Upgrade>, HeadError> {
    if let Some(protocol) = parts.extensions.get::<Protocol>().filter(|_| parts.method == Method::CONNECT) {
        return match (protocol.as_str(), parts.headers.contains_key(header::CONTENT_LENGTH)) {
            ("websocket", false) => Ok(Some(Upgrade::Http2)),
            ("websocket", true) => Err(HeadError::UpgradeBody),
            _ => Err(HeadError::UnknownProtocol),
        };
    }
    let connection = headers::tokens(&parts.headers, header::CONNECTION).map_err(|_| HeadError::ListTooLong)?;
    let protocols = headers::tokens(&parts.headers, header::UPGRADE).map_err(|_| HeadError::ListTooLong)?;
    if !protocols.iter().any(|protocol| is_websocket(protocol)) {
        return Ok(None);
    }
    if parts.method != Method::GET || parts.version != Version::HTTP_11 {
        return Err(HeadError::UpgradeMethod);
    }
    if protocols.len() != 1 || !protocols[0].eq_ignore_ascii_case("websocket") {
        return Err(HeadError::UpgradeList);
    }
    if !connection.iter().any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return Err(HeadError::UpgradeUnnamed);
    }
    if has_body(&parts.headers) {
        return Err(HeadError::UpgradeBody);
    }
    Ok(Some(Upgrade::Http1))
}

/// Also in a spelling with a version, `websocket/13`, which some server might take.
fn is_websocket(protocol: &str) -> bool {
    protocol.split('/').next().is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case("websocket"))
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// What is Engine.IO's of a query. Raw values: an encoded one is another than ours, and not every server decodes.
#[derive(Default)]
struct Parameters<'a> {
    protocol: Option<&'a str>,
    transport: Option<&'a str>,
    sid: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn read(query: &'a Query) -> Result<Self, HeadError> {
        if !query.is_plain() {
            judge_spelling(query)?;
        }
        let mut found = Self::default();
        for (name, value) in query.pairs() {
            let place = match name {
                "EIO" => &mut found.protocol,
                "transport" => &mut found.transport,
                "sid" => &mut found.sid,
                "j" => return Err(HeadError::Jsonp),
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(HeadError::DuplicateParameter);
            }
        }
        Ok(found)
    }
}

/// Servers would find what is not written plainly: it is looked for as they do.
fn judge_spelling(query: &Query) -> Result<(), HeadError> {
    if query.has("j") {
        return Err(HeadError::Jsonp);
    }
    for name in ["EIO", "transport", "sid"] {
        if query.one(name).is_err() {
            return Err(HeadError::DuplicateParameter);
        }
        if query.has_disguised(name) {
            return Err(HeadError::DisguisedParameter);
        }
    }
    Ok(())
}

fn read_sid(raw: &str) -> Result<String, HeadError> {
    // All are looked at, whatever the first are: that takes fewer steps than looking for the first that is not.
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_possible = (1..=SID_SIZE).contains(&raw.len()) && raw.bytes().fold(true, |all, byte| all & is_unreserved(byte));
    is_possible.then(|| raw.to_owned()).ok_or(HeadError::SessionId)
}

fn read_step(head: &Head, transport: Transport, has_sid: bool) -> Result<Step, HeadError> {
    match (transport, head.upgrade) {
        (Transport::Polling, Some(_)) => return Err(HeadError::UpgradeOnPolling),
        (Transport::WebSocket, None) if head.method == Method::GET => return Err(HeadError::UpgradeMissing),
        (Transport::WebSocket, None) => return Err(HeadError::EngineMethod),
        (Transport::WebSocket, Some(Upgrade::Http1 | Upgrade::Http2)) | (Transport::Polling, None) => {}
    }
    match (transport, &head.method, has_sid) {
        (Transport::WebSocket, _, false) | (Transport::Polling, &Method::GET, false) => Ok(Step::Open),
        (Transport::WebSocket, _, true) => Ok(Step::Upgrade),
        (Transport::Polling, &Method::GET, true) => Ok(Step::Poll),
        (Transport::Polling, &Method::POST, true) => Ok(Step::Post),
        (Transport::Polling, _, _) => Err(HeadError::EngineMethod),
    }
}

/// Sealed session ids have some hundred characters; clients were seen to carry 2,000.
const SID_SIZE: usize = 4096;

/// Digits of the largest 64-bit number, less one so that every number of that many digits fits.
const LENGTH_DIGITS: usize = 19;
