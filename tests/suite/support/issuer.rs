//! Whoever mints tokens: HS256 with a secret the gate knows, or one it does not, and whatever claims a test wants.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The secret of [`super::Settings::before`].
pub const SECRET: &str = "a secret that only the tests know, 32 bytes";

/// An issuer with one secret.
#[derive(Clone, Debug)]
pub struct Issuer {
    secret: String,
}

impl Default for Issuer {
    /// The one the gate trusts.
    fn default() -> Self {
        Self::with(SECRET)
    }
}

impl Issuer {
    pub fn with(secret: &str) -> Self {
        Self { secret: secret.into() }
    }

    /// A good token of this subject for an hour.
    pub fn token(&self, subject: &str) -> String {
        self.token_for(subject, 3600)
    }

    /// Good for so many seconds from now; for less than none when negative.
    pub fn token_for(&self, subject: &str, seconds: i64) -> String {
        self.claims(&json!({ "sub": subject, "exp": now() + seconds }))
    }

    /// Exactly these claims.
    pub fn claims(&self, claims: &Value) -> String {
        self.signed(Algorithm::HS256, claims)
    }

    /// Signed with another algorithm of the family.
    pub fn signed(&self, algorithm: Algorithm, claims: &Value) -> String {
        super::certificates::use_backend();
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(self.secret.as_bytes())).expect("claims can be signed")
    }
}

/// The wall clock in seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_secs()).expect("it is earlier than the end of time")
}
