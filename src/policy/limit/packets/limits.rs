//! The packet limits of one generation: what they are, and the buckets that all sessions of a user or an address share.

use std::{
    hash::{Hash, RandomState},
    net::IpAddr,
    sync::Arc,
    time::Instant,
};

use ipnet::IpNet;
use prometheus_client::metrics::counter::Counter;

use super::{
    super::{
        flows::{self, Flows},
        key::Key,
        local::Local,
        pace::Pace,
    },
    event::{Count, EventRule, Watched},
    names::{self, Excess},
};
use crate::config::{
    Flow, Rate,
    limit::{Limit, Over},
};

/// What packets of sessions may be, and how often they may come.
pub struct PacketLimits {
    /// The rate of each session, and its bucket there: always the first.
    session: Option<Pace>,
    users: Arc<Local>,
    flows: Arc<Flows>,
    events: Vec<EventRule>,
    pub(super) abuse: Option<Pace>,
    /// What each bucket of a session is for.
    pub(super) cells: Arc<[Cell]>,
    over: Over,
    namespaces: usize,
    attachments: u8,
    looks_inside: bool,
    /// Something is counted whatever the message is.
    counts_all: bool,
    exempt: Vec<IpNet>,
    /// Buckets in sessions count from here.
    epoch: Instant,
    secret: RandomState,
    overflowed: Counter,
}

/// Whose buckets a message is taken from: made once for a session, or for each identity in one, and again after a reload.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Payer {
    user: Option<Key>,
    /// `None`: no limit of addresses applies to it.
    address: Option<Key>,
}

/// The limits of events that are about one message, found once for all that is asked of them: a bit each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bounds(u64);

/// What a bucket of a session is for. Buckets of the same use are carried from one generation to the next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Cell {
    Messages(Rate),
    Event(Arc<Watched>),
}

impl PacketLimits {
    /// Judgements of a shared bucket are added to `overflowed`.
    pub fn new(limit: &Limit, overflowed: &Counter, now: Instant) -> Self {
        Self::after(None, limit, overflowed, now)
    }

    /// The limits of the next configuration. Buckets stay where what they count and their numbers did.
    pub fn renew(&self, limit: &Limit, now: Instant) -> Self {
        Self::after(Some(self), limit, &self.overflowed, now)
    }

    fn after(before: Option<&Self>, limit: &Limit, overflowed: &Counter, now: Instant) -> Self {
        let users = match before {
            Some(before) if before.users.rate() == limit.messages_per_user => before.users.clone(),
            _ => Arc::new(Local::new(limit.messages_per_user, limit.keys, overflowed.clone(), now)),
        };
        let flows = match before {
            Some(before) if before.flows.flow() == limit.bytes_per_user => before.flows.clone(),
            _ => Arc::new(Flows::new(limit.bytes_per_user, limit.keys, overflowed.clone(), now)),
        };
        let session = Pace::of_rate(limit.messages_per_session);
        let mut cells: Vec<Cell> = session.map(|_| Cell::Messages(limit.messages_per_session)).into_iter().collect();
        let mut events: Vec<EventRule> = Vec::new();
        for (place, event) in limit.event.iter().enumerate() {
            let rule = EventRule::new(place, event, cells.len(), |watched, rate| {
                let is_free = |old: &Arc<Local>| {
                    !events.iter().filter_map(|rule| rule.shared.as_ref()).any(|taken| Arc::ptr_eq(taken, old))
                };
                let rules = before.iter().flat_map(|before| &before.events).filter(|rule| *rule.watched == *watched);
                let old = rules.filter_map(|rule| rule.shared.as_ref()).find(|old| is_free(old));
                old.cloned().unwrap_or_else(|| Arc::new(Local::new(rate, limit.keys, overflowed.clone(), now)))
            });
            if let Some(rule) = rule {
                cells.extend(rule.has_cell().then(|| Cell::Event(rule.watched.clone())));
                events.push(rule);
            }
        }
        let limits = Self {
            looks_inside: looks_inside(limit),
            counts_all: session.is_some() || limit.messages_per_user != Rate::Off || limit.bytes_per_user != Flow::Off,
            session,
            users,
            flows,
            events,
            abuse: Pace::of_rate(limit.abuse),
            cells: cells.into(),
            over: limit.over,
            namespaces: limit.namespaces,
            attachments: limit.attachments,
            exempt: limit.exempt.clone(),
            epoch: before.map_or(now, |before| before.epoch),
            secret: before.map(|before| before.secret.clone()).unwrap_or_default(),
            overflowed: overflowed.clone(),
        };
        limits.shared().for_each(|buckets| buckets.set_keys(limit.keys));
        limits.flows.set_keys(limit.keys);
        limits
    }

    /// Whose buckets the messages of somebody are taken from. `user` is all that tells them from others; nobody in particular has
    /// no count over sessions.
    pub fn payer(&self, user: Option<impl Hash>, address: IpAddr) -> Payer {
        let canonical = address.to_canonical();
        let is_exempt = self.exempt.iter().any(|net| net.contains(&canonical));
        Payer {
            user: user.map(|user| Key::user(user, &self.secret)),
            address: (!is_exempt).then(|| Key::address(address, &self.secret)),
        }
    }

    /// Whether these limits are a reason to look into sessions at all. The defaults are none.
    pub fn looks_inside(&self) -> bool {
        self.looks_inside
    }

    /// Namespaces one session may have joined at once.
    pub fn namespaces(&self) -> usize {
        self.namespaces
    }

    /// Binary attachments of one event.
    pub fn attachments(&self) -> u8 {
        self.attachments
    }

    /// Which limits of events are about this one.
    pub fn bounds(&self, namespace: &str, event: &str) -> Bounds {
        let about = self.events.iter().enumerate().filter(|(_, rule)| rule.matches(namespace, event));
        Bounds(about.fold(0, |bits, (place, _)| bits | 1 << place))
    }

    /// Whether any bucket has a say about a message.
    pub(super) fn counts(&self, bounds: Bounds) -> bool {
        self.counts_all || bounds != Bounds::default()
    }

    fn bounding(&self, bounds: Bounds) -> impl Iterator<Item = &EventRule> {
        // Mostly there is none.
        let rules = if bounds == Bounds::default() { &[] } else { &self.events[..] };
        rules.iter().enumerate().filter(move |(place, _)| bounds.0 >> place & 1 == 1).map(|(_, rule)| rule)
    }

    /// How large a message may become before it is refused, attachments included. `None`: no rule of its own.
    pub fn size_of(&self, bounds: Bounds) -> Option<u64> {
        self.bounding(bounds).filter(|rule| rule.refuses()).filter_map(|rule| rule.size).min()
    }

    /// Whether a message is too large: for one that has grown since it was taken. A limit that refuses goes before one that warns.
    #[inline]
    pub fn oversize(&self, bounds: Bounds, bytes: u64) -> Result<(), Excess> {
        if bounds == Bounds::default() {
            return Ok(());
        }
        let mut outcome = Outcome::default();
        for rule in self.bounding(bounds) {
            outcome.note(rule.weigh(bytes))?;
        }
        outcome.finish()
    }

    /// Counts bytes of a message that came after it was taken: attachments, fragments. They have passed; the user's next message
    /// waits for them.
    pub fn owe(&self, payer: Payer, bytes: u64, now: Instant) {
        if let Some(user) = payer.user {
            self.flows.owe(user, bytes, now);
        }
    }

    /// Takes one message out of every bucket it belongs to, up to the first that refuses it.
    pub(super) fn take(&self, cells: &mut [u64], payer: Payer, bounds: Bounds, bytes: u64, now: Instant) -> Result<(), Excess> {
        let mut outcome = Outcome::default();
        // Only sessions' own buckets count by it.
        let nanos = if cells.is_empty() { 0 } else { self.nanos(now) };
        let mut count = Count { user: payer.user, address: payer.address, cells, now, nanos };
        for rule in self.bounding(bounds) {
            outcome.note(rule.weigh(bytes))?;
            outcome.note(rule.take(&mut count))?;
        }
        let excess = |bound| move |retry_after| Excess { over: self.over, retry_after, bound };
        if let (Some(pace), Some(bucket)) = (self.session, count.cells.first_mut()) {
            let taken = pace.take(*bucket, 1, count.nanos).map(|after| *bucket = after);
            outcome.note(taken.map_err(excess(names::MESSAGES_PER_SESSION)))?;
        }
        if let Some(user) = payer.user {
            outcome.note(self.users.admit(user, now).map_err(excess(names::MESSAGES_PER_USER)))?;
            outcome.note(self.flows.admit(user, bytes, now).map_err(excess(names::BYTES_PER_USER)))?;
        }
        outcome.finish()
    }

    /// A moment as buckets in sessions count it.
    pub(super) fn nanos(&self, now: Instant) -> u64 {
        flows::nanos(self.epoch, now)
    }

    /// What a bucket that counts by `before` is here, where time may begin elsewhere.
    pub(super) fn carry(&self, before: &Self, bucket: u64) -> u64 {
        match self.epoch.checked_duration_since(before.epoch) {
            Some(_) => bucket.saturating_sub(flows::nanos(before.epoch, self.epoch)),
            None => bucket.saturating_add(flows::nanos(self.epoch, before.epoch)),
        }
    }

    /// Forgets users and addresses that nothing needs to be remembered of. Not for a thread that carries traffic.
    pub fn sweep(&self, now: Instant) {
        self.shared().for_each(|buckets| buckets.sweep(now));
        self.flows.sweep(now);
    }

    /// Entries in all tables.
    pub fn keys(&self) -> usize {
        self.shared().map(|buckets| buckets.keys()).sum::<usize>() + self.flows.keys()
    }

    fn shared(&self) -> impl Iterator<Item = &Arc<Local>> {
        std::iter::once(&self.users).chain(self.events.iter().filter_map(|rule| rule.shared.as_ref()))
    }
}

/// What becomes of a message that several limits have their say about.
#[derive(Default)]
struct Outcome {
    warned: Option<Excess>,
}

impl Outcome {
    /// A refusal ends it; the first warning is kept.
    fn note(&mut self, said: Result<(), Excess>) -> Result<(), Excess> {
        match said {
            Err(excess) if excess.over == Over::Warn => {
                self.warned.get_or_insert(excess);
                Ok(())
            }
            other => other,
        }
    }

    fn finish(self) -> Result<(), Excess> {
        self.warned.map_or(Ok(()), Err)
    }
}

/// A limit that somebody has set, and that nothing but a look inside can hold.
fn looks_inside(limit: &Limit) -> bool {
    let default = Limit::default();
    let is_set = |rate: Rate, default: Rate| rate != Rate::Off && rate != default;
    is_set(limit.messages_per_session, default.messages_per_session)
        || is_set(limit.messages_per_user, default.messages_per_user)
        || limit.bytes_per_user != Flow::Off
        || limit.namespaces != default.namespaces
        || limit.attachments != default.attachments
        || !limit.event.is_empty()
}
