//! Who is asking: the evidence that a token was believed. It can only be made by the verifier, or by opening a seal that
//! was made of such an identity. Cheap to clone: requests, sessions and records share it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Thumbprint;

/// Who is asking.
#[derive(Clone, PartialEq)]
pub struct Identity(Arc<SealedIdentity>);

/// What a sealed session id carries of an identity. Everything in it was judged when the seal was made.
#[derive(Clone, Default, Deserialize, PartialEq, Serialize)]
pub struct SealedIdentity {
    /// None is nobody: `auth.when = "none"`.
    pub subject: Option<String>,
    /// The token's `iss`, where it had one. Absent from seals of gates that did not keep it: such a session goes on with the
    /// token that opened it, and with another only when that names no issuer either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    pub roles: Vec<String>,
    pub tenant: Option<String>,
    /// The token's `exp`, in seconds since 1970, without leeway.
    pub expires: Option<u64>,
    /// The token's `iat`, in seconds since 1970: tokens can be revoked by when they were issued.
    #[serde(default, rename = "iat", skip_serializing_if = "Option::is_none")]
    pub issued: Option<u64>,
    /// The token's `jti`, as [`token_id`](super::token_id) keeps it: one token can be revoked by it.
    #[serde(default, rename = "jti", skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The configured key that signed the token. None: an issuer's key or the authorizer did, or the session is older than this
    /// being kept.
    #[serde(default, rename = "key", skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<Thumbprint>,
    /// Chosen claims by their configured path.
    pub claims: Map<String, Value>,
}

/// Which person an identity is, told apart from everybody else's: a subject is unique only with the issuer that gave it
/// (RFC 7519 section 4.1.2) and within its tenant. Sessions are bound to it and users are counted by it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Person<'a> {
    pub issuer: Option<&'a str>,
    pub tenant: Option<&'a str>,
    pub subject: &'a str,
}

impl Identity {
    /// Of claims that passed every rule.
    pub(super) fn verified(parts: Arc<SealedIdentity>) -> Self {
        Self(parts)
    }

    /// The identity in a seal that was opened with the gate's own key. Only for `relay/seal`: nobody else can know that the
    /// parts were verified.
    pub fn sealed(parts: SealedIdentity) -> Self {
        Self(Arc::new(parts))
    }

    /// What a seal keeps of it.
    pub fn as_sealed(&self) -> &SealedIdentity {
        &self.0
    }

    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The `iss` of the token it was taken from.
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// Who it is, whole. None is nobody, who is the same as no one.
    pub fn person(&self) -> Option<Person<'_>> {
        self.subject().map(|subject| Person { issuer: self.issuer(), tenant: self.tenant(), subject })
    }

    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    pub fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// The token's `exp`, in seconds since 1970, without leeway.
    pub fn expires(&self) -> Option<u64> {
        self.0.expires
    }

    /// The token's `iat`, in seconds since 1970. None: it does not say, or the session is older than this being kept.
    pub fn issued(&self) -> Option<u64> {
        self.0.issued
    }

    /// The token's own name, as `token_id` keeps it.
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// The configured key that signed the token.
    pub fn signed_by(&self) -> Option<Thumbprint> {
        self.0.signed_by
    }

    /// A chosen claim by its configured path.
    pub fn claim(&self, path: &str) -> Option<&Value> {
        self.0.claims.get(path)
    }
}

/// For people: `ana`, and what tells her from another `ana`.
impl fmt::Display for Person<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.subject)?;
        match (self.tenant, self.issuer) {
            (None, None) => Ok(()),
            (Some(tenant), None) => write!(out, " (tenant {tenant})"),
            (None, Some(issuer)) => write!(out, " (issuer {issuer})"),
            (Some(tenant), Some(issuer)) => write!(out, " (tenant {tenant}, issuer {issuer})"),
        }
    }
}

/// Claims may be personal: they are not printed.
impl fmt::Debug for SealedIdentity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Identity").field("subject", &self.subject).field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}
