//! The deadlines of a carriage, all by one timer that sleeps until the nearest.

use std::{
    future::Future,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    super::session::{QUIET, Reason},
    carriage::Carriage,
    terms::Ended,
};
use crate::codec::frame::{self, Opcode};

impl<C, U> Carriage<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// The nearest deadline decides when we look again. `Ready(None)`: something new is to be sent.
    pub(super) fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        let has_changed = self.court.as_ref().is_some_and(|court| court.has_changed());
        if !std::mem::take(&mut self.look) && !has_changed {
            ready!(self.timer.as_mut().poll(cx));
        }
        let now = Instant::now();
        if self.has_said() {
            self.session.speaks(now.into_std());
        }
        self.count();
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
        if let Some(reason) = self.session.overdue(now.into_std()) {
            self.end_by(reason);
            return Poll::Ready(None);
        }
        // While the client's own bytes wait for the app it cannot be heard.
        if now >= self.heard + self.silence && self.up.waiting.is_empty() {
            self.leave(Reason::Silent);
            return Poll::Ready(None);
        }
        if self.terms.ping.is_some_and(|every| now >= self.heard + every) && !self.pinged {
            self.pinged = true;
            self.down.words.signal(frame::write(Opcode::Ping, b"", None));
            return Poll::Ready(None);
        }
        let mut next = self.next_deadline(now);
        if let Some(court) = &mut self.court {
            let again = court.tick(now.into_std(), &mut self.down.words, &mut self.up.words);
            if court.has_changed() {
                // It has said something.
                return Poll::Ready(None);
            }
            next = again.map_or(next, |again| next.min(now + again).max(now + SHORTEST));
        }
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
        if let Some(due) = self.session.due() {
            next = next.min(due.into());
        }
        if let Some(left) = self.terms.expires.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default()) {
            next = next.min(now + left);
        }
        // A stall may begin while we sleep; and a clock that was set is noticed within this time.
        next.min(now + self.terms.stall).max(now + SHORTEST)
    }

    /// Whether the client has sent a message since the last look, or is sending one. Where the app's protocol has heartbeats they
    /// are messages too, told from others by their size; elsewhere the gate's own are none.
    fn has_said(&mut self) -> bool {
        let has_said = self.up.walker.take_said();
        let is_engine = self.terms.ping.is_none();
        let has_sent = self.up.messages > self.counted.messages_in;
        !self.up.walker.is_at_boundary() || if is_engine { has_said } else { has_sent }
    }

    fn sleep_until(&mut self, next: Instant, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        self.timer.as_mut().reset(next);
        match self.timer.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(None),
        }
    }
}

/// What is due sooner may as well be looked at then.
const SHORTEST: Duration = Duration::from_millis(5);
