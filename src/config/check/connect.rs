//! `[auth]`, the part of sessions: the CONNECT packet, and the events by which clients are told. What cannot work on a route of
//! its kind is told there.

use crate::config::{
    auth::{Auth, When},
    route::Kind,
};

use super::bench::Bench;

pub fn connect(table: &str, auth: &Auth, kind: Kind, bench: &mut Bench<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    let is_connect = |from: &String| from.starts_with("connect:");
    // Where no packet is looked at, its place is none.
    let judges_packets = auth.when == When::Connect && kind == Kind::Socketio;
    if auth.when != When::None && !judges_packets && !auth.from.is_empty() && auth.from.iter().all(is_connect) {
        let what = "the token is looked for in the CONNECT packet alone, and none is looked at here";
        bench.refuse(&key("from"), what, "Add \"header\" or \"cookie:token\", or write when = \"connect\" on a Socket.IO route");
    }
    if judges_packets {
        bench.refuse_zero(table, &[("connect_deadline", auth.connect_deadline)]);
        for (name, count) in [("waiting", auth.waiting), ("waiting_per_address", auth.waiting_per_address)] {
            if count == 0 {
                bench.refuse(&key(name), "every session waits for its CONNECT, and none may", "Write for example 64");
            }
        }
    }
    for (index, namespace) in auth.connect_by_app.iter().enumerate() {
        if !is_namespace(namespace) {
            let what = format!("{namespace:?} is no namespace");
            bench.refuse(
                &key(&format!("connect_by_app.{index}")),
                what,
                "Write for example \"/admin\", or \"/\" for the main one",
            );
        }
    }
    for (name, event) in
        [("refresh_event", &auth.refresh_event), ("expiry_event", &auth.expiry_event), ("end_event", &auth.end_event)]
    {
        event_name(&key(name), event, bench);
    }
    if !auth.expiry_warning.0.is_zero() && auth.expiry_event.is_empty() {
        bench.refuse(&key("expiry_event"), "no event warns of the expiry", "Name one, or write expiry_warning = \"0s\"");
    }
    connect_field(&key("identity.connect_field"), auth, bench);
}

/// Where the app is told who it is. What Socket.IO or the token needs cannot be it.
fn connect_field(key: &str, auth: &Auth, bench: &mut Bench<'_>) {
    let field = &auth.identity.connect_field;
    let tokens = auth.from.iter().filter_map(|from| from.strip_prefix("connect:"));
    let mut taken = ["pid", "offset"].into_iter().chain(tokens.filter_map(|path| path.split('.').next()));
    if taken.any(|taken| taken.eq_ignore_ascii_case(field)) {
        bench.refuse(key, format!("{field:?} has another meaning in that payload"), "Write for example \"identity\"");
    } else if field.len() > LONGEST || field.chars().any(char::is_control) {
        bench.refuse(key, "it is no name of a field", "Write for example \"identity\"");
    }
}

fn event_name(key: &str, event: &str, bench: &mut Bench<'_>) {
    if RESERVED.contains(&event) {
        bench.refuse(key, format!("Socket.IO itself uses {event:?}"), "Write a name of your own");
    } else if event.len() > LONGEST || event.chars().any(char::is_control) {
        bench.refuse(key, format!("it is no name of an event, of at most {LONGEST} bytes"), "Write a name of your own");
    }
}

fn is_namespace(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b',';
    text.starts_with('/') && text.len() <= LONGEST && text.bytes().all(is_part)
}

/// Namespaces and event names have at most so many bytes.
const LONGEST: usize = 128;

/// Events that mean something to Socket.IO's own libraries.
const RESERVED: [&str; 7] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "__disconnect_final"];
