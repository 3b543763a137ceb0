//! Builds the rooms of a generation: each route's judges, made once for all routes that say the same, with what the generation
//! before has learned.

use std::{
    cell::RefCell,
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{obstacle::Obstacle, room::Room};
use crate::{
    codec::frame::Limits,
    config::{
        Config, Period,
        auth::{Auth, When},
        limit::Limit,
        payload::Payload,
        route::{Kind, Route},
    },
    net::tls::trust,
    policy::{
        access::{AccessProblem, Book, Payloads},
        auth::{AuthProblem, IdentityHeaders, Verifier},
        limit::Limiter,
        origin::{self, Surroundings},
    },
    relay::{Ledger, Sealer, Venue, admission::Patience, guard::Rules, outgoing::Manners, seal, seating::Hash, session::Tenure},
    telemetry::Metrics,
    upstream::Pool,
};

/// What outlives a generation.
pub struct Lasting {
    pub ledger: Arc<Ledger>,
    pub metrics: Arc<Metrics>,
    /// The key of a gate that has none in its configuration.
    pub ephemeral: Arc<Sealer>,
}

/// What the generation before leaves to this one.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub config: &'a Config,
    pub rooms: &'a [Room],
}

/// Builds the rooms of one generation.
pub(super) struct Builder<'a> {
    pub config: &'a Arc<Config>,
    pub lasting: &'a Lasting,
    /// The generation that is taken over from.
    pub before: Option<Before<'a>>,
    pub sealer: Arc<Sealer>,
    /// The limiter of `[limit]` itself.
    pub general: Arc<Limiter>,
    /// Those made so far, and what for.
    pub verifiers: RefCell<Vec<Made>>,
    /// The same for schemas of events.
    pub payloads: RefCell<Vec<(Vec<Payload>, Arc<Payloads>)>>,
    /// Rooms of before, by tag, whose limiters moved routes have taken.
    pub moved: RefCell<Vec<u64>>,
    pub now: Instant,
}

/// Who decides on one route.
struct Judges {
    origin: origin::Judge,
    verifier: Arc<Verifier>,
    identity: IdentityHeaders,
    access: Book,
}

/// A judge of tokens, and the rules it was made for.
pub(super) struct Made {
    auth: Auth,
    verifier: Arc<Verifier>,
}

impl Builder<'_> {
    fn judges(&self, index: usize, route: &Route, obstacles: &mut Vec<Obstacle>) -> Option<Judges> {
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
        let access = Book::new(&route.access, route.kind)
            .and_then(|book| Ok(book.with(self.payloads(route)?)))
            .map_err(|problems| problems.iter().for_each(|problem| note(&problem.key, &problem.what, &problem.instead)))
            .ok();
        let verifier = self
            .verifier(&route.auth)
            .map_err(|problems| problems.iter().for_each(|problem| note(&problem.key, &problem.what, &problem.instead)))
            .ok();
        let identity = IdentityHeaders::new(&route.auth)
            .map_err(|problems| problems.iter().for_each(|problem| note(&problem.key, &problem.what, &problem.instead)))
            .ok();
        Some(Judges { origin: origin?, verifier: verifier?, identity: identity?, access: access? })
    }

    /// Without an app server there is no room, but what is wrong with its rules is told all the same.
    pub fn room(&self, index: usize, route: &Route, pool: Option<&Arc<Pool>>, obstacles: &mut Vec<Obstacle>) -> Option<Room> {
        let upstream = self.config.upstream.iter().find(|upstream| pool.is_some_and(|pool| pool.name() == upstream.name));
        let judges = self.judges(index, route, obstacles);
        let (pool, upstream, Judges { origin, verifier, identity, access }) = (pool?, upstream?, judges?);
        let access = Arc::new(access);
        let limiter = self.limiter(index, route);
        let venue = Venue {
            index,
            tag: tag(route),
            kind: route.kind,
            path: route.path.clone(),
            pool: pool.clone(),
            hash: Hash::of(upstream),
            sealer: self.sealer.clone(),
            ledger: self.lasting.ledger.clone(),
            metrics: self.lasting.metrics.clone(),
            carried: self.lasting.metrics.carried(),
            manners: Manners::new(route, upstream, identity, verifier.places()),
            transports: route.socketio.transports.clone(),
            assumed: route.socketio.clone(),
            limits: Limits { message: route.socketio.max_payload.0, fragments: route.socketio.most_fragments() },
            patience: Patience {
                handshake: route.socketio.connect_timeout.0,
                answer: upstream.answer_deadline.0,
                body: self.config.listen.body_deadline.0,
                stall: self.config.listen.write_deadline.0,
                ping: route.socketio.websocket_ping.0,
                abandoned: route.socketio.abandoned_after.0,
            },
            tenure: Tenure { life: set(route.limit.session_life), idle: set(route.limit.session_idle) },
            leeway: route.auth.leeway.0,
            rules: self.rules(route, &access, &limiter, &verifier),
            verifier: verifier.clone(),
            limiter: limiter.clone(),
        };
        Some(Room {
            venue: Arc::new(venue),
            origin,
            verifier,
            access,
            has_own_limiter: index != LOBBY && !same(&route.limit, &self.config.limit),
            limiter,
            affinity_cookie: upstream.affinity_cookie.clone(),
            most_sessions: route.limit.sessions,
            most_waiting: (route.auth.waiting, route.auth.waiting_per_address),
            endpoints: self.endpoints(route),
            path: route.path.clone(),
        })
    }

    /// What packets are judged by. Also where no rule needs to see them any more: sessions that are judged already go on.
    fn rules(&self, route: &Route, access: &Arc<Book>, limiter: &Limiter, verifier: &Verifier) -> Option<Arc<Rules>> {
        if route.kind != Kind::Socketio {
            return None;
        }
        let limits = limiter.packets();
        let rules = Rules::new(route, access.clone(), limits.clone(), verifier.places(), &self.lasting.metrics);
        Some(Arc::new(rules))
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
    fn verifier(&self, auth: &Auth) -> Result<Arc<Verifier>, Vec<AuthProblem>> {
        let mut made = self.verifiers.borrow_mut();
        if let Some(same) = made.iter().find(|made| made.auth == *auth) {
            return Ok(same.verifier.clone());
        }
        let trust = trust_of(auth)?;
        let verifier = Arc::new(Verifier::new(auth, &self.kept(auth), trust)?.counted(&self.lasting.metrics));
        // An issuer's keys are its keys wherever they were used before.
        for before in self.before.iter().flat_map(|before| before.rooms) {
            verifier.inherit(&before.verifier);
        }
        made.push(Made { auth: auth.clone(), verifier: verifier.clone() });
        Ok(verifier)
    }

    /// The schemas of a route's events: made once for all routes that say the same, for that takes milliseconds.
    fn payloads(&self, route: &Route) -> Result<Arc<Payloads>, Vec<AccessProblem>> {
        if route.kind != Kind::Socketio || route.access.payload.is_empty() {
            return Ok(Arc::default());
        }
        let mut made = self.payloads.borrow_mut();
        if let Some((_, same)) = made.iter().find(|(written, _)| *written == route.access.payload) {
            return Ok(same.clone());
        }
        let payloads = Arc::new(Payloads::new(&route.access, route.kind)?);
        made.push((route.access.payload.clone(), payloads.clone()));
        Ok(payloads)
    }

    /// Claims that balancing and the rules of access look at, on any route with these rules for tokens.
    fn kept(&self, auth: &Auth) -> Vec<String> {
        let mut kept = Vec::new();
        for route in self.config.route.iter().filter(|route| route.auth == *auth) {
            let upstream = self.config.upstream.iter().find(|upstream| upstream.name == route.upstream);
            if let Some(Hash::Claim(path)) = upstream.map(Hash::of) {
                kept.push(path);
            }
            // What is wrong with the rules is told where the room is built.
            kept.extend(Book::new(&route.access, route.kind).map(|book| book.claims()).unwrap_or_default());
        }
        kept
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
        let before = self.before.as_ref()?;
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

/// A length of time that may be left out by writing none.
fn set(period: Period) -> Option<Duration> {
    (!period.0.is_zero()).then_some(period.0)
}

/// The place of the lobby among the routes.
pub(super) const LOBBY: usize = usize::MAX;

/// Who asks where nothing is served is nobody's business.
pub(super) fn nobody(config: &Config) -> Auth {
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
