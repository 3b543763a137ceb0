//! The judge of one session: every packet of both sides, over both transports, is shown to it and goes on only as it says. Pure:
//! time is an argument, and what it wants said or found out waits in a queue for whoever drives it (`relay/judged`).

mod verdict;

pub use verdict::{Extent, Message, Out, Purpose, Question, Seen, Side, Verdict};

use std::time::{Duration, Instant, SystemTime};

use crate::{
    policy::{Refused, auth::Identity},
    relay::session::Reason,
};

/// The judge of one session.
#[derive(Debug)]
pub struct Guard {}

impl Guard {
    /// Judges what has been seen of a message. Shown again with more of it after [`Verdict::More`].
    pub fn judge(&mut self, _seen: &Seen<'_>, _now: Instant) -> Verdict {
        unimplemented!("by the lead")
    }

    /// What is to be said and found out, in order. Drivers take it after every call.
    pub fn take(&mut self) -> Vec<Out> {
        unimplemented!("by the lead")
    }

    /// Whether something waits to be taken.
    pub fn has_news(&self) -> bool {
        unimplemented!("by the lead")
    }

    /// Whether a message of ours may stand here on the way to this side: not between a binary event and its attachments.
    pub fn may_inject(&self, _to: Side) -> bool {
        unimplemented!("by the lead")
    }

    /// Whom the token of a question names, or why nobody.
    pub fn answered(&mut self, _question: u32, _who: Result<Identity, Refused>, _now: Instant, _clock: SystemTime) {
        unimplemented!("by the lead")
    }

    /// Who the session is, as far as anyone has been accepted.
    pub fn identity(&self) -> Option<&Identity> {
        unimplemented!("by the lead")
    }

    /// Looks at the clocks: warns, ends what is over. When to look again.
    pub fn tick(&mut self, _now: Instant, _clock: SystemTime) -> Option<Duration> {
        unimplemented!("by the lead")
    }

    /// The session is to end for this reason: what is said first, and how, is in the queue afterwards; its last entry is
    /// [`Out::End`].
    pub fn end(&mut self, _reason: Reason, _now: Instant) {
        unimplemented!("by the lead")
    }
}
