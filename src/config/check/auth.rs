//! `[auth]`: that tokens can be checked, with keys that cannot be guessed and algorithms that belong to them.

use crate::config::{
    Secret,
    auth::{Algorithm, Auth, IdentityHeaders, Key, When},
    authorizer::Usage,
    route::Kind,
};

use super::{
    address,
    authorizer::authorizer,
    bench::{Bench, SECRET_SIZE, is_token},
    connect::connect,
};

pub fn auth(table: &str, auth: &Auth, kind: Kind, bench: &mut Bench<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    if auth.when != When::None {
        let has_authorizer = auth.authorizer.url.is_some() && auth.authorizer.usage == Usage::Opaque;
        if !has_keys(auth) && !has_authorizer {
            let instead = "Set auth.secret_file or JWT_SECRET, list auth.keys, or name auth.jwks_url, auth.oidc_issuer or \
                           auth.authorizer.url; to let everybody in write auth.when = \"none\"";
            bench.refuse(&key("when"), "every handshake needs a token, and there is no key to check one with", instead);
        }
        if auth.from.is_empty() {
            bench.refuse(&key("from"), "a token is looked for nowhere", "Write for example [\"header\", \"cookie:token\"]");
        }
    }
    if let Some(secret) = &auth.secret {
        let name = if auth.secret_file.is_some() { "secret_file" } else { "secret" };
        secret_size(&key(name), secret, bench);
    }
    for (index, from) in auth.from.iter().enumerate() {
        place(&key(&format!("from.{index}")), from, bench);
    }
    for (index, listed) in auth.keys.iter().enumerate() {
        one_key(&key(&format!("keys.{index}")), listed, bench);
    }
    algorithms(table, auth, bench);
    remote(table, auth, bench);
    authorizer(&key("authorizer"), auth, has_keys(auth), bench);
    connect(table, auth, kind, bench);
    if auth.subject.is_empty() {
        bench.refuse(&key("subject"), "no claim names the subject", "Write for example \"sub\"");
    }
    bench.refuse_zero(
        table,
        &[("jwks_refresh", auth.jwks_refresh), ("jwks_minimum", auth.jwks_minimum), ("jwks_keep", auth.jwks_keep)],
    );
    if auth.leeway.0.as_secs() > 600 {
        bench.warn(
            &key("leeway"),
            format!("tokens live {} longer than they say", auth.leeway),
            "Use a minute and set the clocks",
        );
    }
    identity(&key("identity"), &auth.identity, bench);
}

fn has_keys(auth: &Auth) -> bool {
    // A file that could not be read has been reported already; its key is not missing.
    let has_secret = auth.secret.is_some() || auth.secret_file.is_some();
    has_secret || !auth.keys.is_empty() || auth.jwks_url.is_some() || auth.oidc_issuer.is_some()
}

fn secret_size(key: &str, secret: &Secret, bench: &mut Bench<'_>) {
    let size = secret.expose().len();
    if size < SECRET_SIZE {
        let what = format!("the secret has {size} bytes and needs {SECRET_SIZE}: shorter ones can be guessed from one token");
        bench.refuse(key, what, "Make one with: openssl rand -base64 32 (the app that signs needs the same)");
    }
}

/// A place where a token may be.
fn place(key: &str, from: &str, bench: &mut Bench<'_>) {
    let is_known = match from.split_once(':') {
        None => matches!(from, "header" | "subprotocol"),
        Some(("connect", path)) => path.len() <= 128 && path.split('.').all(is_plain),
        Some(("cookie", name)) => is_token(name),
        Some(("query", name)) => is_plain(name) && !matches!(name, "EIO" | "transport" | "sid" | "t" | "j" | "b64"),
        Some(_) => false,
    };
    if !is_known {
        let instead = "Write connect:NAME, header, cookie:NAME, query:NAME or subprotocol";
        bench.refuse(key, format!("{from:?} is no place for a token"), instead);
    }
}

/// A name that needs no encoding in a query and no escape in JSON.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn one_key(table: &str, key: &Key, bench: &mut Bench<'_>) {
    let has_secret = key.secret.is_some() || key.secret_file.is_some();
    let has_pem = key.pem.is_some() || key.pem_file.is_some();
    let has_jwk = key.jwk.is_some() || key.jwk_file.is_some();
    if [has_secret, has_pem, has_jwk].iter().filter(|has| **has).count() != 1 {
        bench.refuse(table, "a key is exactly one of a secret, a PEM and a JWK", "Write secret_file, pem_file or jwk_file");
        return;
    }
    if let Some(secret) = &key.secret {
        secret_size(&format!("{table}.{}", if key.secret_file.is_some() { "secret_file" } else { "secret" }), secret, bench);
    }
    let families: Vec<&str> = key.algorithms.iter().map(|algorithm| family(*algorithm)).collect();
    if families.windows(2).any(|pair| pair[0] != pair[1]) {
        let what = "its algorithms belong to different kinds of keys";
        bench.refuse(&format!("{table}.algorithms"), what, "Give algorithms of one family, and list the key twice for two");
    } else if families.first().is_some_and(|family| has_secret && *family != HMAC || has_pem && *family == HMAC) {
        let what = "its algorithms do not belong to this kind of key";
        bench.refuse(
            &format!("{table}.algorithms"),
            what,
            "Use HS256, HS384, HS512 with a secret, and the others with a public key",
        );
    }
}

fn algorithms(table: &str, auth: &Auth, bench: &mut Bench<'_>) {
    let key = format!("{table}.algorithms");
    let has_secret = auth.secret.is_some() || auth.secret_file.is_some();
    let is_remote = auth.jwks_url.is_some() || auth.oidc_issuer.is_some();
    let has_hmac = auth.algorithms.iter().any(|algorithm| family(*algorithm) == HMAC);
    let has_other = auth.algorithms.iter().any(|algorithm| family(*algorithm) != HMAC);
    if has_hmac && !has_secret {
        bench.refuse(&key, "HS256, HS384 and HS512 are checked with a secret, and auth.secret is not set", "Remove them");
    }
    if has_other && !is_remote {
        let instead = "Give public keys in auth.keys, each with its algorithms";
        bench.refuse(&key, "only JWKS keys use these algorithms, and no JWKS is named", instead);
    }
    if has_secret && has_other && !has_hmac {
        bench.refuse(&key, "auth.secret is set, and none of these is used with a secret", "Add HS256");
    }
}

fn remote(table: &str, auth: &Auth, bench: &mut Bench<'_>) {
    for (name, url) in [("jwks_url", &auth.jwks_url), ("oidc_issuer", &auth.oidc_issuer)] {
        let Some(url) = url else { continue };
        let key = format!("{table}.{name}");
        if let Some(parsed) = address::sound(&key, url, "https://id.example.com", bench)
            && !address::is_loopback(&parsed)
        {
            address::secure(&key, &parsed, "keys fetched over plain http can be anybody's", bench);
        }
    }
}

fn identity(table: &str, identity: &IdentityHeaders, bench: &mut Bench<'_>) {
    let key = |name: &str| format!("{table}.{name}");
    let named =
        [("subject", &identity.subject), ("roles", &identity.roles), ("tenant", &identity.tenant), ("token", &identity.token)];
    for (name, header) in named {
        header_name(&key(name), header, bench);
    }
    for header in identity.claims.keys() {
        header_name(&key("claims"), header, bench);
    }
    for (index, header) in identity.remove.iter().enumerate() {
        if !is_token(header) {
            bench.refuse(
                &key(&format!("remove.{index}")),
                format!("{header:?} is no name of a header"),
                "Write one name per entry",
            );
        }
    }
    let is_given = identity.token_secret.is_some() || identity.token_secret_file.is_some();
    if !identity.token.is_empty() && !is_given {
        let instead = "Set token_secret_file beside it; the app checks the header with the same secret";
        bench.refuse(&key("token"), "there is no secret to sign the identity with", instead);
    }
    if let Some(secret) = &identity.token_secret {
        let name = if identity.token_secret_file.is_some() { "token_secret_file" } else { "token_secret" };
        secret_size(&key(name), secret, bench);
    }
}

fn header_name(key: &str, header: &str, bench: &mut Bench<'_>) {
    if !header.is_empty() && !is_token(header) {
        bench.refuse(key, format!("{header:?} is no name of a header"), "Write for example \"X-Auth-Subject\"");
    }
}

const HMAC: &str = "HS";

/// Which kind of key an algorithm is used with.
fn family(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => HMAC,
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => "RSA",
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => "RSA",
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 => "EC",
        Algorithm::EdDSA => "EdDSA",
    }
}
