//! What the carriage of a judged session has beyond a plain one's: the guard to whom messages are shown, its questions while they are
//! being answered, and what it wants said, put where it belongs. A session that is being upgraded has polls beside the carriage:
//! until the client has come over (`5`) the guard's news is theirs to deliver, and the carriage leaves it at the desk.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, MutexGuard},
    task::{Context, Waker},
    time::{Duration, Instant, SystemTime},
};

use super::{
    sieve::{self, Judge, Sieve, Sifted},
    words::Words,
};
use crate::{
    codec::{
        engine::Revision,
        frame::{self, Header, Opcode, Sender, Walker},
        json::JsonError,
    },
    relay::{
        guard::{Extent, Guard, Out, Question, Seen, Side, Verdict, Wire},
        judged::{Judged, app::Stage},
        session::Reason,
    },
};

/// How questions about tokens are answered: `Judged::settle` with all it needs.
pub type Settle = Box<dyn Fn(Question) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A judged session, as its carriage is given it.
pub struct Judging {
    pub judged: Arc<Judged>,
    pub settle: Settle,
    /// Its client still polls, and may stay with that.
    pub is_upgrade: bool,
    /// Its app has heard nothing yet, and does not until somebody was accepted.
    pub is_unopened: bool,
}

pub(super) struct Court {
    judged: Arc<Judged>,
    clerk: Clerk,
    /// What the messages of each side go through.
    client: Sieve,
    app: Sieve,
}

/// What a court keeps beside the session it judges.
struct Clerk {
    revision: Revision,
    settle: Settle,
    /// The mask of frames toward the app.
    mask: [u8; 4],
    /// The guard's news is the carriage's to deliver.
    has_say: bool,
    /// There is no app yet: the gate answers what only an app could, and nothing of the client goes on.
    in_front: bool,
    questions: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Some of them have not been polled yet, or the bell is not listened to yet.
    has_asked: bool,
    /// Who is woken when others have given the guard something to say.
    waker: Option<Waker>,
    /// The guard has ended the session.
    ended: Option<Reason>,
    /// Deadlines may be nearer than they were.
    has_changed: bool,
}

/// One direction before the court, for as long as it is polled.
pub(super) struct Bar<'a> {
    pub(super) court: &'a mut Court,
    /// What is to be said on the other direction.
    pub(super) back: &'a mut Words,
}

/// The same, while a read is sifted.
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

impl Court {
    pub(super) fn new(judging: Judging, mask: [u8; 4], to_client: &mut Words, to_app: &mut Words) -> Self {
        let clerk = Clerk {
            revision: judging.judged.revision,
            settle: judging.settle,
            mask,
            has_say: false,
            in_front: judging.is_unopened,
            questions: Vec::new(),
            has_asked: false,
            waker: None,
            ended: None,
            has_changed: false,
        };
        let sieve = |from, mask| Sieve::new(from, clerk.revision, mask);
        let (client, app) = (sieve(Side::Client, Some(mask)), sieve(Side::App, None));
        let mut court = Self { judged: judging.judged, clerk, client, app };
        if !judging.is_upgrade {
            court.clerk.take_over(&court.judged, to_client, to_app);
        }
        court
    }

    /// Whether the client's messages come by this carriage alone.
    pub(super) fn has_say(&self) -> bool {
        self.clerk.has_say
    }

    /// Whether the app has heard nothing yet.
    pub(super) fn is_in_front(&self) -> bool {
        self.clerk.in_front
    }

    /// Whether the guard has asked something since it was last polled.
    pub(super) fn has_asked(&self) -> bool {
        self.clerk.has_asked
    }

    /// Whether deadlines may be nearer than they were when the guard looked at them.
    pub(super) fn has_changed(&self) -> bool {
        self.clerk.has_changed
    }

    /// Takes what others have given the guard to say, and lets its questions get on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, to_client: &mut Words, to_app: &mut Words) {
        let Self { judged, clerk, .. } = self;
        // A second upgrade may be tried while a first one dies: only the carriage that has the say listens.
        let is_rung = !clerk.has_say || judged.has_rung(&mut clerk.waker, cx.waker());
        if !is_rung && clerk.questions.is_empty() {
            return;
        }
        loop {
            clerk.hear(judged, to_client, to_app);
            clerk.has_asked = false;
            let before = clerk.questions.len();
            clerk.questions.retain_mut(|question| question.as_mut().poll(cx).is_pending());
            if clerk.questions.len() == before {
                break;
            }
            clerk.has_changed = true;
        }
        if clerk.has_say && judged.has_waiting() {
            clerk.say_waiting(judged, to_client);
        }
    }

    /// Lets the guard look at the clocks. When to do so again; `None` when others do, or nobody has to.
    pub(super) fn tick(&mut self, now: Instant, to_client: &mut Words, to_app: &mut Words) -> Option<Duration> {
        self.clerk.has_changed = false;
        if !self.clerk.has_say {
            return None;
        }
        let again = self.judged.guard().tick(now, SystemTime::now());
        self.clerk.hear(&self.judged, to_client, to_app);
        again
    }

    /// The session is to end for this reason: the guard says how.
    pub(super) fn end(&mut self, reason: Reason, to_client: &mut Words, to_app: &mut Words) {
        if self.clerk.has_say {
            self.judged.guard().end(reason, Instant::now());
            self.clerk.hear(&self.judged, to_client, to_app);
        }
        // Whatever the guard thinks of it.
        self.clerk.end(reason);
    }

    /// Why the guard has ended the session, told once.
    pub(super) fn take_end(&mut self) -> Option<Reason> {
        self.clerk.ended.take()
    }

    /// Whether a message of ours may follow where the last read of this side has ended.
    pub(super) fn may_follow(&self, from: Side) -> bool {
        self.sieve(from).is_between_messages() && self.judged.guard().may_inject(opposite(from))
    }

    pub(super) fn sieve(&self, from: Side) -> &Sieve {
        match from {
            Side::Client => &self.client,
            Side::App => &self.app,
        }
    }
}

impl Clerk {
    /// Puts the guard's news where it belongs.
    fn hear(&mut self, judged: &Judged, to_client: &mut Words, to_app: &mut Words) {
        if !self.has_say {
            if judged.guard().has_news() {
                judged.collect();
                judged.wake_poll();
            }
            return;
        }
        let news = {
            let mut guard = judged.guard();
            if !guard.has_news() {
                return;
            }
            guard.take()
        };
        self.has_changed = true;
        for out in news {
            match out {
                Out::ToClient(message) => to_client.say(sieve::write(&message, self.revision, None)),
                Out::ToApp(message) => {
                    // Somebody was accepted.
                    self.in_front = false;
                    to_app.say(sieve::write(&message, self.revision, Some(self.mask)));
                }
                Out::Ask(question) => {
                    self.questions.push((self.settle)(question));
                    self.has_asked = true;
                }
                Out::End(reason) => self.end(reason),
            }
        }
    }

    /// The client has come over: from here on the guard's news is the carriage's, and what polls have not taken comes first.
    fn take_over(&mut self, judged: &Judged, to_client: &mut Words, to_app: &mut Words) {
        self.has_say = true;
        self.has_changed = true;
        // Polled once more before anything is waited for, so that it listens from here on.
        self.has_asked = true;
        self.say_waiting(judged, to_client);
        for message in judged.take_unsent() {
            to_app.pass_on(sieve::write(&message, self.revision, Some(self.mask)));
            self.in_front = false;
        }
        match self.in_front {
            // Polls may have opened it meanwhile, or be about to.
            true => self.in_front = judged.app.stage() == Stage::Unopened,
            false => judged.app.carries(),
        }
        self.hear(judged, to_client, to_app);
    }

    fn say_waiting(&mut self, judged: &Judged, to_client: &mut Words) {
        for message in judged.take_waiting() {
            to_client.pass_on(sieve::write(&message, self.revision, None));
        }
    }

    /// The first reason stands.
    fn end(&mut self, reason: Reason) {
        self.ended = self.ended.or(Some(reason));
    }
}

impl Drop for Court {
    fn drop(&mut self) {
        if let Some(waker) = &self.clerk.waker {
            self.judged.carriage_left(waker);
        }
    }
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

/// The side that hears what this one says.
fn opposite(side: Side) -> Side {
    match side {
        Side::Client => Side::App,
        Side::App => Side::Client,
    }
}
