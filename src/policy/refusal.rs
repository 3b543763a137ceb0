//! Every way the gate says no, in one table: status, Engine.IO code, stable name, who is to blame, and what the client is told.
//! Whoever detects a wrong defines its own error; here they meet. The name is the same in the answer's body, the log and
//! the metric, and a promise for years.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::{
    auth::TokenRefusal,
    limit::{Bound, Full, Wait},
    origin::{Category, OriginRefusal},
};
use crate::http::{HeadError, upgrade::UpgradeError};

/// Who can mend it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    Client,
    Upstream,
    Operator,
    Us,
}

/// A no with everything the answer and the record need.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    pub refusal: Refusal,
    /// When it is worth asking again.
    pub retry_after: Option<Duration>,
    /// What the log says beyond the name; never for the client.
    pub detail: Option<String>,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $status:literal, $code:literal, $name:literal, $blame:ident, $message:literal, $hint:literal;)*) => {
        /// A no and its reason.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Refusal {
            $($(#[$doc])* $variant,)*
        }

        impl Refusal {
            /// All of them, for the test that walks the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The honest HTTP status.
            pub fn status(self) -> StatusCode {
                let status = match self { $(Self::$variant => $status,)* };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// The number Engine.IO clients know: 0 transport unknown, 1 session id unknown, 2 bad handshake method,
            /// 3 bad request, 4 forbidden, 5 unsupported protocol version.
            pub fn engine_code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)* }
            }

            /// One sentence for the client. Where Engine.IO has a sentence of its own it is that one.
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }

            /// What the client's developer can do.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

refusals! {
    /// Framing, headers or target are not what HTTP allows.
    Malformed = 400, 3, "malformed_request", Client, "Bad request", "the request is not well-formed HTTP";
    /// Host missing, repeated, malformed, or another than the target's.
    Host = 400, 3, "host_invalid", Client, "Bad request", "send exactly one well-formed Host";
    /// Dot segments, encodings or double slashes where only the plain path is allowed.
    Path = 400, 3, "path_not_canonical", Client, "Bad request", "ask for the path in its plain form";
    UrlTooLong = 414, 3, "url_too_long", Client, "URL too long", "shorten the query";
    HeadersTooMany = 431, 3, "headers_too_large", Client, "Headers too large", "send fewer or smaller headers";
    Version = 505, 3, "http_version", Client, "HTTP version not supported", "use HTTP/1.1 or HTTP/2";
    MethodUnknown = 501, 3, "not_implemented", Client, "Not implemented", "the method, protocol or transfer coding is not served";
    Method = 405, 2, "method_refused", Client, "Method not allowed", "this route does not take the method";
    NotFound = 404, 3, "not_found", Client, "Not found", "no route has this host and path";
    TransportUnknown = 400, 0, "transport_unknown", Client, "Transport unknown", "use transport=polling or transport=websocket as this route allows";
    /// The session id is garbled, foreign, expired or of a session that ended. Clients start anew.
    SessionUnknown = 400, 1, "session_unknown", Client, "Session ID unknown", "connect anew";
    HandshakeMethod = 400, 2, "bad_handshake_method", Client, "Bad handshake method", "open a session with GET";
    Engine = 400, 3, "bad_request", Client, "Bad request", "send EIO, transport and sid once each and plainly";
    ProtocolVersion = 400, 5, "unsupported_protocol_version", Client, "Unsupported protocol version", "use a Socket.IO 3 or 4 client (EIO=4)";
    Jsonp = 400, 3, "jsonp_refused", Client, "JSONP is not served", "use a client that polls with fetch or XHR";
    Upgrade = 400, 3, "upgrade_malformed", Client, "Malformed WebSocket handshake", "send the handshake of RFC 6455 or RFC 8441";
    UpgradeVersion = 426, 3, "websocket_version", Client, "Unsupported WebSocket version", "use WebSocket version 13";
    UpgradeRequired = 426, 3, "upgrade_required", Client, "This is a WebSocket route", "connect with WebSocket";
    Origin = 403, 4, "origin_refused", Client, "This page may not connect", "the operator must allow the page's origin";
    Preflight = 403, 4, "preflight_refused", Client, "The page may not send this", "the operator must allow the method or header";
    CrossSite = 403, 4, "cross_site_refused", Client, "Cross-site request refused", "connect from an allowed page";
    Csrf = 403, 4, "csrf_refused", Client, "The anti-forgery token is missing or wrong", "repeat the cookie's value in the header";
    /// The session belongs to a page of another origin.
    SessionOrigin = 403, 4, "session_origin", Client, "The session belongs to another page", "connect anew";
    /// The rules of `[access]` for plain routes.
    AccessRefused = 403, 4, "access_refused", Client, "You may not ask for this", "this account may not use this";
    NamespaceRefused = 403, 4, "namespace_refused", Client, "You may not join this namespace", "this account may not use this";
    EventRefused = 403, 4, "event_refused", Client, "You may not send this event", "this account may not use this";
    TokenAbsent = 401, 4, "token_absent", Client, "A token is required", "send the token in the place this gate reads";
    TokenInvalid = 401, 4, "token_invalid", Client, "The token is not valid", "get a new token";
    TokenExpired = 401, 4, "token_expired", Client, "The token has expired", "get a new token";
    TokenEarly = 401, 4, "token_not_yet_valid", Client, "The token is not valid yet", "check the clocks";
    TokenAmbiguous = 401, 4, "token_ambiguous", Client, "More than one token was sent", "send exactly one token";
    /// The operator has taken the token back.
    Revoked = 401, 4, "revoked", Client, "The token has been revoked", "log in anew";
    ClaimMissing = 403, 4, "claim_refused", Client, "The token lacks a required claim", "this account may not connect";
    /// A session id carries the identity, and URLs are only so long.
    IdentityTooLarge = 403, 4, "identity_too_large", Client, "The token says too much about you", "use a token with fewer or shorter roles and claims";
    KeysUnavailable = 503, 4, "keys_unavailable", Operator, "Tokens cannot be checked now", "try again shortly";
    AuthorizerUnavailable = 503, 4, "authorizer_unavailable", Operator, "Tokens cannot be checked now", "try again shortly";
    /// The session belongs to somebody else.
    SessionSubject = 403, 4, "session_subject", Client, "The session belongs to another user", "connect anew with your own token";
    AddressRate = 429, 4, "address_rate", Client, "Too many connections from this address", "wait as Retry-After says";
    AddressSessions = 429, 4, "address_sessions", Client, "Too many sessions from this address", "close a session first";
    UserRate = 429, 4, "user_rate", Client, "Too many connections of this user", "wait as Retry-After or retry_after_ms says";
    UserSessions = 429, 4, "user_sessions", Client, "Too many sessions of this user", "close a session first";
    EventRate = 429, 4, "event_rate", Client, "Too many events", "wait as retry_after_ms says";
    EventTooLarge = 413, 4, "event_too_large", Client, "Event too large", "send smaller events";
    /// The schemas of `[[access.payload]]`.
    EventInvalid = 422, 4, "event_invalid", Client, "The event's data is not as it must be", "send what the app expects of this event";
    TooManyNamespaces = 429, 4, "too_many_namespaces", Client, "Too many namespaces in one session", "leave a namespace first";
    /// Wrongs added up until the session had to end.
    Abuse = 429, 4, "abuse", Client, "Too many refused packets", "send what is allowed, no faster than that";
    /// Not what Socket.IO allows, or not in the one form that everybody reads alike.
    PacketMalformed = 400, 4, "packet_malformed", Client, "Malformed packet", "use a Socket.IO client";
    NotConnected = 400, 4, "not_connected", Client, "Not connected to this namespace", "connect to the namespace first";
    ConnectTimeout = 408, 4, "connect_timeout", Client, "No namespace was joined in time", "send CONNECT with its token at once";
    /// The operator took back the token, the user or the session.
    Killed = 403, 4, "killed", Client, "The session was ended by the operator", "ask the operator";
    Overloaded = 503, 3, "overloaded", Us, "Too many handshakes at once", "wait as Retry-After says";
    Draining = 503, 3, "draining", Us, "The gate is leaving", "connect anew";
    PayloadTooLarge = 413, 3, "payload_too_large", Client, "Payload too large", "send smaller messages; the open packet's maxPayload says how large";
    HeadTooSlow = 408, 3, "head_timeout", Client, "The request did not arrive in time", "send the whole head at once";
    BodyTooSlow = 408, 3, "body_timeout", Client, "The body did not arrive in time", "send the whole body at once";
    BodyBroken = 400, 3, "body_broken", Client, "The body broke off", "send the whole body";
    /// Nobody was there any more to be answered; the number is the one that nginx made known.
    ClientGone = 499, 3, "client_gone", Client, "The client went away", "wait for the answer";
    /// No member of the upstream is well.
    UpstreamUnavailable = 503, 3, "upstream_unavailable", Upstream, "No app server is available", "wait as Retry-After says";
    UpstreamFailed = 502, 3, "upstream_failed", Upstream, "The app server could not be reached or broke off", "try again";
    UpstreamInvalid = 502, 3, "upstream_invalid", Upstream, "The app server's answer was not valid", "try again";
    UpstreamTimeout = 504, 3, "upstream_timeout", Upstream, "The app server did not answer in time", "try again";
    Internal = 500, 3, "internal_error", Us, "Something went wrong in the gate", "try again";
}

impl Refusal {
    /// The body of the answer.
    pub fn body(self) -> String {
        json!({ "code": self.engine_code(), "error": self.name(), "message": self.message(), "hint": self.hint() }).to_string()
    }

    /// Whether it may be an attack and belongs into the security log.
    pub fn is_suspicious(self) -> bool {
        matches!(
            self,
            Self::Host
                | Self::Path
                | Self::Origin
                | Self::CrossSite
                | Self::Csrf
                | Self::SessionOrigin
                | Self::SessionSubject
                | Self::TokenInvalid
                | Self::TokenAmbiguous
                | Self::PacketMalformed
                | Self::Abuse
        )
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, retry_after: None, detail: None }
    }
}

impl Refused {
    /// With what the log should say beyond the name.
    pub fn because(refusal: Refusal, detail: impl Into<String>) -> Self {
        Self { refusal, retry_after: None, detail: Some(detail.into()) }
    }

    /// With the time after which asking again is worth it.
    pub fn until(refusal: Refusal, wait: Duration) -> Self {
        Self { refusal, retry_after: Some(wait), detail: None }
    }
}

impl From<HeadError> for Refused {
    fn from(error: HeadError) -> Self {
        let refusal = match error {
            HeadError::Version => Refusal::Version,
            HeadError::Method => Refusal::Method,
            HeadError::UnknownMethod | HeadError::UnknownProtocol | HeadError::TransferCoding => Refusal::MethodUnknown,
            HeadError::UrlTooLong => Refusal::UrlTooLong,
            HeadError::TooLarge | HeadError::TooManyHeaders => Refusal::HeadersTooMany,
            HeadError::Path(_) | HeadError::EncodedPath => Refusal::Path,
            HeadError::HostMissing | HeadError::HostRepeated | HeadError::HostMalformed | HeadError::HostDisagrees => {
                Refusal::Host
            }
            HeadError::Target
            | HeadError::ContentLength
            | HeadError::TwoFramings
            | HeadError::ListTooLong
            | HeadError::ConnectionHeader => Refusal::Malformed,
            HeadError::UpgradeMethod
            | HeadError::UpgradeList
            | HeadError::UpgradeUnnamed
            | HeadError::UpgradeBody
            | HeadError::UpgradeOnPolling => Refusal::Upgrade,
            HeadError::UpgradeMissing => Refusal::Upgrade,
            HeadError::DuplicateParameter | HeadError::DisguisedParameter => Refusal::Engine,
            HeadError::Jsonp => Refusal::Jsonp,
            HeadError::Transport => Refusal::TransportUnknown,
            HeadError::Protocol => Refusal::ProtocolVersion,
            HeadError::SessionId => Refusal::SessionUnknown,
            HeadError::EngineMethod => Refusal::HandshakeMethod,
        };
        Self::because(refusal, error.to_string())
    }
}

impl From<UpgradeError> for Refused {
    fn from(error: UpgradeError) -> Self {
        let refusal = match error {
            UpgradeError::Version => Refusal::UpgradeVersion,
            UpgradeError::Request
            | UpgradeError::Protocol
            | UpgradeError::Connection
            | UpgradeError::Key
            | UpgradeError::Subprotocols
            | UpgradeError::Body => Refusal::Upgrade,
        };
        Self::because(refusal, error.to_string())
    }
}

impl From<OriginRefusal> for Refused {
    fn from(error: OriginRefusal) -> Self {
        let refusal = match error.category {
            Category::Missing
            | Category::Malformed
            | Category::Scheme
            | Category::Host
            | Category::Port
            | Category::WildcardWithCredentials
            | Category::Null => Refusal::Origin,
            Category::PreflightMethod | Category::PreflightHeader => Refusal::Preflight,
            Category::CrossSite => Refusal::CrossSite,
            Category::Csrf => Refusal::Csrf,
        };
        Self::because(refusal, error.to_string())
    }
}

impl From<Wait> for Refused {
    fn from(wait: Wait) -> Self {
        Self { refusal: Refusal::from(wait.bound), retry_after: Some(wait.after), detail: Some(wait.to_string()) }
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        Self::because(Refusal::from(full.bound), full.to_string())
    }
}

impl From<Bound> for Refusal {
    fn from(bound: Bound) -> Self {
        match bound {
            Bound::AddressRate => Self::AddressRate,
            Bound::UserRate => Self::UserRate,
            Bound::AddressSessions | Bound::AddressWaiting => Self::AddressSessions,
            Bound::UserSessions => Self::UserSessions,
            Bound::HandshakesInFlight | Bound::Waiting => Self::Overloaded,
        }
    }
}

impl From<TokenRefusal> for Refused {
    fn from(error: TokenRefusal) -> Self {
        let refusal = match error {
            TokenRefusal::Absent => Refusal::TokenAbsent,
            TokenRefusal::Repeated | TokenRefusal::Disagree => Refusal::TokenAmbiguous,
            TokenRefusal::Expired => Refusal::TokenExpired,
            TokenRefusal::NotYetValid | TokenRefusal::IssuedInFuture => Refusal::TokenEarly,
            TokenRefusal::Claim(_) => Refusal::ClaimMissing,
            TokenRefusal::KeysUnavailable => Refusal::KeysUnavailable,
            TokenRefusal::AuthorizerUnavailable => Refusal::AuthorizerUnavailable,
            TokenRefusal::Malformed
            | TokenRefusal::TooLarge
            | TokenRefusal::DuplicateKey
            | TokenRefusal::Critical
            | TokenRefusal::Kind
            | TokenRefusal::Algorithm
            | TokenRefusal::UnknownKey
            | TokenRefusal::Denied
            | TokenRefusal::Signature
            | TokenRefusal::Timestamp
            | TokenRefusal::MissingExpiry
            | TokenRefusal::Issuer
            | TokenRefusal::Audience
            | TokenRefusal::Subject
            | TokenRefusal::Roles
            | TokenRefusal::Tenant => Refusal::TokenInvalid,
        };
        Self::because(refusal, error.name())
    }
}
