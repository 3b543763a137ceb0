//! A judged session between its transports: its guard, what waits for the client, and how questions about tokens are answered.

pub mod app;
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
    time::{Instant, SystemTime},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use app::App;
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
    carriage: AtomicWaker,
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
            carriage: AtomicWaker::new(),
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

    /// The carriage wants to hear of news from elsewhere.
    pub fn register(&self, waker: &std::task::Waker) {
        self.carriage.register(waker);
    }

    /// Somebody but its driver has given the guard something to say.
    pub fn nudge(&self) {
        self.carriage.wake();
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
