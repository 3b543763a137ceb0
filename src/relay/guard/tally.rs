//! Where packets are counted: namespaces and events under the names that the configuration writes, everything else as `other`, so
//! that no client can make a label.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

use super::Side;
use crate::{
    config::{access::Access, limit::Limit},
    policy::Refusal,
    telemetry::Metrics,
};

/// The counters of one route's packets.
pub struct Tally {
    spaces: Vec<(String, Space)>,
    other_space: Space,
    events: Vec<(String, Both)>,
    other_event: Both,
    metrics: Arc<Metrics>,
    filtered: Counter,
    ack_seconds: Histogram,
}

/// One namespace.
struct Space {
    messages: Both,
    bytes: Both,
}

/// From clients, and to them.
struct Both {
    up: Counter,
    down: Counter,
}

impl Both {
    fn of(&self, from: Side) -> &Counter {
        match from {
            Side::Client => &self.up,
            Side::App => &self.down,
        }
    }
}

impl Tally {
    pub fn new(access: &Access, limit: &Limit, metrics: &Arc<Metrics>) -> Self {
        let mut spaces = vec!["/".to_string()];
        let mut events = Vec::new();
        for rule in &access.rule {
            spaces.extend(rule.join.iter().chain(&rule.within).flatten().cloned());
            events.extend(rule.send.iter().chain(&rule.receive).flatten().cloned());
        }
        for payload in &access.payload {
            spaces.extend(payload.within.iter().flatten().cloned());
            events.extend(payload.events.iter().cloned());
        }
        for rule in &limit.event {
            spaces.extend(rule.namespaces.iter().cloned());
            events.extend(rule.events.iter().cloned());
        }
        let space = |name: &str| Space {
            messages: both(|direction| metrics.packets.get_or_create_owned(&labels("namespace", name, direction))),
            bytes: both(|direction| metrics.packet_bytes.get_or_create_owned(&labels("namespace", name, direction))),
        };
        let event = |name: &str| both(|direction| metrics.events.get_or_create_owned(&labels("event", name, direction)));
        Self {
            spaces: plain(spaces).into_iter().map(|name| (name.clone(), space(&name))).collect(),
            other_space: space(OTHER),
            events: plain(events).into_iter().map(|name| (name.clone(), event(&name))).collect(),
            other_event: event(OTHER),
            filtered: metrics.packets_filtered.clone(),
            ack_seconds: metrics.ack_seconds.clone(),
            metrics: metrics.clone(),
        }
    }

    /// A message of a namespace.
    pub(super) fn message(&self, from: Side, namespace: &str, bytes: u64) {
        let space = self.spaces.iter().find(|(name, _)| name == namespace).map_or(&self.other_space, |(_, space)| space);
        space.messages.of(from).inc();
        space.bytes.of(from).inc_by(bytes);
    }

    /// An event.
    pub(super) fn event(&self, from: Side, event: &str) {
        self.events.iter().find(|(name, _)| name == event).map_or(&self.other_event, |(_, both)| both).of(from).inc();
    }

    /// Whether any event is counted by its name.
    pub(super) fn names_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Something of the app was kept from a client that may not have it.
    pub(super) fn filtered(&self) {
        self.filtered.inc();
    }

    /// An event got its answer.
    pub(super) fn acked(&self, took: Duration) {
        self.ack_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn refused(&self, refusal: Refusal, shadow: bool) {
        let family = if shadow { &self.metrics.shadowed } else { &self.metrics.refusals };
        family.get_or_create_owned(&[("reason", refusal.name())]).inc();
    }

    pub(super) fn refreshed(&self, outcome: &'static str) {
        self.metrics.refreshes.get_or_create_owned(&[("outcome", outcome)]).inc();
    }
}

fn both(make: impl Fn(&str) -> Counter) -> Both {
    Both { up: make("in"), down: make("out") }
}

fn labels(name: &'static str, value: &str, direction: &str) -> Vec<(&'static str, String)> {
    vec![(name, value.to_string()), ("direction", direction.to_string())]
}

/// Names that are no patterns, each once.
fn plain(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| !name.contains('*'));
    names.sort();
    names.dedup();
    names
}

const OTHER: &str = "other";
