//! `[origin]`: which pages may connect. What is too open is refused here, before a generation is built of it.

use crate::config::{
    origin::{HostPattern, Origin, Pattern, PatternError, Scheme},
    pattern::page_host,
    problem::without_password,
};

use super::bench::{Bench, is_token};

pub fn origin(table: &str, origin: &Origin, bench: &mut Bench<'_>) {
    for (index, text) in origin.allow.iter().enumerate() {
        let key = format!("{table}.allow.{index}");
        match text.parse::<Pattern>() {
            Ok(pattern) => allowed(&key, &pattern, origin, bench),
            Err(PatternError::User) => bench.refuse(&key, "an origin has no user name", "Remove everything up to the @"),
            Err(error) => bench.refuse(&key, format!("{:?} is no origin: {error}", without_password(text)), ""),
        }
    }
    for (index, host) in origin.hosts.iter().enumerate() {
        if let Err(error) = page_host(host) {
            bench.refuse(&format!("{table}.hosts.{index}"), error.to_string(), "Write a host name, as in app.example.com");
        }
    }
    if origin.ports.contains(&0) {
        bench.refuse(&format!("{table}.ports"), "0 is no port of a page", "Write for example [443, 3000]");
    }
    names(table, origin, bench);
}

fn allowed(key: &str, pattern: &Pattern, origin: &Origin, bench: &mut Bench<'_>) {
    match pattern {
        Pattern::Any if origin.credentials => {
            let what = "\"*\" together with credentials lets every page on the internet act as the user who has it open";
            let instead = "Name the pages, as in origin.allow = [\"https://app.example.com\"] (SOCKETIO_CORS_ORIGINS=https://app.example.com), \
                           or set origin.credentials = false (SOCKGATE_ORIGIN__CREDENTIALS=false)";
            bench.refuse(key, what, instead);
        }
        Pattern::Null if origin.credentials => {
            let what = "any page can make a frame whose origin is \"null\", and credentials are allowed";
            bench.warn(key, what, "Remove it, or set origin.credentials = false");
        }
        Pattern::Matching { scheme: Scheme::Http, host: HostPattern::OneLabel(_) | HostPattern::ManyLabels(_), .. }
            if bench.is_production =>
        {
            let what = format!("{pattern} opens plain http to many hosts, and this is production");
            bench.refuse(key, what, "Use https, or name each http origin by itself");
        }
        _ => {}
    }
}

fn names(table: &str, origin: &Origin, bench: &mut Bench<'_>) {
    let lists = [("methods", &origin.methods), ("headers", &origin.headers), ("expose_headers", &origin.expose_headers)];
    for (name, list) in lists {
        for (index, entry) in list.iter().enumerate() {
            let key = format!("{table}.{name}.{index}");
            if entry == "*" {
                bench.refuse(&key, "\"*\" means nothing to a browser that sends credentials", "List the names");
            } else if !is_token(entry) {
                bench.refuse(&key, format!("{entry:?} is no name that HTTP knows"), "Write one name per entry");
            }
        }
    }
    if !origin.csrf_cookie.is_empty() && !is_token(&origin.csrf_cookie) {
        bench.refuse(&format!("{table}.csrf_cookie"), "it is no name of a cookie", "Write for example \"csrf_token\"");
    }
    let is_unused = origin.csrf_cookie.is_empty() && origin.csrf_header.is_empty();
    if !is_unused && !is_token(&origin.csrf_header) {
        bench.refuse(&format!("{table}.csrf_header"), "it is no name of a header", "Write for example \"X-CSRF-Token\"");
    }
}
