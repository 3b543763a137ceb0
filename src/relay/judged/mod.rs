//! A judged session between its transports: its guard, what waits for the client, and how questions about tokens are answered.

pub mod app;
mod bell;
pub mod bodies;
pub mod bounds;
mod delivery;
pub mod desk;
mod fetch;
pub mod hearing;
pub mod opening;
pub mod polling;
pub mod queue;
pub mod speaker;
pub mod visit;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Instant, SystemTime},
};

use tokio::sync::Notify;

use app::App;
use bell::Bell;
use desk::Desk;

use super::guard::{Guard, Question};
use crate::{
    codec::engine::Revision,
    policy::{Refused, auth::Verifier},
    relay::{Reason, Venue},
};

/// What a judged session has beyond a plain one. Shared by its requests and its carriage.
#[derive(Debug)]
pub struct Judged {
    /// How its packets are written.
    pub revision: Revision,
    guard: Mutex<Guard>,
    /// Wakes the carriage of its WebSocket.
    carriage: Bell,
    /// Wakes a poll that waits.
    pub poll: Notify,
    /// The app's side.
    pub app: App,
    /// What lies between the guard and polls.
    pub desk: Desk,
    /// The judge of tokens of a later configuration than the one it was opened under.
    verifier: Mutex<Option<Arc<Verifier>>>,
}

impl Judged {
    pub fn new(guard: Guard) -> Self {
        let revision = guard.revision();
        Self {
            revision,
            guard: Mutex::new(guard),
            carriage: Bell::default(),
            poll: Notify::new(),
            app: App::default(),
            desk: Desk::new(revision),
            verifier: Mutex::default(),
        }
    }

    /// The guard. Never held across an await.
    pub fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tokens are judged by this from here on, whatever the configuration was that its carriage began under.
    pub fn go_by(&self, verifier: &Arc<Verifier>) {
        *self.verifier.lock().unwrap_or_else(PoisonError::into_inner) = Some(verifier.clone());
    }

    fn verifier(&self, venue: &Venue) -> Arc<Verifier> {
        let later = self.verifier.lock().unwrap_or_else(PoisonError::into_inner).clone();
        later.unwrap_or_else(|| venue.verifier.clone())
    }

    /// Whether there may be news from elsewhere for the carriage since it asked the last time; it is woken when there is.
    /// `known` is its waker as it gave it before.
    pub fn has_rung(&self, known: &mut Option<Waker>, waker: &Waker) -> bool {
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
            self.carriage.belong_to(Some(waker.clone()));
        }
        self.carriage.has_rung()
    }

    /// The carriage is gone.
    pub fn carriage_left(&self) {
        self.carriage.belong_to(None);
    }

    /// Somebody but its driver has given the guard something to say.
    pub fn nudge(&self) {
        self.carriage.ring();
        self.poll.notify_one();
    }

    /// Finds out whom a token names and tells the guard. What the guard says to it is taken by whoever asked.
    pub async fn settle(&self, venue: &Venue, question: Question) {
        let clock = SystemTime::now();
        let who = self.verifier(venue).who(&question.token, clock).await.map_err(Refused::from);
        let who = who.and_then(|identity| match venue.ledger.revocations.judge(Some(&identity), None, clock) {
            None => Ok(identity),
            Some(struck) => Err(Reason::from(struck).refused()),
        });
        self.guard().answered(question.number, who, Instant::now(), SystemTime::now());
    }
}
