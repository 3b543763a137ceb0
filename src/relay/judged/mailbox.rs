//! What waits for both sides of a session that polls, and how it gets there: packets in the order in which the guard let them go,
//! what it says between them, its questions, and how far the session is with ending. No lock, no await; the desk has them.

use std::{collections::VecDeque, mem, time::Instant};

use bytes::Bytes;
use http::response::Parts;
use tokio::task::AbortHandle;

use super::{
    super::guard::{Extent, Guard, Message, Out, Question, Seen, Side, Verdict},
    bounds,
    queue::{Full, Queue},
};
use crate::{policy::Refused, relay::Reason};

/// Of one session.
#[derive(Debug, Default)]
pub struct Mailbox {
    pub for_client: Queue,
    pub for_app: Queue,
    pub asked: VecDeque<Question>,
    /// The session is to end, or has ended, for this reason.
    pub end: Option<Reason>,
    pub fetch: Fetch,
    /// What a GET is answered with instead of packets.
    pub failure: Option<Failure>,
    /// The newest GET: the one that gets what there is.
    pub turn: u64,
    /// The client has said that it leaves.
    pub has_left: bool,
    /// The client was told not to come back.
    pub stays_closed: bool,
    /// Since when the session is over.
    pub parted: Option<Instant>,
    /// Since when its client knows, and may still say goodbye.
    pub told: Option<Instant>,
    /// A WebSocket carries it now.
    pub is_handed_over: bool,
    /// Bytes that may wait in each direction.
    pub most: usize,
}

/// The GET toward the app, of which there is one at most.
#[derive(Debug, Default)]
pub enum Fetch {
    #[default]
    Idle,
    Starting,
    Running(AbortHandle),
}

/// Why a GET gets no packets.
#[derive(Debug)]
pub enum Failure {
    /// What the app said instead of 200.
    Answer(Box<Parts>, Bytes),
    Refused(Refused),
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shown {
    Passed,
    /// It goes no further, or not now.
    Kept,
    /// Nothing more of its sender goes on.
    Broken(Reason),
}

impl Mailbox {
    /// Shows a whole packet to the guard, and puts where they belong: the packet, if it may go on, and what the guard says to it.
    pub fn show(&mut self, guard: &mut Guard, from: Side, message: Message, now: Instant) -> Shown {
        let (is_text, bytes) = match &message {
            Message::Text(text) => (true, text.as_bytes()),
            Message::Binary(bytes) => (false, bytes.as_slice()),
        };
        let verdict = guard.judge(&Seen { from, is_text, bytes, extent: Extent::Whole, wire: None }, now);
        let shown = match verdict {
            Verdict::Pass => self.pass_on(from, message),
            Verdict::Watch(scanner) if scanner.finish().is_ok() => self.pass_on(from, message),
            Verdict::Replace(other) => self.pass_on(from, *other),
            Verdict::Drop => Shown::Kept,
            // A whole message leaves nothing to wait for.
            Verdict::Watch(_) | Verdict::More => Shown::Broken(Reason::MalformedPacket),
            Verdict::Break(reason) => Shown::Broken(reason),
        };
        self.sort(guard);
        shown
    }

    fn pass_on(&mut self, from: Side, message: Message) -> Shown {
        let (queue, slow) = match from {
            Side::Client => (&mut self.for_app, Reason::AppStalled),
            Side::App => (&mut self.for_client, Reason::SlowReader),
        };
        match queue.push(message, self.most) {
            Ok(()) => Shown::Passed,
            Err(Full) => Shown::Broken(slow),
        }
    }

    /// Puts what the guard says where it belongs, unless a WebSocket takes it.
    pub fn sort(&mut self, guard: &mut Guard) {
        // Another configuration may allow other messages.
        self.most = bounds::of_queue(guard.max_payload());
        guard.pause();
        if self.is_handed_over {
            return;
        }
        if guard.has_news() {
            let mut goodbye = false;
            for out in guard.take() {
                match &out {
                    Out::ToClient(message) => goodbye = is_disconnect(message),
                    Out::End(_) => self.stays_closed |= goodbye,
                    Out::ToApp(_) | Out::Ask(_) => {}
                }
                self.put(out);
            }
        }
        if guard.may_inject(Side::Client) {
            self.for_client.settle();
        }
        if guard.may_inject(Side::App) {
            self.for_app.settle();
        }
    }

    fn put(&mut self, out: Out) {
        match out {
            Out::ToClient(message) => {
                if self.for_client.push_aside(message).is_err() {
                    self.end.get_or_insert(Reason::SlowReader);
                }
            }
            Out::ToApp(message) => {
                if self.for_app.push_aside(message).is_err() {
                    self.end.get_or_insert(Reason::AppStalled);
                }
            }
            Out::Ask(question) => self.asked.push_back(question),
            Out::End(reason) => {
                self.end.get_or_insert(reason);
            }
        }
    }

    /// The GET toward the app is given up.
    pub fn abort(&self) {
        if let Fetch::Running(task) = &self.fetch {
            task.abort();
        }
    }
}

/// Whether the client is told to leave a namespace; said last, it is told not to come back. What msgpack says is not read here.
fn is_disconnect(message: &Message) -> bool {
    match message {
        Message::Text(text) => text.starts_with("41"),
        Message::Binary(_) => true,
    }
}

impl Drop for Mailbox {
    /// Nobody is left to take what it brings.
    fn drop(&mut self) {
        if let Fetch::Running(task) = mem::take(&mut self.fetch) {
            task.abort();
        }
    }
}
