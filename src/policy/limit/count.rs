//! How many at once: a count per key that lives exactly as long as its permits. Empty counts leave the table; when it is
//! full, newcomers are counted together. The table has no limit of its own: the limit comes with each question, so that a
//! reload can change it while permits are out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::key::{Hashed, Key};

/// How many each key holds.
#[derive(Debug, Default)]
pub struct Counts {
    held: Mutex<Held>,
}

/// One counted thing. Dropping it gives it back, wherever and whenever that happens.
#[derive(Debug)]
pub struct Counted {
    counts: Arc<Counts>,
    slot: Slot,
}

/// What a key may have, and how many keys the table may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// `None`: counted, but without a limit.
    pub most: Option<usize>,
    pub keys: usize,
}

/// Whether the shared count had to judge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judge {
    Own,
    Shared,
}

impl Counts {
    /// Counts one more for `key`, or names the count that is full.
    pub fn hold(self: &Arc<Self>, key: Key, room: Room) -> Result<(Counted, Judge), Judge> {
        let mut held = self.lock();
        let is_own = held.own.contains_key(&key) || held.own.len() < room.keys;
        let (slot, judge) = match (is_own, room.most) {
            (true, _) => (Slot::Own(key), Judge::Own),
            // Who has no limit must not fill the count that others are judged by.
            (false, None) => (Slot::Nowhere, Judge::Own),
            (false, Some(_)) => (Slot::Shared, Judge::Shared),
        };
        if room.most.is_some_and(|most| held.count(slot) >= most) {
            return Err(judge);
        }
        held.add(slot);
        drop(held);
        Ok((Counted { counts: Arc::clone(self), slot }, judge))
    }

    pub fn count(&self, key: Key) -> usize {
        self.lock().count(Slot::Own(key))
    }

    /// Keys that hold something now.
    pub fn keys(&self) -> usize {
        self.lock().own.len()
    }

    /// Gives back the memory that a rush of keys left behind.
    pub fn sweep(&self) {
        let mut held = self.lock();
        if held.own.capacity() > 4 * held.own.len().max(SMALL) {
            held.own.shrink_to_fit();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing under the lock can panic half-way through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.lock().take(self.slot);
    }
}

#[derive(Debug, Default)]
struct Held {
    own: HashMap<Key, usize, Hashed>,
    shared: usize,
}

/// Where a permit was counted; it is given back there even if the table has room by then.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Own(Key),
    Shared,
    Nowhere,
}

impl Held {
    fn add(&mut self, slot: Slot) {
        match slot {
            Slot::Own(key) => *self.own.entry(key).or_default() += 1,
            Slot::Shared => self.shared += 1,
            Slot::Nowhere => {}
        }
    }

    fn take(&mut self, slot: Slot) {
        match slot {
            Slot::Own(key) => match self.own.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.own.remove(&key)),
            },
            Slot::Shared => self.shared = self.shared.saturating_sub(1),
            Slot::Nowhere => {}
        }
    }

    fn count(&self, slot: Slot) -> usize {
        match slot {
            Slot::Own(key) => self.own.get(&key).copied().unwrap_or(0),
            Slot::Shared => self.shared,
            Slot::Nowhere => 0,
        }
    }
}

/// A table of this many keys is not worth shrinking.
const SMALL: usize = 1024;
