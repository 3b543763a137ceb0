//! Connections that wait for their next request, by member. The youngest is used first; the others then reach their idle
//! limit, and a burst's connections do not stay for ever.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::net::dial::Target;

use super::{
    super::member::{Member, MemberId},
    wire::Wire,
};

/// Which kept connections a request may use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ReuseKey {
    /// Those of everybody else with this key.
    Shared,
    /// Those of its own session.
    Session(u128),
    /// None; its connection is closed afterwards.
    Off,
}

/// All idle connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<HashMap<MemberId, VecDeque<Idle>>>);

/// One idle connection.
#[derive(Debug)]
struct Idle {
    wire: Wire,
    reuse: ReuseKey,
    /// What it was dialed to: after a reload the member has another target, perhaps with other certificates, and what was
    /// opened to the old one is not for it.
    target: Arc<Target>,
    until: Instant,
}

impl Kept {
    /// A connection that is open, idle and allowed for this key.
    pub fn take(&self, member: &Member, reuse: ReuseKey, now: Instant) -> Option<Wire> {
        if reuse == ReuseKey::Off {
            return None;
        }
        let mut all = self.lock();
        let idle = all.get_mut(&member.id())?;
        drop_stale(idle, now);
        let fits = |idle: &Idle| idle.reuse == reuse && Arc::ptr_eq(&idle.target, member.target());
        let mut end = idle.len();
        while let Some(place) = idle.range(..end).rposition(fits) {
            // The member may have closed it, or said something unasked.
            idle[place].wire.look();
            if idle[place].wire.is_ready() {
                return idle.remove(place).map(|idle| idle.wire);
            }
            end = place;
        }
        None
    }

    /// Keeps a connection whose answer was read to its end, unless it is closed already. The oldest makes room.
    pub fn put(&self, wire: Wire, member: &Member, reuse: ReuseKey, now: Instant) {
        if reuse == ReuseKey::Off || wire.is_closed() {
            return;
        }
        let until = now + member.manner().idle;
        let mut all = self.lock();
        let idle = all.entry(member.id()).or_default();
        drop_stale(idle, now);
        if idle.len() >= IDLE_A_MEMBER {
            idle.pop_front();
        }
        idle.push_back(Idle { wire, reuse, target: member.target().clone(), until });
    }

    /// Closes what idled too long or was closed by the member, and forgets members that have nothing left.
    pub fn sweep(&self, now: Instant) {
        self.lock().retain(|_, idle| {
            idle.iter_mut().for_each(|idle| idle.wire.look());
            idle.retain(|idle| idle.until > now && !idle.wire.is_closed());
            if idle.is_empty() {
                return false;
            }
            idle.shrink_to(idle.len().max(4));
            true
        });
    }

    /// Closes an idle connection. `false`: there is none.
    pub fn give_up_one(&self) -> bool {
        self.lock().values_mut().find_map(VecDeque::pop_front).is_some()
    }

    pub fn count(&self) -> usize {
        self.lock().values().map(VecDeque::len).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MemberId, VecDeque<Idle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// They stand in the order they came back, so the stale ones are in front.
fn drop_stale(idle: &mut VecDeque<Idle>, now: Instant) {
    while idle.front().is_some_and(|idle| idle.until <= now || idle.wire.is_closed()) {
        idle.pop_front();
    }
}

/// Idle connections to one member that one worker keeps.
const IDLE_A_MEMBER: usize = 64;
