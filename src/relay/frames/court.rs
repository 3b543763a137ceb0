//! What the carriage of a judged session has beyond a plain one's: the guard to whom messages are shown, its questions while they are
//! being answered, and what it wants said, put where it belongs. A session that is being upgraded has polls beside the carriage:
//! until the client has come over (`5`) the guard's news is theirs to deliver, and the carriage leaves it at the desk.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant, SystemTime},
};

use super::{
    sieve::{self, Sieve},
    words::Words,
};
use crate::{
    codec::engine::Revision,
    relay::{
        guard::{Out, Question, Side},
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
    pub(super) judged: Arc<Judged>,
    pub(super) clerk: Clerk,
    /// What the messages of each side go through.
    pub(super) client: Sieve,
    pub(super) app: Sieve,
}

/// What a court keeps beside the session it judges.
pub(super) struct Clerk {
    revision: Revision,
    settle: Settle,
    /// The mask of frames toward the app.
    mask: [u8; 4],
    /// The guard's news is the carriage's to deliver.
    pub(super) has_say: bool,
    /// There is no app yet: the gate answers what only an app could, and nothing of the client goes on.
    pub(super) in_front: bool,
    questions: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Some of them have not been polled yet, or the bell is not listened to yet.
    has_asked: bool,
    /// Who is woken when others have given the guard something to say.
    waker: Option<Waker>,
    /// The guard has ended the session.
    ended: Option<Reason>,
    /// Deadlines may be nearer than they were.
    pub(super) has_changed: bool,
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
    pub(super) fn hear(&mut self, judged: &Judged, to_client: &mut Words, to_app: &mut Words) {
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
    pub(super) fn take_over(&mut self, judged: &Judged, to_client: &mut Words, to_app: &mut Words) {
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
    pub(super) fn end(&mut self, reason: Reason) {
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

/// The side that hears what this one says.
pub(super) fn opposite(side: Side) -> Side {
    match side {
        Side::Client => Side::App,
        Side::App => Side::Client,
    }
}
