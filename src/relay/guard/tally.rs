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
    /// Those that have a name of their own, and behind them all others.
    spaces: Vec<(String, Space)>,
    events: Vec<(String, Both)>,
    metrics: Arc<Metrics>,
    filtered: Counter,
    ack_seconds: Histogram,
}

/// Where an event is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    space: u16,
    event: u16,
}

/// Messages of a kind. Sums of one read take less than their parts: everybody's counters are shared by all threads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    pub messages: u32,
    /// Those that went on.
    pub events: u32,
    pub bytes: u64,
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
            events: plain(events).into_iter().map(|name| (name.clone(), event(&name))).collect(),
            filtered: metrics.packets_filtered.clone(),
            ack_seconds: metrics.ack_seconds.clone(),
            metrics: metrics.clone(),
        }
    }

    /// A message of a namespace.
    pub(super) fn message(&self, from: Side, namespace: &str, bytes: u64) {
        self.add(from, self.slots(namespace, None), Came { messages: 1, events: 0, bytes });
    }

    /// An event.
    pub(super) fn event(&self, from: Side, event: &str) {
        self.add(from, self.slots("", Some(event)), Came { messages: 0, events: 1, bytes: 0 });
    }

    /// Messages of one kind.
    pub(super) fn add(&self, from: Side, slots: Slots, came: Came) {
        if let Some((_, space)) = self.spaces.get(usize::from(slots.space)).filter(|_| came.messages > 0) {
            space.messages.of(from).inc_by(came.messages.into());
            space.bytes.of(from).inc_by(came.bytes);
        }
        if let Some((_, event)) = self.events.get(usize::from(slots.event)).filter(|_| came.events > 0) {
            event.of(from).inc_by(came.events.into());
        }
    }

    /// Where an event of a namespace is counted.
    pub(super) fn slots(&self, namespace: &str, event: Option<&str>) -> Slots {
        Slots { space: slot(&self.spaces, namespace), event: event.map_or(UNNAMED, |event| slot(&self.events, event)) }
    }

    /// Whether any event is counted by its name.
    pub(super) fn names_events(&self) -> bool {
        self.events.len() > 1
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

/// The place of a name, or of all others.
fn slot<T>(places: &[(String, T)], name: &str) -> u16 {
    let others = places.len().saturating_sub(1);
    let place = places.iter().take(others).position(|(own, _)| own == name).unwrap_or(others);
    u16::try_from(place).unwrap_or(UNNAMED)
}

fn both(make: impl Fn(&str) -> Counter) -> Both {
    Both { up: make("in"), down: make("out") }
}

fn labels(name: &'static str, value: &str, direction: &str) -> Vec<(&'static str, String)> {
    vec![(name, value.to_string()), ("direction", direction.to_string())]
}

/// Names that are no patterns, each once, and behind them the word for all others.
fn plain(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| !name.contains('*'));
    names.sort();
    names.dedup();
    // Others are counted with the rest when there are more than can be told apart.
    names.truncate(usize::from(UNNAMED) - 1);
    names.push(OTHER.to_string());
    names
}

const OTHER: &str = "other";

/// Where nothing is counted.
const UNNAMED: u16 = u16::MAX;
