//! What the admin door says: JSON and text, never cached, with no reader's guesses about the type.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

/// An answer of the admin door.
pub type Answer = Response<Full<Bytes>>;

pub fn text(status: StatusCode, body: impl Into<Bytes>, kind: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

pub fn json(status: StatusCode, body: &Value) -> Answer {
    text(status, body.to_string(), "application/json")
}

/// A no, with a sentence for the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct No {
    pub status: StatusCode,
    pub why: String,
}

pub fn no(status: StatusCode, why: impl Into<String>) -> No {
    No { status, why: why.into() }
}

impl No {
    pub fn into_answer(self) -> Answer {
        json(self.status, &json!({ "error": self.why }))
    }
}

/// Another method is needed.
pub fn only(methods: &'static str) -> Answer {
    let mut answer = no(StatusCode::METHOD_NOT_ALLOWED, format!("only {methods}")).into_answer();
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    answer
}
