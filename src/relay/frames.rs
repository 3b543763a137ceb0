//! The carriage of an open WebSocket: moves bytes both ways between a client and an app server, frame by frame and never
//! as a blind pipe. Frame headers are checked and followed ([`crate::codec::frame`]); payload bytes are forwarded as they
//! came. Because boundaries are known, the gate can count messages, bound them, and put a close frame or a ping of its own
//! between two frames.
//!
//! An idle carriage owns no buffers: reads go through one scratch buffer per thread, and only what a slow socket did not
//! take is kept, with reading paused until it did. One timer serves every deadline.

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::session::{LAST_WORDS, QUIET, Reason, Session};
use crate::{
    codec::{
        close,
        frame::{self, FrameError, Header, LONGEST_HELD, Limits, Opcode, Scan, Sender, Walker},
    },
    telemetry::metrics::Carried,
};

/// What one carriage is held to.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What a client's message may be.
    pub limits: Limits,
    /// The client is gone when nothing has come from it for this long, unless an open packet tells another heartbeat.
    pub silence: Duration,
    /// Ping the client when nothing has come from it for this long. Only where no heartbeat of the app's protocol does.
    pub ping: Option<Duration>,
    /// The client is cut off when it takes nothing of what is waiting for it for this long.
    pub stall: Duration,
    /// When the identity that opened the session is no longer good.
    pub expires: Option<SystemTime>,
    /// Bytes of a mask for the few frames the gate sends to the app itself. They hide nothing from the app; masks exist
    /// for the sake of old intermediaries between a browser and a server (RFC 6455 section 10.3).
    pub mask: [u8; 4],
    /// Where what is moved is counted.
    pub carried: Carried,
}

/// How the first packet of a session that begins as a WebSocket is exchanged for the one the client may see.
pub trait Opening: Send {
    /// The text message to pass on instead, and for how long the client may be silent by the heartbeat it tells. `None`: this
    /// is no open packet.
    fn exchange(&mut self, packet: &[u8]) -> Option<Exchanged>;
}

/// An open packet that a client may see.
pub struct Exchanged {
    pub packet: Vec<u8>,
    pub silence: Duration,
}

/// What a carriage has moved, for the record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moved {
    pub messages_in: u64,
    pub messages_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// How a carriage ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    pub reason: Reason,
    /// The close code that went to the client, where there was one.
    pub code: Option<u16>,
    /// Whether the other side was reset rather than closed: the reset is passed on.
    pub reset: bool,
    pub moved: Moved,
}

/// A client, an app server, and what moves between them. A future: it resolves when both are done.
pub struct Carriage<C, U> {
    client: C,
    upstream: U,
    /// From the client to the app.
    up: Way,
    /// From the app to the client.
    down: Way,
    opening: Option<Box<dyn Opening>>,
    terms: Arc<Terms>,
    /// The client is gone when nothing has come from it for this long.
    silence: Duration,
    session: Arc<Session>,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Pin<Box<Sleep>>,
    /// When the client and the app were last heard.
    heard: Instant,
    spoken: Instant,
    /// The gate is leaving: until when answers to what was already said are waited for.
    last_words: Option<Instant>,
    pinged: bool,
    controls: ControlBudget,
    /// What has been counted already.
    counted: Moved,
    /// Set once an end is decided: why, and until when both sides may still say goodbye.
    leaving: Option<Leaving>,
}

struct Leaving {
    reason: Reason,
    code: Option<u16>,
    until: Instant,
    /// What the client still sends is passed on until its own close frame, so that nothing it sent before is lost.
    keep_up: bool,
}

/// One direction.
struct Way {
    walker: Walker,
    /// What arrived together with the handshake, not looked at yet; and, for the app, what its first message is made of.
    early: Vec<u8>,
    /// An unfinished header or control frame, to be looked at again with what follows.
    held: Vec<u8>,
    /// What the writer did not take yet.
    waiting: Vec<u8>,
    written: usize,
    /// Since when the writer takes nothing.
    stalled: Option<Instant>,
    /// A frame of our own that goes out at the next boundary.
    own: Option<Vec<u8>>,
    /// Nothing more is passed on after our own close; the reader is still followed until its own.
    muted: bool,
    /// The reader lost its framing: what it still sends is thrown away unseen.
    deaf: bool,
    /// The reader has ended.
    ended: bool,
    /// The writer has been shut down.
    shut: bool,
    unflushed: bool,
    messages: u64,
    bytes: u64,
    close_code: Option<u16>,
}

/// Control frames a client may send: so many at once, refilled over time.
struct ControlBudget {
    left: f32,
    since: Instant,
}

enum Fault {
    /// The reader's bytes are no WebSocket, or more than allowed.
    Frame(FrameError),
    Flood,
    /// The app's first message is no open packet.
    Opening,
}

/// Bytes that one read may bring; also what a slow writer can make us keep.
const SCRATCH: usize = 64 * 1024;
/// The largest first packet that is exchanged.
const LARGEST_OPENING: usize = 16 * 1024;
/// Control frames a client may send a second, and at once.
const CONTROLS_PER_SECOND: f32 = 10.0;
const CONTROLS_AT_ONCE: f32 = 50.0;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long one side may go on alone after the other has closed its half.
const HALF_CLOSED: Duration = Duration::from_secs(30);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

impl<C, U> Carriage<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// `from_client` and `from_upstream` are bytes that arrived together with the handshakes.
    pub fn new(
        client: (C, &[u8]),
        upstream: (U, &[u8]),
        opening: Option<Box<dyn Opening>>,
        terms: Arc<Terms>,
        session: Arc<Session>,
    ) -> Self {
        let now = Instant::now();
        let ending = Box::pin(session.ending.cancelled());
        Self {
            client: client.0,
            upstream: upstream.0,
            up: Way::new(Walker::new(Sender::Client, terms.limits), client.1),
            down: Way::new(Walker::new(Sender::Server, Limits::NONE), upstream.1),
            opening,
            timer: Box::pin(tokio::time::sleep_until(now)),
            ending,
            heard: now,
            spoken: now,
            last_words: None,
            pinged: false,
            controls: ControlBudget { left: CONTROLS_AT_ONCE, since: now },
            counted: Moved::default(),
            leaving: None,
            silence: terms.silence,
            terms,
            session,
        }
    }

    /// What it has moved so far.
    pub fn moved(&self) -> Moved {
        Moved {
            messages_in: self.up.messages,
            messages_out: self.down.messages,
            bytes_in: self.up.bytes,
            bytes_out: self.down.bytes,
        }
    }

    /// Adds what was moved since the last time to the counters: when a timer fires and at the end, not for every message.
    fn count(&mut self) {
        let (now, before) = (self.moved(), self.counted);
        self.terms.carried.messages_in.inc_by(now.messages_in - before.messages_in);
        self.terms.carried.messages_out.inc_by(now.messages_out - before.messages_out);
        self.terms.carried.websocket_in.inc_by(now.bytes_in - before.bytes_in);
        self.terms.carried.websocket_out.inc_by(now.bytes_out - before.bytes_out);
        self.counted = now;
    }

    /// The two ends, to reset or drop them.
    pub fn into_ends(self) -> (C, U) {
        (self.client, self.upstream)
    }

    /// Ends without a goodbye.
    pub fn cut(&mut self, reason: Reason) -> Ended {
        self.count();
        self.end(reason, false)
    }

    /// Carries until the end.
    pub async fn run(&mut self) -> Ended {
        let ended = std::future::poll_fn(|cx| self.poll_run(cx)).await;
        self.count();
        ended
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if self.leaving.is_none() && self.last_words.is_none() && self.ending.as_mut().poll(cx).is_ready() {
            match self.session.ending.reason() {
                Reason::Draining => self.begin_last_words(),
                reason => self.leave(reason),
            }
        }
        loop {
            let up = self.poll_up(cx);
            let down = self.poll_down(cx);
            match (up, down) {
                (Err(end), _) | (_, Err(end)) => return Poll::Ready(end),
                (Ok(Poll::Ready(())), Ok(Poll::Ready(()))) => return Poll::Ready(self.end(self.natural_end(), false)),
                (Ok(up), Ok(down)) if up.is_ready() || down.is_ready() => self.after_half_end(),
                _ => {}
            }
            if self.has_parted() {
                return Poll::Ready(self.end(self.natural_end(), false));
            }
            // A frame of our own may have been decided on while the ways were polled.
            if self.up.own_is_due() || (self.opening.is_none() && self.down.own_is_due()) {
                continue;
            }
            match self.poll_deadlines(cx) {
                Poll::Ready(Some(end)) => return Poll::Ready(end),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Ended> {
        let now = &mut None;
        let (heard, pinged, controls) = (&mut self.heard, &mut self.pinged, &mut self.controls);
        let moved = self.up.poll_move(cx, &mut self.client, &mut self.upstream, |scan| {
            let now = *now.get_or_insert_with(Instant::now);
            *heard = now;
            *pinged = false;
            if controls.take(scan.controls, now) { Ok(()) } else { Err(Fault::Flood) }
        });
        match moved {
            Ok(poll) => Ok(poll),
            Err(Broken::Reader(error)) => Err(self.end(Reason::ClientGone, is_reset(&error))),
            Err(Broken::Writer(_)) => {
                // The app listens no more, but what it said before may still be on its way to the client.
                self.up.deaf = true;
                self.up.shut = true;
                self.up.waiting = Vec::new();
                self.begin_goodbye(Leaving {
                    reason: Reason::AppGone,
                    code: None,
                    until: Instant::now() + GOODBYE,
                    keep_up: true,
                });
                Ok(Poll::Pending)
            }
            Err(Broken::Fault(fault)) => {
                self.leave_for(fault, Sender::Client);
                Ok(Poll::Pending)
            }
        }
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Ended> {
        if self.opening.is_some() {
            match self.poll_opening(cx) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) => return Ok(Poll::Pending),
                Err(Broken::Reader(error)) => return Err(self.end(Reason::AppGone, is_reset(&error))),
                Err(Broken::Writer(error)) => return Err(self.end(Reason::ClientGone, is_reset(&error))),
                Err(Broken::Fault(fault)) => self.leave_for(fault, Sender::Server),
            }
        }
        let spoken = &mut self.spoken;
        let moved = self.down.poll_move(cx, &mut self.upstream, &mut self.client, |_| {
            *spoken = Instant::now();
            Ok(())
        });
        match moved {
            Ok(poll) => Ok(poll),
            Err(Broken::Reader(error)) => Err(self.end(Reason::AppGone, is_reset(&error))),
            Err(Broken::Writer(error)) => Err(self.end(Reason::ClientGone, is_reset(&error))),
            Err(Broken::Fault(fault)) => {
                self.leave_for(fault, Sender::Server);
                Ok(Poll::Pending)
            }
        }
    }

    /// Until the app's first message is there: collect, exchange it, put the result where the client will read it.
    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Broken> {
        loop {
            if let Some(first) = first_message(&self.down.early).map_err(|error| Broken::Fault(Fault::Frame(error)))? {
                return self.exchange_opening(first);
            }
            if self.down.early.len() >= LARGEST_OPENING {
                return Err(Broken::Fault(Fault::Opening));
            }
            let read = BUFFER.with_borrow_mut(|buffer| {
                let mut into = ReadBuf::new(&mut buffer[..LARGEST_OPENING]);
                ready!(Pin::new(&mut self.upstream).poll_read(cx, &mut into))?;
                self.down.early.extend_from_slice(into.filled());
                Poll::Ready(Ok(into.filled().len()))
            });
            match read {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(Broken::Reader(error)),
                Poll::Ready(Ok(0)) => {
                    self.down.ended = true;
                    self.opening = None;
                    return Ok(Poll::Ready(()));
                }
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    fn exchange_opening(&mut self, first: First) -> Result<Poll<()>, Broken> {
        let opening = self.opening.take();
        // A refusal by close frame is the app's own answer and goes through as it is.
        if let (First::Text { header, before }, Some(mut opening)) = (first, opening) {
            let payload = before + header.size..before + header.size + header.length as usize;
            let packet = opening.exchange(&self.down.early[payload.clone()]).ok_or(Broken::Fault(Fault::Opening))?;
            let Exchanged { packet, silence } = packet;
            self.silence = silence;
            let frame = frame::write(Opcode::Text, &packet, None);
            self.down.early.splice(before..payload.end, frame);
        }
        // What was collected is passed on by the ordinary way from here.
        Ok(Poll::Ready(()))
    }

    /// The gate is leaving, but what the client has said already is answered first: the goodbye waits for a quiet moment.
    fn begin_last_words(&mut self) {
        let now = Instant::now();
        self.last_words = Some(now + LAST_WORDS);
        self.timer.as_mut().reset(now);
    }

    /// Begins the goodbye: close frames go out at the next boundary of each direction.
    fn leave(&mut self, reason: Reason) {
        let (code, text) = reason.closing();
        // A draining gate lets the client finish; one that must stop listening does not.
        let keep_up = reason == Reason::Draining;
        self.give_up_opening();
        if !self.down.walker.is_closed() {
            self.down.own = Some(frame::write(Opcode::Close, &close::payload(code, text), None));
        }
        if !keep_up && !self.up.walker.is_closed() {
            self.up.own = Some(frame::write(Opcode::Close, &close::payload(code, ""), Some(self.terms.mask)));
        }
        self.begin_goodbye(Leaving { reason, code: Some(code), until: Instant::now() + GOODBYE, keep_up });
    }

    /// The first packet is not waited for any more: what is to be said to the client must not wait behind it.
    fn give_up_opening(&mut self) {
        if self.opening.take().is_some() {
            self.down.early = Vec::new();
            self.down.deaf = true;
        }
    }

    /// Somebody broke the rules: tell both sides, each in the code that is true for it.
    fn leave_for(&mut self, fault: Fault, sender: Sender) {
        if self.leaving.is_some() {
            // Already on the way out; whoever still sends nonsense is not listened to any more.
            match sender {
                Sender::Client => self.up.deaf = true,
                Sender::Server => self.down.deaf = true,
            }
            return;
        }
        let (reason, code) = match (&fault, sender) {
            (Fault::Flood, _) => (Reason::Flooded, 1008),
            (Fault::Frame(error), Sender::Client) => (Reason::for_client_fault(*error), error.close_code()),
            (Fault::Frame(_) | Fault::Opening, _) => (Reason::AppInvalid, 1014),
        };
        let text = reason.name();
        match sender {
            Sender::Client => {
                self.give_up_opening();
                self.up.deaf = true;
                self.up.own = Some(frame::write(Opcode::Close, &close::payload(code, ""), Some(self.terms.mask)));
            }
            // What comes from an app that lost its framing is not read any more, nor is anything said to it.
            Sender::Server => {
                self.opening = None;
                self.down.deaf = true;
                self.down.early = Vec::new();
                self.up.muted = true;
            }
        }
        self.down.own = Some(frame::write(Opcode::Close, &close::payload(code, text), None));
        self.begin_goodbye(Leaving { reason, code: Some(code), until: Instant::now() + GOODBYE, keep_up: false });
    }

    /// One direction is done: give the other a bounded time.
    fn after_half_end(&mut self) {
        let closed = self.up.walker.is_closed() || self.down.walker.is_closed();
        let patience = if closed { GOODBYE } else { HALF_CLOSED };
        let code = self.down.close_code.or(self.up.close_code);
        let until = Instant::now() + patience;
        self.begin_goodbye(Leaving { reason: self.natural_end(), code, until, keep_up: true });
    }

    /// The first reason to leave is the one that is told.
    fn begin_goodbye(&mut self, leaving: Leaving) {
        if self.leaving.is_none() {
            self.leaving = Some(leaving);
            // The timer may sleep far beyond the goodbye's end. Only once: a direction that is done says so at every poll, and
            // a timer that is set back each time never fires.
            self.timer.as_mut().reset(Instant::now());
        }
    }

    /// Whether everybody has said and heard goodbye, so that nobody needs to wait for a deadline.
    fn has_parted(&self) -> bool {
        let client_closed = self.up.walker.is_closed();
        let both_closed = client_closed && self.down.walker.is_closed();
        if both_closed && self.up.is_idle() && self.down.is_idle() {
            return true;
        }
        let Some(leaving) = &self.leaving else { return false };
        let heard = client_closed || self.up.ended;
        // With `keep_up` the app gets the client's last words and closes in its own time.
        heard && self.down.is_idle() && self.up.is_idle() && (!leaving.keep_up || self.down.ended)
    }

    fn natural_end(&self) -> Reason {
        match (self.up.walker.is_closed(), self.down.walker.is_closed()) {
            (true, _) => Reason::ClientClosed,
            (_, true) => Reason::AppClosed,
            _ if self.down.ended => Reason::AppGone,
            _ => Reason::ClientGone,
        }
    }

    fn end(&self, reason: Reason, reset: bool) -> Ended {
        let (reason, code) = match &self.leaving {
            Some(leaving) => (leaving.reason, leaving.code),
            None => (reason, self.down.close_code.or(self.up.close_code)),
        };
        Ended { reason, code, reset: reset && self.leaving.is_none(), moved: self.moved() }
    }

    /// The nearest deadline decides when we look again. `Ready(None)`: something new is to be sent.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        ready!(self.timer.as_mut().poll(cx));
        self.count();
        let now = Instant::now();
        if let Some(leaving) = &self.leaving {
            if now >= leaving.until {
                return Poll::Ready(Some(self.end(leaving.reason, false)));
            }
            let until = leaving.until;
            return self.sleep_until(until, cx);
        }
        if let Some(until) = self.last_words.filter(|_| self.leaving.is_none()) {
            let quiet = self.heard.max(self.spoken) + QUIET;
            if now >= quiet.min(until) {
                self.leave(Reason::Draining);
                return Poll::Ready(None);
            }
            return self.sleep_until(quiet.min(until), cx);
        }
        if self.down.stalled.is_some_and(|since| now >= since + self.terms.stall) {
            return Poll::Ready(Some(self.end(Reason::SlowReader, true)));
        }
        if self.up.stalled.is_some_and(|since| now >= since + self.terms.stall) {
            return Poll::Ready(Some(self.end(Reason::AppStalled, true)));
        }
        if self.terms.expires.is_some_and(|at| at <= SystemTime::now()) {
            self.leave(Reason::Expired);
            return Poll::Ready(None);
        }
        // While the client's own bytes wait for the app it cannot be heard.
        if now >= self.heard + self.silence && self.up.waiting.is_empty() {
            self.leave(Reason::Silent);
            return Poll::Ready(None);
        }
        if self.terms.ping.is_some_and(|every| now >= self.heard + every) && !self.pinged {
            self.pinged = true;
            self.down.own = Some(frame::write(Opcode::Ping, b"", None));
            return Poll::Ready(None);
        }
        let next = self.next_deadline(now);
        self.sleep_until(next, cx)
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let mut next = self.heard + self.silence;
        if let (Some(every), false) = (self.terms.ping, self.pinged) {
            next = next.min(self.heard + every);
        }
        for since in [self.down.stalled, self.up.stalled].into_iter().flatten() {
            next = next.min(since + self.terms.stall);
        }
        if let Some(left) = self.terms.expires.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default()) {
            next = next.min(now + left);
        }
        // A stall may begin while we sleep; and a clock that was set is noticed within this time.
        next.min(now + self.terms.stall).max(now + Duration::from_millis(5))
    }

    fn sleep_until(&mut self, next: Instant, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        self.timer.as_mut().reset(next);
        match self.timer.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(None),
        }
    }
}

enum Broken {
    Reader(io::Error),
    Writer(io::Error),
    Fault(Fault),
}

impl Way {
    fn new(walker: Walker, already: &[u8]) -> Self {
        Self {
            walker,
            early: already.to_vec(),
            held: Vec::new(),
            waiting: Vec::new(),
            written: 0,
            stalled: None,
            own: None,
            muted: false,
            deaf: false,
            ended: false,
            shut: false,
            unflushed: false,
            messages: 0,
            bytes: 0,
            close_code: None,
        }
    }

    /// Whether a frame of ours could go out right now.
    fn own_is_due(&self) -> bool {
        self.own.is_some() && self.waiting.is_empty() && self.walker.is_at_boundary() && !self.shut
    }

    /// Whether nothing waits to be written.
    fn is_idle(&self) -> bool {
        self.shut || (self.own.is_none() && self.waiting.is_empty() && !self.unflushed)
    }

    /// Moves what can be moved. Ready when the reader has ended and the writer has been told.
    fn poll_move<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        mut judge: impl FnMut(&Scan) -> Result<(), Fault>,
    ) -> Result<Poll<()>, Broken>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if self.shut && self.ended {
                return Ok(Poll::Ready(()));
            }
            if !self.shut && self.poll_write_waiting(cx, writer)?.is_pending() {
                return Ok(Poll::Pending);
            }
            if self.own_is_due() {
                self.put_own();
                continue;
            }
            if self.ended {
                return match Pin::new(&mut *writer).poll_shutdown(cx) {
                    Poll::Pending => Ok(Poll::Pending),
                    // A writer that is gone already has nothing to be told.
                    Poll::Ready(_) => {
                        self.shut = true;
                        Ok(Poll::Ready(()))
                    }
                };
            }
            let read = BUFFER.with_borrow_mut(|buffer| self.poll_read(cx, reader, writer, buffer, &mut judge))?;
            if read.is_pending() {
                return self.poll_flush(cx, writer);
            }
        }
    }

    /// One read, judged, and as much of it written as the writer takes.
    fn poll_read<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        buffer: &mut [u8],
        judge: &mut impl FnMut(&Scan) -> Result<(), Fault>,
    ) -> Result<Poll<()>, Broken>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            self.bytes += early.len() as u64;
            let scan = self.walker.scan(&early);
            judge(&scan).map_err(Broken::Fault)?;
            self.settle(scan, &early, 0)?;
            return Ok(Poll::Ready(()));
        }
        let held = self.held.len();
        let mut into = ReadBuf::new(&mut buffer[held..]);
        match Pin::new(reader).poll_read(cx, &mut into) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
            Poll::Ready(Err(error)) => return Err(Broken::Reader(error)),
            Poll::Ready(Ok(())) => {}
        }
        let read = into.filled().len();
        if read == 0 {
            self.ended = true;
            return Ok(Poll::Ready(()));
        }
        if self.deaf {
            return Ok(Poll::Ready(()));
        }
        buffer[..held].copy_from_slice(&self.held);
        self.held.clear();
        let bytes = &buffer[..held + read];
        let scan = self.walker.scan(bytes);
        if self.muted {
            self.follow(&scan, &bytes[scan.upto..]);
            return Ok(Poll::Ready(()));
        }
        self.bytes += read as u64;
        judge(&scan).map_err(Broken::Fault)?;
        let pass = &bytes[..scan.upto];
        let written = match pass {
            [] => 0,
            pass => match Pin::new(writer).poll_write(cx, pass) {
                Poll::Ready(Ok(written)) => written,
                Poll::Ready(Err(error)) => return Err(Broken::Writer(error)),
                Poll::Pending => 0,
            },
        };
        self.unflushed |= written > 0;
        let rest = &bytes[written..];
        self.settle(scan, rest, written)?;
        Ok(Poll::Ready(()))
    }

    /// A muted reader is only listened to for its own goodbye.
    fn follow(&mut self, scan: &Scan, held: &[u8]) {
        self.deaf |= scan.fault.is_some();
        if let Some(code) = scan.closing {
            self.close_code = self.close_code.or(code);
        } else if !self.deaf {
            self.held.extend_from_slice(held);
        }
    }

    /// `rest` are the scanned bytes from `written` on.
    fn settle(&mut self, scan: Scan, rest: &[u8], written: usize) -> Result<(), Broken> {
        let (pass, held) = rest.split_at(scan.upto - written);
        self.waiting.extend_from_slice(pass);
        self.messages += scan.messages;
        if let Some(code) = scan.closing {
            self.close_code = code;
            return Ok(());
        }
        if let Some(error) = scan.fault {
            return Err(Broken::Fault(Fault::Frame(error)));
        }
        self.held.extend_from_slice(held);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        Ok(())
    }

    fn poll_write_waiting<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Result<Poll<()>, Broken> {
        while self.written < self.waiting.len() {
            match Pin::new(&mut *writer).poll_write(cx, &self.waiting[self.written..]) {
                Poll::Ready(Ok(0)) => return Err(Broken::Writer(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.written += written;
                    self.unflushed = true;
                    self.stalled = None;
                }
                Poll::Ready(Err(error)) => return Err(Broken::Writer(error)),
                Poll::Pending => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Ok(Poll::Pending);
                }
            }
        }
        if !self.waiting.is_empty() {
            self.waiting = Vec::new();
            self.written = 0;
        }
        Ok(Poll::Ready(()))
    }

    fn poll_flush<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Result<Poll<()>, Broken> {
        if !self.unflushed {
            return Ok(Poll::Pending);
        }
        match Pin::new(writer).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                self.stalled = None;
            }
            Poll::Ready(Err(error)) => return Err(Broken::Writer(error)),
            Poll::Pending => {
                self.stalled.get_or_insert_with(Instant::now);
            }
        }
        Ok(Poll::Pending)
    }

    fn put_own(&mut self) {
        if let Some(own) = self.own.take() {
            // After a close of ours nothing else may follow on this direction.
            if own.first().is_some_and(|byte| byte & 0x0f == 0x8) {
                self.muted = true;
            }
            self.waiting = own;
            self.written = 0;
        }
    }
}

impl ControlBudget {
    fn take(&mut self, count: u32, now: Instant) -> bool {
        if count == 0 {
            return true;
        }
        let refill = now.duration_since(self.since).as_secs_f32() * CONTROLS_PER_SECOND;
        self.left = (self.left + refill).min(CONTROLS_AT_ONCE) - count as f32;
        self.since = now;
        self.left >= 0.0
    }
}

/// The first thing an app says that is not a ping.
enum First {
    Text { header: Header, before: usize },
    Other,
}

/// `None`: not all there yet.
fn first_message(bytes: &[u8]) -> Result<Option<First>, FrameError> {
    let mut before = 0;
    loop {
        let Some(header) = Header::read(&bytes[before..], Sender::Server)? else { return Ok(None) };
        let whole = before as u64 + header.size as u64 + header.length;
        match header.opcode {
            Opcode::Close => return Ok(Some(First::Other)),
            Opcode::Text if header.last && whole <= LARGEST_OPENING as u64 => {
                let first = First::Text { header, before };
                return Ok((whole <= bytes.len() as u64).then_some(first));
            }
            Opcode::Ping | Opcode::Pong if whole <= bytes.len() as u64 => before = whole as usize,
            Opcode::Ping | Opcode::Pong => return Ok(None),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => return Err(FrameError::Order),
        }
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe)
}

const _: () = assert!(LONGEST_HELD < SCRATCH);
