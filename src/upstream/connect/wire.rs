//! One connection that speaks HTTP/1.1 with a member: how it starts, how one request is sent on it, and what its failures
//! mean. It belongs to whoever holds it; dropping it closes it at once, whatever it was doing.

use std::{sync::Arc, time::Instant};

use ::http::{HeaderValue, Request, Response, Uri, Version, header::HOST};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    http::{Body, BodyError},
    net::dial::{self, DialError, Line},
};

use super::{
    super::member::Member,
    quota::Tally,
    suspect::{self, Fault, Interim},
};

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExchangeError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the app server did not answer in time")]
    Timeout,
    #[error("the app server closed the connection instead of answering")]
    Broken,
    #[error("the app server's answer is not acceptable: {0}")]
    Garbage(Fault),
    /// The request's own body broke; the client or a limit is to blame.
    #[error(transparent)]
    Request(BodyError),
}

/// One connection that speaks HTTP. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Wire {
    sender: http1::SendRequest<Body>,
    interim: Arc<Interim>,
    _driver: AbortOnDropHandle<()>,
    /// Its place in the quota.
    _tally: Option<Tally>,
}

/// What came of one attempt to send.
pub(super) enum Attempt {
    Answered(Response<Incoming>),
    /// Not a byte of it was written.
    Unsent(Request<Body>),
}

impl Wire {
    /// Whether it can take a request now.
    pub fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it can never take one again.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Dials a member within its own deadline, or an earlier one.
pub(super) async fn open(member: &Member, deadline: Instant) -> Result<Line, DialError> {
    let own = Instant::now() + member.manner().connect_deadline;
    dial::dial(member.target(), own.min(deadline)).await
}

/// Starts the driver of a connection. It ends when the connection does, and at once when the wire is dropped.
pub(super) async fn speak(line: Line, tally: Option<Tally>) -> Result<Wire, ExchangeError> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(line))
        .await
        .map_err(|_| ExchangeError::Broken)?;
    let open = tally.clone();
    let driver = tokio::spawn(async move {
        let _counted = open;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a member ended");
        }
    });
    Ok(Wire { sender, interim: Arc::default(), _driver: AbortOnDropHandle::new(driver), _tally: tally })
}

/// One request on one wire. On every error the wire is in doubt and must be dropped, which its owner's `?` does.
pub(super) async fn send(wire: &mut Wire, mut request: Request<Body>) -> Result<Attempt, ExchangeError> {
    let interim = wire.interim.clone();
    interim.start(&mut request);
    let answer = tokio::select! {
        biased;
        answer = wire.sender.try_send_request(request) => answer,
        () = interim.too_many() => return Err(ExchangeError::Garbage(Fault::Interim)),
    };
    match answer {
        Ok(answer) => {
            suspect::examine(&answer, &interim).map_err(ExchangeError::Garbage)?;
            Ok(Attempt::Answered(answer))
        }
        Err(mut failure) => match failure.take_message() {
            Some(unsent) => Ok(Attempt::Unsent(unsent)),
            None => Err(blame(&failure.into_error())),
        },
    }
}

pub(super) fn blame(error: &hyper::Error) -> ExchangeError {
    if error.is_user() {
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<BodyError>());
        return ExchangeError::Request(cause.copied().unwrap_or(BodyError::Client));
    }
    if error.is_parse_too_large() {
        return ExchangeError::Garbage(Fault::TooLarge);
    }
    if error.is_parse() { ExchangeError::Garbage(Fault::NotHttp) } else { ExchangeError::Broken }
}

/// hyper sends the URI as it is, and an app takes an absolute one for a request to a proxy. Requests that came as HTTP/2
/// leave as HTTP/1.1.
pub(super) fn to_origin_form(request: &mut Request<Body>, member: &Member) {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = Uri::try_from(path).unwrap_or_else(|_| Uri::from_static("/"));
    }
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::try_from(member.authority())
    {
        request.headers_mut().insert(HOST, host);
    }
}

/// The head of an answer, and what a connection may buffer of a body.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
pub(super) const HEADERS: usize = 64;
