//! Both directions together: polled in turn until both are done, a deadline passes or the gate decides.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    super::session::{Reason, Session},
    court::{Court, Judging},
    hearing::Bar,
    terms::{Ended, Moved, Opening, Terms},
    way::{Broken, ControlBudget, Fault, Way},
};
use crate::{
    codec::frame::{Limits, Sender},
    relay::guard::Side,
};

/// A client, an app server, and what moves between them. A future: it resolves when both are done.
pub struct Carriage<C, U> {
    pub(super) client: C,
    pub(super) upstream: U,
    /// From the client to the app.
    pub(super) up: Way,
    /// From the app to the client.
    pub(super) down: Way,
    pub(super) opening: Option<Box<dyn Opening>>,
    /// Where messages are judged; absent in a plain session.
    pub(super) court: Option<Box<Court>>,
    pub(super) terms: Arc<Terms>,
    /// The client is gone when nothing has come from it for this long.
    pub(super) silence: Duration,
    pub(super) session: Arc<Session>,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
    pub(super) timer: Pin<Box<Sleep>>,
    /// The deadlines are to be looked at whatever the timer says. Setting it to now would wake the whole runtime for it.
    pub(super) look: bool,
    /// When the client and the app were last heard.
    pub(super) heard: Instant,
    pub(super) spoken: Instant,
    /// The gate is leaving: until when answers to what was already said are waited for.
    pub(super) last_words: Option<Instant>,
    pub(super) pinged: bool,
    controls: ControlBudget,
    /// Who has closed the WebSocket: the first of the two, for the other one answers.
    pub(super) closer: Option<Sender>,
    /// What has been counted already.
    pub(super) counted: Moved,
    /// Set once an end is decided: why, and until when both sides may still say goodbye.
    pub(super) leaving: Option<Leaving>,
    gather: fn(&mut C),
    /// Counts the upgrade that this is, once it has come about.
    upgrade: Option<Counter>,
}

pub(super) struct Leaving {
    pub(super) reason: Reason,
    pub(super) code: Option<u16>,
    pub(super) until: Instant,
    /// What the client still sends is passed on until its own close frame, so that nothing it sent before is lost.
    pub(super) keep_up: bool,
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
            up: Way::new(Side::Client, terms.limits, client.1),
            down: Way::new(Side::App, Limits::NONE, upstream.1),
            opening,
            court: None,
            timer: Box::pin(tokio::time::sleep_until(now)),
            ending,
            look: true,
            heard: now,
            spoken: now,
            last_words: None,
            pinged: false,
            controls: ControlBudget::new(now),
            closer: None,
            counted: Moved::default(),
            leaving: None,
            silence: terms.silence,
            terms,
            session,
            gather: |_| {},
            upgrade: None,
        }
    }

    /// Has every message judged.
    pub fn judged_by(mut self, judging: Judging) -> Self {
        let court = Court::new(judging, self.terms.mask, &mut self.down.words, &mut self.up.words);
        self.court = Some(Box::new(court));
        self
    }

    /// Says this to the client before anything else.
    pub fn saying(mut self, frame: Vec<u8>) -> Self {
        self.down.words.say(frame);
        self
    }

    /// It is the upgrade of a polling session, which counts when it has come about: not before, and not as late as its end.
    pub fn upgrading(mut self, done: Counter) -> Self {
        self.upgrade = Some(done);
        self
    }

    /// Whether an upgrade has come about. A client says `2probe` and then `5`: one that never came so far goes on by polling.
    pub fn has_come_over(&self) -> bool {
        self.court.as_ref().map_or(self.up.messages >= 2, |court| court.has_say())
    }

    /// Tells the client's connection that its end is near: it may keep what is written back until it is flushed or closed, so that
    /// the last words and the goodbye take one write.
    pub fn gathering(mut self, gather: fn(&mut C)) -> Self {
        self.gather = gather;
        self
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
    pub(super) fn count(&mut self) {
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
                reason => self.end_by(reason),
            }
        }
        loop {
            if let Some(court) = &mut self.court {
                court.poll(cx, &mut self.down.words, &mut self.up.words);
            }
            let up = self.poll_up(cx);
            if self.upgrade.is_some()
                && self.has_come_over()
                && let Some(done) = self.upgrade.take()
            {
                done.inc();
            }
            if self.up.words.is_too_much() {
                return Poll::Ready(self.end(Reason::AppStalled, true));
            }
            let down = self.poll_down(cx);
            if self.down.words.is_too_much() {
                return Poll::Ready(self.end(Reason::SlowReader, true));
            }
            match (up, down) {
                (Err(end), _) | (_, Err(end)) => return Poll::Ready(end),
                (Ok(Poll::Ready(())), Ok(Poll::Ready(()))) => return Poll::Ready(self.end(self.natural_end(), false)),
                (Ok(up), Ok(down)) if up.is_ready() || down.is_ready() => self.after_half_end(),
                _ => {}
            }
            if self.court.is_some() {
                self.leave_as_judged();
            }
            if self.has_parted() {
                return Poll::Ready(self.end(self.natural_end(), false));
            }
            // A frame of our own may have been decided on while the ways were polled.
            let court = self.court.as_deref();
            if self.up.word_is_due(court) || (self.opening.is_none() && self.down.word_is_due(court)) {
                continue;
            }
            if self.up.is_paused || self.down.is_paused || court.is_some_and(|court| court.has_asked()) {
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
        let (heard, pinged, controls) = (&mut self.heard, &mut self.pinged, &mut self.controls);
        let bar = self.court.as_deref_mut().map(|court| Bar { court, back: &mut self.down.words });
        let moved = self.up.poll_move(cx, &mut self.client, &mut self.upstream, bar, |scan, now| {
            *heard = now;
            *pinged = false;
            if controls.take(scan.controls, now) { Ok(()) } else { Err(Fault::Flood) }
        });
        if self.up.walker.is_closed() {
            self.closer.get_or_insert(Sender::Client);
        }
        match moved {
            Ok(poll) => Ok(poll),
            Err(Broken::Reader(error)) => Err(self.end(Reason::ClientGone, is_reset(&error))),
            Err(Broken::Writer(error)) => {
                if self.leave_unreached(&error) {
                    return Ok(Poll::Pending);
                }
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
        if self.up.walker.is_closed() {
            (self.gather)(&mut self.client);
        }
        let spoken = &mut self.spoken;
        let bar = self.court.as_deref_mut().map(|court| Bar { court, back: &mut self.up.words });
        let moved = self.down.poll_move(cx, &mut self.upstream, &mut self.client, bar, |_, now| {
            *spoken = now;
            Ok(())
        });
        if self.down.walker.is_closed() {
            self.closer.get_or_insert(Sender::Server);
        }
        match moved {
            Ok(poll) => Ok(poll),
            Err(Broken::Reader(error)) => {
                if self.leave_unreached(&error) {
                    return Ok(Poll::Pending);
                }
                // Its last words may have been gathered for a goodbye that does not come.
                let _ = Pin::new(&mut self.client).poll_flush(cx);
                let has_closed = self.up.walker.is_closed() && self.down.walker.is_closed();
                Err(self.end(if has_closed { self.natural_end() } else { Reason::AppGone }, is_reset(&error) && !has_closed))
            }
            Err(Broken::Writer(error)) => Err(self.end(Reason::ClientGone, is_reset(&error))),
            Err(Broken::Fault(fault)) => {
                self.leave_for(fault, Sender::Server);
                Ok(Poll::Pending)
            }
        }
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe)
}

/// How long a goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);
