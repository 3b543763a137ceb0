//! Tokens: the one every client shows, and those a proxy that checks tokens must refuse.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

/// What proxies are told to check signatures with.
pub const SECRET: &str = "compare-secret-of-at-least-thirty-two-bytes";

const HOUR: i64 = 3600;

/// HS256, good for a day.
pub fn good() -> String {
    signed(SECRET, 24 * HOUR)
}

/// Signed with another secret.
pub fn forged() -> String {
    signed("another-secret-of-at-least-thirty-two-bytes", HOUR)
}

pub fn expired() -> String {
    signed(SECRET, -HOUR)
}

/// Says that it needs no signature, and has none.
pub fn unsigned() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(json!({ "alg": "none", "typ": "JWT" })), part(claims(HOUR)))
}

fn signed(secret: &str, seconds: i64) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims(seconds), &key).expect("HS256 can sign any claims")
}

fn claims(seconds: i64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    json!({ "iss": "compare", "sub": "user-1", "exp": now + seconds })
}
