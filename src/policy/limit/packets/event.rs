//! One `[[limit.event]]`, ready to judge.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{key::Key, local::Local, pace::Pace},
    names::{self, Excess},
};
use crate::{
    config::{
        Rate,
        limit::{EventLimit, Over, Per},
        names::{NamePattern, Realm},
    },
    policy::wild,
};

/// A limit of some events.
pub(super) struct EventRule {
    pub(super) watched: Arc<Watched>,
    pub(super) size: Option<u64>,
    over: Over,
    pace: Option<Pace>,
    /// The buckets of users or addresses.
    pub(super) shared: Option<Arc<Local>>,
    /// The bucket in each session: its own, or for users that nobody knows.
    cell: Option<usize>,
    of_rate: &'static str,
    of_size: &'static str,
}

/// What is counted, and by what number: while this stays the same, so do the counts.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Watched {
    events: Vec<NamePattern>,
    namespaces: Vec<NamePattern>,
    rate: Rate,
    per: Per,
}

impl EventRule {
    /// `cell` is given to a rule that counts in sessions, `shared` makes or finds the buckets of one that does not. `None`: there
    /// are more rules than names for them.
    pub(super) fn new(
        place: usize,
        limit: &EventLimit,
        cell: usize,
        shared: impl FnOnce(&Watched, Rate) -> Arc<Local>,
    ) -> Option<Self> {
        let (of_rate, of_size) = names::of_event(place)?;
        let watched = Watched {
            events: patterns(Realm::Event, &limit.events),
            namespaces: patterns(Realm::Namespace, &limit.namespaces),
            rate: limit.rate,
            per: limit.per,
        };
        let pace = Pace::of_rate(limit.rate);
        let (is_shared, has_cell) = match limit.per {
            Per::Session => (false, true),
            Per::User => (true, true),
            Per::Address => (true, false),
        };
        Some(Self {
            shared: (is_shared && pace.is_some()).then(|| shared(&watched, limit.rate)),
            cell: (has_cell && pace.is_some()).then_some(cell),
            watched: Arc::new(watched),
            size: limit.size.map(|size| size.0),
            over: limit.over,
            pace,
            of_rate,
            of_size,
        })
    }

    pub(super) fn has_cell(&self) -> bool {
        self.cell.is_some()
    }

    /// Whether a message that is too large is refused, not only noted.
    pub(super) fn refuses(&self) -> bool {
        self.over != Over::Warn
    }

    pub(super) fn matches(&self, namespace: &str, event: &str) -> bool {
        let Watched { events, namespaces, .. } = &*self.watched;
        events.iter().any(|pattern| wild::matches(pattern, event)) && wild::is_within(namespaces, namespace)
    }

    /// Whether a message of this size is too large for it.
    pub(super) fn weigh(&self, bytes: u64) -> Result<(), Excess> {
        match self.size {
            Some(most) if bytes > most => Err(Excess { over: self.over, retry_after: Duration::ZERO, bound: self.of_size }),
            _ => Ok(()),
        }
    }

    /// Takes one message. `user` and `address` are `None` where nobody is known, and for addresses that nothing limits.
    pub(super) fn take(&self, count: &mut Count<'_>) -> Result<(), Excess> {
        let Some(pace) = self.pace else { return Ok(()) };
        let key = match self.watched.per {
            Per::Session => None,
            Per::User => count.user,
            Per::Address => count.address,
        };
        let taken = match (&self.shared, key, self.cell.and_then(|cell| count.cells.get_mut(cell))) {
            (Some(buckets), Some(key), _) => buckets.admit(key, count.now),
            (_, _, Some(bucket)) => pace.take(*bucket, 1, count.nanos).map(|after| *bucket = after),
            // An address that nothing limits.
            (_, None, None) | (None, Some(_), None) => Ok(()),
        };
        taken.map_err(|retry_after| Excess { over: self.over, retry_after, bound: self.of_rate })
    }
}

/// The check of the configuration has refused what is none.
fn patterns(realm: Realm, texts: &[String]) -> Vec<NamePattern> {
    texts.iter().filter_map(|text| NamePattern::parse(realm, text).ok()).collect()
}

/// Whom a message is counted for, and when.
pub(super) struct Count<'a> {
    pub(super) user: Option<Key>,
    pub(super) address: Option<Key>,
    /// The session's own buckets.
    pub(super) cells: &'a mut [u64],
    pub(super) now: Instant,
    /// The same moment as the cells count it.
    pub(super) nanos: u64,
}
