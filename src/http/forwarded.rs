//! Who the client is when other proxies stand before us, and what the app is told about it. Forwarding headers are believed
//! from trusted peers only and counted from the right, because everything further left may be the client's own invention; what
//! the gate sets replaces every spelling a client may have sent. Pure: randomness is an argument. RFC 7239, W3C Trace Context.

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::{headers, host::Host};
use crate::net::Peer;

/// Who asks, as far as trusted peers tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// The rightmost address that is not a trusted proxy.
    pub address: IpAddr,
    /// Whether the client spoke TLS, to us or to the proxy before us.
    pub secure: bool,
    /// The host the client asked a trusted proxy for. `None`: see the request's own.
    pub host: Option<Host>,
    /// The port it reached there.
    pub port: Option<u16>,
    /// Whether the peer may speak for others.
    pub standing: Standing,
    /// From the client to the proxy before the peer: the part of the chain that is believed. Empty when the peer is the client.
    pub chain: Vec<IpAddr>,
}

/// Whether a peer's forwarding headers are believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Trusted,
    Stranger,
}

/// Finds the client behind a peer. `X-Forwarded-For` is believed before `Forwarded`: a proxy that sets only one of them passes
/// the other on as the client wrote it, and nearly all set the former.
pub fn client(peer: &Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let address = peer.address.to_canonical();
    if !is_trusted(address, trusted) {
        let standing = Standing::Stranger;
        return Client { address, secure: peer.secure, host: None, port: None, standing, chain: Vec::new() };
    }
    let is_standard = headers.contains_key(header::FORWARDED) && !headers.contains_key(&X_FORWARDED_FOR);
    let told = if is_standard { told_by_forwarded(headers, trusted) } else { told_by_x(headers, trusted) };
    Client {
        address: told.chain.first().copied().unwrap_or(address),
        secure: told.secure.unwrap_or(peer.secure),
        host: told.host,
        port: told.port,
        standing: Standing::Trusted,
        chain: told.chain,
    }
}

/// Random bytes for one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fresh {
    pub request: [u8; 16],
    pub trace: [u8; 16],
    pub span: [u8; 8],
}

/// Tells the app who asks. `incoming` is what the client sent, `headers` what is forwarded of it: none of [`SPOKEN_FOR`]. `host` is
/// the request's own.
pub fn set(headers: &mut HeaderMap, incoming: &HeaderMap, client: &Client, peer: &Peer, host: &Host, fresh: &Fresh) {
    let host = client.host.as_ref().unwrap_or(host);
    let port = client.port.unwrap_or_else(|| host.port_or_default(client.secure));
    let scheme = if client.secure { "https" } else { "http" };
    let chain = || client.chain.iter().copied().chain([peer.address.to_canonical()]);

    put(headers, X_FORWARDED_FOR, addresses(chain()));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    put(headers, X_FORWARDED_HOST, host.to_string());
    headers.insert(X_FORWARDED_PORT, HeaderValue::from(port));
    put(headers, header::FORWARDED, elements(chain(), host, scheme));
    put(headers, X_REQUEST_ID, request_id(incoming, client.standing, fresh));
    match kept_traceparent(incoming) {
        Some(traceparent) => drop(headers.insert(TRACEPARENT, traceparent.clone())),
        None => {
            put(headers, TRACEPARENT, new_traceparent(fresh));
            // What vendors noted belongs to the trace that is not continued.
            headers.remove(TRACESTATE);
        }
    }
}

/// What a trusted peer's headers say.
#[derive(Default)]
struct Told {
    chain: Vec<IpAddr>,
    secure: Option<bool>,
    host: Option<Host>,
    port: Option<u16>,
}

fn told_by_x(headers: &HeaderMap, trusted: &[IpNet]) -> Told {
    let addresses = items(headers, &X_FORWARDED_FOR);
    let chain = believed(addresses.iter().rev().map(|item| parse_address(item)), trusted);
    let of_client = |name| pick(&items(headers, name), chain.len());
    Told {
        secure: of_client(&X_FORWARDED_PROTO).as_deref().and_then(is_secure),
        host: of_client(&X_FORWARDED_HOST).and_then(|host| host.parse().ok()),
        port: of_client(&X_FORWARDED_PORT).and_then(|port| port.parse().ok()).filter(|port| *port != 0),
        chain,
    }
}

/// Lists grow to the right as addresses do, so the entry about the client stands as far from the right as its address. A
/// shorter list was overwritten on the way; its first entry is the best there is.
fn pick(items: &[String], believed: usize) -> Option<String> {
    items.get(items.len().saturating_sub(believed.max(1))).cloned()
}

fn told_by_forwarded(headers: &HeaderMap, trusted: &[IpNet]) -> Told {
    let elements = forwarded_elements(headers);
    let chain = believed(elements.iter().rev().map(|element| parse_address(parameter(element, "for")?)), trusted);
    // No element was believed: then nothing that stands in one is.
    let Some(of_client) = elements.get(elements.len() - chain.len()) else { return Told::default() };
    Told {
        secure: parameter(of_client, "proto").and_then(is_secure),
        host: parameter(of_client, "host").and_then(|host| host.parse().ok()),
        port: None,
        chain,
    }
}

/// Walks from the nearest proxy outwards and stops at the first address that is nobody's proxy: that is the client. An entry
/// that is no address ends the walk as well; the last good one is then the client.
fn believed(from_the_right: impl Iterator<Item = Option<IpAddr>>, trusted: &[IpNet]) -> Vec<IpAddr> {
    let mut chain = Vec::new();
    for address in from_the_right.take(CHAIN).map_while(|address| address) {
        chain.push(address);
        if !is_trusted(address, trusted) {
            break;
        }
    }
    chain.reverse();
    chain
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// An address with or without port and brackets. IPv4 within IPv6 is IPv4.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// Some proxies write `ws` and `wss` here.
fn is_secure(scheme: &str) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// All entries of a list, empty and unreadable ones too: an entry must not change its place.
fn items(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(|item| item.trim().to_owned()).collect()
}

type Element = Vec<(String, String)>;

/// The elements of `Forwarded`, unquoted. A line that is not well-formed makes one element without parameters, so the walk
/// from the right ends there.
fn forwarded_elements(headers: &HeaderMap) -> Vec<Element> {
    let lines = headers.get_all(header::FORWARDED).iter();
    lines.flat_map(|line| line.to_str().ok().and_then(parse_forwarded).unwrap_or_else(|| vec![Element::new()])).collect()
}

fn parse_forwarded(line: &str) -> Option<Vec<Element>> {
    split_unquoted(line, ',')?
        .into_iter()
        .map(|element| split_unquoted(element, ';')?.into_iter().map(parse_pair).collect())
        .collect()
}

fn parse_pair(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.trim().split_once('=')?;
    let value = match value.strip_prefix('"') {
        // Nothing an address, host or scheme needs is ever escaped.
        Some(quoted) => quoted.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\']))?,
        None => value,
    };
    Some((name.to_ascii_lowercase(), value.to_owned()))
}

/// `None` when a quote stays open.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut is_quoted = false;
    let parts = text
        .split(|character| {
            is_quoted ^= character == '"';
            character == separator && !is_quoted
        })
        .collect();
    if is_quoted { None } else { Some(parts) }
}

/// A parameter that is there once.
fn parameter<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    let mut found = element.iter().filter(|(known, _)| known == name);
    let first = found.next()?;
    if found.next().is_some() { None } else { Some(&first.1) }
}

/// From the client to the nearest.
fn addresses(chain: impl Iterator<Item = IpAddr>) -> String {
    let mut text = String::with_capacity(USUAL_LIST);
    for (place, address) in chain.enumerate() {
        let separator = if place == 0 { "" } else { ", " };
        // Writing into a String does not fail, here and below.
        let _ = write!(text, "{separator}{address}");
    }
    text
}

/// The first element is about the client and says what it asked for; the others are the proxies on the way.
fn elements(chain: impl Iterator<Item = IpAddr>, host: &Host, scheme: &str) -> String {
    let mut text = String::with_capacity(USUAL_LIST);
    for (place, address) in chain.enumerate() {
        let separator = if place == 0 { "" } else { ", " };
        let _ = match address {
            IpAddr::V4(address) => write!(text, "{separator}for={address}"),
            IpAddr::V6(address) => write!(text, "{separator}for=\"[{address}]\""),
        };
        if place == 0 {
            let _ = write!(text, ";host=\"{host}\";proto={scheme}");
        }
    }
    text
}

/// The id of a request: a trusted peer's, or a new one.
pub fn request_id(headers: &HeaderMap, standing: Standing, fresh: &Fresh) -> String {
    let incoming = match standing {
        Standing::Trusted => headers::single(headers, &X_REQUEST_ID).ok().flatten(),
        Standing::Stranger => None,
    };
    let incoming = incoming.filter(|_| !headers::has_token(headers, header::CONNECTION, X_REQUEST_ID.as_str()));
    let kept = incoming.and_then(|value| value.to_str().ok()).filter(|id| is_request_id(id));
    kept.map_or_else(|| hex(&fresh.request), str::to_owned)
}

fn is_request_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=:".contains(&byte);
    (1..=REQUEST_ID_SIZE).contains(&id.len()) && id.bytes().all(is_plain)
}

/// A trace is continued whoever started it: it says nothing about who asks.
fn kept_traceparent(headers: &HeaderMap) -> Option<&HeaderValue> {
    let value = headers::single(headers, &TRACEPARENT).ok().flatten()?;
    let is_named = headers::has_token(headers, header::CONNECTION, TRACEPARENT.as_str());
    (!is_named && value.to_str().is_ok_and(is_traceparent)).then_some(value)
}

/// `00-<trace>-<span>-<flags>`. Later versions may only add parts, which are passed on.
fn is_traceparent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let [version, trace, span, flags, later @ ..] = parts.as_slice() else { return false };
    let is_hex =
        |part: &str, digits: usize| part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    value.len() <= TRACEPARENT_SIZE
        && is_hex(version, 2)
        && *version != "ff"
        && (later.is_empty() || *version != "00")
        && later.iter().all(|part| is_hex(part, part.len()))
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(span, 16)
        && is_set(span)
        && is_hex(flags, 2)
}

/// Marked as sampled: an app whose sampler follows its parent would otherwise record nothing behind the gate.
fn new_traceparent(fresh: &Fresh) -> String {
    format!("00-{}-{}-01", hex(&fresh.trace), hex(&fresh.span))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
    text
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // Addresses, hosts and hexadecimal digits are valid values; whatever is not, is not sent, and neither is the client's.
    match HeaderValue::try_from(value) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(_) => drop(headers.remove(name)),
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Every name some server takes for the client's address, host, scheme or URL, and those set here: none of them is forwarded.
/// `Proxy` becomes `HTTP_PROXY` in CGI. For [`headers::NameSet`].
pub const SPOKEN_FOR: [&str; 23] = [
    "X-Forwarded*",
    "Forwarded*",
    "X-Original-*",
    "X-Real-IP",
    "True-Client-IP",
    "Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "Fastly-Client-IP",
    "X-ProxyUser-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-Envoy-External-Address",
    "X-Host",
    "X-Scheme",
    "X-URL-Scheme",
    "Front-End-Https",
    "X-Rewrite-URL",
    "Proxy",
    "X-Request-Id",
    "Traceparent",
];

/// Room for one address and what is said of it.
const USUAL_LIST: usize = 64;

/// Proxies in a row. Real chains have up to four.
const CHAIN: usize = 16;

const REQUEST_ID_SIZE: usize = 128;

/// Version 00 has 55 characters.
const TRACEPARENT_SIZE: usize = 128;
