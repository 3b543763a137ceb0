//! One version of the configuration with everything it decides: judges, keys, limits, pools, certificates. Built whole before it
//! is put in effect, immutable afterwards; what must outlive it (who is limited, how members are) is taken over from the
//! one before.

use std::{
    cell::RefCell,
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    codec::frame::Limits,
    config::{
        Config,
        auth::{Auth, When},
        limit::Limit,
        route::{Kind, Route},
        upstream::{Balance, Upstream},
    },
    http::{forwarded::Client, head::Head, headers, serve::Shape},
    net::{
        arrive::Arrival,
        tls::{
            accept,
            store::{Store, TlsProblem},
            trust::{self, TrustProblem},
        },
    },
    policy::{
        Refusal, Refused,
        auth::{AuthProblem, Identity, IdentityHeaders, Jwks, Verifier},
        limit::Limiter,
        origin::{self, Surroundings},
    },
    relay::{Ledger, Sealer, Venue, admission::Patience, outgoing::Manners, seal},
    telemetry::Metrics,
    upstream::{Lease, MemberId, Pool, Routes, balance, health, pool::PoolProblem},
};

/// One version of the configuration, ready to judge.
pub struct Generation {
    /// Counted from 1.
    pub number: u64,
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

/// A route with its judges.
pub struct Room {
    pub venue: Arc<Venue>,
    pub origin: origin::Judge,
    pub verifier: Arc<Verifier>,
    pub limiter: Arc<Limiter>,
    has_own_limiter: bool,
    hash: Hash,
    affinity_cookie: String,
    most_sessions: usize,
    path: String,
    /// Where this route's app serves Engine.IO, under the rules of another route.
    endpoints: Vec<String>,
}

/// What `balance = "hash"` hashes.
enum Hash {
    Nothing,
    Subject,
    Address,
    Header(String),
    Claim(String),
}

/// What stops a generation from being built: the key and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obstacle {
    pub key: String,
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

impl Obstacle {
    fn new(key: impl Into<String>, what: &dyn Display, instead: &str) -> Self {
        Self { key: key.into(), what: what.to_string(), instead: instead.to_string() }
    }
}

/// What outlives a generation.
pub struct Lasting {
    pub ledger: Arc<Ledger>,
    pub metrics: Arc<Metrics>,
    /// The key of a gate that has none in its configuration.
    pub ephemeral: Arc<Sealer>,
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
            before,
            sealer,
            general,
            verifiers: RefCell::default(),
            moved: RefCell::default(),
            now,
        };
        let lobby_rules = Route {
            kind: Kind::Http,
            origin: config.origin.clone(),
            auth: nobody(&config),
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
                        Obstacle::new(key_of_tls(problem), problem, "name readable PEM files that belong together")
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
            None => pool.lease(room.hash_key(identity, client, headers), now),
        };
        lease.map_err(|_| Refused::until(Refusal::UpstreamUnavailable, RETRY_AFTER))
    }
}

impl Room {
    /// What consistent hashing goes by. Nobody's subject: the address.
    fn hash_key(&self, identity: Option<&Identity>, client: &Client, headers: &HeaderMap) -> Option<u64> {
        let address = || Some(balance::key(client.address.to_string().as_bytes()));
        match &self.hash {
            Hash::Nothing => None,
            Hash::Address => address(),
            Hash::Subject => {
                identity.and_then(Identity::subject).map(|subject| balance::key(subject.as_bytes())).or_else(address)
            }
            Hash::Header(name) => headers.get(name).map(|value| balance::key(value.as_bytes())).or_else(address),
            Hash::Claim(path) => identity
                .and_then(|identity| identity.claim(path))
                .map(|value| balance::key(value.to_string().as_bytes()))
                .or_else(address),
        }
    }

    /// The member an affinity cookie names. A forged one names nobody.
    pub fn kept_member(&self, headers: &HeaderMap) -> Option<MemberId> {
        if self.affinity_cookie.is_empty() || self.venue.kind == Kind::Socketio {
            return None;
        }
        self.venue.sealer.open_mark(headers::cookie(headers, &self.affinity_cookie)?).ok()
    }

    /// Whether a request of this route would reach Engine.IO at its app, which another route guards. Servers answer below
    /// their path too, and without its last slash; what names none of Engine.IO's parameters is no part of a session (the
    /// client script, for one).
    pub fn trespasses(&self, head: &Head) -> bool {
        let names_session = || ["EIO", "transport", "sid", "j"].iter().any(|name| head.query.has(name));
        if self.endpoints.is_empty() || !(head.upgrade.is_some() || names_session()) {
            return false;
        }
        let asked = self.venue.manners.path(&head.path);
        let bare = asked.trim_end_matches('/');
        self.endpoints.iter().any(|endpoint| asked.starts_with(endpoint.as_str()) || endpoint.trim_end_matches('/') == bare)
    }

    /// Whether no new session has room any more.
    pub fn is_full(&self) -> bool {
        self.most_sessions > 0 && self.venue.ledger.entries() >= self.most_sessions
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether anybody must be known here.
    pub fn asks_who(&self) -> bool {
        self.verifier.when() != When::None
    }

    /// The affinity cookie for a client that has none or whose member is gone.
    pub fn affinity(&self, kept: Option<MemberId>, member: MemberId, secure: bool) -> Option<HeaderValue> {
        if self.affinity_cookie.is_empty() || self.venue.kind == Kind::Socketio || kept == Some(member) {
            return None;
        }
        let mark = self.venue.sealer.seal_mark(member)?;
        // A page of another origin sends it only with SameSite=None, which browsers take only over TLS.
        let scope = if secure { "Secure; SameSite=None" } else { "SameSite=Lax" };
        HeaderValue::try_from(format!("{}={mark}; Path={}; HttpOnly; {scope}", self.affinity_cookie, self.path)).ok()
    }
}

struct Builder<'a> {
    config: &'a Arc<Config>,
    lasting: &'a Lasting,
    before: Option<&'a Generation>,
    sealer: Arc<Sealer>,
    /// The limiter of `[limit]` itself.
    general: Arc<Limiter>,
    /// Those made so far, and what for.
    verifiers: RefCell<Vec<Made>>,
    /// Rooms of before, by tag, whose limiters moved routes have taken.
    moved: RefCell<Vec<u64>>,
    now: Instant,
}

/// A judge of tokens, and the rules and further claims it was made for.
struct Made {
    auth: Auth,
    kept: Vec<String>,
    verifier: Arc<Verifier>,
}

impl Builder<'_> {
    fn judges(
        &self,
        index: usize,
        route: &Route,
        upstream: Option<&Upstream>,
        obstacles: &mut Vec<Obstacle>,
    ) -> Option<(origin::Judge, Arc<Verifier>, IdentityHeaders)> {
        let mut note = |under: &str, what: &dyn Display, instead: &str| {
            // The listener's own options are no route's.
            let key = match index == LOBBY || under.starts_with("listen.") {
                true => under.to_string(),
                false => format!("route.{index}.{under}"),
            };
            obstacles.push(Obstacle::new(key, what, instead))
        };
        let surroundings =
            Surroundings { environment: self.config.environment, public_origins: &self.config.listen.public_origins };
        let origin = origin::Judge::new(&route.origin, &surroundings)
            .map_err(|problems| {
                problems
                    .iter()
                    .for_each(|problem| note(&problem.key, &format!("{:?}", problem.written), &problem.cause.to_string()))
            })
            .ok();
        let verifier = self
            .verifier(route, upstream)
            .map_err(|problems| problems.iter().for_each(|problem| note(&problem.key, &problem.what, &problem.instead)))
            .ok();
        let identity = IdentityHeaders::new(&route.auth)
            .map_err(|problems| problems.iter().for_each(|problem| note(&problem.key, &problem.what, &problem.instead)))
            .ok();
        Some((origin?, verifier?, identity?))
    }

    /// Without an app server there is no room, but what is wrong with its rules is told all the same.
    fn room(&self, index: usize, route: &Route, pool: Option<&Arc<Pool>>, obstacles: &mut Vec<Obstacle>) -> Option<Room> {
        let upstream = self.config.upstream.iter().find(|upstream| pool.is_some_and(|pool| pool.name() == upstream.name));
        let judges = self.judges(index, route, upstream, obstacles);
        let (pool, upstream, (origin, verifier, identity)) = (pool?, upstream?, judges?);
        let venue = Venue {
            index,
            tag: tag(route),
            kind: route.kind,
            path: route.path.clone(),
            pool: pool.clone(),
            sealer: self.sealer.clone(),
            ledger: self.lasting.ledger.clone(),
            metrics: self.lasting.metrics.clone(),
            carried: self.lasting.metrics.carried(),
            manners: Manners::new(route, upstream, identity, verifier.places()),
            transports: route.socketio.transports.clone(),
            assumed: route.socketio.clone(),
            limits: Limits {
                message: route.socketio.max_payload.0,
                fragments: u32::try_from(route.socketio.fragments).unwrap_or(u32::MAX),
            },
            patience: Patience {
                handshake: route.socketio.connect_timeout.0,
                answer: upstream.answer_deadline.0,
                body: self.config.listen.body_deadline.0,
                stall: self.config.listen.write_deadline.0,
                ping: route.socketio.websocket_ping.0,
                abandoned: route.socketio.abandoned_after.0,
            },
            leeway: route.auth.leeway.0,
        };
        Some(Room {
            venue: Arc::new(venue),
            origin,
            verifier,
            has_own_limiter: index != LOBBY && !same(&route.limit, &self.config.limit),
            limiter: self.limiter(index, route),
            hash: hash(upstream),
            affinity_cookie: upstream.affinity_cookie.clone(),
            most_sessions: route.limit.sessions,
            endpoints: self.endpoints(route),
            path: route.path.clone(),
        })
    }

    /// Engine.IO's paths at the app of a plain route, as that app sees them.
    fn endpoints(&self, route: &Route) -> Vec<String> {
        if route.kind == Kind::Socketio {
            return Vec::new();
        }
        let guarded = self.config.route.iter().filter(|other| other.kind == Kind::Socketio && other.upstream == route.upstream);
        guarded.map(|other| other.rewrite.clone().unwrap_or_else(|| other.path.clone())).collect()
    }

    /// The judge of the route's tokens: one for all routes that say the same, so that an issuer is asked once.
    fn verifier(&self, route: &Route, upstream: Option<&Upstream>) -> Result<Arc<Verifier>, Vec<AuthProblem>> {
        let kept: Vec<String> = match upstream.map(hash) {
            Some(Hash::Claim(path)) => vec![path],
            Some(Hash::Nothing | Hash::Subject | Hash::Address | Hash::Header(_)) | None => Vec::new(),
        };
        let mut made = self.verifiers.borrow_mut();
        if let Some(same) = made.iter().find(|made| made.auth == route.auth && made.kept == kept) {
            return Ok(same.verifier.clone());
        }
        let trust = trust_of(&route.auth)?;
        let verifier = Arc::new(Verifier::new(&route.auth, &kept, trust)?);
        // An issuer's keys are its keys wherever they were used before.
        for before in self.before.iter().flat_map(|before| &before.rooms) {
            verifier.inherit(&before.verifier);
        }
        made.push(Made { auth: route.auth.clone(), kept, verifier: verifier.clone() });
        Ok(verifier)
    }

    /// The route's limiter: the general one where its numbers are the general ones, so that an address is counted once.
    fn limiter(&self, index: usize, route: &Route) -> Arc<Limiter> {
        if index == LOBBY || same(&route.limit, &self.config.limit) {
            return self.general.clone();
        }
        match self.own_before(route) {
            Some(room) => Limiter::renew(&room.limiter, &route.limit, self.now),
            None => Arc::new(Limiter::new(&route.limit, &self.lasting.metrics.limiter_overflow, self.now)),
        }
    }
}

impl<'a> Builder<'a> {
    /// The room whose own limiter a route goes on with: its own room, else, when the route was moved, one of the same numbers
    /// that no route of now is. Each is taken once, for two routes that count apart must not count together.
    fn own_before(&self, route: &Route) -> Option<&'a Room> {
        let before = self.before?;
        let own = || before.rooms.iter().filter(|room| room.has_own_limiter);
        if let Some(room) = own().find(|room| room.venue.tag == tag(route)) {
            return Some(room);
        }
        let tags: Vec<u64> = self.config.route.iter().map(tag).collect();
        let limit = |room: &Room| before.config.route.get(room.venue.index).map(|route| &route.limit);
        let mut moved = self.moved.borrow_mut();
        let room = own()
            .filter(|room| !tags.contains(&room.venue.tag) && !moved.contains(&room.venue.tag))
            .find(|room| limit(room).is_some_and(|limit| same(limit, &route.limit)))?;
        moved.push(room.venue.tag);
        Some(room)
    }
}

/// The place of the lobby among the routes.
const LOBBY: usize = usize::MAX;
/// A member that is down is asked again within this time.
const RETRY_AFTER: Duration = Duration::from_secs(2);

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
                Obstacle::new(key_of_pool(index, upstream, problem), problem, "see [[upstream]] in the reference")
            })),
        }
    }
    pools
}

fn key_of_pool(index: usize, upstream: &Upstream, problem: &PoolProblem) -> String {
    let is_own = |own: &Option<PathBuf>, path: &Path| own.as_deref() == Some(path);
    let name = match problem {
        PoolProblem::Empty | PoolProblem::Url(_) | PoolProblem::Twice(_) => "members",
        PoolProblem::ServerName(_) => "server_name",
        PoolProblem::HalfCertificate => "client_key",
        PoolProblem::Trust(TrustProblem::Mismatch { .. }) => "client_certificate",
        PoolProblem::Trust(
            TrustProblem::Unreadable { path, .. }
            | TrustProblem::NoCertificate { path }
            | TrustProblem::UnusableCertificate { path, .. },
        ) if is_own(&upstream.client_certificate, path) => "client_certificate",
        PoolProblem::Trust(TrustProblem::Unreadable { path, .. }) if is_own(&upstream.client_key, path) => "client_key",
        PoolProblem::Trust(_) => "ca",
    };
    format!("upstream.{index}.{name}")
}

fn key_of_tls(problem: &TlsProblem) -> &'static str {
    match problem {
        TlsProblem::Incomplete => "tls",
        TlsProblem::Key { .. } => "tls.key",
        TlsProblem::Generate(_) => "tls.generate",
        TlsProblem::Unreadable { .. } | TlsProblem::Empty { .. } | TlsProblem::Mismatch { .. } | TlsProblem::Expired { .. } => {
            "tls.certificate"
        }
    }
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

/// Who asks where nothing is served is nobody's business.
fn nobody(config: &Config) -> Auth {
    Auth { when: When::None, from: config.auth.from.clone(), ..Auth::default() }
}

/// Whom an issuer's https server is checked against. Only where keys are fetched at all.
fn trust_of(auth: &Auth) -> Result<Option<Arc<rustls::ClientConfig>>, Vec<AuthProblem>> {
    if auth.jwks_url.is_none() && auth.oidc_issuer.is_none() {
        return Ok(None);
    }
    match trust::client_config(auth.jwks_ca.as_deref(), None) {
        Ok(config) => Ok(Some(Arc::new(config))),
        Err(problem) => Err(vec![AuthProblem {
            key: "auth.jwks_ca".into(),
            what: problem.to_string(),
            instead: "name a PEM file of certificates".into(),
        }]),
    }
}

/// Whether two tables say the same. None of them holds a secret.
fn same(one: &Limit, other: &Limit) -> bool {
    serde_json::to_value(one).ok() == serde_json::to_value(other).ok()
}

/// A route's name inside session ids: the same on every replica and after every restart with the same route.
fn tag(route: &Route) -> u64 {
    let text = format!("{}\n{}\n{:?}\n{}", route.hosts.join(","), route.path, route.kind, route.upstream);
    seal::short_hash(text.as_bytes())
}

fn hash(upstream: &Upstream) -> Hash {
    match (upstream.balance, upstream.hash.split_once(':')) {
        (Balance::LeastSessions | Balance::RoundRobin, _) => Hash::Nothing,
        (Balance::Hash, Some(("header", name))) => Hash::Header(name.to_string()),
        (Balance::Hash, Some(("claim", path))) => Hash::Claim(path.to_string()),
        (Balance::Hash, _) if upstream.hash == "address" => Hash::Address,
        (Balance::Hash, _) => Hash::Subject,
    }
}

fn hsts(config: &Config) -> Option<HeaderValue> {
    let seconds = u64::from(config.tls.hsts_days) * 86_400;
    (seconds > 0).then(|| HeaderValue::try_from(format!("max-age={seconds}")).ok()).flatten()
}
