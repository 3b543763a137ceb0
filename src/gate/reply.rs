//! The answers the gate gives itself, and what every answer carries.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};

use super::{Gate, story::Story};
use crate::{
    http::{Body, body, serve::Unread},
    net::Peer,
    policy::{Refusal, Refused, origin::Preflight},
    relay::admission::Bench,
    telemetry::panic::Panicked,
};

/// Room for a wait that nobody measured.
const SHORT_WAIT: u64 = 1;

/// The answer as it was told, the no that was said instead, or the one for a panic in the middle.
pub fn told(told: Result<Result<Response<Body>, Refused>, Panicked>, story: &mut Story) -> Response<Body> {
    match told.unwrap_or_else(|Panicked| Err(Refusal::Internal.into())) {
        Ok(answer) => answer,
        Err(refused) => refusal(&refused, story),
    }
}

/// A no, with its reason for the client; the story keeps it for the record.
pub fn refusal(refused: &Refused, story: &mut Story) -> Response<Body> {
    story.refused(refused);
    let refusal = refused.refusal;
    let mut answer = Response::new(body::full(refusal.body()));
    *answer.status_mut() = refusal.status();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match refusal.status() {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            // Whole seconds, never too early (RFC 9110 section 10.2.3).
            let wait = refused.retry_after.map_or(SHORT_WAIT, |wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.max(SHORT_WAIT)));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST, OPTIONS"));
        }
        _ => {}
    }
    if refusal == Refusal::Draining || refusal.status() == StatusCode::REQUEST_TIMEOUT {
        story.closes();
    }
    answer
}

/// The answer to a preflight of an allowed page.
pub fn preflight(allowed: &Preflight, story: &mut Story) -> Response<Body> {
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    allowed.write(answer.headers_mut());
    story.is_preflight();
    answer
}

/// A request that could not be read is noted and counted like any other; what is returned is for the client.
pub fn unread(gate: &Gate, bench: &Arc<Bench>, peer: &Peer, unread: Unread) -> String {
    let refusal = match unread {
        Unread::Malformed => Refusal::Malformed,
        Unread::TooLarge => Refusal::HeadersTooMany,
        Unread::TooSlow => Refusal::HeadTooSlow,
    };
    Story::begin(&gate.metrics, bench, peer).end_unread(&refusal.into());
    refusal.body()
}
