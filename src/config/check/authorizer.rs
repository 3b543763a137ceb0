//! `[auth.authorizer]`: that tokens are shown to nobody else, and that what is written is used.

use std::net::IpAddr;

use crate::config::{
    auth::{Auth, When},
    authorizer::{Authorizer, AuthorizerKind, Usage},
};

use super::{address, bench::Bench};

pub fn authorizer(table: &str, auth: &Auth, has_keys: bool, bench: &mut Bench<'_>) {
    let wanted = &auth.authorizer;
    let key = |name: &str| format!("{table}.{name}");
    let Some(url) = &wanted.url else { return };
    let example = "https://id.example.com/introspect";
    if let Some(parsed) = address::sound(&key("url"), url, example, bench)
        && !parsed.host().is_some_and(is_near)
    {
        address::secure(&key("url"), &parsed, "tokens sent over plain http can be read and answered by anybody", bench);
    }
    if wanted.usage == Usage::Always && !has_keys && auth.when != When::None {
        let instead = "Give auth.secret, auth.keys, auth.jwks_url or auth.oidc_issuer, or write use = \"opaque\"";
        bench.refuse(&key("use"), "it is asked after the signature was checked, and there is no key to check one with", instead);
    }
    credentials(table, wanted, bench);
    bench.refuse_zero(table, &[("deadline", wanted.deadline)]);
    for (name, count) in [("in_flight", wanted.in_flight), ("cache_keys", wanted.cache_keys)] {
        if count == 0 {
            bench.refuse(
                &key(name),
                "none at all lets nothing through",
                "Write for example 64; cache = \"0s\" remembers nothing",
            );
        }
    }
    if wanted.cache.0.as_secs() > LONG {
        let what = format!("an account that was closed still opens sessions for {}", wanted.cache);
        bench.warn(&key("cache"), what, "Use half a minute");
    }
}

fn credentials(table: &str, wanted: &Authorizer, bench: &mut Bench<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    let has_secret = wanted.client_secret.is_some() || wanted.client_secret_file.is_some();
    let has_name = !wanted.client_id.is_empty();
    match wanted.kind {
        AuthorizerKind::App if has_secret || has_name => {
            let name = if has_name { "client_id" } else { "client_secret" };
            bench.refuse(&key(name), "an app is shown the token alone", "Remove it, or write kind = \"introspection\"");
        }
        AuthorizerKind::Introspection if has_secret && !has_name => {
            bench.refuse(&key("client_secret"), "there is a secret and no name that it belongs to", "Set client_id");
        }
        AuthorizerKind::Introspection if has_name && !has_secret => {
            bench.refuse(&key("client_id"), "there is a name and no secret that belongs to it", "Set client_secret_file");
        }
        AuthorizerKind::Introspection if !has_name => {
            let what = "the gate does not say who it is; an endpoint that answers everybody tells strangers about tokens";
            bench.warn(&key("kind"), what, "Set client_id and client_secret_file");
        }
        AuthorizerKind::App | AuthorizerKind::Introspection => {}
    }
}

/// Whether an address is of this machine or of a private network: what is written without a dot no public DNS knows.
fn is_near(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
        Err(_) => !bare.contains('.'),
    }
}

/// Seconds after which what was remembered is no longer what is.
const LONG: u64 = 300;
