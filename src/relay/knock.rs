//! A WebSocket handshake with an app: made, and judged in every part before anything of it is believed.

use std::{sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;

use super::admission::{Bench, Venue};
use crate::{
    config::route::Kind,
    http::{Body, body, headers, upgrade},
    net::dial::Line,
    upstream::{
        Member,
        connect::{self, AnswerBody, ExchangeError, Fault, Shaken, Tally},
        member::Outcome,
    },
};

/// Of an app's refusal this much is passed on.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// A handshake in the making.
pub struct Knock<'a> {
    pub member: &'a Arc<Member>,
    pub request: Request<()>,
    /// For its key.
    pub random: &'a [u8; 32],
    /// Subprotocols the app gets to choose from.
    pub offered: Vec<String>,
    /// It asks for a session that the app has already.
    pub is_in_session: bool,
}

/// What the app said to the handshake.
pub enum Said {
    Yes(Agreed),
    /// In its own words: a status and perhaps a body.
    No(Response<Body>),
}

/// The app's side of an agreed WebSocket.
pub struct Agreed {
    pub member: Arc<Member>,
    pub line: Line,
    /// Its place among the gate's connections to members.
    pub tally: Tally,
    /// What arrived together with the 101.
    pub early: Bytes,
    pub protocol: Option<HeaderValue>,
}

impl Knock<'_> {
    /// Makes it, on a connection of its own.
    pub async fn make(self, bench: &Bench, venue: &Venue) -> Result<Said, ExchangeError> {
        let Self { member, request, random, offered, is_in_session } = self;
        let key = STANDARD.encode(&random[..16]);
        let request = handshake(request, &key, &offered);
        // Dialing has a shorter deadline of its own.
        let deadline = Instant::now() + venue.patience.handshake;
        let (line, tally) = bench.connections.dial_fresh(member, deadline).await?;
        let asked = Instant::now();
        let shaking = shake_hands(request, &key, &offered, member, line, tally);
        let said = match tokio::time::timeout_at(deadline.into(), shaking).await {
            Ok(said) => said,
            Err(_) => Err(ExchangeError::Timeout),
        };
        match (blame(venue, is_in_session), outcome(&said)) {
            (Blame::Nothing, outcome @ (Outcome::Broken | Outcome::Timeout | Outcome::Garbage)) => member.excuse(outcome),
            (Blame::Silence, outcome @ (Outcome::Broken | Outcome::Garbage)) => member.excuse(outcome),
            (_, outcome) => member.report(outcome, Instant::now()),
        }
        if said.is_ok() {
            venue.metrics.answer_seconds.observe(asked.elapsed().as_secs_f64());
        }
        said
    }
}

/// What a member is blamed for when a handshake comes to nothing.
enum Blame {
    Everything,
    /// Only for saying nothing: apps without Engine.IO say no by hanging up, or in ways of their own, and a client must not be
    /// able to eject a member by asking for it.
    Silence,
    /// A request inside a session: a client knows what its app does not answer.
    Nothing,
}

fn blame(venue: &Venue, is_in_session: bool) -> Blame {
    match (venue.kind, is_in_session) {
        (_, true) => Blame::Nothing,
        (Kind::Socketio, false) => Blame::Everything,
        (Kind::Websocket | Kind::Http, false) => Blame::Silence,
    }
}

fn outcome(said: &Result<Said, ExchangeError>) -> Outcome {
    match said {
        Ok(_) => Outcome::Answered,
        Err(ExchangeError::Timeout) => Outcome::Timeout,
        Err(ExchangeError::Garbage(_)) => Outcome::Garbage,
        Err(_) => Outcome::Broken,
    }
}

async fn shake_hands(
    request: Request<Body>,
    key: &str,
    offered: &[String],
    member: &Arc<Member>,
    line: Line,
    tally: Tally,
) -> Result<Said, ExchangeError> {
    match connect::shake_hands(line, request).await? {
        Shaken::Refused(answer) => Ok(Said::No(refused(answer).await?)),
        Shaken::Switched { head, line, early } => {
            let protocol = judge(head.headers(), key, offered)?;
            Ok(Said::Yes(Agreed { member: member.clone(), line, tally, early, protocol }))
        }
    }
}

fn handshake(mut request: Request<()>, key: &str, offered: &[String]) -> Request<Body> {
    let headers = request.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
    }
    if !offered.is_empty()
        && let Ok(offered) = HeaderValue::try_from(offered.join(", "))
    {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered);
    }
    request.map(|()| body::empty())
}

/// A 101 is believed only when it is right in every part (RFC 6455 section 4.1).
fn judge(fields: &HeaderMap, key: &str, offered: &[String]) -> Result<Option<HeaderValue>, ExchangeError> {
    let is_websocket = fields.get_all(header::UPGRADE).iter().count() == 1
        && fields.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && headers::has_token(fields, header::CONNECTION, "upgrade");
    let accept = fields.get_all(header::SEC_WEBSOCKET_ACCEPT).iter().collect::<Vec<_>>();
    let is_accepted = matches!(accept[..], [value] if value.as_bytes() == upgrade::accept_key(key).as_bytes());
    // None was offered.
    let has_extension = fields.contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
    let mut protocols = fields.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let protocol = protocols.next().cloned();
    let is_offered = protocol.as_ref().is_none_or(|chosen| offered.iter().any(|offer| offer.as_bytes() == chosen.as_bytes()));
    if is_websocket && is_accepted && !has_extension && is_offered && protocols.next().is_none() {
        Ok(protocol)
    } else {
        Err(ExchangeError::Garbage(Fault::Handshake))
    }
}

/// An app's refusal, so that its connection can go: whole, unless it is a long one.
async fn refused(mut answer: Response<AnswerBody>) -> Result<Response<Body>, ExchangeError> {
    let mut said = Vec::new();
    while said.len() < LARGEST_REFUSAL
        && let Some(frame) = answer.body_mut().frame().await
    {
        if let Ok(bytes) = frame.map_err(|_| ExchangeError::Broken)?.into_data() {
            said.extend_from_slice(&bytes);
        }
    }
    said.truncate(LARGEST_REFUSAL);
    let mut answer = answer.map(|_| body::full(said));
    headers::drop_hop_by_hop(answer.headers_mut());
    headers::drop_cors(answer.headers_mut());
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(answer)
}
