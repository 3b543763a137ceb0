//! How far the app is with a judged session: not opened yet (`auth.when = "connect"`), being opened, reached by polling, by
//! WebSocket, gone. Whoever opens it, over whichever transport, takes the first request out of here with [`App::begin`], and
//! tells what came of it with [`App::polls`], [`App::carries`] or [`App::lose`].
//!
//! - `hold(First)`, `begin() -> Option<Box<First>>`: nobody but who got the `First` opens the app's session.
//! - `polls(Seat)`, `carries()`, `lose()`: it is open by polling, by WebSocket, or will not be.
//! - `stage() -> Stage`, `seat() -> Option<Seat>` (the app's own id and its member, while it polls or did before an upgrade).
//!
//! Opening by polling is `delivery::open_by_polling`; a carriage opens with the `First`'s parts itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::speaker::Speaker;
use crate::upstream::Member;

/// The app's side of one session.
#[derive(Debug, Default)]
pub struct App {
    state: Mutex<State>,
}

/// What is kept for an app that has heard nothing yet: apps read the first request's headers and query, and no other's.
#[derive(Debug)]
pub struct First {
    pub speaker: Arc<Speaker>,
}

/// Where a session is asked for by polling.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The app's own session id.
    pub sid: Arc<str>,
    pub member: Arc<Member>,
    /// The largest body it takes, in bytes.
    pub largest: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    Unopened,
    Opening,
    Polling,
    WebSocket,
    Gone,
}

#[derive(Debug, Default)]
enum State {
    Unopened(Box<First>),
    #[default]
    Opening,
    Polling(Box<Seat>),
    /// With the seat it had before, where it was upgraded.
    WebSocket(Option<Box<Seat>>),
    Gone,
}

impl App {
    /// It hears nothing until somebody was accepted.
    pub fn hold(&self, first: First) {
        *self.state() = State::Unopened(Box::new(first));
    }

    /// Somebody was accepted: whoever gets the first request opens the app's session with it. `None`: that has been done, or is
    /// being done.
    pub fn begin(&self) -> Option<Box<First>> {
        let mut state = self.state();
        match std::mem::take(&mut *state) {
            State::Unopened(first) => Some(first),
            other => {
                *state = other;
                None
            }
        }
    }

    /// It is open by polling.
    pub fn polls(&self, seat: Seat) {
        *self.state() = State::Polling(Box::new(seat));
    }

    /// It is open by WebSocket, or goes on as one.
    pub fn carries(&self) {
        let mut state = self.state();
        let before = match std::mem::take(&mut *state) {
            State::Polling(seat) | State::WebSocket(Some(seat)) => Some(seat),
            State::Unopened(_) | State::Opening | State::WebSocket(None) | State::Gone => None,
        };
        *state = State::WebSocket(before);
    }

    /// It could not be opened, or has left.
    pub fn lose(&self) {
        *self.state() = State::Gone;
    }

    pub fn stage(&self) -> Stage {
        match &*self.state() {
            State::Unopened(_) => Stage::Unopened,
            State::Opening => Stage::Opening,
            State::Polling(_) => Stage::Polling,
            State::WebSocket(_) => Stage::WebSocket,
            State::Gone => Stage::Gone,
        }
    }

    /// Where it is asked for by polling, when it was ever.
    pub fn seat(&self) -> Option<Seat> {
        match &*self.state() {
            State::Polling(seat) | State::WebSocket(Some(seat)) => Some(Seat::clone(seat)),
            State::Unopened(_) | State::Opening | State::WebSocket(None) | State::Gone => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
