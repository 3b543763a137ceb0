//! The deadlines of one client connection while it speaks HTTP: how long it may be silent, slow or deaf. Pure: the stream
//! says what happened, `http/serve` asks what is due; both pass the time. A WebSocket leaves the clock behind and keeps
//! its own time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a client may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// To the first byte.
    pub first_byte: Duration,
    /// From a request's first byte to the end of its head; of HTTP/2, to the end of the preface.
    pub head: Duration,
    /// Between requests.
    pub keep_alive: Duration,
    /// For taking anything of what waits to be written to it.
    pub write: Duration,
}

/// A deadline that a client missed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deadline {
    FirstByte,
    Head,
    KeepAlive,
    Write,
}

/// What one connection is doing and since when. Its task and its stream share it; with HTTP/2 its streams do too, on the
/// same thread, so relaxed atomics are exact.
#[derive(Debug)]
pub struct Clock {
    born: Instant,
    http2: bool,
    phase: AtomicU8,
    /// Milliseconds after `born` at which the phase began.
    since: AtomicU64,
    /// Bytes heard of an HTTP/2 preface; stands still once it is complete.
    heard: AtomicUsize,
    /// Requests that are not answered to the end, and WebSockets within HTTP/2.
    open: AtomicUsize,
    /// Milliseconds after `born` since when a write has been waiting, plus one; 0 when none is.
    stalled: AtomicU64,
    cut: AtomicBool,
}

/// Proof that a request is being answered; the connection does not idle while it exists.
#[derive(Debug)]
pub struct Open(Arc<Clock>);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Phase {
    /// Nothing has come yet.
    Fresh,
    /// A request's head, or the HTTP/2 preface, has begun.
    Head,
    /// Requests are being answered: their own deadlines count.
    Busy,
    /// Between requests.
    Idle,
}

impl Clock {
    pub fn new(http2: bool, now: Instant) -> Self {
        Self {
            born: now,
            http2,
            phase: AtomicU8::new(Phase::Fresh as u8),
            since: AtomicU64::new(0),
            heard: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            stalled: AtomicU64::new(0),
            cut: AtomicBool::new(false),
        }
    }

    /// So many bytes came. Between requests HTTP/2 has pings to answer, so what comes after its preface begins no head:
    /// there a slow head is bounded by its own ping, which cannot be answered in the middle of one.
    pub fn heard(&self, bytes: usize, now: Instant) {
        let phase = self.phase();
        if self.http2 {
            let heard = match phase {
                Phase::Fresh | Phase::Head => self.heard.fetch_add(bytes, Ordering::Relaxed) + bytes,
                Phase::Busy | Phase::Idle => return,
            };
            if heard >= PREFACE {
                self.enter(Phase::Idle, now);
            } else if phase == Phase::Fresh {
                self.enter(Phase::Head, now);
            }
        } else if matches!(phase, Phase::Fresh | Phase::Idle) {
            self.enter(Phase::Head, now);
        }
    }

    /// A write went on: the client takes what it is given.
    pub fn took(&self) {
        self.stalled.store(0, Ordering::Relaxed);
    }

    /// A write has to wait.
    pub fn refused(&self, now: Instant) {
        if self.stalled.load(Ordering::Relaxed) == 0 {
            self.stalled.store(self.millis(now) + 1, Ordering::Relaxed);
        }
    }

    /// A request has come.
    pub fn open(self: &Arc<Self>, now: Instant) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Busy, now);
        Open(self.clone())
    }

    /// Marks a client that does not read: closing its connection shall drop what waits for it, and not leave that to the
    /// kernel for minutes.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// The next deadline. While a request is answered and nothing waits to be written there is none.
    pub fn due(&self, patience: &Patience) -> Option<(Instant, Deadline)> {
        let since = self.at(self.since.load(Ordering::Relaxed));
        let of_phase = match self.phase() {
            Phase::Fresh => Some((since + patience.first_byte, Deadline::FirstByte)),
            Phase::Head => Some((since + patience.head, Deadline::Head)),
            Phase::Idle => Some((since + patience.keep_alive, Deadline::KeepAlive)),
            Phase::Busy => None,
        };
        let stalled = self.stalled.load(Ordering::Relaxed).checked_sub(1);
        let of_write = stalled.map(|since| (self.at(since) + patience.write, Deadline::Write));
        of_phase.into_iter().chain(of_write).min_by_key(|(due, _)| *due)
    }

    /// Until when its first request is awaited although the gate wants to let it go: it was accepted a moment ago, and is
    /// closed unheard otherwise. `None` once the gate has something of it.
    pub fn expects_until(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Fresh => Some(self.born + NEWCOMER),
            // hyper drops an HTTP/2 connection that is told to end within its preface.
            Phase::Head if self.http2 => Some(self.born + NEWCOMER),
            Phase::Head | Phase::Busy | Phase::Idle => None,
        }
    }

    fn phase(&self) -> Phase {
        const PHASES: [Phase; 4] = [Phase::Fresh, Phase::Head, Phase::Busy, Phase::Idle];
        PHASES.into_iter().find(|phase| *phase as u8 == self.phase.load(Ordering::Relaxed)).unwrap_or(Phase::Idle)
    }

    fn enter(&self, phase: Phase, now: Instant) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.millis(now), Ordering::Relaxed);
    }

    fn at(&self, millis: u64) -> Instant {
        self.born + Duration::from_millis(millis)
    }

    fn millis(&self, now: Instant) -> u64 {
        // Half a billion years fit.
        u64::try_from(now.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX - 1)
    }
}

impl Deadline {
    /// As the metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstByte => "first_byte",
            Self::Head => "head",
            Self::KeepAlive => "keep_alive",
            Self::Write => "write",
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.enter(Phase::Idle, Instant::now());
        }
    }
}

/// Who connected brings a request at once. Those who connect ahead of need should not hold up a gate that leaves.
const NEWCOMER: Duration = Duration::from_secs(1);
/// The client's half of the HTTP/2 preface: 24 bytes and the head of its SETTINGS (RFC 9113 section 3.4).
const PREFACE: usize = 24 + 9;
