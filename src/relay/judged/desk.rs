//! What lies between a session's guard and its transports: packets that wait for the client and for the app, questions that wait
//! for an answer, which GET is the one to be answered, and how far the session is with ending. Everything that the guard says
//! is put here in the order in which it said it, under the guard's own lock. No await; time is an argument.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::Notify, task::AbortHandle};

use super::{
    super::guard::{Message, Question, Side},
    Judged, lock,
    mailbox::{Fetch, Mailbox},
    queue::Queue,
    speaker::Speaker,
};
use crate::{
    codec::engine::Revision,
    relay::{Reason, Venue},
};

pub use super::mailbox::{Failure, Shown};

/// The desk of one session.
#[derive(Debug, Default)]
pub struct Desk {
    mailbox: Mutex<Mailbox>,
    /// Held by whoever sends to the app: one body at a time.
    pub sending: tokio::sync::Mutex<()>,
    /// Wakes a poll that waits.
    pub poll: Notify,
    /// Its end may be due at another time than before.
    pub news: Notify,
    /// In whose voice the session speaks to its app while nobody asks for it: the last who has. `None`: it does not poll any more.
    voice: Mutex<Option<(Arc<Venue>, Arc<Speaker>)>>,
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
            let mut mailbox = desk.mailbox();
            mailbox.sort(&mut guard);
            // Whatever the guard thinks of it.
            mailbox.end.get_or_insert(reason);
        }
    }

    /// Takes what the guard has said to somebody else.
    pub fn collect(&self) {
        if let Some(desk) = self.desk() {
            let mut guard = self.guard();
            desk.mailbox().sort(&mut guard);
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
        self.desk().map(|desk| desk.mailbox().for_app.take_all()).unwrap_or_default()
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
            let mailbox = desk.mailbox();
            if mailbox.parted.is_none() {
                mailbox.abort();
            }
        }
        self.nudge();
    }
}

impl Desk {
    /// The desk of a session that speaks this revision of Engine.IO.
    pub fn new(revision: Revision) -> Self {
        let desk = Self::default();
        let mut mailbox = desk.mailbox();
        (mailbox.for_client, mailbox.for_app) = (Queue::new(revision), Queue::new(revision));
        drop(mailbox);
        desk
    }

    /// Shows a whole packet to the guard, and puts where they belong: the packet, if it may go on, and what the guard says to it.
    pub fn show(&self, judged: &Judged, from: Side, message: Message, now: Instant) -> Shown {
        let mut guard = judged.guard();
        let mut mailbox = self.mailbox();
        mailbox.sort(&mut guard);
        mailbox.show(&mut guard, from, message, now)
    }

    /// Shows all packets of a client's body. Nothing of a body goes on of which a part may not: it is judged whole before anybody
    /// can take of it, so the locks are held from its first packet to its last. Bodies are in memory already and bounded
    /// (`socketio.max_payload`, packets of a body), and only their own session waits: a millisecond for a megabyte.
    pub fn show_all(&self, judged: &Judged, messages: Vec<Message>, now: Instant) -> Result<(), Reason> {
        let mut guard = judged.guard();
        let mut mailbox = self.mailbox();
        mailbox.sort(&mut guard);
        let before = mailbox.for_app.len();
        for message in messages {
            if let Shown::Broken(reason) = mailbox.show(&mut guard, Side::Client, message, now) {
                // What the client was told of them stays true: the session ends.
                mailbox.for_app.truncate(before);
                mailbox.asked.clear();
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Lets the guard look at the clocks. When to do so again.
    pub fn tick(&self, judged: &Judged, now: Instant, clock: SystemTime) -> Option<Duration> {
        let mut guard = judged.guard();
        let again = guard.tick(now, clock);
        self.mailbox().sort(&mut guard);
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
        let mut mailbox = self.mailbox();
        if !mailbox.is_handed_over {
            mailbox.sort(&mut guard);
            mailbox.is_handed_over = true;
            self.fall_silent();
        }
        let waiting = mailbox.for_client.take_all();
        drop((mailbox, guard));
        self.poll.notify_one();
        waiting
    }

    pub fn has_for_client(&self) -> bool {
        !self.mailbox().for_client.is_empty()
    }

    fn let_go(&self) {
        let mut mailbox = self.mailbox();
        if mailbox.for_client.is_empty() {
            let most = mailbox.most;
            let _ = mailbox.for_client.push(noop(), most);
        }
        drop(mailbox);
        self.poll.notify_one();
    }

    /// A GET has come: the ones before it are let go.
    pub fn take_turn(&self) -> u64 {
        let mut mailbox = self.mailbox();
        mailbox.turn += 1;
        mailbox.turn
    }

    pub fn has_turn(&self, turn: u64) -> bool {
        self.mailbox().turn == turn
    }

    /// What there is for this GET, in bodies of at most so many bytes.
    pub fn next_for_client(&self, turn: u64, largest: usize, now: Instant) -> Next {
        let mut mailbox = self.mailbox();
        if mailbox.turn != turn || mailbox.is_handed_over {
            return Next::LetGo;
        }
        if let Some(body) = mailbox.for_client.next_body(largest) {
            if mailbox.parted.is_some() {
                mailbox.told = Some(now);
            }
            return Next::Packets(body);
        }
        if let Some(failure) = mailbox.failure.take() {
            return Next::Failed(failure);
        }
        if mailbox.has_left { Next::LetGo } else { Next::Nothing }
    }

    /// The next body for the app.
    pub fn next_for_app(&self, largest: usize) -> Option<Vec<u8>> {
        self.mailbox().for_app.next_body(largest)
    }

    pub fn has_for_app(&self) -> bool {
        !self.mailbox().for_app.is_empty()
    }

    pub fn next_question(&self) -> Option<Question> {
        self.mailbox().asked.pop_front()
    }

    /// Whether the one who asks may begin a GET toward the app. Then it must, and tell with [`Desk::fetching`].
    pub fn may_fetch(&self) -> bool {
        let mut mailbox = self.mailbox();
        let may = matches!(mailbox.fetch, Fetch::Idle)
            && mailbox.end.is_none()
            && mailbox.failure.is_none()
            && mailbox.parted.is_none()
            && !mailbox.has_left
            && !mailbox.is_handed_over;
        if may {
            mailbox.fetch = Fetch::Starting;
        }
        may
    }

    /// It has begun. Ended at once when the session was over meanwhile.
    pub fn fetching(&self, task: AbortHandle, is_over: bool) {
        let mut mailbox = self.mailbox();
        if is_over {
            task.abort();
        }
        if matches!(mailbox.fetch, Fetch::Starting) {
            mailbox.fetch = Fetch::Running(task);
        }
    }

    /// It has been answered; another may begin.
    pub fn fetched(&self) {
        self.mailbox().fetch = Fetch::Idle;
    }

    /// Whether a GET toward the app is under way.
    pub fn is_fetching(&self) -> bool {
        !matches!(self.mailbox().fetch, Fetch::Idle)
    }

    /// The GET toward the app is given up.
    pub fn abort_fetch(&self) {
        self.mailbox().abort();
    }

    /// A packet for the client that nobody needs to judge.
    pub fn tell_client(&self, message: Message) {
        let mut mailbox = self.mailbox();
        let most = mailbox.most;
        if !mailbox.is_handed_over && mailbox.for_client.push(message, most).is_err() {
            mailbox.end.get_or_insert(Reason::SlowReader);
        }
    }

    /// A packet of our own for the app, behind all others.
    pub fn tell_app(&self, message: Message) {
        let mut mailbox = self.mailbox();
        let most = mailbox.most;
        let _ = mailbox.for_app.push(message, most);
    }

    /// Nothing that waits goes to the app any more.
    pub fn forget_for_app(&self) {
        self.mailbox().for_app.truncate(0);
    }

    /// The GET is answered with this instead of packets. What an app says of a session that is over already is no news of it.
    pub fn fail(&self, failure: Failure) {
        let mut mailbox = self.mailbox();
        if mailbox.parted.is_none() {
            mailbox.failure.get_or_insert(failure);
        }
    }

    /// The session ends for this reason, once what is said has been heard.
    pub fn end(&self, reason: Reason) {
        self.mailbox().end.get_or_insert(reason);
    }

    /// Why it is to end, or has.
    pub fn ending(&self) -> Option<Reason> {
        self.mailbox().end
    }

    /// The client has said that it leaves.
    pub fn leave(&self) {
        self.mailbox().has_left = true;
    }

    /// The session is over from now on. `false`: it was.
    pub fn part(&self, now: Instant) -> bool {
        let mut mailbox = self.mailbox();
        let is_first = mailbox.parted.is_none();
        mailbox.parted.get_or_insert(now);
        is_first
    }

    /// Whether it is over.
    pub fn has_parted(&self) -> bool {
        self.mailbox().parted.is_some()
    }

    /// How much longer a client that was told to stay away may say goodbye, or one that was told something may come for it.
    pub fn lingers(&self, now: Instant) -> Option<Duration> {
        let mailbox = self.mailbox();
        let parted = mailbox.parted?;
        let (since, patience) = match (mailbox.for_client.is_empty(), mailbox.stays_closed || mailbox.has_left) {
            (false, _) => (parted, UNHEARD),
            (true, true) => (mailbox.told.unwrap_or(parted), LINGERS),
            (true, false) => return None,
        };
        patience.checked_sub(now.saturating_duration_since(since)).filter(|left| !left.is_zero())
    }

    /// A WebSocket carries the session now.
    pub fn is_handed_over(&self) -> bool {
        self.mailbox().is_handed_over
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        lock(&self.mailbox)
    }
}

pub fn noop() -> Message {
    Message::Text("6".into())
}
