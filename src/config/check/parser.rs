//! What a route's sessions speak, beside the rules that need to read it: a rule that nobody can hold is worse than none.

use crate::config::{
    access::Standing,
    auth::When,
    route::{Kind, Route},
    socketio::Parser,
};

use super::bench::Bench;

/// `table` is the route's.
pub fn parser(table: &str, route: &Route, bench: &mut Bench<'_>) {
    if route.kind != Kind::Socketio {
        return;
    }
    if route.socketio.parser == Parser::Custom {
        let what = "it is about packets, which nobody can read here (socketio.parser = \"custom\")";
        for (key, _) in unheld(route).into_iter().filter(|(_, is_asked)| *is_asked) {
            bench.refuse(&format!("{table}.{key}"), what, "Leave it out on this route, or name the parser that it speaks");
        }
    }
    let is_refused = route.auth.when == When::Connect
        || route.socketio.parser == Parser::Msgpack
        || !route.auth.identity.connect_field.is_empty();
    if route.socketio.eio3 && is_refused {
        let what = "clients of Engine.IO 3 are refused all the same: they have no payload in CONNECT packets, and no msgpack";
        let instead = "Serve them on a route without auth.when = \"connect\", auth.identity.connect_field and msgpack";
        bench.warn(&format!("{table}.socketio.eio3"), what, instead);
    }
}

/// Options that ask for something to be read in packets, and whether they do.
fn unheld(route: &Route) -> [(&'static str, bool); 9] {
    let access = &route.access;
    let has_rules = access.rule.iter().any(|rule| rule.join.is_some() || rule.send.is_some() || rule.receive.is_some());
    [
        ("auth.when", route.auth.when == When::Connect),
        ("auth.identity.connect_field", !route.auth.identity.connect_field.is_empty()),
        ("auth.expiry_warning", !route.auth.expiry_warning.0.is_zero()),
        ("access.rule", has_rules),
        ("access.payload", !access.payload.is_empty()),
        ("access.join", access.join == Standing::Deny),
        ("access.send", access.send == Standing::Deny),
        ("access.receive", access.receive == Standing::Deny),
        ("limit.event", !route.limit.event.is_empty()),
    ]
}
