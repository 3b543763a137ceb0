//! How a carriage ends: who is told what, in which order, and who may still be heard.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    super::session::{LAST_WORDS, Reason},
    carriage::{Carriage, GOODBYE, Leaving},
    terms::{Ended, Unreached},
    way::Fault,
};
use crate::codec::{
    close,
    frame::{self, Opcode, Sender},
};

/// How long one side may go on alone after the other has closed its half.
const HALF_CLOSED: Duration = Duration::from_secs(30);

impl<C, U> Carriage<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// The gate is leaving, but what the client has said already is answered first: the goodbye waits for a quiet moment.
    pub(super) fn begin_last_words(&mut self) {
        self.last_words = Some(Instant::now() + LAST_WORDS);
        self.look = true;
    }

    /// The session is to end: in a judged one the guard says what is said first.
    pub(super) fn end_by(&mut self, reason: Reason) {
        match &mut self.court {
            Some(court) => court.end(reason, &mut self.down.words, &mut self.up.words),
            None => self.leave(reason),
        }
    }

    /// Leaves when the guard has ended the session.
    pub(super) fn leave_as_judged(&mut self) {
        if self.leaving.is_none()
            && let Some(reason) = self.court.as_mut().and_then(|court| court.take_end())
        {
            self.leave(reason);
        }
    }

    /// The guard lets nothing more of a sender go on. Both sides are told, as far as anything can still be said to them.
    fn leave_for_guard(&mut self, reason: Reason, sender: Sender) {
        // A session that still polls hears of it there.
        self.session.ending.tell(reason);
        self.leave(reason);
        let court = self.court.as_deref();
        let torn = match sender {
            Sender::Client => &mut self.up,
            Sender::Server => &mut self.down,
        };
        if !torn.is_between_messages(court) {
            torn.words.forget_messages();
        }
        if !torn.is_at_boundary(court) {
            torn.words.forget();
            torn.muted = true;
        }
    }

    /// Begins the goodbye: close frames go out at the next boundary of each direction.
    pub(super) fn leave(&mut self, reason: Reason) {
        let (code, text) = reason.closing();
        // A draining gate lets the client finish; one that must stop listening does not.
        let keep_up = reason == Reason::Draining;
        self.give_up_opening();
        if !self.down.walker.is_closed() {
            self.down.words.signal(frame::write(Opcode::Close, &close::payload(code, text), None));
        }
        if !keep_up && !self.up.walker.is_closed() {
            self.up.words.signal(frame::write(Opcode::Close, &close::payload(code, ""), Some(self.terms.mask)));
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
    pub(super) fn leave_for(&mut self, fault: Fault, sender: Sender) {
        if self.leaving.is_some() {
            // Already on the way out; whoever still sends nonsense is not listened to any more.
            match sender {
                Sender::Client => self.up.deaf = true,
                Sender::Server => self.down.deaf = true,
            }
            return;
        }
        let (reason, code) = match (&fault, sender) {
            (Fault::Judged(reason), _) => return self.leave_for_guard(*reason, sender),
            (Fault::Flood, _) => (Reason::Flooded, 1008),
            (Fault::Frame(error), Sender::Client) => (Reason::for_client_fault(*error), error.close_code()),
            (Fault::Frame(_) | Fault::Opening, _) => (Reason::AppInvalid, 1014),
        };
        let text = reason.name();
        match sender {
            Sender::Client => {
                self.give_up_opening();
                if !self.up.is_between_messages(self.court.as_deref()) {
                    self.up.words.forget_messages();
                }
                self.up.deaf = true;
                self.up.words.signal(frame::write(Opcode::Close, &close::payload(code, ""), Some(self.terms.mask)));
            }
            // What comes from an app that lost its framing is not read any more, nor is anything said to it.
            Sender::Server => {
                self.opening = None;
                self.down.deaf = true;
                self.down.early = Vec::new();
                self.up.muted = true;
                if !self.down.is_between_messages(self.court.as_deref()) {
                    self.down.words.forget_messages();
                }
            }
        }
        self.down.words.signal(frame::write(Opcode::Close, &close::payload(code, text), None));
        self.begin_goodbye(Leaving { reason, code: Some(code), until: Instant::now() + GOODBYE, keep_up: false });
    }

    /// Leaves when this says that the app was called in vain; nothing else is known to be lost. `false`: it says something else.
    pub(super) fn leave_unreached(&mut self, error: &std::io::Error) -> bool {
        let Some(Unreached(reason)) = error.get_ref().and_then(|error| error.downcast_ref()) else { return false };
        self.up.shut = true;
        self.up.waiting = Vec::new();
        self.leave(*reason);
        true
    }

    /// One direction is done: give the other a bounded time.
    pub(super) fn after_half_end(&mut self) {
        let closed = self.up.walker.is_closed() || self.down.walker.is_closed();
        let patience = if closed { GOODBYE } else { HALF_CLOSED };
        let code = self.down.close_code.or(self.up.close_code);
        // An app that has heard nothing has nothing to say.
        let patience = if self.is_in_front() { Duration::ZERO } else { patience };
        let until = Instant::now() + patience;
        self.begin_goodbye(Leaving { reason: self.natural_end(), code, until, keep_up: true });
    }

    /// The first reason to leave is the one that is told.
    pub(super) fn begin_goodbye(&mut self, leaving: Leaving) {
        if self.leaving.is_none() {
            if self.is_in_front() {
                // Nobody is there to be told.
                self.up.shut = true;
                self.up.waiting = Vec::new();
            }
            self.leaving = Some(leaving);
            // The timer may sleep far beyond the goodbye's end.
            self.look = true;
        }
    }

    fn is_in_front(&self) -> bool {
        self.court.as_ref().is_some_and(|court| court.is_in_front())
    }

    /// Whether everybody has said and heard goodbye, so that nobody needs to wait for a deadline.
    pub(super) fn has_parted(&self) -> bool {
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

    pub(super) fn natural_end(&self) -> Reason {
        match self.closer {
            Some(Sender::Client) => Reason::ClientClosed,
            Some(Sender::Server) => Reason::AppClosed,
            None if self.down.ended => Reason::AppGone,
            None => Reason::ClientGone,
        }
    }

    pub(super) fn end(&self, reason: Reason, reset: bool) -> Ended {
        let (reason, code) = match &self.leaving {
            Some(leaving) => (leaving.reason, leaving.code),
            None => (reason, self.down.close_code.or(self.up.close_code)),
        };
        Ended { reason, code, reset: reset && self.leaving.is_none(), moved: self.moved() }
    }
}
