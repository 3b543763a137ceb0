//! `[listen]`, `[tls]`, `[seal]`, `[admin]`, `[revocation]` and `[log]`: the doors, and what they are locked with.

use std::net::{IpAddr, SocketAddr};

use crate::config::{
    Config,
    admin::Admin,
    listen::Listen,
    log::{Log, is_session_name},
    origin::{HostPattern, Pattern, PortPattern},
    revocation::Revocation,
    socketio::Seal,
    tls::Tls,
};

use super::bench::{Bench, SECRET_SIZE};

/// hyper needs at least this much for a request head; more than the largest is a way to fill memory.
const HEAD_SIZES: std::ops::RangeInclusive<u64> = 8_192..=1 << 20;

/// Beyond this a number of worker threads is a typing error.
const MOST_WORKERS: usize = 512;

const TOKEN_SIZE: usize = 16;

/// Each takes some hundreds of bytes in memory and in the file.
const MOST_REVOCATIONS: usize = 1_000_000;

pub fn listen(config: &Config, bench: &mut Bench<'_>) {
    let listen = &config.listen;
    if let Some(address) = address("listen.address", &listen.address, bench)
        && !config.tls.is_on()
    {
        plain("listen.address", address, listen, bench);
    }
    if let Some(text) = &listen.plain
        && let Some(address) = address("listen.plain", text, bench)
    {
        plain("listen.plain", address, listen, bench);
    }
    same_address(config, bench);
    proxies(listen, bench);
    for (index, origin) in listen.public_origins.iter().enumerate() {
        let is_exact =
            matches!(origin.parse(), Ok(Pattern::Matching { host: HostPattern::Exact(_), port: PortPattern::Exact(_), .. }));
        if !is_exact {
            let key = format!("listen.public_origins.{index}");
            bench.refuse(&key, "it is no exact origin", "Write scheme, host and port, as in https://gate.example.com");
        }
    }
    sizes(listen, bench);
    bench.refuse_zero(
        "listen",
        &[
            ("tls_deadline", listen.tls_deadline),
            ("proxy_deadline", listen.proxy_deadline),
            ("first_byte_deadline", listen.first_byte_deadline),
            ("head_deadline", listen.head_deadline),
            ("body_deadline", listen.body_deadline),
            ("keep_alive", listen.keep_alive),
            ("write_deadline", listen.write_deadline),
        ],
    );
}

pub fn tls(tls: &Tls, bench: &mut Bench<'_>) {
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => {
            bench.refuse("tls.certificate", "it has no key beside it", "Name the file with its private key in tls.key")
        }
        (None, Some(_)) => {
            bench.refuse("tls.key", "it has no certificate beside it", "Name the file with the chain in tls.certificate")
        }
        _ => {}
    }
    if tls.generate && tls.certificate.is_some() {
        bench.refuse("tls.generate", "a certificate is named, and one shall be generated", "Keep one of the two");
    }
    if !tls.also.is_empty() && !tls.is_on() {
        bench.refuse("tls.also", "there is no certificate for everybody else", "Name one in tls.certificate and tls.key");
    }
    if tls.generate && bench.is_production {
        let instead = "Name a certificate in tls.certificate and tls.key, or set environment = \"development\"";
        bench.refuse("tls.generate", "production shows no generated certificates", instead);
    }
}

pub fn seal(seal: &Seal, bench: &mut Bench<'_>) {
    for (index, key) in seal.keys.iter().enumerate() {
        if key.expose().len() < SECRET_SIZE {
            let what = format!("a key has {} bytes and needs {SECRET_SIZE}", key.expose().len());
            bench.refuse(&key_of_seal(seal, index), what, "Make one with: openssl rand -base64 32");
        }
        if seal.keys[..index].contains(key) {
            bench.warn(&key_of_seal(seal, index), "this key is given twice", "Keep one of them");
        }
    }
    if seal.keys.is_empty() && bench.is_production {
        let instead =
            "Give one in seal.key_files or SOCKGATE_SEAL__KEYS, the same for every gate; make it with: openssl rand -base64 32";
        bench.refuse("seal.keys", "production needs a key that outlives a restart", instead);
    }
}

pub fn admin(config: &Config, bench: &mut Bench<'_>) {
    let admin = &config.admin;
    if let Some(token) = &admin.token
        && token.expose().len() < TOKEN_SIZE
    {
        let what = format!("the token has {} bytes and needs {TOKEN_SIZE}", token.expose().len());
        bench.refuse(token_key(admin), what, "Make one with: openssl rand -base64 24");
    }
    if !admin.probe_address.is_empty() {
        address("admin.probe_address", &admin.probe_address, bench);
    }
    if admin.address.is_empty() {
        return;
    }
    let Some(at) = address("admin.address", &admin.address, bench) else { return };
    if !at.ip().to_canonical().is_loopback() && admin.token.is_none() {
        let instead = "Set admin.token_file, or use 127.0.0.1; for probes and metrics alone use admin.probe_address";
        bench.refuse("admin.address", "the admin door is open to other machines without a token", instead);
    }
}

pub fn revocation(revocation: &Revocation, bench: &mut Bench<'_>) {
    bench.refuse_zero("revocation", &[("longest_token", revocation.longest_token)]);
    if !(1..=MOST_REVOCATIONS).contains(&revocation.most) {
        let what = format!("{} revocations are too few or too many", revocation.most);
        bench.refuse("revocation.most", what, format!("Use 1 to {MOST_REVOCATIONS}"));
    }
}

pub fn log(log: &Log, bench: &mut Bench<'_>) {
    if let Some(part) = log.level.split(',').find(|part| !is_level(part)) {
        bench.refuse(
            "log.level",
            format!("{part:?} names no level"),
            "Write for example \"info\" or \"warn,sockgate::access=info\"",
        );
    }
    for (index, whom) in log.debug_for.iter().enumerate() {
        let is_known = match whom.split_once(':') {
            Some(("address", network)) => network.parse::<IpAddr>().is_ok() || network.parse::<ipnet::IpNet>().is_ok(),
            Some(("subject", subject)) => !subject.is_empty(),
            Some(("session", name)) => is_session_name(name),
            _ => false,
        };
        if !is_known {
            let key = format!("log.debug_for.{index}");
            let instead =
                "Write address:192.0.2.7, address:192.0.2.0/24, subject:ana, or session: with the name that records give it";
            bench.refuse(&key, "it names nobody to follow", instead);
        }
    }
}

/// `info` or `sockgate::access=info`. A word that is neither would silently be taken for a target at its loudest, and
/// libraries are not followed at all: at `debug` they write headers, and with them tokens.
fn is_level(part: &str) -> bool {
    let (target, level) = part.trim().split_once('=').unwrap_or(("sockgate", part.trim()));
    let is_known = ["off", "error", "warn", "info", "debug", "trace"].iter().any(|known| level.eq_ignore_ascii_case(known));
    let is_ours = target.trim().strip_prefix("sockgate").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    is_known && is_ours
}

fn address(key: &str, text: &str, bench: &mut Bench<'_>) -> Option<SocketAddr> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let instead = "Write an address and a port, as in 0.0.0.0:8443, [::]:8443 or 127.0.0.1:0";
            bench.refuse(key, format!("{text:?} is no address to listen on"), instead);
            None
        }
    }
}

/// Plain HTTP carries tokens for everybody on the way to read.
fn plain(key: &str, address: SocketAddr, listen: &Listen, bench: &mut Bench<'_>) {
    if listen.behind_proxy || address.ip().to_canonical().is_loopback() {
        return;
    }
    let what = format!("{address} would speak plain HTTP to other machines");
    let instead = "Name tls.certificate and tls.key (or tls.generate = true while developing), or say listen.behind_proxy = true \
                   (BEHIND_PROXY=1) where another proxy terminates TLS, or listen on 127.0.0.1";
    bench.refuse(key, what, instead);
}

fn same_address(config: &Config, bench: &mut Bench<'_>) {
    let doors = [
        ("listen.address", config.listen.address.as_str()),
        ("listen.plain", config.listen.plain.as_deref().unwrap_or_default()),
        ("admin.address", config.admin.address.as_str()),
        ("admin.probe_address", config.admin.probe_address.as_str()),
    ];
    let doors = doors.map(|(key, text)| (key, text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0)));
    for (index, (key, address)) in doors.iter().enumerate() {
        let same = doors[..index].iter().find(|(_, other)| address.is_some() && other == address);
        if let Some((other, _)) = same {
            bench.refuse(key, format!("it is the same address as {other}"), "Choose another port");
        }
    }
}

fn proxies(listen: &Listen, bench: &mut Bench<'_>) {
    if !listen.trusted_proxies.is_empty() {
        return;
    }
    if listen.proxy_protocol {
        let instead = "List the proxy's addresses in listen.trusted_proxies, or set proxy_protocol = false";
        bench.refuse("listen.proxy_protocol", "nobody is trusted to send a PROXY header, so nobody could connect", instead);
    }
    if listen.behind_proxy {
        let what = "no proxy is trusted, so every client has the proxy's address and limits hit all of them at once";
        bench.warn("listen.behind_proxy", what, "List the proxy's addresses in listen.trusted_proxies, as in [\"10.0.0.0/8\"]");
    }
}

fn sizes(listen: &Listen, bench: &mut Bench<'_>) {
    if !HEAD_SIZES.contains(&listen.head_size.0) {
        bench.refuse("listen.head_size", format!("{} is no size for a request head", listen.head_size), "Use 8 KiB to 1 MiB");
    }
    if listen.url_size.0 < 256 || listen.url_size > listen.head_size {
        bench.refuse("listen.url_size", format!("{} is no size for a URL", listen.url_size), "Use 256 B up to listen.head_size");
    }
    if !(8..=1_024).contains(&listen.head_count) {
        bench.refuse("listen.head_count", format!("{} headers are too few or too many", listen.head_count), "Use 8 to 1024");
    }
    if listen.workers > MOST_WORKERS {
        bench.refuse("listen.workers", format!("{} threads are too many", listen.workers), "Use 0 for one per core");
    }
}

/// Keys from files stand behind those given inline.
fn key_of_seal(seal: &Seal, index: usize) -> String {
    let inline = seal.keys.len().saturating_sub(seal.key_files.len());
    if index < inline { format!("seal.keys.{index}") } else { format!("seal.key_files.{}", index - inline) }
}

fn token_key(admin: &Admin) -> &'static str {
    if admin.token_file.is_some() { "admin.token_file" } else { "admin.token" }
}
