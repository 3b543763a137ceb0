//! The body of every answer the gate gives, and the ways a body can break on its way.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};

/// An answer's body, ours or an app server's.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended before its end. The connection it travels on is closed, for its framing is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    #[error("the app server's answer broke off")]
    Upstream,
    #[error("the client's body broke off")]
    Client,
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the session ended")]
    Ended,
}

/// No body.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// A body that is all here.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
