//! `[[upstream]]`, `[[route]]`, `[limit]` and `[socketio]`: that everything carried has a place to go and a bound.

use std::{collections::BTreeSet, time::Duration};

use crate::config::{
    Config, Size,
    limit::Limit,
    origin::{HostPattern, Pattern, PortPattern},
    route::{Kind, Route},
    socketio::SocketIo,
    upstream::{Balance, Reuse, Upstream},
};

use super::bench::{Bench, is_token};

/// Bytes.
const CHROMIUMS_FRAGMENT: u64 = 64 * 1024;
/// `keepAliveTimeout` of Node's http server, `--timeout-keep-alive` of uvicorn.
const SERVERS_CLOSE_AFTER: Duration = Duration::from_secs(5);

pub fn upstreams(config: &Config, bench: &mut Bench<'_>) {
    if config.upstream.is_empty() {
        let instead = "Write SOCKGATE_UPSTREAM=http://127.0.0.1:3001, or an [[upstream]] with name and members";
        bench.refuse("upstream", "there is no app server to stand before", instead);
    }
    let mut names = BTreeSet::new();
    for (index, upstream) in config.upstream.iter().enumerate() {
        let table = format!("upstream.{index}");
        let name = format!("{table}.name");
        if upstream.name.is_empty() {
            bench.refuse(&name, "it has no name", "Write name = \"app\"; routes choose it by that");
        } else if !names.insert(upstream.name.as_str()) {
            bench.refuse(&name, format!("there are two upstreams called {:?}", upstream.name), "Give each its own name");
        }
        members(&table, upstream, bench);
        one_upstream(&table, upstream, bench);
    }
}

pub fn routes(config: &Config, bench: &mut Bench<'_>) {
    if config.route.is_empty() && !config.upstream.is_empty() {
        bench.refuse("route", "nothing says what is carried to which upstream", "Write a [[route]] with path and upstream");
    }
    let mut taken = BTreeSet::new();
    for (index, route) in config.route.iter().enumerate() {
        let table = format!("route.{index}");
        one_route(&table, route, config, bench);
        let hosts = if route.hosts.is_empty() { vec![String::new()] } else { route.hosts.clone() };
        for host in hosts {
            if !taken.insert((host.to_ascii_lowercase(), route.path.clone())) {
                let what = format!("another route has {:?}{} already", route.path, of_host(&host));
                bench.refuse(&format!("{table}.path"), what, "Keep one of them, or give them different hosts");
            }
        }
    }
}

pub fn limit(table: &str, limit: &Limit, bench: &mut Bench<'_>) {
    if limit.keys == 0 {
        let what = "with nobody remembered all clients share one bucket";
        bench.refuse(&format!("{table}.keys"), what, "Write for example 100000");
    }
    // Connections are counted before anybody knows which route they will ask for.
    let connections = format!("{table}.connections_per_address");
    if table != "limit" && bench.is_written_at(&connections) {
        let what = "a connection is counted when it is accepted, before any route is asked for";
        bench.refuse(
            &connections,
            what,
            "Write it once for the whole gate, under [limit]; a route can limit sessions_per_address",
        );
    }
}

pub fn socketio(table: &str, socketio: &SocketIo, bench: &mut Bench<'_>) {
    if socketio.transports.is_empty() {
        bench.refuse(
            &format!("{table}.transports"),
            "no transport is left",
            "Write [\"polling\", \"websocket\"], or one of them",
        );
    }
    bench.refuse_zero(
        table,
        &[
            ("ping_interval", socketio.ping_interval),
            ("ping_timeout", socketio.ping_timeout),
            ("connect_timeout", socketio.connect_timeout),
            ("abandoned_after", socketio.abandoned_after),
            ("websocket_ping", socketio.websocket_ping),
        ],
    );
    if !(1..=128).contains(&socketio.json_depth) {
        let what = format!("{} is no depth that JSON can be read to", socketio.json_depth);
        bench.refuse(&format!("{table}.json_depth"), what, "Write 1 to 128; 32 is the default");
    }
    if socketio.max_payload.0 < 1_024 {
        let what = format!("{} is too little for a handshake", socketio.max_payload);
        bench.refuse(&format!("{table}.max_payload"), what, "Use 1 KiB or more; Socket.IO's own is 1 MB");
    }
    let in_fragments = (socketio.fragments as u64).saturating_mul(CHROMIUMS_FRAGMENT);
    if socketio.fragments > 0 && in_fragments < socketio.max_payload.0 {
        let what = format!("Chromium cuts messages into 64 KiB: those above {} end their session", Size::bytes(in_fragments));
        bench.warn(&format!("{table}.fragments"), what, "Leave it out, and it follows max_payload");
    }
}

fn members(table: &str, upstream: &Upstream, bench: &mut Bench<'_>) {
    let key = format!("{table}.members");
    if upstream.members.is_empty() {
        bench.refuse(&key, "it has no members", "Write for example members = [\"http://app-1:3001\"]");
    }
    let mut seen = BTreeSet::new();
    for (index, member) in upstream.members.iter().enumerate() {
        let key = format!("{key}.{index}");
        if let Err(what) = member_url(member.url()) {
            bench.refuse(&key, what, "Write scheme, host and port, as in http://app-1:3001");
        } else if !seen.insert(member.url().trim_end_matches('/')) {
            bench.refuse(
                &key,
                format!("{} is listed twice", member.url()),
                "Use { url = \"\u{2026}\", weight = 2 } for a larger share",
            );
        }
        if member.weight() == 0 {
            bench.refuse(&key, "a member of weight 0 would never be chosen", "Use 1 or more, or remove it");
        }
    }
}

/// What is wrong with the URL of a member. The text is not repeated: it may hold a password.
fn member_url(url: &str) -> Result<(), String> {
    if url.starts_with("unix:") || url.starts_with('/') {
        return Err("Unix sockets are not in this release".into());
    }
    let parsed: http::Uri = url.parse().map_err(|_| "it is no URL".to_string())?;
    let Some(authority) = parsed.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err("it has no scheme or no host".into());
    };
    if authority.as_str().contains('@') {
        return Err("it holds a user name or password, which is sent to nobody".into());
    }
    match parsed.scheme_str() {
        Some("http" | "https") => {}
        None => return Err("it has no scheme or no host".into()),
        Some("ws" | "wss") => return Err("app servers are reached by http or https, also for WebSocket".into()),
        _ => return Err("it is neither http nor https".into()),
    }
    let has_bad_port =
        authority.as_str().ends_with(':') || authority.port().is_some() && authority.port_u16().is_none_or(|port| port == 0);
    if has_bad_port {
        return Err("its port is none".into());
    }
    match parsed.path_and_query().map(http::uri::PathAndQuery::as_str) {
        None | Some("/" | "") => Ok(()),
        Some(_) => Err("a member is a server and has no path; paths are rewritten by route.rewrite".into()),
    }
}

fn one_upstream(table: &str, upstream: &Upstream, bench: &mut Bench<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    let is_hashed = match upstream.hash.split_once(':') {
        None => matches!(upstream.hash.as_str(), "subject" | "address"),
        Some(("header", name)) => is_token(name),
        Some(("claim", path)) => !path.is_empty(),
        Some(_) => false,
    };
    if upstream.balance == Balance::Hash && !is_hashed {
        let what = format!("{:?} cannot be hashed", upstream.hash);
        bench.refuse(&key("hash"), what, "Write subject, address, header:NAME or claim:PATH");
    }
    if !upstream.affinity_cookie.is_empty() && !is_token(&upstream.affinity_cookie) {
        bench.refuse(&key("affinity_cookie"), "it is no name of a cookie", "Write for example \"sockgate\"");
    }
    let is_origin = matches!(upstream.origin.as_str(), "" | "remove" | "keep")
        || matches!(
            upstream.origin.parse(),
            Ok(Pattern::Matching { host: HostPattern::Exact(_), port: PortPattern::Exact(_), .. })
        );
    if !is_origin {
        let instead = "Write remove, keep, or one origin as in https://app.example.com";
        bench.refuse(&key("origin"), format!("{:?} is no origin to send", upstream.origin), instead);
    }
    match (&upstream.client_certificate, &upstream.client_key) {
        (Some(_), None) => bench.refuse(&key("client_key"), "client_certificate has no key beside it", "Name its file"),
        (None, Some(_)) => bench.refuse(&key("client_certificate"), "client_key has no certificate", "Name its file"),
        _ => {}
    }
    if upstream.reuse != Reuse::Off && upstream.idle.0 >= SERVERS_CLOSE_AFTER {
        let what = format!("Node and uvicorn close connections that idle for 5 s; {} lets requests run into that", upstream.idle);
        bench.warn(&key("idle"), what, "Use \"4s\", or be sure that every member keeps idle connections longer");
    }
    if !upstream.probe_path.is_empty() && !upstream.probe_path.starts_with('/') {
        bench.refuse(&key("probe_path"), "a path starts with /", "Write for example \"/healthz\"");
    }
    for (name, count) in
        [("probe_fall", upstream.probe_fall), ("probe_rise", upstream.probe_rise), ("eject_after", upstream.eject_after)]
    {
        if count == 0 {
            bench.refuse(&key(name), "0 would decide before anything happened", "Use 1 or more");
        }
    }
    bench.refuse_zero(
        table,
        &[
            ("connect_deadline", upstream.connect_deadline),
            ("answer_deadline", upstream.answer_deadline),
            ("probe_interval", upstream.probe_interval),
            ("probe_deadline", upstream.probe_deadline),
        ],
    );
}

fn one_route(table: &str, route: &Route, config: &Config, bench: &mut Bench<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    if let Some(what) = path_error(&route.path) {
        bench.refuse(&key("path"), what, "Write for example path = \"/socket.io/\"");
    } else if route.kind == Kind::Socketio && !route.path.ends_with('/') {
        bench.refuse(&key("path"), "a Socket.IO path ends with /", format!("Write path = \"{}/\"", route.path));
    }
    if let Some(what) = route.rewrite.as_deref().and_then(path_error) {
        bench.refuse(&key("rewrite"), what, "Write for example rewrite = \"/\"");
    }
    for (index, host) in route.hosts.iter().enumerate() {
        if !matches!(host.parse(), Ok(HostPattern::Exact(_) | HostPattern::OneLabel(_))) {
            let what = format!("{host:?} is no host name");
            bench.refuse(
                &key(&format!("hosts.{index}")),
                what,
                "Write app.example.com or *.example.com, without scheme and port",
            );
        }
    }
    let names: Vec<&str> = config.upstream.iter().map(|upstream| upstream.name.as_str()).collect();
    if names.contains(&route.upstream.as_str()) && !route.upstream.is_empty() {
        return;
    }
    let what = match route.upstream.as_str() {
        "" => "it names no upstream".to_string(),
        unknown => format!("there is no upstream called {unknown:?}"),
    };
    bench.refuse(&key("upstream"), what, format!("Known are: {}", names.join(", ")));
}

/// What is wrong with a path of a route: only canonical ones can ever match.
fn path_error(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("{path:?} does not start with /"));
    }
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"%?#\\\"<>".contains(&byte));
    let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    (!is_plain || has_dots || path.contains("//")).then(|| format!("{path:?} can never be asked for in this form"))
}

fn of_host(host: &str) -> String {
    if host.is_empty() { String::new() } else { format!(" for {host}") }
}
