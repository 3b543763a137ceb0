//! One direction of a carriage: reads, follows the frames, writes, and keeps only what the writer did not take.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    court::Court,
    hearing::Bar,
    sieve::{Pass, Sifted},
    words::Words,
};
use crate::{
    codec::frame::{FrameError, LONGEST_HELD, Limits, Scan, Sender, Walker},
    relay::{guard::Side, session::Reason},
};

/// One direction.
pub(super) struct Way {
    pub(super) walker: Walker,
    from: Side,
    /// What arrived together with the handshake, not looked at yet; and, for the app, what its first message is made of.
    pub(super) early: Vec<u8>,
    /// An unfinished header or control frame, to be looked at again with what follows.
    held: Vec<u8>,
    /// What the writer did not take yet.
    pub(super) waiting: Vec<u8>,
    written: usize,
    /// Since when the writer takes nothing.
    pub(super) stalled: Option<Instant>,
    /// Frames of our own that go out at the next boundary.
    pub(super) words: Words,
    /// Nothing more is passed on after our own close; the reader is still followed until its own.
    pub(super) muted: bool,
    /// The reader lost its framing: what it still sends is thrown away unseen.
    pub(super) deaf: bool,
    /// The reader has ended.
    pub(super) ended: bool,
    /// The writer has been shut down.
    pub(super) shut: bool,
    unflushed: bool,
    /// It was not read although it might have been.
    pub(super) is_paused: bool,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) close_code: Option<u16>,
}

/// Control frames a client may send: so many at once, refilled over time.
pub(super) struct ControlBudget {
    left: f32,
    since: Instant,
}

/// Why what a sender says cannot be passed on.
pub(super) enum Fault {
    /// The reader's bytes are no WebSocket, or more than allowed.
    Frame(FrameError),
    Flood,
    /// The guard lets nothing more of it go on.
    Judged(Reason),
    /// The app's first message is no open packet.
    Opening,
}

/// What ends a direction.
pub(super) enum Broken {
    Reader(io::Error),
    Writer(io::Error),
    Fault(Fault),
}

/// What holds for one poll of a direction.
struct Turn<'a> {
    /// Who judges it.
    bar: Option<Bar<'a>>,
    /// When it was, once something has come.
    now: Option<Instant>,
}

/// Bytes that one read may bring; also what a slow writer can make us keep.
const SCRATCH: usize = 64 * 1024;
/// Control frames a client may send a second, and at once.
const CONTROLS_PER_SECOND: f32 = 10.0;
const CONTROLS_AT_ONCE: f32 = 50.0;

thread_local! {
    pub(super) static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

impl Way {
    pub(super) fn new(from: Side, limits: Limits, already: &[u8]) -> Self {
        let sender = match from {
            Side::Client => Sender::Client,
            Side::App => Sender::Server,
        };
        Self {
            walker: Walker::new(sender, limits),
            from,
            early: already.to_vec(),
            held: Vec::new(),
            waiting: Vec::new(),
            written: 0,
            stalled: None,
            words: Words::default(),
            muted: false,
            deaf: false,
            ended: false,
            shut: false,
            unflushed: false,
            is_paused: false,
            messages: 0,
            bytes: 0,
            close_code: None,
        }
    }

    /// What is passed on without being judged: the first packet, exchanged.
    pub(super) fn pass_unseen(&mut self, front: Vec<u8>) {
        let scan = self.walker.scan(&front);
        self.bytes += front.len() as u64;
        self.messages += scan.messages;
        self.waiting = front;
        self.written = 0;
    }

    /// Whether what was passed on ends with a whole frame.
    pub(super) fn is_at_boundary(&self, court: Option<&Court>) -> bool {
        match court {
            None => self.walker.is_at_boundary(),
            Some(court) => court.sieve(self.from).is_at_boundary(&self.walker),
        }
    }

    /// Whether what was passed on ends with a whole message.
    pub(super) fn is_between_messages(&self, court: Option<&Court>) -> bool {
        court.is_none_or(|court| court.sieve(self.from).is_between_messages())
    }

    /// Whether a frame of ours could go out right now.
    pub(super) fn word_is_due(&self, court: Option<&Court>) -> bool {
        if self.words.is_empty() || !self.waiting.is_empty() || !self.may_speak() {
            return false;
        }
        match court {
            Some(court) if self.words.has_messages() => court.may_follow(self.from),
            _ => self.is_at_boundary(court),
        }
    }

    /// Nothing follows a close frame, whoever it is from.
    fn may_speak(&self) -> bool {
        !self.shut && !self.muted && !self.walker.is_closed()
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.shut || ((self.words.is_empty() || !self.may_speak()) && self.waiting.is_empty() && !self.unflushed)
    }

    /// Moves what can be moved. Ready when the reader has ended and the writer has been told.
    pub(super) fn poll_move<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        bar: Option<Bar<'_>>,
        mut judge: impl FnMut(&Scan, Instant) -> Result<(), Fault>,
    ) -> Result<Poll<()>, Broken>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.is_paused = false;
        let mut turn = Turn { bar, now: None };
        loop {
            if self.shut && self.ended {
                return Ok(Poll::Ready(()));
            }
            if !self.shut && self.poll_write_waiting(cx, writer)?.is_pending() {
                return Ok(Poll::Pending);
            }
            if self.word_is_due(turn.bar.as_ref().map(|bar| &*bar.court)) {
                self.put_word();
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
            // What is to be said to this is more than the other side takes: it is polled next, and this again.
            self.is_paused = turn.bar.as_ref().is_some_and(|bar| bar.back.is_too_much());
            if self.is_paused {
                return Ok(Poll::Pending);
            }
            let read = BUFFER.with_borrow_mut(|buffer| self.poll_read(cx, reader, writer, buffer, &mut turn, &mut judge))?;
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
        turn: &mut Turn<'_>,
        judge: &mut impl FnMut(&Scan, Instant) -> Result<(), Fault>,
    ) -> Result<Poll<()>, Broken>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            self.bytes += early.len() as u64;
            let now = turn.now();
            let Sifted { scan, pass, broken } = self.look(&early, &mut turn.bar, now);
            let judged = judge(&scan, now).map_err(Broken::Fault);
            match pass {
                Pass::First(first) => self.waiting.extend_from_slice(&early[..first]),
                Pass::Composed(composed) => self.waiting = composed,
            }
            self.settle(&scan, &early[scan.upto..], broken)?;
            return judged.map(Poll::Ready);
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
        if self.muted {
            let scan = self.walker.scan(bytes);
            self.follow(&scan, &bytes[scan.upto..]);
            return Ok(Poll::Ready(()));
        }
        let now = turn.now();
        let Sifted { scan, pass, broken } = self.look(bytes, &mut turn.bar, now);
        self.bytes += read as u64;
        // What was scanned is passed on whatever comes of it: the app must not be left in the middle of a frame.
        let judged = judge(&scan, now).map_err(Broken::Fault);
        match pass {
            Pass::First(first) => {
                let pass = &bytes[..first];
                let written = match pass {
                    [] => 0,
                    pass => match Pin::new(writer).poll_write(cx, pass) {
                        Poll::Ready(Ok(written)) => written,
                        Poll::Ready(Err(error)) => return Err(Broken::Writer(error)),
                        Poll::Pending => 0,
                    },
                };
                self.unflushed |= written > 0;
                self.waiting.extend_from_slice(&pass[written..]);
            }
            // Written before anything else is read.
            Pass::Composed(composed) => self.waiting = composed,
        }
        self.settle(&scan, &bytes[scan.upto..], broken)?;
        judged.map(Poll::Ready)
    }

    /// What may go on of a read: all that has the right form, in a judged session by the guard's leave.
    fn look(&mut self, bytes: &[u8], bar: &mut Option<Bar<'_>>, now: Instant) -> Sifted {
        if let Some(bar) = bar {
            return bar.sift(&mut self.walker, bytes, (self.from, &mut self.words), now.into_std());
        }
        let scan = self.walker.scan(bytes);
        Sifted { pass: Pass::First(scan.upto), scan, broken: None }
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

    /// A read was looked at, and what may go on of it does. `held` is what has to be looked at again.
    fn settle(&mut self, scan: &Scan, held: &[u8], broken: Option<Reason>) -> Result<(), Broken> {
        self.messages += scan.messages;
        if let Some(code) = scan.closing {
            self.close_code = code;
        } else if let Some(error) = scan.fault {
            self.deaf = true;
            return Err(Broken::Fault(broken.map_or(Fault::Frame(error), Fault::Judged)));
        } else {
            self.held.extend_from_slice(held);
            if self.held.is_empty() {
                self.held = Vec::new();
            }
        }
        broken.map_or(Ok(()), |reason| Err(Broken::Fault(Fault::Judged(reason))))
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

    fn put_word(&mut self) {
        if let Some(word) = self.words.next() {
            // After a close of ours nothing else may follow on this direction.
            if word.first().is_some_and(|byte| byte & 0x0f == 0x8) {
                self.muted = true;
            }
            self.waiting = word;
            self.written = 0;
        }
    }
}

impl Turn<'_> {
    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }
}

impl ControlBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: CONTROLS_AT_ONCE, since: now }
    }

    pub(super) fn take(&mut self, count: u32, now: Instant) -> bool {
        if count == 0 {
            return true;
        }
        let refill = now.duration_since(self.since).as_secs_f32() * CONTROLS_PER_SECOND;
        self.left = (self.left + refill).min(CONTROLS_AT_ONCE) - count as f32;
        self.since = now;
        self.left >= 0.0
    }
}

const _: () = assert!(LONGEST_HELD < SCRATCH);
