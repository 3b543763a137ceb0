//! One connection that speaks HTTP/1.1 with a member: how it starts, how one request is sent on it, and what its failures
//! mean. It belongs to whoever holds it; dropping it closes it at once, whatever it was doing.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use ::http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header::HOST};
use bytes::Bytes;
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

/// One connection that speaks HTTP. Dropping it closes it. As a rule it has no task of its own: whoever waits for its answer, or
/// reads the answer's body, drives it, so that a request costs no way to another task and back.
#[derive(Debug)]
pub(super) struct Wire {
    sender: http1::SendRequest<Body>,
    driver: Driver,
    /// What is left when HTTP has ended.
    left: Option<http1::Parts<TokioIo<Line>>>,
    interim: Arc<Interim>,
    /// Its place in the quota.
    tally: Option<Tally>,
}

/// Who moves a connection.
#[derive(Debug)]
enum Driver {
    /// Whoever has the wire.
    Owner(Box<http1::Connection<TokioIo<Line>, Body>>),
    /// A task: there is more to send, whether somebody reads the answer or not.
    Task(AbortOnDropHandle<()>),
    /// It has ended, and whoever waited for something of it knows.
    Nobody,
}

/// What came of one attempt to send.
pub(super) enum Attempt {
    Answered(Response<Incoming>),
    /// Not a byte of it was written.
    Unsent(Request<Body>),
}

impl Wire {
    /// Moves what can be moved. Ready when it can carry nothing more.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = match &mut self.driver {
            Driver::Owner(connection) => ready!(Pin::new(connection).poll(cx)),
            Driver::Task(_) => return Poll::Pending,
            Driver::Nobody => return Poll::Ready(()),
        };
        tell_end(end);
        // Whoever still waits for something of it hears by this that nothing will come.
        if let Driver::Owner(connection) = mem::replace(&mut self.driver, Driver::Nobody) {
            self.left = Some(connection.into_parts());
        }
        Poll::Ready(())
    }

    /// Notices what has happened to it while nobody drove it.
    pub fn look(&mut self) {
        let _ = self.poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Whether it can take a request, when last looked at.
    pub fn is_ready(&self) -> bool {
        matches!(self.driver, Driver::Owner(_)) && self.sender.is_ready()
    }

    /// Whether it can never take one again, when last looked at.
    pub fn is_closed(&self) -> bool {
        matches!(self.driver, Driver::Nobody) || self.sender.is_closed()
    }

    /// The answer has begun while the request is still on its way: from here on a task moves both. It ends with the wire.
    pub fn set_off(&mut self) {
        if let Driver::Owner(connection) = mem::replace(&mut self.driver, Driver::Nobody) {
            let tally = self.tally.clone();
            let moving = async move {
                tell_end(connection.await);
                drop(tally);
            };
            self.driver = Driver::Task(AbortOnDropHandle::new(tokio::spawn(moving)));
        }
    }

    /// The answer is complete and the request is not: it gets some time to come to its end, then the connection is closed.
    pub fn see_off(self) {
        let Self { sender, driver, tally, .. } = self;
        // Nothing follows, so it closes by itself.
        drop(sender);
        let rest = async move {
            match driver {
                Driver::Owner(connection) => tell_end(connection.await),
                Driver::Task(task) => drop(task.await),
                Driver::Nobody => {}
            }
            drop(tally);
        };
        tokio::spawn(tokio::time::timeout(LAST_OF_A_REQUEST, rest));
    }

    /// The bare line after a 101, and what arrived together with it.
    pub fn into_line(self) -> Option<(Line, Bytes)> {
        self.left.map(|parts| (parts.io.into_inner(), parts.read_buf))
    }

    /// Drives it until `answer` is there.
    async fn drive<F: Future>(&mut self, answer: F) -> Result<F::Output, ExchangeError> {
        let mut answer = pin!(answer);
        poll_fn(|cx| {
            let _ = self.poll(cx);
            if let Err(fault) = self.interim.judge() {
                return Poll::Ready(Err(ExchangeError::Garbage(fault)));
            }
            answer.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

/// Dials a member within its own deadline, or an earlier one.
pub(super) async fn open(member: &Member, deadline: Instant) -> Result<Line, DialError> {
    let own = Instant::now() + member.manner().connect_deadline;
    dial::dial(member.target(), own.min(deadline)).await
}

/// HTTP on a fresh line.
pub(super) async fn speak(line: Line, tally: Option<Tally>) -> Result<Wire, ExchangeError> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(line))
        .await
        .map_err(|_| ExchangeError::Broken)?;
    Ok(Wire { sender, driver: Driver::Owner(Box::new(connection)), left: None, interim: Arc::default(), tally })
}

/// One request on one wire. On every error the wire is in doubt and must be dropped, which its owner's `?` does.
pub(super) async fn send(wire: &mut Wire, mut request: Request<Body>) -> Result<Attempt, ExchangeError> {
    wire.interim.start(&mut request);
    let answer = wire.sender.try_send_request(request);
    match wire.drive(answer).await? {
        Ok(answer) => {
            wire.interim.judge().and_then(|()| suspect::examine(&answer)).map_err(ExchangeError::Garbage)?;
            Ok(Attempt::Answered(answer))
        }
        Err(mut failure) => match failure.take_message() {
            Some(unsent) => Ok(Attempt::Unsent(unsent)),
            None => Err(blame(&failure.into_error())),
        },
    }
}

/// The one request that may leave HTTP, on the same terms.
pub(super) async fn send_handshake(wire: &mut Wire, mut request: Request<Body>) -> Result<Response<Incoming>, ExchangeError> {
    wire.interim.start(&mut request);
    let answer = wire.sender.send_request(request);
    let answer = wire.drive(answer).await?.map_err(|error| blame(&error))?;
    let examined = match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => suspect::examine_switch(&answer),
        _ => suspect::examine(&answer),
    };
    wire.interim.judge().and(examined).map_err(ExchangeError::Garbage)?;
    Ok(answer)
}

fn tell_end(end: hyper::Result<()>) {
    if let Err(error) = end {
        tracing::debug!(%error, "connection to a member ended");
    }
}

fn blame(error: &hyper::Error) -> ExchangeError {
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

/// For the rest of a request whose answer did not wait for it. The client sends no slower than its own pace allows.
const LAST_OF_A_REQUEST: Duration = Duration::from_secs(30);
/// The head of an answer, and what a connection may buffer of a body.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
pub(super) const HEADERS: usize = 64;
