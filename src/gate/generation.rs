//! One version of the configuration with everything it decides: judges, keys, limits, pools, certificates. Built whole before it
//! is put in effect, immutable afterwards; what must outlive it (who is limited, how members are) is taken over from the
//! one before.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub use super::{builder::Lasting, obstacle::Obstacle};
use super::{
    builder::{self, Before, Builder, LOBBY},
    obstacle,
    room::Room,
};
use crate::{
    config::{
        Config,
        route::{Kind, Route},
    },
    http::{forwarded::Client, head::Head, serve::Shape},
    net::{
        arrive::Arrival,
        tls::{accept, store::Store},
    },
    policy::{
        Refusal, Refused,
        auth::{Identity, Jwks},
        limit::Limiter,
        origin,
    },
    relay::{Ledger, Sealer, seating::Asker},
    telemetry::Metrics,
    upstream::{Lease, Pool, Routes, health},
};

/// One version of the configuration, ready to judge.
pub struct Generation {
    /// Counted from 1.
    pub number: u64,
    /// When it was built.
    pub began: Instant,
    pub config: Arc<Config>,
    routes: Routes,
    rooms: Vec<Room>,
    /// The rules for requests that no route takes.
    lobby: Room,
    pools: Vec<Arc<Pool>>,
    hsts: Option<HeaderValue>,
    /// The certificates shown to clients; `None`: the listener is plain.
    pub certificates: Option<Arc<Store>>,
    /// What a connection to the public listener, and one to the plain listener, goes through before HTTP.
    pub arrival: Arc<Arrival>,
    pub plain_arrival: Arc<Arrival>,
    pub shape: Shape,
    /// Ends the tasks that serve this generation alone.
    pub stop: CancellationToken,
}

impl Generation {
    /// Builds everything the configuration asks for, or says all that stands in the way. `before` is the generation whose
    /// members, limits and keys are taken over.
    pub fn build(config: Arc<Config>, lasting: &Lasting, before: Option<&Self>, now: Instant) -> Result<Self, Vec<Obstacle>> {
        let mut obstacles = Vec::new();
        let pools = build_pools(&config, before, &lasting.metrics, now, &mut obstacles);
        let sealer = match &config.seal.keys {
            keys if keys.is_empty() => lasting.ephemeral.clone(),
            keys => Arc::new(Sealer::new(keys)),
        };
        let general = match before {
            Some(before) => Limiter::renew(&before.lobby.limiter, &config.limit, now),
            None => Arc::new(Limiter::new(&config.limit, &lasting.metrics.limiter_overflow, now)),
        };
        let builder = Builder {
            config: &config,
            lasting,
            before: before.map(|before| Before { config: &before.config, rooms: &before.rooms }),
            sealer,
            general,
            verifiers: RefCell::default(),
            payloads: RefCell::default(),
            moved: RefCell::default(),
            now,
        };
        let lobby_rules = Route {
            kind: Kind::Http,
            origin: config.origin.clone(),
            auth: builder::nobody(&config),
            limit: config.limit.clone(),
            socketio: config.socketio.clone(),
            ..Route::default()
        };
        let mut rooms = Vec::new();
        for (index, route) in config.route.iter().enumerate() {
            let pool = pools.iter().find(|pool| pool.name() == route.upstream);
            rooms.extend(builder.room(index, route, pool, &mut obstacles));
        }
        let lobby = builder.room(LOBBY, &lobby_rules, pools.first(), &mut obstacles);
        let certificates = match config.tls.is_on() {
            true => Store::read(&config.tls, OffsetDateTime::now_utc())
                .map_err(|problems| {
                    obstacles.extend(problems.iter().map(|problem| {
                        Obstacle::new(obstacle::key_of_tls(problem), problem, "name readable PEM files that belong together")
                    }))
                })
                .ok()
                .map(Arc::new),
            false => None,
        };
        let plain_arrival = arrival_of(&config, None);
        let arrival = match &certificates {
            Some(store) => match accept::server_config(store.clone(), config.tls.minimum, config.listen.http2) {
                Ok(tls) => Arrival { tls: Some(Arc::new(tls)), ..plain_arrival.clone() },
                Err(error) => {
                    obstacles.push(Obstacle::new("tls", &error, "name certificates that TLS can serve"));
                    plain_arrival.clone()
                }
            },
            None => plain_arrival.clone(),
        };
        match (obstacles.is_empty(), lobby) {
            (true, Some(lobby)) => Ok(Self {
                number: before.map_or(1, |before| before.number + 1),
                began: now,
                routes: Routes::new(&config.route),
                hsts: hsts(&config),
                shape: Shape::new(&config.listen),
                certificates,
                arrival: Arc::new(arrival),
                plain_arrival: Arc::new(plain_arrival),
                config,
                rooms,
                lobby,
                pools,
                stop: CancellationToken::new(),
            }),
            (true, None) => Err(vec![Obstacle::new(
                "upstream",
                &"there is no app server to stand before",
                "write an [[upstream]] with members",
            )]),
            (false, _) => Err(obstacles),
        }
    }

    /// What would stand in the way of this configuration, without binding, serving or making anything.
    pub fn rehearse(config: &Config, now: Instant) -> Vec<Obstacle> {
        let mut config = config.clone();
        // A development certificate would be made now; nothing can be wrong with it yet.
        config.tls.generate = false;
        let metrics = Arc::new(Metrics::default());
        let ledger = Arc::new(Ledger::new(metrics.clone()));
        let lasting = Lasting { ledger, metrics, ephemeral: Arc::new(Sealer::ephemeral()) };
        Self::build(Arc::new(config), &lasting, None, now).err().unwrap_or_default()
    }

    /// The route that takes a request.
    pub fn room(&self, head: &Head) -> Option<&Room> {
        self.rooms.get(self.routes.find(&head.host.name, &head.path)?)
    }

    /// The rules for requests that no route takes.
    pub fn lobby(&self) -> &Room {
        &self.lobby
    }

    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// The origin rules of a route by its place; of the lobby for any other.
    pub fn origin_of(&self, index: usize) -> &origin::Judge {
        &self.rooms.get(index).unwrap_or(&self.lobby).origin
    }

    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    /// Every limiter once.
    pub fn limiters(&self) -> Vec<&Arc<Limiter>> {
        let mut limiters: Vec<&Arc<Limiter>> = Vec::new();
        for room in self.rooms.iter().chain([&self.lobby]) {
            if !limiters.iter().any(|known| Arc::ptr_eq(known, &room.limiter)) {
                limiters.push(&room.limiter);
            }
        }
        limiters
    }

    /// Starts what works for this generation in the background: probes of members, fetching of keys. It ends with `stop`.
    /// Must be called inside the control runtime.
    pub fn start_tasks(&self) {
        for pool in &self.pools {
            tokio::spawn(health::watch(pool.clone(), self.stop.clone()));
        }
        for jwks in self.jwks() {
            tokio::spawn(jwks.clone().run(self.stop.clone()));
        }
    }

    /// Every set of published keys that some route needs, once.
    pub fn jwks(&self) -> Vec<&Arc<Jwks>> {
        let mut sets: Vec<&Arc<Jwks>> = Vec::new();
        for jwks in self.rooms.iter().filter(|room| room.asks_who()).filter_map(|room| room.verifier.jwks()) {
            if !sets.iter().any(|known| Arc::ptr_eq(known, jwks)) {
                sets.push(jwks);
            }
        }
        sets
    }

    /// Every pool that some route leads to, once.
    pub fn routed_pools(&self) -> Vec<&Arc<Pool>> {
        self.pools.iter().filter(|pool| self.rooms.iter().any(|room| Arc::ptr_eq(&room.venue.pool, pool))).collect()
    }

    /// Another generation has taken over.
    pub fn retire(&self, next: &Self, metrics: &Metrics) {
        self.stop.cancel();
        for pool in &self.pools {
            pool.retire(next.pools.iter().find(|next| next.name() == pool.name()).map(Arc::as_ref), metrics);
        }
    }

    pub fn limiter_keys(&self) -> usize {
        self.limiters().iter().map(|limiter| limiter.keys()).sum()
    }

    /// A member for something new.
    pub fn lease(
        &self,
        room: &Room,
        identity: Option<&Identity>,
        client: &Client,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<Lease, Refused> {
        let pool = &room.venue.pool;
        let kept = room.kept_member(headers).and_then(|member| pool.lease_again(member, now).ok());
        let lease = match kept {
            Some(lease) => Ok(lease),
            None => pool.lease(room.venue.hash.key(&Asker { identity, address: client.address, headers }), now),
        };
        lease.map_err(|_| Refused::until(Refusal::UpstreamUnavailable, RETRY_AFTER))
    }
}

fn build_pools(
    config: &Config,
    before: Option<&Generation>,
    metrics: &Metrics,
    now: Instant,
    obstacles: &mut Vec<Obstacle>,
) -> Vec<Arc<Pool>> {
    let mut pools = Vec::new();
    for (index, upstream) in config.upstream.iter().enumerate() {
        let old = before.and_then(|before| before.pools.iter().find(|pool| pool.name() == upstream.name));
        match Pool::renew(old.map(Arc::as_ref), upstream, metrics, now) {
            Ok(pool) => pools.push(Arc::new(pool)),
            Err(problems) => obstacles.extend(problems.iter().map(|problem| {
                Obstacle::new(obstacle::key_of_pool(index, upstream, problem), problem, "see [[upstream]] in the reference")
            })),
        }
    }
    pools
}

fn arrival_of(config: &Config, tls: Option<Arc<rustls::ServerConfig>>) -> Arrival {
    Arrival {
        tls,
        proxy_protocol: config.listen.proxy_protocol,
        trusted: config.listen.trusted_proxies.clone(),
        proxy_deadline: config.listen.proxy_deadline.0,
        tls_deadline: config.listen.tls_deadline.0,
    }
}

fn hsts(config: &Config) -> Option<HeaderValue> {
    let seconds = u64::from(config.tls.hsts_days) * 86_400;
    (seconds > 0).then(|| HeaderValue::try_from(format!("max-age={seconds}")).ok()).flatten()
}

/// A member that is down is asked again within this time.
const RETRY_AFTER: Duration = Duration::from_secs(2);
