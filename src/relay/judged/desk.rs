//! What lies between a session's guard and its transports: packets that wait for the client and for the app, questions that wait
//! for an answer, which GET is the one to be answered, and how far the session is with ending. Everything that the guard says
//! is put here in the order in which it said it, under the guard's own lock. No await; time is an argument.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::response::Parts;
use tokio::{sync::Notify, task::AbortHandle};

use super::{
    super::guard::{Extent, Guard, Message, Out, Question, Seen, Side, Verdict},
    Judged, bounds, lock,
    queue::{Full, Queue},
    speaker::Speaker,
};
use crate::{
    codec::engine::Revision,
    policy::Refused,
    relay::{Reason, Venue},
};

/// The desk of one session.
#[derive(Debug, Default)]
pub struct Desk {
    state: Mutex<State>,
    /// Held by whoever sends to the app: one body at a time.
    pub sending: tokio::sync::Mutex<()>,
    /// Wakes a poll that waits.
    pub poll: Notify,
    /// Its end may be due at another time than before.
    pub news: Notify,
    /// In whose voice the session speaks to its app while nobody asks for it: the last who has. `None`: it does not poll any more.
    voice: Mutex<Option<(Arc<Venue>, Arc<Speaker>)>>,
}

#[derive(Debug, Default)]
struct State {
    for_client: Queue,
    for_app: Queue,
    asked: VecDeque<Question>,
    /// The session is to end, or has ended, for this reason.
    end: Option<Reason>,
    fetch: Fetch,
    /// What a GET is answered with instead of packets.
    failure: Option<Failure>,
    /// The newest GET: the one that gets what there is.
    turn: u64,
    /// The client has said that it leaves.
    has_left: bool,
    /// The client was told not to come back.
    stays_closed: bool,
    /// Since when the session is over.
    parted: Option<Instant>,
    /// Since when its client knows, and may still say goodbye.
    told: Option<Instant>,
    /// A WebSocket carries it now.
    is_handed_over: bool,
    /// Bytes that may wait in each direction.
    most: usize,
}

/// The GET toward the app, of which there is one at most.
#[derive(Debug, Default)]
enum Fetch {
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

/// What a GET is answered with.
#[derive(Debug)]
pub enum Next {
    Packets(Vec<u8>),
    /// It is let go: a newer one has come, a WebSocket has taken over, or its client leaves.
    LetGo,
    Failed(Failure),
    Nothing,
}

/// Clients of a session that was ended for good say goodbye within this time: their POST is taken, their GET waits for it.
const LINGERS: Duration = Duration::from_secs(5);
/// What a client was last to hear waits for it so long: it was between two polls, or on its way from one network to another.
const UNHEARD: Duration = Duration::from_secs(30);

impl Judged {
    /// The session is to end: the guard says how.
    pub fn end(&self, reason: Reason, now: Instant) {
        let mut guard = self.guard();
        guard.end(reason, now);
        if let Some(desk) = self.desk() {
            let mut state = desk.state();
            state.sort(&mut guard);
            // Whatever the guard thinks of it.
            state.end.get_or_insert(reason);
        }
    }

    /// Takes what the guard has said to somebody else.
    pub fn collect(&self) {
        if let Some(desk) = self.desk() {
            let mut guard = self.guard();
            desk.state().sort(&mut guard);
        }
    }

    /// Packets for the client that its polls have not taken. A WebSocket that takes over delivers them first, and from then on
    /// takes the guard's news itself; what a GET of before still brings is here, too, and the carriage is nudged.
    pub fn take_waiting(&self) -> Vec<Message> {
        self.desk().map(|desk| desk.hand_over(self)).unwrap_or_default()
    }

    /// Whether there are packets for the client that no poll has taken.
    pub fn has_waiting(&self) -> bool {
        self.desk().is_some_and(|desk| desk.has_for_client())
    }

    /// Packets for the app that no POST has taken: asked once, with [`Judged::take_waiting`].
    pub fn take_unsent(&self) -> Vec<Message> {
        self.desk().map(|desk| desk.state().for_app.take_all()).unwrap_or_default()
    }

    /// Lets a GET go that waits, so that its client can end an upgrade. Apps do it by themselves; one that has heard nothing
    /// of the session cannot.
    pub fn let_poll_go(&self) {
        if let Some(desk) = self.desk() {
            desk.let_go();
        }
    }

    /// The session is over: nothing more is asked of the app, unless somebody is parting from it just now.
    pub fn over(&self) {
        self.give_back();
        if let Some(desk) = self.desk() {
            desk.fall_silent();
            let state = desk.state();
            if state.parted.is_none() {
                state.abort();
            }
        }
        self.nudge();
    }
}

impl Desk {
    /// The desk of a session that speaks this revision of Engine.IO.
    pub fn new(revision: Revision) -> Self {
        let desk = Self::default();
        let mut state = desk.state();
        (state.for_client, state.for_app) = (Queue::new(revision), Queue::new(revision));
        drop(state);
        desk
    }

    /// Shows a whole packet to the guard, and puts where they belong: the packet, if it may go on, and what the guard says to it.
    pub fn show(&self, judged: &Judged, from: Side, message: Message, now: Instant) -> Shown {
        let mut guard = judged.guard();
        let mut state = self.state();
        state.sort(&mut guard);
        state.show(&mut guard, from, message, now)
    }

    /// Shows all packets of a client's body. Nothing of a body goes on of which a part may not: it is judged whole before anybody
    /// can take of it, so the locks are held from its first packet to its last. Bodies are in memory already and bounded
    /// (`socketio.max_payload`, packets of a body), and only their own session waits: a millisecond for a megabyte.
    pub fn show_all(&self, judged: &Judged, messages: Vec<Message>, now: Instant) -> Result<(), Reason> {
        let mut guard = judged.guard();
        let mut state = self.state();
        state.sort(&mut guard);
        let before = state.for_app.len();
        for message in messages {
            if let Shown::Broken(reason) = state.show(&mut guard, Side::Client, message, now) {
                // What the client was told of them stays true: the session ends.
                state.for_app.truncate(before);
                state.asked.clear();
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Lets the guard look at the clocks. When to do so again.
    pub fn tick(&self, judged: &Judged, now: Instant, clock: SystemTime) -> Option<Duration> {
        let mut guard = judged.guard();
        let again = guard.tick(now, clock);
        self.state().sort(&mut guard);
        again
    }

    /// Somebody asks for the session by polling.
    pub fn speak_as(&self, venue: &Arc<Venue>, speaker: &Arc<Speaker>) {
        *lock(&self.voice) = Some((venue.clone(), speaker.clone()));
    }

    pub fn voice(&self) -> Option<(Arc<Venue>, Arc<Speaker>)> {
        lock(&self.voice).clone()
    }

    /// The session does not poll any more.
    fn fall_silent(&self) {
        lock(&self.voice).take();
        self.news.notify_one();
    }

    fn hand_over(&self, judged: &Judged) -> Vec<Message> {
        let mut guard = judged.guard();
        let mut state = self.state();
        if !state.is_handed_over {
            state.sort(&mut guard);
            state.is_handed_over = true;
            self.fall_silent();
        }
        let waiting = state.for_client.take_all();
        drop((state, guard));
        self.poll.notify_one();
        waiting
    }

    pub fn has_for_client(&self) -> bool {
        !self.state().for_client.is_empty()
    }

    fn let_go(&self) {
        let mut state = self.state();
        if state.for_client.is_empty() {
            let most = state.most;
            let _ = state.for_client.push(noop(), most);
        }
        drop(state);
        self.poll.notify_one();
    }

    /// A GET has come: the ones before it are let go.
    pub fn take_turn(&self) -> u64 {
        let mut state = self.state();
        state.turn += 1;
        state.turn
    }

    pub fn has_turn(&self, turn: u64) -> bool {
        self.state().turn == turn
    }

    /// What there is for this GET, in bodies of at most so many bytes.
    pub fn next_for_client(&self, turn: u64, largest: usize, now: Instant) -> Next {
        let mut state = self.state();
        if state.turn != turn || state.is_handed_over {
            return Next::LetGo;
        }
        if let Some(body) = state.for_client.next_body(largest) {
            if state.parted.is_some() {
                state.told = Some(now);
            }
            return Next::Packets(body);
        }
        if let Some(failure) = state.failure.take() {
            return Next::Failed(failure);
        }
        if state.has_left { Next::LetGo } else { Next::Nothing }
    }

    /// The next body for the app.
    pub fn next_for_app(&self, largest: usize) -> Option<Vec<u8>> {
        self.state().for_app.next_body(largest)
    }

    pub fn has_for_app(&self) -> bool {
        !self.state().for_app.is_empty()
    }

    pub fn next_question(&self) -> Option<Question> {
        self.state().asked.pop_front()
    }

    /// Whether the one who asks may begin a GET toward the app. Then it must, and tell with [`Desk::fetching`].
    pub fn may_fetch(&self) -> bool {
        let mut state = self.state();
        let may = matches!(state.fetch, Fetch::Idle)
            && state.end.is_none()
            && state.failure.is_none()
            && state.parted.is_none()
            && !state.has_left
            && !state.is_handed_over;
        if may {
            state.fetch = Fetch::Starting;
        }
        may
    }

    /// It has begun. Ended at once when the session was over meanwhile.
    pub fn fetching(&self, task: AbortHandle, is_over: bool) {
        let mut state = self.state();
        if is_over {
            task.abort();
        }
        if matches!(state.fetch, Fetch::Starting) {
            state.fetch = Fetch::Running(task);
        }
    }

    /// It has been answered; another may begin.
    pub fn fetched(&self) {
        self.state().fetch = Fetch::Idle;
    }

    /// Whether a GET toward the app is under way.
    pub fn is_fetching(&self) -> bool {
        !matches!(self.state().fetch, Fetch::Idle)
    }

    /// The GET toward the app is given up.
    pub fn abort_fetch(&self) {
        self.state().abort();
    }

    /// A packet for the client that nobody needs to judge.
    pub fn tell_client(&self, message: Message) {
        let mut state = self.state();
        let most = state.most;
        if !state.is_handed_over && state.for_client.push(message, most).is_err() {
            state.end.get_or_insert(Reason::SlowReader);
        }
    }

    /// A packet of our own for the app, behind all others.
    pub fn tell_app(&self, message: Message) {
        let mut state = self.state();
        let most = state.most;
        let _ = state.for_app.push(message, most);
    }

    /// Nothing that waits goes to the app any more.
    pub fn forget_for_app(&self) {
        self.state().for_app.truncate(0);
    }

    /// The GET is answered with this instead of packets. What an app says of a session that is over already is no news of it.
    pub fn fail(&self, failure: Failure) {
        let mut state = self.state();
        if state.parted.is_none() {
            state.failure.get_or_insert(failure);
        }
    }

    /// The session ends for this reason, once what is said has been heard.
    pub fn end(&self, reason: Reason) {
        self.state().end.get_or_insert(reason);
    }

    /// Why it is to end, or has.
    pub fn ending(&self) -> Option<Reason> {
        self.state().end
    }

    /// The client has said that it leaves.
    pub fn leave(&self) {
        self.state().has_left = true;
    }

    /// The session is over from now on. `false`: it was.
    pub fn part(&self, now: Instant) -> bool {
        let mut state = self.state();
        let is_first = state.parted.is_none();
        state.parted.get_or_insert(now);
        is_first
    }

    /// Whether it is over.
    pub fn has_parted(&self) -> bool {
        self.state().parted.is_some()
    }

    /// How much longer a client that was told to stay away may say goodbye, or one that was told something may come for it.
    pub fn lingers(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        let parted = state.parted?;
        let (since, patience) = match (state.for_client.is_empty(), state.stays_closed || state.has_left) {
            (false, _) => (parted, UNHEARD),
            (true, true) => (state.told.unwrap_or(parted), LINGERS),
            (true, false) => return None,
        };
        patience.checked_sub(now.saturating_duration_since(since)).filter(|left| !left.is_zero())
    }

    /// A WebSocket carries the session now.
    pub fn is_handed_over(&self) -> bool {
        self.state().is_handed_over
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn show(&mut self, guard: &mut Guard, from: Side, message: Message, now: Instant) -> Shown {
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
    fn sort(&mut self, guard: &mut Guard) {
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

    fn abort(&self) {
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

pub fn noop() -> Message {
    Message::Text("6".into())
}

impl Drop for State {
    /// Nobody is left to take what it brings.
    fn drop(&mut self) {
        if let Fetch::Running(task) = mem::take(&mut self.fetch) {
            task.abort();
        }
    }
}
