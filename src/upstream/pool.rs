//! A pool of app servers: who takes a new session, and whether the member that a sealed session id names can still be
//! reached. A lease is the evidence that a member was chosen and counts the session on it. Reloads renew a pool: members
//! that stay keep their state, members that are gone keep their sessions until the last one ends.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use ::http::Uri;
use rustls::pki_types::ServerName;

use crate::{
    config::{
        self,
        upstream::{Balance, Reuse, Upstream},
    },
    net::{
        dial::{Secure, Target},
        tls::trust::{self, TrustProblem},
    },
    telemetry::Metrics,
};

use super::{
    balance::{self, Candidate},
    connect::ReuseKey,
    member::{Lease, Manner, Member, MemberId, Plan, Standing, State},
};

/// A pool of app servers, as one generation sees it.
pub struct Pool {
    name: String,
    members: Vec<Arc<Member>>,
    /// Where each member sits, in the order of their ids.
    seats: Vec<(MemberId, usize)>,
    balance: Balance,
    reuse: Reuse,
    probe: Probing,
    /// The turns of round robin, one number a seat.
    credits: Mutex<Vec<i64>>,
    turn: AtomicU64,
}

/// How the members of a pool are asked how they are.
#[derive(Clone, Debug)]
pub struct Probing {
    pub kind: config::upstream::Probe,
    pub path: String,
    pub interval: Duration,
    pub deadline: Duration,
    pub fall: u32,
    pub rise: u32,
}

/// Nobody takes a new session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no member takes new sessions")]
pub struct NoMember;

/// The member that a running session belongs to cannot be reached; its sessions are lost and should start over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MemberGone {
    #[error("the pool has no such member")]
    Unknown,
    #[error("the member is down")]
    Down,
}

/// Why a pool cannot be built. The operator is to blame.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PoolProblem {
    #[error("it has no members")]
    Empty,
    #[error("{0:?} is not the URL of a member: write for example \"http://app-1:3001\", without a path")]
    Url(String),
    #[error("{0:?} is in it twice; use a weight instead")]
    Twice(String),
    #[error("{0:?} is not a name that a certificate can carry")]
    ServerName(String),
    #[error("client_certificate and client_key go together")]
    HalfCertificate,
    #[error(transparent)]
    Trust(#[from] TrustProblem),
}

impl Pool {
    /// Builds a pool from its configuration; with `old` it takes over what is known about members that stay and keeps
    /// those that left with sessions. All problems at once. Reads certificate files; not for hot paths.
    pub fn renew(old: Option<&Self>, config: &Upstream, metrics: &Metrics, now: Instant) -> Result<Self, Vec<PoolProblem>> {
        let plans = plan(config)?;
        let old = old.filter(|old| old.name == config.name);
        let states: Vec<_> = plans.iter().map(|plan| state_of(plan, old, &config.name, metrics, now)).collect();
        let crew: Arc<[Arc<State>]> = states.clone().into();
        let manner = Arc::new(manner(config));
        let mut members: Vec<_> = plans
            .into_iter()
            .zip(states)
            .map(|(plan, state)| Arc::new(Member::new(plan, manner.clone(), state, crew.clone())))
            .collect();
        members.extend(old.into_iter().flat_map(|old| old.left_behind(&members, &crew)).collect::<Vec<_>>());
        let mut seats: Vec<_> = members.iter().enumerate().map(|(seat, member)| (member.id(), seat)).collect();
        seats.sort_unstable();
        Ok(Self {
            name: config.name.clone(),
            credits: Mutex::new(vec![0; members.len()]),
            members,
            seats,
            balance: config.balance,
            reuse: config.reuse,
            probe: probing(config),
            turn: AtomicU64::new(0),
        })
    }

    /// After `next` took the place of this pool (None: nothing did), takes what is gone off the page of metrics; what is no
    /// longer configured and still has sessions goes with the last of them, at the next reload.
    pub fn retire(&self, next: Option<&Self>, metrics: &Metrics) {
        let stays = |member: &Member| next.is_some_and(|next| next.find(member.id()).is_some());
        self.members.iter().filter(|member| !stays(member)).for_each(|member| member.state().hide(metrics));
    }

    /// A member for a new session. `key` is what `balance = "hash"` hashes; without one the fewest sessions decide.
    pub fn lease(&self, key: Option<u64>, now: Instant) -> Result<Lease, NoMember> {
        self.lease_except(&[], key, now)
    }

    /// A member for a new session that is none of those already tried.
    pub fn lease_except(&self, tried: &[MemberId], key: Option<u64>, now: Instant) -> Result<Lease, NoMember> {
        let candidates = self.candidates(tried, now);
        let chosen = match (self.balance, key) {
            (Balance::Hash, Some(key)) => balance::hash(&candidates, key),
            (Balance::LeastSessions | Balance::Hash, _) => balance::least_sessions(&candidates, self.turn.fetch_add(1, Relaxed)),
            (Balance::RoundRobin, _) => {
                balance::round_robin(&candidates, &mut self.credits.lock().unwrap_or_else(PoisonError::into_inner))
            }
        };
        let seat = candidates[chosen.ok_or(NoMember)?].seat;
        Ok(Lease::new(self.members[seat].clone()))
    }

    /// The member of a running session, counted.
    pub fn lease_from(&self, id: MemberId, now: Instant) -> Result<Lease, MemberGone> {
        self.reach(id, now).map(Lease::new)
    }

    /// A member for something new of a client that has been there before: as long as it is well. One that is failing has no claim
    /// on anybody.
    pub fn lease_again(&self, id: MemberId, now: Instant) -> Result<Lease, MemberGone> {
        let member = self.find(id).filter(|member| !member.is_leaving()).ok_or(MemberGone::Unknown)?;
        match member.standing(now) {
            Standing::Up | Standing::SlowStart(_) | Standing::Draining => Ok(Lease::new(member.clone())),
            Standing::Ejected | Standing::Down => Err(MemberGone::Down),
        }
    }

    /// The member of a running session, for a request of a session that is counted elsewhere.
    pub fn reach(&self, id: MemberId, now: Instant) -> Result<Arc<Member>, MemberGone> {
        let member = self.find(id).ok_or(MemberGone::Unknown)?;
        match member.standing(now) {
            // Ejection keeps new sessions away; those that are there find out by themselves whether the member answers, so that
            // nobody's failures can end somebody else's session.
            Standing::Up | Standing::SlowStart(_) | Standing::Draining | Standing::Ejected => Ok(member.clone()),
            Standing::Down => Err(MemberGone::Down),
        }
    }

    /// Which kept connections a request may use: those of its own session where the pool asks for that.
    pub fn reuse_key(&self, session: Option<u128>) -> ReuseKey {
        match (self.reuse, session) {
            (Reuse::Shared, _) => ReuseKey::Shared,
            (Reuse::Session, Some(session)) => ReuseKey::Session(session),
            (Reuse::Session, None) | (Reuse::Off, _) => ReuseKey::Off,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// All members, those included that only wait for their sessions to end.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    pub fn find(&self, id: MemberId) -> Option<&Arc<Member>> {
        let place = self.seats.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.members[self.seats[place].1])
    }

    /// Whether anybody takes a new session, for readiness.
    pub fn has_room(&self, now: Instant) -> bool {
        !self.candidates(&[], now).is_empty()
    }

    /// Whether nobody who takes new sessions could be dialed a moment ago. A lone member is never ejected, and probes take a while
    /// to notice.
    pub fn is_out_of_reach(&self, now: Instant) -> bool {
        let candidates = self.candidates(&[], now);
        !candidates.is_empty() && candidates.iter().all(|candidate| self.members[candidate.seat].is_out_of_reach(now))
    }

    pub fn probing(&self) -> &Probing {
        &self.probe
    }

    /// Who may be chosen now. When only ejection keeps everybody away it is ignored: a doubtful member is better than none.
    fn candidates(&self, tried: &[MemberId], now: Instant) -> Vec<Candidate> {
        let seats = || self.members.iter().enumerate().filter(|(_, member)| !tried.contains(&member.id()));
        let candidate = |seat: usize, member: &Member, share: u32| Candidate {
            id: member.id().0,
            seat,
            weight: member.weight(),
            share,
            sessions: member.sessions(),
        };
        let mut open = Vec::with_capacity(self.members.len());
        open.extend(seats().filter_map(|(seat, member)| match member.standing(now) {
            Standing::Up => Some(candidate(seat, member, balance::FULL_SHARE)),
            Standing::SlowStart(share) => Some(candidate(seat, member, share)),
            Standing::Ejected | Standing::Down | Standing::Draining => None,
        }));
        if !open.is_empty() {
            return open;
        }
        seats()
            .filter(|(_, member)| member.is_open_but_ejected(now))
            .map(|(seat, member)| candidate(seat, member, balance::FULL_SHARE))
            .collect()
    }

    /// Members of this pool that `next` no longer has but that have sessions.
    fn left_behind(&self, next: &[Arc<Member>], crew: &Arc<[Arc<State>]>) -> Vec<Arc<Member>> {
        self.members
            .iter()
            .filter(|member| member.sessions() > 0 && next.iter().all(|kept| kept.id() != member.id()))
            .map(|member| Arc::new(member.to_leaving(crew.clone())))
            .collect()
    }
}

/// What a member of this pool and URL is known by.
pub fn member_id(pool: &str, url: &str) -> MemberId {
    MemberId(balance::key(format!("{pool}\0{url}").as_bytes()))
}

fn state_of(plan: &Plan, old: Option<&Pool>, pool: &str, metrics: &Metrics, now: Instant) -> Arc<State> {
    match old.and_then(|old| old.find(plan.id)) {
        Some(member) => member.state().clone(),
        None => Arc::new(State::new(pool, &plan.url, metrics, now)),
    }
}

fn plan(config: &Upstream) -> Result<Vec<Plan>, Vec<PoolProblem>> {
    let mut problems = Vec::new();
    if config.members.is_empty() {
        problems.push(PoolProblem::Empty);
    }
    let places: Vec<_> = config
        .members
        .iter()
        .filter_map(|member| match Place::read(member.url()) {
            Some(place) => Some((place, member.weight())),
            None => {
                problems.push(PoolProblem::Url(member.url().to_owned()));
                None
            }
        })
        .collect();
    let is_secure = places.iter().any(|(place, _)| place.is_secure);
    let tls = if is_secure { tls(config).map_err(|problem| problems.push(problem)).ok() } else { None };
    let mut plans: Vec<Plan> = Vec::with_capacity(places.len());
    for (place, weight) in places {
        match place.plan(config, weight, tls.as_ref()) {
            Ok(plan) if plans.iter().any(|other| other.id == plan.id) => problems.push(PoolProblem::Twice(plan.url)),
            Ok(plan) => plans.push(plan),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(plans) } else { Err(problems) }
}

fn tls(config: &Upstream) -> Result<Arc<rustls::ClientConfig>, PoolProblem> {
    let client = match (&config.client_certificate, &config.client_key) {
        (Some(chain), Some(key)) => Some((chain.as_path(), key.as_path())),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(PoolProblem::HalfCertificate),
    };
    Ok(Arc::new(trust::client_config(config.ca.as_deref().filter(|path| *path != Path::new("")), client)?))
}

fn manner(config: &Upstream) -> Manner {
    Manner {
        connect_deadline: config.connect_deadline.0,
        idle: config.idle.0,
        eject_after: config.eject_after,
        eject_for: config.eject_for.0,
        slow_start: config.slow_start.0,
    }
}

fn probing(config: &Upstream) -> Probing {
    use config::upstream::Probe;
    let path = match (config.probe, config.probe_path.as_str()) {
        (Probe::Engine, "") => "/socket.io/",
        (Probe::Off | Probe::Tcp | Probe::Http, "") => "/",
        (_, path) => path,
    };
    Probing {
        kind: config.probe,
        path: path.to_owned(),
        interval: config.probe_interval.0.max(SHORTEST_INTERVAL),
        deadline: config.probe_deadline.0,
        fall: config.probe_fall,
        rise: config.probe_rise,
    }
}

/// A member's URL, read.
struct Place {
    is_secure: bool,
    host: String,
    port: u16,
    authority: String,
}

impl Place {
    fn read(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let is_secure = match url.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = url.authority()?;
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && !authority.as_str().contains('@');
        // `http://app:` and `http://app:99999` have a colon and no port.
        let has_odd_port = authority.port().is_none_or(|port| port.as_u16() == 0) && authority.as_str() != authority.host();
        if !is_bare || has_odd_port || authority.host().is_empty() {
            return None;
        }
        let standard = if is_secure { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(standard);
        let name = authority.host().to_ascii_lowercase();
        let authority = if port == standard { name.clone() } else { format!("{name}:{port}") };
        let host = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { is_secure, host, port, authority })
    }

    fn plan(self, config: &Upstream, weight: u32, tls: Option<&Arc<rustls::ClientConfig>>) -> Result<Plan, PoolProblem> {
        let scheme = if self.is_secure { "https" } else { "http" };
        let url = format!("{scheme}://{}", self.authority);
        let secure = match tls.filter(|_| self.is_secure) {
            None => None,
            Some(tls) => {
                let name = if config.server_name.is_empty() { &self.host } else { &config.server_name };
                let server_name = ServerName::try_from(name.clone()).map_err(|_| PoolProblem::ServerName(name.clone()))?;
                Some(Secure { config: tls.clone(), server_name })
            }
        };
        let target = Arc::new(Target::new(self.host, self.port, secure).dialed_from(&config.sources));
        Ok(Plan { id: member_id(&config.name, &url), url, authority: self.authority, weight, target })
    }
}

/// Probing more often than this would be a load of its own.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
