//! `[limit]` and `[[limit.event]]` where they are about what sessions send: that every limit limits something, and that messages
//! it means can exist.

use crate::config::{
    Rate, Size,
    limit::{EventLimit, Limit, MOST_EVENT_LIMITS, Per},
    names::{NamePattern, Realm},
};

use super::bench::Bench;

/// What else of a route bears on its limits.
#[derive(Clone, Copy)]
pub struct Beside {
    pub max_payload: Size,
    /// There are events: on other routes a limit of them is one that was inherited, and no matter.
    pub has_events: bool,
    /// Clients have shown who they are.
    pub knows_users: bool,
}

pub fn messages(table: &str, limit: &Limit, beside: Beside, bench: &mut Bench<'_>) {
    if limit.namespaces == 0 {
        let what = "a session must join a namespace to be of any use, the main one / included";
        bench.refuse(&format!("{table}.namespaces"), what, "Write for example 32");
    }
    let key = format!("{table}.event");
    if limit.event.len() > MOST_EVENT_LIMITS {
        let what = format!("{} limits are too many to ask for every message", limit.event.len());
        bench.refuse(&key, what, format!("Write {MOST_EVENT_LIMITS} or fewer; one can name many events"));
    }
    for (index, event) in limit.event.iter().enumerate() {
        one_event(&format!("{key}.{index}"), event, beside, bench);
    }
}

fn one_event(table: &str, event: &EventLimit, beside: Beside, bench: &mut Bench<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    if event.events.is_empty() {
        bench.refuse(&key("events"), "it names no event", "Write for example events = [\"chat:*\"], or [\"*\"] for all");
    }
    for (index, name) in event.events.iter().enumerate() {
        pattern(&key(&format!("events.{index}")), Realm::Event, name, bench);
    }
    for (index, namespace) in event.namespaces.iter().enumerate() {
        pattern(&key(&format!("in.{index}")), Realm::Namespace, namespace, bench);
    }
    if event.rate == Rate::Off && event.size.is_none() {
        bench.refuse(&key("rate"), "without a rate and a size it limits nothing", "Write for example rate = \"5/1s burst 10\"");
    }
    if event.per == Per::User && event.rate != Rate::Off && !beside.knows_users && beside.has_events {
        let what = "nobody knows the users here (auth.when = \"none\"), so each session counts for itself";
        bench.warn(&key("per"), what, "Write per = \"session\" or \"address\", or ask for tokens");
    }
    if let Some(size) = event.size {
        if size.0 == 0 {
            bench.refuse(&key("size"), "no message is that small", "Write for example \"16 KiB\", or leave it out");
        } else if size > beside.max_payload && beside.has_events {
            let what = format!("socketio.max_payload ends every message above {} already", beside.max_payload);
            bench.warn(&key("size"), what, "Write less, or raise socketio.max_payload");
        }
    }
}

fn pattern(key: &str, realm: Realm, text: &str, bench: &mut Bench<'_>) {
    if let Err(error) = NamePattern::parse(realm, text) {
        bench.refuse(key, error.to_string(), error.instead());
    }
}
