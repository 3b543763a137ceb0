//! What the gate says about itself: alive, ready, and `/status` in full.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{gate::Gate, upstream::member::Standing};

/// Whether new sessions should be sent here.
pub fn is_ready(gate: &Gate) -> Result<(), &'static str> {
    if gate.is_leaving() {
        return Err("draining");
    }
    let now = Instant::now();
    let generation = gate.generation();
    match generation.pools().iter().find(|pool| !pool.has_room(now)) {
        Some(_) => Err("an upstream has no member that is well"),
        None => Ok(()),
    }
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
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": gate.started.elapsed().as_secs(),
        "environment": generation.config.environment,
        "generation": generation.number,
        "ready": is_ready(gate).err().unwrap_or("yes"),
        "connections": gate.metrics.connections.get(),
        "sessions": { "polling": sessions.polling, "websocket": sessions.websocket },
        "requests_in_flight": gate.in_flight(),
        "tasks": load.tasks,
        "upstream_connections": load.upstream_connections,
        "limiter_keys": generation.limiter_keys(),
        "upstreams": upstreams,
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
