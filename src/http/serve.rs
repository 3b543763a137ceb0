//! Serves one connection as HTTP/1.1 or HTTP/2, as ALPN chose, and owns every deadline of it: the first byte, the head,
//! idling between requests, a client that does not read. hyper frames well and times nothing that is not asked for, so
//! its own timers stay off (but for the HTTP/2 ping) and `net/clock` rules.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    body::{Body, BodyError},
    pace::{PACE, Pace, Paced},
};
use crate::{
    config::listen::Listen,
    net::{
        Stream, Timed,
        clock::{Clock, Deadline, Open, Patience},
    },
    telemetry::{
        Metrics,
        panic::{self, Panicked},
    },
};

/// The exact type hyper carries: what an upgraded HTTP/1.1 connection gives back.
pub type Carrier = TokioIo<Timed>;

/// What a connection may be and how long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub patience: Patience,
    pub head_size: usize,
    pub head_count: usize,
    pub http2_websocket: bool,
}

impl Shape {
    pub fn new(listen: &Listen) -> Self {
        let patience = Patience {
            first_byte: listen.first_byte_deadline.0,
            head: listen.head_deadline.0,
            keep_alive: listen.keep_alive.0,
            write: listen.write_deadline.0,
        };
        Self {
            patience,
            head_size: listen.head_size.to_usize(),
            head_count: listen.head_count,
            http2_websocket: listen.http2_websocket,
        }
    }
}

/// A request that never came to be one, so that `answer` did not hear of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unread {
    /// Not HTTP. hyper has answered 400 where an answer was possible.
    Malformed,
    /// A head beyond what is read. hyper has answered 431.
    TooLarge,
    /// Its head did not end in time.
    TooSlow,
}

/// Serves until the connection ends, a deadline cuts it, or `finish` lets it go after its last answer. A panic in `answer`
/// or in a body it returned ends this connection (with HTTP/2 its stream) and nothing else; the gate's answers catch their own. `give_up` hears when the
/// connection ended with a request that could not be read; the JSON it returns is for the client, if it can still be told.
pub async fn connection<A, F>(
    stream: Stream,
    http2: bool,
    shape: Shape,
    finish: CancellationToken,
    metrics: Arc<Metrics>,
    answer: A,
    give_up: impl FnOnce(Unread) -> String,
) where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Unpin + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let clock = Arc::new(Clock::new(http2, Instant::now()));
    let io = TokioIo::new(Timed::new(stream, clock.clone()));
    let run = Run { clock: clock.clone(), patience: shape.patience, finish, metrics: metrics.clone() };
    let (end, io) = match http2 {
        true => (serve_http2(io, shape, &run, answer).await, None),
        false => serve_http1(io, shape, &run, answer).await,
    };
    count(&metrics, &end);
    let Some(unread) = end.unread() else { return };
    let reason = give_up(unread);
    if let Some(io) = io {
        say_timeout(io, &reason).await;
    }
}

/// What watching a connection takes.
struct Run {
    clock: Arc<Clock>,
    patience: Patience,
    finish: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Run {
    /// Ends when the connection may be let go: that was said, and its first request has come or is late. Who was accepted at the
    /// last moment would otherwise be closed unheard.
    async fn let_go(&self) {
        self.finish.cancelled().await;
        let Some(until) = self.clock.expects_until() else { return };
        let mut late = Box::pin(sleep_until(until.into()));
        poll_fn(|task| match self.clock.expects_until() {
            Some(_) => late.as_mut().poll(task),
            None => Poll::Ready(()),
        })
        .await;
    }
}

/// How a connection ended.
enum End {
    Closed(hyper::Result<()>),
    Cut(Deadline),
    Panicked,
}

impl End {
    fn unread(&self) -> Option<Unread> {
        match self {
            Self::Closed(Err(error)) if error.is_parse_too_large() => Some(Unread::TooLarge),
            Self::Closed(Err(error)) if error.is_parse() => Some(Unread::Malformed),
            Self::Cut(Deadline::Head) => Some(Unread::TooSlow),
            Self::Closed(_) | Self::Cut(Deadline::FirstByte | Deadline::KeepAlive | Deadline::Write) | Self::Panicked => None,
        }
    }
}

/// The connection is given back when its client waits in the middle of a head.
async fn serve_http1<A, F>(io: Carrier, shape: Shape, run: &Run, answer: A) -> (End, Option<Carrier>)
where
    A: Fn(Request<Incoming>) -> F + Send + Unpin + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let clock = run.clock.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let open = clock.open(Instant::now());
        let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        let answer = answer(request);
        async move {
            let mut answer = answer.await.map(|inner| Answered { inner, open: Some(open) });
            if is_chunked {
                // Whoever stands in front may frame the request otherwise than we do; what they think comes next on this
                // connection is not to be believed (RFC 9112 section 6.3).
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = http1::Builder::new()
        .half_close(false)
        .keep_alive(true)
        .header_read_timeout(None)
        .max_header_size(beyond(shape.head_size))
        .max_headers(beyond(shape.head_count))
        .max_buf_size(beyond(shape.head_size).max(BUFFER))
        .serve_connection(io, service)
        .with_upgrades();
    let end = drive(&mut connection, |connection| connection.graceful_shutdown(), run).await;
    let is_waiting = matches!(end, End::Cut(Deadline::Head));
    (end, is_waiting.then(|| connection.into_parts()).flatten().map(|parts| parts.io))
}

async fn serve_http2<A, F>(io: Carrier, shape: Shape, run: &Run, answer: A) -> End
where
    A: Fn(Request<Incoming>) -> F + Send + Unpin + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await.map(Paced::new)) }
    });
    let streams = Streams { clock: run.clock.clone(), patience: shape.patience.write, metrics: run.metrics.clone() };
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(beyond(shape.head_size)).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE);
    if shape.http2_websocket {
        builder.enable_connect_protocol();
    }
    let mut connection = builder.serve_connection(io, service);
    drive(&mut connection, |connection| connection.graceful_shutdown(), run).await
}

/// Polls a connection to its end and looks at its clock whenever something has happened to it. One timer: it is set
/// sooner at once, and later only when it fires, so that a busy connection hardly touches it.
async fn drive<C>(connection: &mut C, leave: fn(Pin<&mut C>), run: &Run) -> End
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    let next = |now: Instant| run.clock.due(&run.patience).map_or(now + run.patience.keep_alive, |(due, _)| due);
    let mut timer = pin!(sleep_until(next(Instant::now()).into()));
    let mut finish = pin!(run.let_go());
    let mut is_leaving = false;
    poll_fn(|task| {
        if !is_leaving && finish.as_mut().poll(task).is_ready() {
            is_leaving = true;
            leave(Pin::new(connection));
        }
        match panic::catch(&run.metrics, || Pin::new(&mut *connection).poll(task)) {
            Ok(Poll::Ready(end)) => return Poll::Ready(End::Closed(end)),
            Ok(Poll::Pending) => {}
            Err(Panicked) => return Poll::Ready(End::Panicked),
        }
        if let Some((due, _)) = run.clock.due(&run.patience)
            && timer.deadline() > due.into()
        {
            timer.as_mut().reset(due.into());
        }
        loop {
            ready!(timer.as_mut().poll(task));
            let now = Instant::now();
            match run.clock.due(&run.patience) {
                Some((due, deadline)) if due <= now => {
                    if deadline == Deadline::Write {
                        run.clock.cut();
                    }
                    return Poll::Ready(End::Cut(deadline));
                }
                // A millisecond more than needed, for clocks count whole ones.
                _ => timer.as_mut().reset((next(now) + Duration::from_millis(1)).into()),
            }
        }
    })
    .await
}

/// A client that began a request and did not go on may be slow and honest: it is told.
async fn say_timeout(io: Carrier, reason: &str) {
    let mut stream = io.into_inner().into_untimed();
    let answer = format!("{REQUEST_TIMEOUT}content-length: {}\r\n\r\n{reason}", reason.len());
    let farewell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // It was short enough for the socket's buffer, or the client does not read either.
    let _ = timeout(FAREWELL, farewell).await;
}

/// What hyper reads of a head, in bytes and headers: beyond what a request may have, so that the gate itself can say no in
/// its own words; not much, for it is memory.
fn beyond(limit: usize) -> usize {
    limit.saturating_mul(2)
}

fn count(metrics: &Metrics, end: &End) {
    match end {
        End::Closed(Err(error)) if error.is_parse() => {
            tracing::debug!(%error, "not HTTP; its connection is closed");
            metrics.turned_away.get_or_create_owned(&[("cause", "malformed")]).inc();
        }
        End::Closed(Err(error)) => tracing::debug!(%error, "a connection broke"),
        End::Closed(Ok(())) => {}
        End::Cut(deadline) => {
            count_deadline(metrics, *deadline);
        }
        // Counted where it was caught.
        End::Panicked => {}
    }
}

fn count_deadline(metrics: &Metrics, deadline: Deadline) {
    metrics.deadlines.get_or_create_owned(&[("deadline", deadline.name())]).inc();
}

/// Where HTTP/2 spawns its streams: a task of its own for each request, later for each WebSocket. While one runs the
/// connection does not idle.
#[derive(Clone)]
struct Streams {
    clock: Arc<Clock>,
    /// For a client that takes nothing of a stream.
    patience: Duration,
    metrics: Arc<Metrics>,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let open = self.clock.open(Instant::now());
        let metrics = self.metrics.clone();
        let pace = Arc::new(Pace::new(self.patience));
        tokio::spawn(async move {
            let stream = PACE.scope(pace.clone(), panic::caught(&metrics, stream));
            tokio::select! {
                biased;
                // A stream that panicked is reset by being dropped, like one that is stuck.
                _ = stream => {}
                () = pace.stalled() => count_deadline(&metrics, Deadline::Write),
            }
            drop(open);
        });
    }
}

/// An answer's body; the request counts as open until it is out.
struct Answered {
    inner: Body,
    open: Option<Open>,
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(task));
        if frame.is_none() {
            self.open = None;
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

/// What hyper may buffer of an HTTP/1.1 connection in each direction.
const BUFFER: usize = 32 * 1024;
/// A browser opens some; a WebSocket within HTTP/2 is one too.
const STREAMS: u32 = 64;
/// What a client may send ahead of what is read: of a request body, and of all together.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// What is kept of an answer that a client does not read.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client opened and reset before they were looked at (CVE-2023-44487), and streams that it made us reset
/// (CVE-2025-8671), before the connection ends.
const PENDING_RESETS: usize = 20;
const LOCAL_RESETS: usize = 256;
/// Finds clients that vanished, and those who never end a frame.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);
/// Its length and its body follow.
const REQUEST_TIMEOUT: &str =
    "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncache-control: no-store\r\nconnection: close\r\n";
const FAREWELL: Duration = Duration::from_secs(1);
