//! One app server of a pool: where it is, how it is doing, how many sessions it has. What is known about its health comes
//! from probes (`health`) and from real traffic (`report`); both meet here as a `Standing` that is worked out from the
//! time asked for, so nothing needs a timer. The state outlives reloads as long as pool and URL stay the same.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

use crate::{
    config::socketio::SocketIo,
    net::dial::Target,
    telemetry::{Metrics, metrics::Named},
};

use super::balance;

/// What a member is known by in sealed session ids: the same in every gate that has the same pool and URL.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MemberId(pub u64);

/// One app server of a pool.
pub struct Member {
    id: MemberId,
    url: String,
    authority: String,
    weight: u32,
    leaving: bool,
    target: Arc<Target>,
    manner: Arc<Manner>,
    state: Arc<State>,
    /// The states of the whole pool, for a member is only ejected while another one is up.
    crew: Arc<[Arc<State>]>,
}

/// What the members of a pool have in common.
#[derive(Clone, Debug)]
pub struct Manner {
    pub connect_deadline: Duration,
    pub idle: Duration,
    pub eject_after: u32,
    pub eject_for: Duration,
    pub slow_start: Duration,
}

/// How a member is doing at some moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Up,
    /// Back, and growing into its share: so many thousandths of it.
    SlowStart(u32),
    /// Failed in a row under real traffic and left alone for a while.
    Ejected,
    /// Probes say it does not answer.
    Down,
    /// Keeps its sessions, takes no new ones.
    Draining,
}

/// How one exchange with a member ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It answered, with whatever status.
    Answered,
    /// No connection could be opened.
    Refused,
    /// Connected, but no answer within the deadline.
    Timeout,
    /// Connected, and closed or reset before an answer.
    Broken,
    /// Answered something that is not acceptable HTTP.
    Garbage,
}

/// One session counted on a member, for as long as this lives. Only a pool makes them.
#[derive(Debug)]
pub struct Lease {
    member: Arc<Member>,
}

/// What is remembered about a member. Shared by all generations that have it.
pub struct State {
    /// All times below are milliseconds since then, 0 for never.
    born: Instant,
    sessions: AtomicU64,
    draining: AtomicBool,
    down: AtomicBool,
    up_since: AtomicU64,
    probes_failed: AtomicU32,
    probes_passed: AtomicU32,
    failures: AtomicU32,
    /// When it was last dialed in vain, unless it has answered since.
    unreached: AtomicU64,
    ejected_until: AtomicU64,
    ejections: AtomicU32,
    /// What its open packets have told: ping interval and timeout in milliseconds, packed into one number so that they are
    /// always a pair. 0: nothing yet.
    learned: AtomicU64,
    labels: Named,
    up_gauge: Gauge,
    sessions_gauge: Gauge,
    failed: Family<Named, Counter>,
}

/// Everything a member is made of that its configuration says.
pub(super) struct Plan {
    pub id: MemberId,
    pub url: String,
    pub authority: String,
    pub weight: u32,
    pub target: Arc<Target>,
}

impl Member {
    pub(super) fn new(plan: Plan, manner: Arc<Manner>, state: Arc<State>, crew: Arc<[Arc<State>]>) -> Self {
        let Plan { id, url, authority, weight, target } = plan;
        Self { id, url, authority, weight, leaving: false, target, manner, state, crew }
    }

    /// The same member as one that is no longer configured: it keeps its sessions until they end.
    pub(super) fn to_leaving(&self, crew: Arc<[Arc<State>]>) -> Self {
        Self {
            id: self.id,
            url: self.url.clone(),
            authority: self.authority.clone(),
            weight: self.weight,
            leaving: true,
            target: self.target.clone(),
            manner: self.manner.clone(),
            state: self.state.clone(),
            crew,
        }
    }

    /// No new sessions from now on; those it has stay.
    pub fn drain(&self) {
        self.state.draining.store(true, Relaxed);
        self.state.up_gauge.set(0);
    }

    /// Takes note of how an exchange ended. So many failures in a row eject the member for a while, each time for longer; not
    /// when it is the last one that is up, for a doubtful member is better than none.
    pub fn report(&self, outcome: Outcome, now: Instant) {
        let state = &self.state;
        if outcome == Outcome::Answered {
            // Read first: in good times this line is shared by all cores and written by none.
            if state.failures.load(Relaxed) != 0 {
                state.failures.store(0, Relaxed);
            }
            state.is_reached();
            return;
        }
        self.count_failure(outcome.cause());
        if outcome == Outcome::Refused {
            state.unreached.store(state.clock(now), Relaxed);
        }
        // What fails while it is left alone are leftovers of before.
        if state.is_ejected(state.clock(now)) {
            return;
        }
        let in_a_row = state.failures.fetch_add(1, Relaxed).saturating_add(1);
        if in_a_row >= self.manner.eject_after.max(1) && self.has_stand_in(now) {
            self.eject(now);
        }
    }

    /// Counts a failure that is not held against the member.
    pub fn excuse(&self, outcome: Outcome) {
        if outcome != Outcome::Answered {
            self.count_failure(outcome.cause());
        }
    }

    /// Takes note of a probe. So many failures in a row take the member down, so many successes bring it back.
    pub fn probed(&self, passed: bool, fall: u32, rise: u32, now: Instant) {
        let state = &self.state;
        let (counted, other) = if passed {
            state.is_reached();
            (&state.probes_passed, &state.probes_failed)
        } else {
            self.count_failure("probe");
            (&state.probes_failed, &state.probes_passed)
        };
        other.store(0, Relaxed);
        let in_a_row = counted.load(Relaxed).saturating_add(1);
        counted.store(in_a_row, Relaxed);
        let was_down = state.down.load(Relaxed);
        if was_down && passed && in_a_row >= rise.max(1) {
            state.up_since.store(state.clock(now), Relaxed);
            state.down.store(false, Relaxed);
            tracing::warn!(member = %self.url, "member is up again");
        }
        if !was_down && !passed && in_a_row >= fall.max(1) {
            state.down.store(true, Relaxed);
            tracing::warn!(member = %self.url, "member is down: probes fail");
        }
        self.show(now);
    }

    /// Brings the gauge up to date where time alone changed the standing.
    pub fn show(&self, now: Instant) {
        self.state.up_gauge.set(i64::from(!self.leaving && self.state.is_up(now)));
    }

    pub fn id(&self) -> MemberId {
        self.id
    }

    /// As the configuration has it, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its host and port as they stand in a `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Where to dial it. Another `Arc` after a reload, for its certificates may have changed.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    pub fn manner(&self) -> &Manner {
        &self.manner
    }

    /// Sessions it has through this gate.
    pub fn sessions(&self) -> u64 {
        self.state.sessions.load(Relaxed)
    }

    /// Takes over the ping values of an open packet of its own. Absurd ones are left out: deadlines hang on them, and members
    /// are not trusted with those.
    pub fn learn(&self, ping_interval_ms: u64, ping_timeout_ms: u64) {
        if PING_MILLIS.contains(&ping_interval_ms) && PING_MILLIS.contains(&ping_timeout_ms) {
            let packed = (ping_interval_ms << 32) | ping_timeout_ms;
            if self.state.learned.load(Relaxed) != packed {
                self.state.learned.store(packed, Relaxed);
            }
        }
    }

    /// The app's ping interval and timeout: what it told, else what is assumed.
    pub fn ping(&self, assumed: &SocketIo) -> (Duration, Duration) {
        match self.state.learned.load(Relaxed) {
            0 => (assumed.ping_interval.0, assumed.ping_timeout.0),
            packed => (Duration::from_millis(packed >> 32), Duration::from_millis(packed & u64::from(u32::MAX))),
        }
    }

    /// How it is doing. What keeps it from serving at all is told before what keeps it from new sessions.
    pub fn standing(&self, now: Instant) -> Standing {
        let state = &self.state;
        let clock = state.clock(now);
        if state.down.load(Relaxed) {
            return Standing::Down;
        }
        if state.is_ejected(clock) {
            return Standing::Ejected;
        }
        if self.leaving || self.weight == 0 || state.draining.load(Relaxed) {
            return Standing::Draining;
        }
        match self.share(clock) {
            balance::FULL_SHARE => Standing::Up,
            share => Standing::SlowStart(share),
        }
    }

    /// Whether it was dialed in vain a moment ago, and nothing has been heard of it since.
    pub fn is_out_of_reach(&self, now: Instant) -> bool {
        let unreached = self.state.unreached.load(Relaxed);
        unreached != 0 && self.state.clock(now).saturating_sub(unreached) < millis(MOMENT)
    }

    /// Whether it is gone from the configuration and only waits for its sessions to end.
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(super) fn weight(&self) -> u32 {
        self.weight
    }

    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// A leaving or draining member, or one of weight 0, is not looked for when only its health keeps others away.
    pub(super) fn is_open_but_ejected(&self, now: Instant) -> bool {
        self.standing(now) == Standing::Ejected && !self.leaving && self.weight > 0 && !self.state.draining.load(Relaxed)
    }

    /// Its share of new sessions, which grows after it came back from wherever it was.
    fn share(&self, clock: u64) -> u32 {
        let back = self.state.up_since.load(Relaxed).max(self.state.ejected_until.load(Relaxed));
        if back == 0 {
            return balance::FULL_SHARE;
        }
        balance::slow_share(Duration::from_millis(clock.saturating_sub(back)), self.manner.slow_start)
    }

    fn has_stand_in(&self, now: Instant) -> bool {
        self.crew.iter().any(|other| !Arc::ptr_eq(other, &self.state) && other.is_up(now))
    }

    fn eject(&self, now: Instant) {
        let state = &self.state;
        let clock = state.clock(now);
        let first = millis(self.manner.eject_for).max(1);
        // A member that held out for the longest ejection since the last one has a clean record.
        let held_out = clock.saturating_sub(state.ejected_until.load(Relaxed)) >= first.saturating_mul(1 << DOUBLINGS);
        let before = if held_out { 0 } else { state.ejections.load(Relaxed) };
        let period = first.saturating_mul(1 << before.min(DOUBLINGS));
        state.ejections.store(before.saturating_add(1), Relaxed);
        state.ejected_until.store(clock.saturating_add(period), Relaxed);
        // Back on probation: the first failure then ejects it again, the first answer clears it.
        state.failures.store(self.manner.eject_after.max(1) - 1, Relaxed);
        state.up_gauge.set(0);
        tracing::warn!(member = %self.url, milliseconds = period, "member is left alone: it fails in a row");
    }

    fn count_failure(&self, cause: &'static str) {
        let mut labels = self.state.labels.clone();
        labels.push(("cause", cause.to_owned()));
        self.state.failed.get_or_create_owned(&labels).inc();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Member").field("id", &self.id).field("url", &self.url).field("leaving", &self.leaving).finish()
    }
}

impl State {
    pub(super) fn new(pool: &str, url: &str, metrics: &Metrics, now: Instant) -> Self {
        let labels = labels(pool, url);
        let up_gauge = metrics.member_up.get_or_create_owned(&labels);
        // Optimistic until the first probe or failure says otherwise: a gate that starts with its apps must not refuse.
        up_gauge.set(1);
        Self {
            born: now,
            sessions: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            down: AtomicBool::new(false),
            up_since: AtomicU64::new(0),
            probes_failed: AtomicU32::new(0),
            probes_passed: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            unreached: AtomicU64::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            learned: AtomicU64::new(0),
            up_gauge,
            sessions_gauge: metrics.member_sessions.get_or_create_owned(&labels),
            failed: metrics.member_failures.clone(),
            labels,
        }
    }

    /// Whether it takes new sessions as far as its own state goes.
    pub(super) fn is_up(&self, now: Instant) -> bool {
        !self.down.load(Relaxed) && !self.draining.load(Relaxed) && !self.is_ejected(self.clock(now))
    }

    /// Read first, for the same reason as failures are.
    fn is_reached(&self) {
        if self.unreached.load(Relaxed) != 0 {
            self.unreached.store(0, Relaxed);
        }
    }

    /// Takes its numbers off the page of metrics: the configuration no longer has it.
    pub(super) fn hide(&self, metrics: &Metrics) {
        metrics.member_up.remove(&self.labels);
        metrics.member_sessions.remove(&self.labels);
        for cause in ["refused", "timeout", "broken", "garbage", "probe"] {
            let mut labels = self.labels.clone();
            labels.push(("cause", cause.to_owned()));
            metrics.member_failures.remove(&labels);
        }
    }

    fn is_ejected(&self, clock: u64) -> bool {
        clock < self.ejected_until.load(Relaxed)
    }

    /// Never 0, which means never.
    fn clock(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.born)).saturating_add(1)
    }
}

impl Outcome {
    /// Its name in metrics.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Answered => "none",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Garbage => "garbage",
        }
    }
}

impl Lease {
    pub(super) fn new(member: Arc<Member>) -> Self {
        member.state.sessions.fetch_add(1, Relaxed);
        member.state.sessions_gauge.inc();
        Self { member }
    }

    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.state.sessions.fetch_sub(1, Relaxed);
        self.member.state.sessions_gauge.dec();
    }
}

fn labels(pool: &str, url: &str) -> Named {
    vec![("upstream", pool.to_owned()), ("member", url.to_owned())]
}

fn millis(period: Duration) -> u64 {
    u64::try_from(period.as_millis()).unwrap_or(u64::MAX)
}

/// A millisecond to an hour: what an app may say about its pings.
const PING_MILLIS: std::ops::RangeInclusive<u64> = 1..=3_600_000;
/// A client library that was let in and then lost its session is back within this time; who is refused then waits longer with
/// each attempt.
const MOMENT: Duration = Duration::from_secs(2);
/// The longest ejection is the first one doubled so often: 16 times as long.
const DOUBLINGS: u32 = 4;
