//! What the claims of a correctly signed token must say. Each rule is one entry of `RULES`, in the order they are judged:
//! `verify` stops at the first that says no, `explain` runs them all. There is no second copy of a check.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{Claims, Identity, SealedIdentity, Thumbprint, TokenRefusal, token_id};
use crate::config;

/// The rules of `[auth]`, ready to be applied.
pub(super) struct Rules {
    expiry_is_required: bool,
    leeway: u64,
    issuers: Vec<String>,
    audiences: Vec<String>,
    subject: String,
    roles: String,
    tenant: String,
    required: BTreeMap<String, Value>,
    /// Paths of the claims an identity keeps.
    kept: Vec<String>,
}

/// One check: its name for `explain`, and what it asks of the claims at a time in seconds since 1970.
pub(super) type Rule = (&'static str, fn(&Rules, &Claims, u64) -> Result<(), TokenRefusal>);

impl Rules {
    pub fn new(auth: &config::auth::Auth, kept: Vec<String>) -> Self {
        let issuers = match (&auth.oidc_issuer, auth.issuer.is_empty()) {
            (Some(issuer), true) => vec![issuer.clone()],
            _ => auth.issuer.clone(),
        };
        Self {
            expiry_is_required: auth.require_expiry,
            leeway: auth.leeway.0.as_secs(),
            issuers,
            audiences: auth.audience.clone(),
            subject: auth.subject.clone(),
            roles: auth.roles.clone(),
            tenant: auth.tenant.clone(),
            required: auth.required.clone(),
            kept,
        }
    }

    /// The first rule that says no, else whom the claims name. `key`: the configured key that signed them.
    pub fn judge(&self, claims: &Claims, key: Option<Thumbprint>, now: u64) -> Result<Identity, TokenRefusal> {
        for (_, rule) in RULES {
            rule(self, claims, now)?;
        }
        Ok(Identity::verified(Arc::new(SealedIdentity {
            subject: Some(self.subject_of(claims)?),
            issuer: issuer_of(claims)?.map(str::to_owned),
            roles: self.roles_of(claims)?,
            tenant: self.tenant_of(claims)?,
            expires: claims.seconds("exp")?,
            issued: claims.seconds("iat")?,
            token_id: token_id_of(claims),
            signed_by: key,
            claims: claims.chosen(&self.kept),
        })))
    }

    /// The outermost names of all claims that the rules look at.
    pub fn names(&self) -> Vec<String> {
        let paths = [&self.subject, &self.roles, &self.tenant].into_iter().chain(self.required.keys()).chain(&self.kept);
        let outermost = paths.flat_map(|path| [Some(path.as_str()), path.split('.').next()]).flatten();
        let mut names: Vec<String> = outermost.chain(REGISTERED).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    fn expiry(&self, claims: &Claims, now: u64) -> Result<(), TokenRefusal> {
        match claims.seconds("exp")? {
            None if self.expiry_is_required => Err(TokenRefusal::MissingExpiry),
            Some(expires) if now >= expires.saturating_add(self.leeway) => Err(TokenRefusal::Expired),
            None | Some(_) => Ok(()),
        }
    }

    fn not_before(&self, claims: &Claims, now: u64) -> Result<(), TokenRefusal> {
        let begins = claims.seconds("nbf")?;
        if begins.is_some_and(|begins| self.is_ahead(begins, now)) { Err(TokenRefusal::NotYetValid) } else { Ok(()) }
    }

    fn issued(&self, claims: &Claims, now: u64) -> Result<(), TokenRefusal> {
        let issued = claims.seconds("iat")?;
        if issued.is_some_and(|issued| self.is_ahead(issued, now)) { Err(TokenRefusal::IssuedInFuture) } else { Ok(()) }
    }

    fn is_ahead(&self, moment: u64, now: u64) -> bool {
        moment > now.saturating_add(self.leeway)
    }

    /// Exactly one text, compared whole: no list, no prefix, no other case.
    fn issuer(&self, claims: &Claims, _: u64) -> Result<(), TokenRefusal> {
        let issuer = issuer_of(claims)?;
        if self.issuers.is_empty() {
            return Ok(());
        }
        if self.issuers.iter().any(|known| Some(known.as_str()) == issuer) { Ok(()) } else { Err(TokenRefusal::Issuer) }
    }

    /// A text or a list of texts, of which one is configured.
    fn audience(&self, claims: &Claims, _: u64) -> Result<(), TokenRefusal> {
        if self.audiences.is_empty() {
            return Ok(());
        }
        let is_ours = |value: &str| self.audiences.iter().any(|known| known == value);
        let is_met = match claims.as_map().get("aud") {
            Some(Value::String(one)) => is_ours(one),
            Some(Value::Array(many)) => many.iter().all(Value::is_string) && many.iter().filter_map(Value::as_str).any(is_ours),
            _ => false,
        };
        if is_met { Ok(()) } else { Err(TokenRefusal::Audience) }
    }

    fn required(&self, claims: &Claims, _: u64) -> Result<(), TokenRefusal> {
        let unmet = self.required.iter().find(|(path, value)| !claims.at(path).is_some_and(|claim| is_same_claim(claim, value)));
        unmet.map_or(Ok(()), |(path, _)| Err(TokenRefusal::Claim(path.as_str().into())))
    }

    fn subject_of(&self, claims: &Claims) -> Result<String, TokenRefusal> {
        claims.label(&self.subject, TokenRefusal::Subject)?.ok_or(TokenRefusal::Subject)
    }

    fn roles_of(&self, claims: &Claims) -> Result<Vec<String>, TokenRefusal> {
        if self.roles.is_empty() { Ok(Vec::new()) } else { claims.texts(&self.roles, TokenRefusal::Roles) }
    }

    fn tenant_of(&self, claims: &Claims) -> Result<Option<String>, TokenRefusal> {
        if self.tenant.is_empty() { Ok(None) } else { claims.label(&self.tenant, TokenRefusal::Tenant) }
    }
}

/// Who gave the token, also where any issuer will do: it is half of the subject's name, so it is a text of bounded length.
fn issuer_of(claims: &Claims) -> Result<Option<&str>, TokenRefusal> {
    match claims.as_map().get("iss") {
        None => Ok(None),
        Some(Value::String(issuer)) if issuer.len() <= ISSUER_SIZE => Ok(Some(issuer)),
        Some(_) => Err(TokenRefusal::Issuer),
    }
}

/// The token's own name. RFC 7519 section 4.1.7 wants a text; issuers that count give a number. A token that has neither is
/// revoked by its subject or its session.
fn token_id_of(claims: &Claims) -> Option<String> {
    match claims.as_map().get("jti")? {
        Value::String(text) => Some(token_id(text)),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

/// Whole numbers compare exactly, others by value, so that `1` in TOML is `1.0` in a token.
pub(in crate::policy) fn is_same_claim(claim: &Value, required: &Value) -> bool {
    match (claim, required) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => one.as_f64() == other.as_f64(),
        _ => claim == required,
    }
}

/// It travels in every session id. Real ones have tens of bytes.
const ISSUER_SIZE: usize = 512;

/// Claims with a rule of their own (RFC 7519 section 4.1).
const REGISTERED: [&str; 5] = ["aud", "exp", "iat", "iss", "nbf"];

/// Every check, in the order of judgement.
pub(super) const RULES: [Rule; 9] = [
    ("expiry (exp)", Rules::expiry),
    ("not before (nbf)", Rules::not_before),
    ("issued at (iat)", Rules::issued),
    ("issuer (iss)", Rules::issuer),
    ("audience (aud)", Rules::audience),
    ("subject", |rules, claims, _| rules.subject_of(claims).map(drop)),
    ("roles", |rules, claims, _| rules.roles_of(claims).map(drop)),
    ("tenant", |rules, claims, _| rules.tenant_of(claims).map(drop)),
    ("required claims", Rules::required),
];
