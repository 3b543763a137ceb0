//! The hearing of one read before the court of a judged session: each message is shown to the guard, which is locked from the first
//! to the last of them, and what the guard wants is seen to at once.

use std::{sync::MutexGuard, time::Instant};

use super::{
    court::{Clerk, Court, opposite},
    sieve::{Judge, Sifted},
    words::Words,
};
use crate::{
    codec::{
        frame::{self, Header, Opcode, Sender, Walker},
        json::JsonError,
    },
    relay::{
        guard::{Extent, Guard, Seen, Side, Verdict, Wire},
        judged::Judged,
        session::Reason,
    },
};

/// One direction before the court, for as long as it is polled.
pub(super) struct Bar<'a> {
    pub(super) court: &'a mut Court,
    /// What is to be said on the other direction.
    pub(super) back: &'a mut Words,
}

/// One direction before the court, while a read of it is sifted.
struct Hearing<'a> {
    judged: &'a Judged,
    /// Held from the first message of a read to its last, unless the clerk must see to something.
    guard: Option<MutexGuard<'a, Guard>>,
    clerk: &'a mut Clerk,
    from: Side,
    along: &'a mut Words,
    back: &'a mut Words,
    now: Instant,
}

impl Bar<'_> {
    /// Looks at a read of this side. `along` is what is to be said on its way.
    pub(super) fn sift(&mut self, walker: &mut Walker, bytes: &[u8], (from, along): (Side, &mut Words), now: Instant) -> Sifted {
        let Court { judged, clerk, client, app } = &mut *self.court;
        let sieve = match from {
            Side::Client => client,
            Side::App => app,
        };
        sieve.sift(walker, bytes, &mut Hearing { judged, guard: None, clerk, from, along, back: self.back, now })
    }
}

impl Judge for Hearing<'_> {
    fn judge_known(&mut self, from: Side, message: Wire<'_>) -> Option<Verdict> {
        if self.clerk.in_front {
            return None;
        }
        let now = self.now;
        let guard = self.guard();
        let verdict = guard.judge_known(from, message, Extent::Whole, now)?;
        if guard.has_news() {
            self.hear();
        }
        Some(verdict)
    }

    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        let was_in_front = self.clerk.in_front;
        let now = self.now;
        let guard = self.guard();
        let mut verdict = guard.judge(seen, now);
        let has_news = guard.has_news();
        let has_come = !self.clerk.has_say && is_small(seen, b"5") && matches!(verdict, Verdict::Pass);
        if has_come {
            self.give_back();
            // Said behind the `5` itself.
            self.clerk.take_over(self.judged, self.back, self.along);
        } else if has_news {
            self.hear();
        }
        // Who has been let in may have to be warned soon.
        self.clerk.has_changed |= seen.from == Side::App && seen.bytes.starts_with(b"40");
        if was_in_front {
            verdict = self.stop(seen, verdict);
        }
        verdict
    }

    fn spoilt(&mut self, from: Side, error: JsonError) -> Reason {
        self.guard().spoilt(from, error)
    }

    fn grown(&mut self, bytes: u64) {
        if self.from == Side::Client {
            let now = self.now;
            self.guard().grown(bytes, now);
        }
    }

    fn lets(&mut self, control: &[u8]) -> bool {
        if !self.clerk.in_front {
            return true;
        }
        if let Ok(Some(header)) = Header::read(control, Sender::Client) {
            match header.opcode {
                Opcode::Ping => {
                    let mut payload = control[header.size..].to_vec();
                    header.unmask(&mut payload);
                    self.back.say(frame::write(Opcode::Pong, &payload, None));
                }
                Opcode::Close => self.clerk.end(Reason::ClientClosed),
                Opcode::Pong | Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
            }
        }
        false
    }

    fn speak(&mut self) -> Option<Vec<u8>> {
        let to = opposite(self.from);
        if !self.along.has_messages() || !self.guard().may_inject(to) {
            return None;
        }
        self.along.next_message()
    }
}

impl Hearing<'_> {
    fn guard(&mut self) -> &mut Guard {
        let judged = self.judged;
        self.guard.get_or_insert_with(|| judged.guard())
    }

    /// The clerk sees to what the guard wants.
    fn hear(&mut self) {
        self.give_back();
        match self.from {
            Side::Client => self.clerk.hear(self.judged, self.back, self.along),
            Side::App => self.clerk.hear(self.judged, self.along, self.back),
        }
    }

    /// Others may have the guard.
    fn give_back(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            guard.pause();
        }
    }

    /// There was no app for what may go on: the gate answers an upgrade itself, and lets a client go that leaves.
    fn stop(&mut self, seen: &Seen<'_>, verdict: Verdict) -> Verdict {
        if is_small(seen, b"1") {
            // The guard lets nobody hear it.
            self.clerk.end(Reason::ClientClosed);
            return Verdict::Drop;
        }
        match verdict {
            Verdict::Pass | Verdict::Watch(_) | Verdict::Replace(_) => {}
            other @ (Verdict::More | Verdict::Drop | Verdict::Break(_)) => return other,
        }
        if is_small(seen, b"2probe") && !self.clerk.has_say {
            // Whoever is woken looks at it.
            self.give_back();
            self.back.say(frame::write(Opcode::Text, b"3probe", None));
            self.judged.let_poll_go();
        }
        Verdict::Drop
    }
}

impl Drop for Hearing<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Whether this is the whole of what the client says.
fn is_small(seen: &Seen<'_>, packet: &[u8]) -> bool {
    seen.from == Side::Client && seen.is_text && seen.extent == Extent::Whole && seen.bytes == packet
}
