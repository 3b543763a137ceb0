//! What the gate says about itself: alive, ready, and `/status` in full.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    gate::{Gate, Generation},
    policy::auth::Jwks,
    upstream::member::Standing,
};

/// Whether new sessions should be sent here, and what is missing.
pub struct Readiness {
    pub is_ready: bool,
    /// One line each. A gate can be ready and miss something: an app of several that is down is no reason to take away the
    /// others, and where all gates stand before the same apps it would take away all gates.
    pub missing: Vec<String>,
}

/// Ready is who is not leaving and has a route on which somebody can be known and brought to an app. An issuer or an app that is
/// away is told; but where all gates meet the same one, going out of service for it would take down the other routes as well.
pub fn readiness(gate: &Gate) -> Readiness {
    if gate.is_leaving() {
        return Readiness { is_ready: false, missing: vec!["draining".into()] };
    }
    let now = Instant::now();
    let generation = gate.generation();
    let unknown = unfetched(&generation);
    let pools = generation.routed_pools();
    let down: Vec<_> = pools.iter().filter(|pool| !pool.has_room(now)).collect();
    let is_ready = generation.rooms().iter().any(|room| room.verifier.can_judge() && room.venue.pool.has_room(now));
    let down = down.iter().map(|pool| format!("upstream {:?} has no member that takes new sessions", pool.name()));
    Readiness { is_ready, missing: unknown.into_iter().chain(down).collect() }
}

fn unfetched(generation: &Generation) -> Vec<String> {
    let sets = generation.jwks().into_iter().map(|jwks| (jwks.address(), jwks.status()));
    let never = sets.filter(|(_, status)| status.age.is_none());
    let mut lines: Vec<String> = never
        .map(|(address, status)| match status.failure {
            Some(failure) => format!("no keys have been fetched from {address} yet: {failure}"),
            None => format!("no keys have been fetched from {address} yet"),
        })
        .collect();
    lines.dedup();
    lines
}

/// The page of `/status`: figures and names from the configuration, no secret, no client's words.
pub fn status(gate: &Gate) -> Value {
    let now = Instant::now();
    let generation = gate.generation();
    let sessions = gate.ledger.count();
    let load = gate.load();
    let upstreams: Vec<Value> = generation
        .pools()
        .iter()
        .map(|pool| {
            let members: Vec<Value> = pool
                .members()
                .iter()
                .map(|member| {
                    json!({
                        "url": member.url(),
                        "state": state(member.standing(now)),
                        "sessions": member.sessions(),
                    })
                })
                .collect();
            json!({ "name": pool.name(), "members": members })
        })
        .collect();
    let readiness = readiness(gate);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": gate.started.elapsed().as_secs(),
        "environment": generation.config.environment,
        "generation": generation.number,
        "ready": readiness.is_ready,
        "missing": readiness.missing,
        "connections": gate.metrics.connections.get(),
        "sessions": { "polling": sessions.polling, "websocket": sessions.websocket },
        "revocations": gate.ledger.revocations.len(),
        "requests_in_flight": gate.in_flight(),
        "tasks": load.tasks,
        "upstream_connections": load.upstream_connections,
        "limiter_keys": generation.limiter_keys(),
        "upstreams": upstreams,
        "jwks": generation.jwks().into_iter().map(|jwks| published_keys(jwks)).collect::<Vec<_>>(),
    })
}

fn published_keys(jwks: &Jwks) -> Value {
    let status = jwks.status();
    json!({
        "url": jwks.address(),
        "keys": status.keys,
        "fetches": status.fetches,
        "last_success_seconds": status.age.map(|age| age.as_secs()),
        "last_error": status.failure.map(|failure| failure.to_string()),
    })
}

fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Up => "up",
        Standing::SlowStart(_) => "slow_start",
        Standing::Ejected => "ejected",
        Standing::Down => "down",
        Standing::Draining => "draining",
    }
}
