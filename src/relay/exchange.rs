//! One request, one answer: the plain exchange that polls, POSTs and HTTP routes share. Client bodies are bounded in size and
//! time; answers stream; a client that goes away takes its request to the app with it.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, Sleep};

use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    admission::{Bench, Venue},
    ledger::Ledger,
    session::{Attendance, Key, Reason},
};
use crate::{
    codec::{
        engine::Revision,
        payload,
        payload3::{self, Follower},
    },
    http::{Body, BodyError, body, headers},
    policy::{Refusal, Refused},
    upstream::{
        Member,
        connect::{ExchangeError, Silence, Terms, Turn, Upload},
    },
};

/// Bodies up to this size are collected before the app hears of them, so that a slow client costs the app nothing.
const COLLECTED: u64 = 64 * 1024;
/// A longer body may take longer, at this pace.
const BYTES_PER_SECOND: u64 = 1024;

/// A client's body, ready to be sent on.
pub struct Taken {
    pub body: Body,
    pub size: u64,
    /// The same, where it is short enough to have been collected.
    pub whole: Option<Bytes>,
    /// It is not all here yet.
    pub upload: Option<Upload>,
}

/// Reads a client's body, or makes it ready to stream. The app always gets a Content-Length: some servers ignore bodies
/// without one and say 200 (python-engineio).
pub async fn client_body(incoming: Incoming, largest: u64, patience: Duration) -> Result<Taken, Refused> {
    let declared = HttpBody::size_hint(&incoming).exact();
    if declared.is_some_and(|size| size > largest) {
        return Err(Refusal::PayloadTooLarge.into());
    }
    match declared {
        Some(size) if size > COLLECTED => {
            let timer = Box::pin(tokio::time::sleep(patience));
            let turn = Turn::default();
            let upload = turn.watch();
            let started = Instant::now();
            let bounded = Bounded { inner: incoming, left: largest, read: 0, started, heard: started, patience, timer, turn };
            Ok(Taken { body: bounded.boxed_unsync(), size, whole: None, upload: Some(upload) })
        }
        Some(0) => Ok(Taken { body: body::empty(), size: 0, whole: None, upload: None }),
        _ => {
            let bytes = collect(incoming, largest, patience).await?;
            Ok(Taken { size: bytes.len() as u64, body: body::full(bytes.clone()), whole: Some(bytes), upload: None })
        }
    }
}

/// A body of our own, which is all here. A long one is handed out in pieces, so that a member that takes it slowly has its time
/// for each of them.
pub fn whole_body(bytes: impl Into<Bytes>) -> (Body, Option<Upload>) {
    let rest = bytes.into();
    if rest.len() as u64 <= COLLECTED {
        return (body::full(rest), None);
    }
    let turn = Turn::default();
    let upload = turn.watch();
    (Pieces { rest, turn }.boxed_unsync(), Some(upload))
}

/// Whether a whole polling body ends its session.
pub fn is_closing(revision: Revision, body: &[u8]) -> bool {
    match revision {
        Revision::Three => payload3::is_closing(body),
        Revision::Four => payload::is_closing(body),
    }
}

async fn collect(mut body: Incoming, largest: u64, patience: Duration) -> Result<Bytes, Refused> {
    let mut collected = BytesMut::new();
    let all = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::BodyBroken)?;
            // Trailers end here: Socket.IO has none.
            let Ok(bytes) = frame.into_data() else { continue };
            if collected.len() as u64 + bytes.len() as u64 > largest {
                return Err(Refusal::PayloadTooLarge);
            }
            if collected.is_empty() && HttpBody::is_end_stream(&body) {
                return Ok(bytes);
            }
            collected.extend_from_slice(&bytes);
        }
        Ok(collected.split().freeze())
    };
    match tokio::time::timeout(patience, all).await {
        Ok(read) => read.map_err(Refused::from),
        Err(_) => Err(Refusal::BodyTooSlow.into()),
    }
}

/// A client's body that streams: never longer than allowed, never slower than a pace.
struct Bounded {
    inner: Incoming,
    left: u64,
    read: u64,
    started: Instant,
    /// When something last came.
    heard: Instant,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    turn: Turn,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // The client is not blamed for the time the app took.
        let waited = this.turn.is_clients();
        this.started += waited;
        this.heard += waited;
        loop {
            if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
                let Some(frame) = frame else { return Poll::Ready(None) };
                let Ok(bytes) = frame.map_err(|_| BodyError::Client)?.into_data() else { continue };
                let Some(left) = this.left.checked_sub(bytes.len() as u64) else {
                    return Poll::Ready(Some(Err(BodyError::TooLarge)));
                };
                this.left = left;
                this.read += bytes.len() as u64;
                this.heard = Instant::now();
                this.turn.is_members();
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            ready!(this.timer.as_mut().poll(cx));
            // Neither slower on the whole than the pace, nor silent for long.
            let pace = this.patience.max(Duration::from_secs(this.read / BYTES_PER_SECOND));
            let due = (this.started + pace).min(this.heard + this.patience);
            if Instant::now() >= due {
                return Poll::Ready(Some(Err(BodyError::TooSlow)));
            }
            this.timer.as_mut().reset(due);
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A long body that is all here.
struct Pieces {
    rest: Bytes,
    turn: Turn,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(COLLECTED as usize);
        let piece = self.rest.split_to(size);
        self.turn.is_members();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// Which answer is waited for, and how long.
pub enum Wait {
    /// For a new session.
    Open(Duration),
    /// For a poll of this session: as long as the app wishes.
    Poll(Key, Duration),
    /// For packets of this session, or a request of a plain route.
    Request(Option<Key>, Duration, Option<Upload>),
}

/// Sends a request to a member and waits for the head of its answer.
pub async fn send(
    bench: &Bench,
    venue: &Venue,
    member: &Arc<Member>,
    request: Request<Body>,
    wait: Wait,
) -> Result<Response<Body>, ExchangeError> {
    let is_poll = matches!(wait, Wait::Poll(..));
    let (session, silence, patience, upload) = match wait {
        Wait::Open(patience) => (None, Silence::Counts, patience, None),
        Wait::Poll(session, patience) => (Some(session), Silence::Excused, patience, None),
        Wait::Request(session, patience, upload) => (session, Silence::Excused, patience, upload),
    };
    let terms = Terms { reuse: venue.pool.reuse_key(session.map(|key| key.0)), patience, upload, silence };
    let asked = Instant::now();
    let answer = bench.connections.exchange(member, terms, request).await?;
    if !is_poll {
        venue.metrics.answer_seconds.observe(asked.elapsed().as_secs_f64());
    }
    Ok(clean(answer.map(BodyExt::boxed_unsync)))
}

/// What an answer may not bring to the client: this hop's own headers, and CORS, which is the gate's alone.
fn clean(mut answer: Response<Body>) -> Response<Body> {
    let length = answer.headers().get(header::CONTENT_LENGTH).cloned();
    headers::drop_hop_by_hop(answer.headers_mut());
    headers::drop_cors(answer.headers_mut());
    if let Some(length) = length {
        answer.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    answer.headers_mut().remove(header::ALT_SVC);
    answer
}

/// What a failed exchange is called.
pub fn refusal(error: &ExchangeError) -> Refused {
    let refusal = match error {
        ExchangeError::Dial(error) if error.is_local() => Refusal::Overloaded,
        ExchangeError::Dial(_) => Refusal::UpstreamUnavailable,
        ExchangeError::Broken => Refusal::UpstreamFailed,
        ExchangeError::Garbage(_) => Refusal::UpstreamInvalid,
        ExchangeError::Timeout => Refusal::UpstreamTimeout,
        ExchangeError::Request(BodyError::TooLarge) => Refusal::PayloadTooLarge,
        ExchangeError::Request(BodyError::TooSlow) => Refusal::BodyTooSlow,
        ExchangeError::Request(BodyError::Client | BodyError::Upstream | BodyError::Ended) => Refusal::BodyBroken,
    };
    Refused::because(refusal, error.to_string())
}

/// An answer's body on its way to the client: counts, and keeps the session attended until its end.
pub struct Carried<B> {
    inner: B,
    session: Option<Attended>,
}

/// The session an answer belongs to, and where its bytes are counted.
pub struct Attended {
    attendance: Attendance,
    ledger: Arc<Ledger>,
    bytes: Counter,
    /// How what has passed ends.
    tail: Tail,
    /// For the next bytes of the app.
    patience: Duration,
    /// Made when the app lets us wait.
    watch: Option<Watch>,
}

/// What can end an answer while the app's next bytes are waited for.
struct Watch {
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Pin<Box<Sleep>>,
    /// When the app has been silent for too long.
    until: Instant,
}

/// The nearer of a deadline and the end of a session, but never at once again.
fn next(until: Instant, left: Option<Duration>) -> Instant {
    const MOMENT: Duration = Duration::from_millis(10);
    left.map_or(until, |left| until.min(Instant::now() + left.max(MOMENT)))
}

/// The end of a body that passes.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// Packets have lengths, which must be followed.
    Three(Follower),
    /// The last two bytes, as much as a separator and a close packet take, and whether there are more.
    Four { last: [u8; 2], length: u64 },
}

impl Tail {
    fn new(revision: Revision) -> Self {
        match revision {
            Revision::Three => Self::Three(Follower::default()),
            Revision::Four => Self::Four { last: [0; 2], length: 0 },
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Three(follower) => follower.feed(bytes),
            Self::Four { last, length } => {
                for byte in bytes.iter().skip(bytes.len().saturating_sub(2)) {
                    *last = [last[1], *byte];
                }
                *length += bytes.len() as u64;
            }
        }
    }

    /// Whether the body that ends here ends with the close packet.
    fn is_closing(self) -> bool {
        match self {
            Self::Three(follower) => follower.is_closing(),
            Self::Four { length: 0, .. } => false,
            Self::Four { last, length: 1 } => payload::is_closing(&last[1..]),
            Self::Four { last, .. } => payload::is_closing(&last),
        }
    }
}

impl Attended {
    pub fn new(attendance: Attendance, venue: &Venue) -> Self {
        let (ledger, bytes) = (venue.ledger.clone(), venue.carried.polling_out.clone());
        let tail = Tail::new(attendance.session().revision);
        Self { attendance, ledger, bytes, tail, patience: venue.patience.answer, watch: None }
    }

    /// Resolves when the rest of the body is not to be waited for any more: the session is over, or the app has fallen silent.
    /// A gate that leaves lets an answer finish.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let session = self.attendance.session();
        let now = Instant::now().into_std();
        let expiry = session.expires.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        let overdue = if expiry.is_some_and(|left| left.is_zero()) { Some(Reason::Expired) } else { session.overdue(now) };
        let left = [expiry, session.due().map(|due| due.saturating_duration_since(now))].into_iter().flatten().min();
        let patience = self.patience;
        let watch = self.watch.get_or_insert_with(|| {
            let until = Instant::now() + patience;
            let timer = tokio::time::sleep_until(next(until, left));
            Watch { ending: Box::pin(session.ending.cancelled()), timer: Box::pin(timer), until }
        });
        if watch.ending.as_mut().poll(cx).is_ready() && session.ending.reason() != Reason::Draining {
            return Poll::Ready(BodyError::Ended);
        }
        loop {
            ready!(watch.timer.as_mut().poll(cx));
            // The wall clock and the timers' may disagree: each decides what is its own.
            if let Some(reason) = overdue {
                self.ledger.close(session, reason);
                return Poll::Ready(BodyError::Ended);
            }
            if Instant::now() >= watch.until {
                return Poll::Ready(BodyError::Upstream);
            }
            watch.timer.as_mut().reset(next(watch.until, left));
        }
    }

    /// The body is out: an app that closed the session in it has ended it.
    fn end(self) {
        if self.tail.is_closing() {
            self.ledger.close(self.attendance.session(), Reason::AppClosed);
        }
    }
}

impl<B> Carried<B> {
    pub fn new(inner: B, session: Option<Attended>) -> Self {
        Self { inner, session }
    }
}

impl<B: HttpBody<Data = Bytes, Error = BodyError> + Unpin> HttpBody for Carried<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match (Pin::new(&mut this.inner).poll_frame(cx), &mut this.session) {
            (Poll::Ready(frame), _) => frame,
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Pending, Some(attended)) => Some(Err(ready!(attended.poll_over(cx)))),
        };
        if let (Some(Ok(frame)), Some(attended)) = (&frame, &mut this.session)
            && let Some(bytes) = frame.data_ref()
        {
            attended.watch = None;
            attended.bytes.inc_by(bytes.len() as u64);
            attended.attendance.session().bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            attended.tail.add(bytes);
        }
        match &frame {
            Some(Err(_)) => drop(this.session.take()),
            None => this.session.take().into_iter().for_each(Attended::end),
            // Whoever polls may stop here, for the length is known.
            Some(Ok(_)) if this.inner.is_end_stream() => this.session.take().into_iter().for_each(Attended::end),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
