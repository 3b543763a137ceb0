//! What is wrong with `[auth]`, for the operator: the key, what is wrong with it, what to write instead. All problems are
//! collected, none stops the search. Secrets and key material never appear.

use std::fmt;

/// One problem of the configuration of tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthProblem {
    /// The option, as a path: `auth.keys[1].pem`.
    pub key: String,
    pub what: String,
    pub instead: String,
}

impl AuthProblem {
    pub(super) fn new(key: impl Into<String>, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for AuthProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.key, self.what, self.instead)
    }
}
