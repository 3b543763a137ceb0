//! The story of a request: what is asked, which page asks, who, how often, where to, and then the carriage. Each step is a
//! room's own judgement; here they only stand in order.

mod builder;
pub mod generation;
pub mod identify;
mod obstacle;
pub mod pipeline;
mod renew;
pub mod reply;
pub mod room;
pub mod story;
pub mod wanted;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

pub use generation::{Generation, Lasting, Obstacle};
pub use room::Room;

use crate::{
    relay::{Ledger, admission::Bench},
    telemetry::Metrics,
};

/// One running gate: the generation in effect, and what outlives generations.
pub struct Gate {
    generation: ArcSwap<Generation>,
    pub ledger: Arc<Ledger>,
    pub metrics: Arc<Metrics>,
    pub started: Instant,
    /// It wants no new sessions any more.
    leaving: AtomicBool,
    /// New handshakes are refused as well: the listeners are closed.
    closed: AtomicBool,
    /// And nobody can come any more who was accepted before that.
    shut: AtomicBool,
    in_flight: AtomicUsize,
    /// Some sessions are still to hear of the generation in effect.
    is_renewing: AtomicBool,
    /// What the workers lend to their requests.
    benches: Mutex<Vec<Arc<Bench>>>,
}

/// Handshakes that began under one generation end within this time.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// What the workers are busy with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Load {
    /// Connections and WebSockets that are served.
    pub tasks: usize,
    /// Connections to members, idle ones included.
    pub upstream_connections: usize,
}

/// Somebody waits for an answer.
pub struct InFlight<'a>(&'a AtomicUsize);

impl Gate {
    pub fn new(generation: Generation, ledger: Arc<Ledger>, metrics: Arc<Metrics>) -> Self {
        metrics.generation.set(generation.number as i64);
        Self {
            generation: ArcSwap::from_pointee(generation),
            ledger,
            metrics,
            started: Instant::now(),
            leaving: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            shut: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            is_renewing: AtomicBool::new(false),
            benches: Mutex::default(),
        }
    }

    /// The generation in effect. A request asks once and is judged by that one to its end.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts the next generation in effect, whole and at once, also for the sessions that are open; gives back the one before.
    pub fn swap(&self, next: Generation) -> Arc<Generation> {
        self.metrics.generation.set(next.number as i64);
        let before = self.generation.swap(Arc::new(next));
        self.renew_sessions();
        before
    }

    /// Sessions may have been opened under a generation while it was replaced: until `UNDER_WAY` is over this finds them.
    pub fn tend(&self, now: Instant) {
        if self.is_renewing.load(Ordering::Acquire) || now < self.generation().began + UNDER_WAY {
            self.renew_sessions();
        }
    }

    fn renew_sessions(&self) {
        let is_more = renew::sessions(&self.generation(), &self.ledger, Instant::now());
        self.is_renewing.store(is_more, Ordering::Release);
    }

    /// `/readyz` says no from here on.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// New sessions are refused from here on, also on connections that are still open; but who was accepted before has one
    /// request to begin with.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// They are refused without exception from here on.
    pub fn shut(&self) {
        self.closed.store(true, Ordering::Release);
        self.shut.store(true, Ordering::Release);
    }

    /// Whether who asks for something new is refused; `is_first`: this is the first request of its connection.
    pub fn turns_away(&self, is_first: bool) -> bool {
        self.is_closed() && (!is_first || self.shut.load(Ordering::Acquire))
    }

    /// A worker has begun.
    pub fn lend(&self, bench: Arc<Bench>) {
        self.benches.lock().unwrap_or_else(PoisonError::into_inner).push(bench);
    }

    /// What the workers are busy with.
    pub fn load(&self) -> Load {
        let benches = self.benches.lock().unwrap_or_else(PoisonError::into_inner);
        benches.iter().fold(Load::default(), |load, bench| Load {
            tasks: load.tasks + bench.tasks.len(),
            upstream_connections: load.upstream_connections + bench.connections.open(),
        })
    }

    /// Counts a request until the guard is dropped.
    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Brings the gauges up to date that nobody keeps while things happen.
    pub fn measure(&self) {
        let sessions = self.ledger.count();
        self.metrics.sessions.get_or_create_owned(&[("transport", "polling")]).set(sessions.polling as i64);
        self.metrics.sessions.get_or_create_owned(&[("transport", "websocket")]).set(sessions.websocket as i64);
        let generation = self.generation();
        self.metrics.limiter_keys.set(generation.limiter_keys() as i64);
        self.metrics.revocations.set(self.ledger.revocations.len() as i64);
        self.measure_jwks(&generation);
        if let Some(end) = generation.certificates.as_ref().and_then(|store| store.expires()) {
            self.metrics.certificate_expiry.set(end.unix_timestamp());
        }
        if let Some(bytes) = resident_bytes() {
            self.metrics.resident_bytes.set(bytes);
        }
    }
}

impl Gate {
    /// Two routes may ask the same issuer under different rules, each for itself: the worse of them is shown.
    fn measure_jwks(&self, generation: &Generation) {
        let (keys, age, failing) = (&self.metrics.jwks_keys, &self.metrics.jwks_age, &self.metrics.jwks_failing);
        // An issuer that is asked no longer is not shown any more.
        for family in [keys, age, failing] {
            family.clear();
        }
        for jwks in generation.jwks() {
            let (label, status) = (vec![("source", jwks.address())], jwks.status());
            let count = status.keys as i64;
            let known = keys.get(&label).map(|keys| keys.get());
            keys.get_or_create_owned(&label).set(known.map_or(count, |known| known.min(count)));
            if let Some(seconds) = status.age {
                let age = age.get_or_create_owned(&label);
                age.set(age.get().max(seconds.as_secs() as i64));
            }
            let failing = failing.get_or_create_owned(&label);
            failing.set(failing.get().max(i64::from(status.failure.is_some())));
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory of this process that is resident, from proc(5) `status`.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kibibytes * 1024) as f64)
}
