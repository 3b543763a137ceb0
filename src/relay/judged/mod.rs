//! A judged session between its transports: its guard, what waits for the client, and how questions about tokens are answered.

pub mod app;
mod bell;
pub mod bodies;
pub mod bounds;
mod delivery;
pub mod desk;
mod fetch;
pub mod hearing;
mod mailbox;
pub mod opening;

pub mod polling;
pub mod queue;
pub mod speaker;
pub mod visit;
pub mod watch;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Instant, SystemTime},
};

use app::App;
use bell::Bell;
use desk::Desk;

use super::guard::{Guard, Question};
use crate::{
    codec::engine::Revision,
    policy::{
        Refused,
        auth::{Identity, Verifier},
        limit::{Limiter, Permit},
    },
    relay::{Reason, Venue, session::Transport},
};

/// What a judged session has beyond a plain one. Shared by its requests and its carriage.
#[derive(Debug)]
pub struct Judged {
    /// How its packets are written.
    pub revision: Revision,
    guard: Mutex<Guard>,
    /// Wakes the carriage of its WebSocket.
    carriage: Bell,
    /// The app's side.
    pub app: App,
    /// What lies between the guard and polls. A session that began as a WebSocket has none: it never polls.
    desk: Option<Arc<Desk>>,
    /// The judges of a later configuration than the one it was opened under.
    later: Mutex<Option<Judges>>,
    /// What it counts as for the user whom its packets have named. `None`: it is over.
    places: Mutex<Option<Vec<Permit>>>,
}

/// Who decides about a user whom a packet names.
#[derive(Clone)]
struct Judges {
    verifier: Arc<Verifier>,
    limiter: Arc<Limiter>,
}

impl Judged {
    pub fn new(guard: Guard, begins_as: Transport) -> Self {
        let revision = guard.revision();
        let desk = match begins_as {
            Transport::Polling => Some(Arc::new(Desk::new(revision))),
            Transport::WebSocket => None,
        };
        Self {
            revision,
            guard: Mutex::new(guard),
            carriage: Bell::default(),
            app: App::default(),
            desk,
            later: Mutex::default(),
            places: Mutex::new(Some(Vec::new())),
        }
    }

    /// The guard. Never held across an await.
    pub fn guard(&self) -> MutexGuard<'_, Guard> {
        lock(&self.guard)
    }

    /// Tokens and users are judged by these from here on, whatever the configuration was that its carriage began under.
    pub fn go_by(&self, verifier: &Arc<Verifier>, limiter: &Arc<Limiter>) {
        *lock(&self.later) = Some(Judges { verifier: verifier.clone(), limiter: limiter.clone() });
    }

    fn judges(&self, venue: &Venue) -> Judges {
        let later = lock(&self.later).clone();
        later.unwrap_or_else(|| Judges { verifier: venue.verifier.clone(), limiter: venue.limiter.clone() })
    }

    /// Whether there may be news from elsewhere for the carriage since it asked the last time; it is woken when there is.
    /// `known` is its waker as it gave it before.
    pub fn has_rung(&self, known: &mut Option<Waker>, waker: &Waker) -> bool {
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
            self.carriage.belong_to(waker.clone());
        }
        self.carriage.has_rung()
    }

    /// The carriage is gone.
    pub fn carriage_left(&self, waker: &Waker) {
        self.carriage.leave(waker);
    }

    /// Where it polls, or did before a WebSocket took over.
    pub fn desk(&self) -> Option<&Arc<Desk>> {
        self.desk.as_ref()
    }

    /// Whether a WebSocket carries it now, and no poll any more.
    pub fn is_handed_over(&self) -> bool {
        self.desk().is_none_or(|desk| desk.is_handed_over())
    }

    /// Its end may be due at another time than before.
    pub fn look_again(&self) {
        if let Some(desk) = self.desk() {
            desk.news.notify_one();
        }
    }

    /// Somebody but its driver has given the guard something to say.
    pub fn nudge(&self) {
        self.carriage.ring();
        self.wake_poll();
    }

    /// There may be something for a poll that waits.
    pub fn wake_poll(&self) {
        if let Some(desk) = self.desk() {
            desk.poll.notify_one();
        }
    }

    /// Finds out whom a token names and tells the guard. What the guard says to it is taken by whoever asked.
    pub async fn settle(&self, venue: &Venue, question: Question) {
        let clock = SystemTime::now();
        let Judges { verifier, limiter } = self.judges(venue);
        let who = verifier.who(&question.token, clock).await.map_err(Refused::from);
        let who = who.and_then(|identity| match venue.ledger.revocations.judge(Some(&identity), None, clock) {
            None => Ok(identity),
            Some(struck) => Err(Reason::from(struck).refused()),
        });
        let now = Instant::now();
        let mut guard = self.guard();
        let (who, place) = match who.and_then(|identity| Ok((take_place(&guard, &limiter, &identity, now)?, identity))) {
            Ok((place, identity)) => (Ok(identity), place),
            Err(refused) => (Err(refused), None),
        };
        guard.answered(question.number, who, now, SystemTime::now());
        // Who may not join has not become the one it belongs to.
        if guard.identity().is_some()
            && let Some(places) = lock(&self.places).as_mut()
        {
            places.extend(place);
        }
        let accepted = guard.identity().cloned();
        drop(guard);
        self.look_again();
        // What was revoked while the token was judged has found nobody here.
        if let Some(struck) = venue.ledger.revocations.judge(accepted.as_ref(), None, SystemTime::now()) {
            self.end(struck.into(), now);
        }
    }

    /// What it counted as is given back.
    fn give_back(&self) {
        lock(&self.places).take();
    }
}

/// A session that nobody was known to be of counts as one of its user from the first accepted token on, as one more handshake and
/// as long as it lasts. Asked under the guard's lock, for tokens of several namespaces may be judged at the same time.
fn take_place(guard: &Guard, limiter: &Limiter, identity: &Identity, now: Instant) -> Result<Option<Permit>, Refused> {
    let Some(person) = identity.person().filter(|_| guard.identity().is_none()) else { return Ok(None) };
    limiter.admit_user(person, now)?;
    Ok(Some(limiter.hold_user_session(person)?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Judges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Judges")
    }
}
