//! `sockgate token`: mints a token that this gate would accept, for trying things out. Only with a shared secret: who has
//! public keys only cannot mint, and the message says so.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value};

use crate::{
    config::{
        Secret,
        auth::{Algorithm, Auth},
    },
    policy::auth::Verifier,
};

/// What is to be in the token. What is not given comes from the configuration.
#[derive(Clone, Debug, Default)]
pub struct MintAsk {
    pub subject: String,
    pub roles: Vec<String>,
    /// Further claims by path. They go before everything else.
    pub claims: BTreeMap<String, Value>,
    /// None is one hour.
    pub expires: Option<Duration>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

/// Mints a token with the configured secret: issuer, audience and required claims are filled in from `[auth]`. The error is
/// for the operator.
pub fn mint(auth: &Auth, ask: &MintAsk, now: SystemTime) -> Result<String, String> {
    let (secret, algorithm, id) = signing_key(auth)?;
    let mut header = Header::new(algorithm);
    header.kid = id;
    let claims = claims(auth, ask, now);
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &key).map_err(|error| format!("the token cannot be signed: {error}"))?;
    judge(auth, token, now)
}

/// The first secret there is. `auth.secret` goes before `auth.keys`.
fn signing_key(auth: &Auth) -> Result<(&Secret, jsonwebtoken::Algorithm, Option<String>), String> {
    if let Some(secret) = &auth.secret {
        return Ok((secret, hmac(&auth.algorithms), None));
    }
    let own = auth.keys.iter().find_map(|key| Some((key.secret.as_ref()?, hmac(&key.algorithms), key.id.clone())));
    if let Some((secret, algorithm, id)) = own {
        return Ok((secret, algorithm, Some(id).filter(|id| !id.is_empty())));
    }
    Err(if auth.keys.is_empty() && auth.jwks_url.is_none() && auth.oidc_issuer.is_none() {
        "no key is configured; set auth.secret or auth.secret_file".into()
    } else {
        "only public keys are configured: tokens can be checked here and not made; ask the issuer for one, or set auth.secret"
            .into()
    })
}

fn hmac(algorithms: &[Algorithm]) -> jsonwebtoken::Algorithm {
    let named = algorithms.iter().find_map(|named| match named {
        Algorithm::HS256 => Some(jsonwebtoken::Algorithm::HS256),
        Algorithm::HS384 => Some(jsonwebtoken::Algorithm::HS384),
        Algorithm::HS512 => Some(jsonwebtoken::Algorithm::HS512),
        _ => None,
    });
    named.unwrap_or(jsonwebtoken::Algorithm::HS256)
}

fn claims(auth: &Auth, ask: &MintAsk, now: SystemTime) -> Map<String, Value> {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let expires = now.saturating_add(ask.expires.unwrap_or(USUAL).as_secs());
    let issuer = ask.issuer.as_ref().or(auth.issuer.first()).or(auth.oidc_issuer.as_ref());
    let audience = ask.audience.as_ref().or(auth.audience.first());
    let mut claims = Map::new();
    put(&mut claims, &auth.subject, Value::from(ask.subject.as_str()));
    if !ask.roles.is_empty() && !auth.roles.is_empty() {
        put(&mut claims, &auth.roles, Value::from(ask.roles.clone()));
    }
    for (name, value) in [("iss", issuer), ("aud", audience)] {
        claims.extend(value.map(|value| (name.to_owned(), Value::from(value.as_str()))));
    }
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), expires.into());
    for (path, value) in auth.required.iter().chain(&ask.claims) {
        put(&mut claims, path, value.clone());
    }
    claims
}

/// Puts a claim where its path is looked for: `user.id` into `user`, an address such as `https://example.com/roles` as it is.
fn put(claims: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((outer, inner)) = path.split_once('.').filter(|_| !path.contains(['/', ':'])) else {
        claims.insert(path.to_owned(), value);
        return;
    };
    let object = claims.entry(outer).or_insert_with(|| Value::Object(Map::new()));
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    if let Some(object) = object.as_object_mut() {
        put(object, inner, value);
    }
}

/// A token that the gate itself would refuse is not handed out. An issuer's published keys play no part in it.
fn judge(auth: &Auth, token: String, now: SystemTime) -> Result<String, String> {
    let own = Auth { jwks_url: None, oidc_issuer: None, issuer: issuers(auth), ..auth.clone() };
    let verifier = Verifier::new(&own, &[], None)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    match verifier.verify(&token, now) {
        Ok(_) => Ok(token),
        Err(refusal) => Err(format!("the gate would refuse this token: {refusal}")),
    }
}

fn issuers(auth: &Auth) -> Vec<String> {
    if auth.issuer.is_empty() { auth.oidc_issuer.iter().cloned().collect() } else { auth.issuer.clone() }
}

/// How long a token is good for when nobody says.
const USUAL: Duration = Duration::from_secs(3600);
