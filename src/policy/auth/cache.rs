//! What an authorizer has said about tokens, for a while. Pure: time is an argument. Bounded: what a stranger sends can push out
//! what was said about other strangers' tokens, never a yes, for each has a shelf of its own; and tokens are not kept, only
//! their hashes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::Claims;

/// A token's SHA-256.
pub(super) type Fingerprint = [u8; 32];

/// Answers of both kinds.
pub(super) struct Cache {
    good: Shelf<Arc<Claims>>,
    bad: Shelf<()>,
}

/// What is remembered of a token.
pub(super) enum Remembered {
    Yes(Arc<Claims>),
    No,
}

impl Cache {
    pub fn new(good: Duration, bad: Duration, size: usize) -> Self {
        Self { good: Shelf::new(good, size), bad: Shelf::new(bad, size) }
    }

    pub fn find(&self, token: &Fingerprint, now: Instant) -> Option<Remembered> {
        let good = self.good.find(token, now).cloned().map(Remembered::Yes);
        good.or_else(|| self.bad.find(token, now).map(|()| Remembered::No))
    }

    /// A yes, and how long what it says is true.
    pub fn say_yes(&mut self, token: Fingerprint, claims: Arc<Claims>, at_most: Option<Duration>, now: Instant) {
        self.bad.forget(&token);
        self.good.put(token, claims, at_most, now);
    }

    pub fn say_no(&mut self, token: Fingerprint, now: Instant) {
        self.good.forget(&token);
        self.bad.put(token, (), None, now);
    }
}

/// Answers of one kind.
struct Shelf<T> {
    life: Duration,
    size: usize,
    answers: HashMap<Fingerprint, Answer<T>>,
    /// In the order they were put, with the number of the answer: one that was replaced since has another.
    order: VecDeque<(Fingerprint, u64)>,
    put: u64,
}

struct Answer<T> {
    said: T,
    until: Instant,
    number: u64,
}

impl<T> Shelf<T> {
    fn new(life: Duration, size: usize) -> Self {
        Self { life, size, answers: HashMap::new(), order: VecDeque::new(), put: 0 }
    }

    fn find(&self, token: &Fingerprint, now: Instant) -> Option<&T> {
        self.answers.get(token).filter(|answer| now < answer.until).map(|answer| &answer.said)
    }

    fn put(&mut self, token: Fingerprint, said: T, at_most: Option<Duration>, now: Instant) {
        let life = at_most.map_or(self.life, |most| most.min(self.life));
        if life.is_zero() {
            self.forget(&token);
            return;
        }
        self.put = self.put.wrapping_add(1);
        self.answers.insert(token, Answer { said, until: now + life, number: self.put });
        self.order.push_back((token, self.put));
        self.tidy(now);
    }

    fn forget(&mut self, token: &Fingerprint) {
        self.answers.remove(token);
    }

    /// Drops from the oldest on what is too much, over or replaced. What was put earlier is over earlier, but for answers with a
    /// shorter life of their own, which wait for those before them; the size bounds them all.
    fn tidy(&mut self, now: Instant) {
        while let Some((token, number)) = self.order.front() {
            let is_current = self.answers.get(token).is_some_and(|answer| answer.number == *number);
            let is_over = self.answers.get(token).is_none_or(|answer| answer.until <= now);
            if is_current && !is_over && self.order.len() <= self.size {
                return;
            }
            if is_current {
                self.answers.remove(token);
            }
            self.order.pop_front();
        }
    }
}
