//! `[auth.authorizer]`: somebody else who says whether a token is good. For tokens that only their issuer can read, and for
//! what a signature cannot say: that an account is still active.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, units::Period};

/// Who says whether a token is good, beside or instead of keys.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authorizer {
    /// Where it is asked: `https`, or `http` to this machine or a private network. Asked when somebody connects, not again while the
    /// session lasts. Not set: nobody is asked. While
    /// it cannot be reached, nobody gets in whom it would be asked about (503 `authorizer_unavailable`); redirects are not
    /// followed.
    pub url: Option<String>,
    /// `app`: GET with `Authorization: Bearer TOKEN`; 200 with a JSON object of claims is a yes, 401 and 403 are a no.
    /// `introspection`: RFC 7662, a POST with `token=TOKEN`; a JSON object with `active` is the answer.
    pub kind: AuthorizerKind,
    /// `opaque`: asked about tokens that are no JWTs; where no key is configured, about every token. `always`: asked about every
    /// token whose signature and claims are good, and its claims replace those of the token; the earlier `exp` counts. What the
    /// claims must say is the same in both: `subject`, `required`, `issuer`, `audience`, `require_expiry` and the others.
    #[serde(rename = "use")]
    pub usage: Usage,
    /// The gate's name at an introspection endpoint, sent with the secret as Basic authorization. Empty: none.
    pub client_id: String,
    /// The secret of that name.
    pub client_secret: Option<Secret>,
    /// A file that holds the secret.
    pub client_secret_file: Option<PathBuf>,
    /// A PEM file of certificate authorities for `url`. Empty: the system's.
    pub ca: Option<PathBuf>,
    /// For one question, from the connection to the last byte of the answer.
    pub deadline: Period,
    /// How long a yes is remembered, at most until its `exp`. As long an account that was closed still opens sessions.
    /// `"0s"`: each request asks; those that ask at the same time about the same token still ask once.
    pub cache: Period,
    /// How long a no is remembered.
    pub cache_negative: Period,
    /// Tokens remembered, of each kind. The oldest are forgotten first.
    pub cache_keys: usize,
    /// Questions under way at the same time. More wait for their turn within the deadline.
    pub in_flight: usize,
}

/// What is asked how.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorizerKind {
    #[default]
    App,
    Introspection,
}

/// Which tokens it is asked about.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    #[default]
    Opaque,
    Always,
}

impl Default for Authorizer {
    fn default() -> Self {
        Self {
            url: None,
            kind: AuthorizerKind::App,
            usage: Usage::Opaque,
            client_id: String::new(),
            client_secret: None,
            client_secret_file: None,
            ca: None,
            deadline: Period::seconds(2),
            cache: Period::seconds(30),
            cache_negative: Period::seconds(5),
            cache_keys: 10_000,
            in_flight: 64,
        }
    }
}
