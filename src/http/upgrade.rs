//! WebSocket handshakes with clients: the HTTP/1.1 Upgrade of RFC 6455 section 4.2 and the extended CONNECT of RFC 8441, one
//! result. Everything is judged here before anyone is contacted; what the app must answer is judged in `relay/websocket`.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use hyper::ext::Protocol;

use super::{
    body::{self, Body},
    headers,
};

/// A well-formed wish to speak WebSocket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    /// The client's key, where HTTP/1.1 has one.
    key: Option<String>,
    /// Subprotocols offered, in order.
    pub protocols: Vec<String>,
}

/// Why a handshake is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UpgradeError {
    #[error("not GET, or not HTTP/1.1")]
    Request,
    #[error("the Upgrade header names something else than exactly websocket")]
    Protocol,
    #[error("the Connection header does not nominate Upgrade")]
    Connection,
    #[error("Sec-WebSocket-Key is missing, repeated, or not 16 bytes of base64")]
    Key,
    #[error("Sec-WebSocket-Version is not 13")]
    Version,
    #[error("Sec-WebSocket-Protocol is no list of at most 16 tokens")]
    Subprotocols,
    #[error("a WebSocket handshake has no body")]
    Body,
}

const MOST_SUBPROTOCOLS: usize = 16;
/// Section 1.3 of RFC 6455.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The handshake a request makes.
pub fn read(parts: &Parts) -> Result<Ask, UpgradeError> {
    let key = match parts.extensions.get::<Protocol>() {
        Some(protocol) if parts.method == Method::CONNECT && protocol.as_str() == "websocket" => None,
        Some(_) => return Err(UpgradeError::Protocol),
        None => Some(read_http1(parts)?),
    };
    match single(&parts.headers, "sec-websocket-version") {
        Ok(Some("13")) => {}
        _ => return Err(UpgradeError::Version),
    }
    if parts.headers.contains_key(header::TRANSFER_ENCODING)
        || parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
    {
        return Err(UpgradeError::Body);
    }
    Ok(Ask { key, protocols: subprotocols(&parts.headers)? })
}

fn read_http1(parts: &Parts) -> Result<String, UpgradeError> {
    if parts.method != Method::GET || parts.version != Version::HTTP_11 {
        return Err(UpgradeError::Request);
    }
    match single(&parts.headers, "upgrade") {
        Ok(Some(protocol)) if protocol.eq_ignore_ascii_case("websocket") => {}
        _ => return Err(UpgradeError::Protocol),
    }
    if !headers::has_token(&parts.headers, &header::CONNECTION, "upgrade") {
        return Err(UpgradeError::Connection);
    }
    match single(&parts.headers, "sec-websocket-key") {
        Ok(Some(key)) if STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16) => Ok(key.to_string()),
        _ => Err(UpgradeError::Key),
    }
}

fn subprotocols(headers: &HeaderMap) -> Result<Vec<String>, UpgradeError> {
    let mut protocols = Vec::new();
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        for protocol in value.to_str().map_err(|_| UpgradeError::Subprotocols)?.split(',') {
            let protocol = protocol.trim();
            if protocols.len() == MOST_SUBPROTOCOLS || !is_token(protocol) {
                return Err(UpgradeError::Subprotocols);
            }
            protocols.push(protocol.to_string());
        }
    }
    Ok(protocols)
}

/// A token of RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The answer that ends HTTP on this exchange: 101 with the accept key, or 200 to an extended CONNECT.
pub fn accept(ask: &Ask, protocol: Option<&HeaderValue>) -> Response<Body> {
    let mut answer = Response::new(body::empty());
    let headers = answer.headers_mut();
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol.clone());
    }
    if let Some(key) = &ask.key {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(accept) = HeaderValue::from_str(&accept_key(key)) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    answer
}

/// What the other side must answer to a key (RFC 6455 section 4.2.2, step 5.4).
pub fn accept_key(key: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finish())
}

/// The one value of a header as text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}
