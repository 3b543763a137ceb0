//! All local limits as one value: the gate asks it on the way in and keeps the permits with what they permit. Made from
//! `[limit]`; `renew` carries what was counted into the next version of the configuration, so that a reload forgives
//! nobody and forgets no open session. An owner calls `sweep` now and then.

use std::{
    hash::{Hash, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ipnet::IpNet;
use prometheus_client::metrics::counter::Counter;

use super::{
    count::{Counted, Counts, Judge, Room},
    key::Key,
    local::Local,
    packets::PacketLimits,
};
use crate::config;

/// Every limit of `[limit]` that counts requests and sessions, and those of their packets. (Connections are counted before TLS,
/// in `net`.)
pub struct Limiter {
    address_rate: Arc<Local>,
    user_rate: Arc<Local>,
    address_sessions: Option<usize>,
    user_sessions: Option<usize>,
    handshakes_in_flight: Option<usize>,
    keys: usize,
    exempt: Vec<IpNet>,
    packets: Arc<PacketLimits>,
    tally: Arc<Tally>,
}

/// Which limit said no.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Bound {
    AddressRate,
    UserRate,
    AddressSessions,
    UserSessions,
    HandshakesInFlight,
    Waiting,
    AddressWaiting,
}

/// Too often: one more is possible after this time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{bound}: next in {:.1} s", after.as_secs_f64())]
pub struct Wait {
    pub bound: Bound,
    pub after: Duration,
}

/// Too many at once: one more is possible when another ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{bound}: all taken")]
pub struct Full {
    pub bound: Bound,
}

/// Proof that something was counted against its limit; it counts until it is dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its Drop")] Hold);

impl Limiter {
    /// Judgements of a shared bucket or count are added to `overflowed`, which outlives every limiter: a reload that drops
    /// one takes nothing back.
    pub fn new(limit: &config::limit::Limit, overflowed: &Counter, now: Instant) -> Self {
        let tally = Arc::new(Tally { overflowed: overflowed.clone(), ..Tally::default() });
        let rate = |rate| Arc::new(Local::new(rate, limit.keys, tally.overflowed.clone(), now));
        let (address_rate, user_rate) = (rate(limit.handshakes_per_address), rate(limit.handshakes_per_user));
        let packets = PacketLimits::new(limit, overflowed, now);
        Self::with(limit, (address_rate, user_rate), packets, tally)
    }

    /// The limiter of the next configuration. Buckets stay when their rate did; open sessions stay counted whatever
    /// numbers changed, so a lower limit holds back new ones until old ones have ended.
    pub fn renew(old: &Arc<Self>, limit: &config::limit::Limit, now: Instant) -> Arc<Self> {
        let tally = Arc::clone(&old.tally);
        let rate = |old: &Arc<Local>, rate| {
            if old.rate() == rate {
                old.set_keys(limit.keys);
                return Arc::clone(old);
            }
            Arc::new(Local::new(rate, limit.keys, tally.overflowed.clone(), now))
        };
        let address_rate = rate(&old.address_rate, limit.handshakes_per_address);
        let user_rate = rate(&old.user_rate, limit.handshakes_per_user);
        Arc::new(Self::with(limit, (address_rate, user_rate), old.packets.renew(limit, now), tally))
    }

    fn with(
        limit: &config::limit::Limit,
        (address_rate, user_rate): (Arc<Local>, Arc<Local>),
        packets: PacketLimits,
        tally: Arc<Tally>,
    ) -> Self {
        let most = |number: usize| (number > 0).then_some(number);
        Self {
            address_rate,
            user_rate,
            address_sessions: most(limit.sessions_per_address),
            user_sessions: most(limit.sessions_per_user),
            handshakes_in_flight: most(limit.handshakes_in_flight),
            keys: limit.keys,
            exempt: limit.exempt.clone(),
            packets: Arc::new(packets),
            tally,
        }
    }

    /// One more handshake (or request of a plain route) from this address.
    pub fn admit_address(&self, address: IpAddr, now: Instant) -> Result<(), Wait> {
        if self.is_exempt(address) {
            return Ok(());
        }
        self.address_rate.admit(self.address(address), now).map_err(|after| Wait { bound: Bound::AddressRate, after })
    }

    /// One more handshake of this user, from whatever address. `user` is all that tells them from others.
    pub fn admit_user(&self, user: impl Hash, now: Instant) -> Result<(), Wait> {
        self.user_rate.admit(self.key(user), now).map_err(|after| Wait { bound: Bound::UserRate, after })
    }

    /// One more session of this address, for as long as the permit lives.
    pub fn hold_address_session(&self, address: IpAddr) -> Result<Permit, Full> {
        let most = self.address_sessions.filter(|_| !self.is_exempt(address));
        self.hold(&self.tally.address_sessions, self.address(address), most, Bound::AddressSessions)
    }

    /// One more session of this user, for as long as the permit lives.
    pub fn hold_user_session(&self, user: impl Hash) -> Result<Permit, Full> {
        self.hold(&self.tally.user_sessions, self.key(user), self.user_sessions, Bound::UserSessions)
    }

    /// One more handshake on its way, until the permit is dropped when the handshake is answered.
    pub fn hold_handshake(&self) -> Result<Permit, Full> {
        let in_flight = &self.tally.in_flight;
        let before = in_flight.fetch_add(1, Ordering::Relaxed);
        // Made before the judgement, so that a refusal gives back what was added.
        let permit = Permit(Hold::Handshake(Handshake(Arc::clone(in_flight))));
        match self.handshakes_in_flight {
            Some(most) if before >= most => Err(Full { bound: Bound::HandshakesInFlight }),
            _ => Ok(permit),
        }
    }

    /// What sessions whose packets are judged are held to.
    pub fn packets(&self) -> &Arc<PacketLimits> {
        &self.packets
    }

    /// One more session whose client has yet to say who it is (`auth.waiting`, `auth.waiting_per_address`): `most` in all, and so
    /// many of this address, until the permits are dropped.
    pub fn hold_waiting(&self, address: IpAddr, most: usize, of_address: usize) -> Result<Vec<Permit>, Full> {
        let waiting = &self.tally.waiting;
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Hold::Handshake(Handshake(Arc::clone(waiting))));
        if most > 0 && before >= most {
            return Err(Full { bound: Bound::Waiting });
        }
        let of_address = (of_address > 0 && !self.is_exempt(address)).then_some(of_address);
        let of_address = self.hold(&self.tally.waiting_addresses, self.address(address), of_address, Bound::AddressWaiting)?;
        Ok(vec![permit, of_address])
    }

    /// Forgets addresses and users that nothing needs to be remembered of. Milliseconds when there are 100,000: call it
    /// every minute or so, on a blocking thread.
    pub fn sweep(&self, now: Instant) {
        self.address_rate.sweep(now);
        self.user_rate.sweep(now);
        self.tally.address_sessions.sweep();
        self.tally.waiting_addresses.sweep();
        self.tally.user_sessions.sweep();
        self.packets.sweep(now);
    }

    /// Entries in all tables; an address with a bucket and a session has two.
    pub fn keys(&self) -> usize {
        let tally = &self.tally;
        let sessions = tally.address_sessions.keys() + tally.user_sessions.keys() + tally.waiting_addresses.keys();
        self.address_rate.keys() + self.user_rate.keys() + sessions + self.packets.keys()
    }

    /// Sessions of this user now.
    pub fn user_sessions(&self, user: impl Hash) -> usize {
        self.tally.user_sessions.count(self.key(user))
    }

    /// Sessions of this address (or its /64) now.
    pub fn address_sessions(&self, address: IpAddr) -> usize {
        self.tally.address_sessions.count(self.address(address))
    }

    /// Handshakes on their way now.
    pub fn handshakes(&self) -> usize {
        self.tally.in_flight.load(Ordering::Relaxed)
    }

    fn hold(&self, counts: &Arc<Counts>, key: Key, most: Option<usize>, bound: Bound) -> Result<Permit, Full> {
        let held = counts.hold(key, Room { most, keys: self.keys });
        let (Ok((_, judge)) | Err(judge)) = &held;
        if *judge == Judge::Shared {
            self.tally.overflowed.inc();
        }
        held.map(|(counted, _)| Permit(Hold::Session(counted))).map_err(|_| Full { bound })
    }

    fn key(&self, user: impl Hash) -> Key {
        Key::user(user, &self.tally.secret)
    }

    fn address(&self, address: IpAddr) -> Key {
        Key::address(address, &self.tally.secret)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|net| net.contains(&address))
    }
}

impl Wait {
    /// For `Retry-After`: whole seconds, rounded up and at least one, so that whoever obeys is let in.
    pub fn seconds(&self) -> u64 {
        (self.after.as_secs() + u64::from(self.after.subsec_nanos() > 0)).max(1)
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::AddressRate => "limit.handshakes_per_address",
            Self::UserRate => "limit.handshakes_per_user",
            Self::AddressSessions => "limit.sessions_per_address",
            Self::UserSessions => "limit.sessions_per_user",
            Self::HandshakesInFlight => "limit.handshakes_in_flight",
            Self::Waiting => "auth.waiting",
            Self::AddressWaiting => "auth.waiting_per_address",
        })
    }
}

/// What outlives a configuration.
#[derive(Default)]
struct Tally {
    address_sessions: Arc<Counts>,
    user_sessions: Arc<Counts>,
    in_flight: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
    waiting_addresses: Arc<Counts>,
    overflowed: Counter,
    /// Renewed limiters must know their users and addresses again.
    secret: RandomState,
}

#[derive(Debug)]
enum Hold {
    Session(#[expect(dead_code, reason = "held for its Drop")] Counted),
    Handshake(#[expect(dead_code, reason = "held for its Drop")] Handshake),
}

#[derive(Debug)]
struct Handshake(Arc<AtomicUsize>);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
