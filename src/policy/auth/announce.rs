//! How the app is told who is asking: headers that only the gate can set, because every spelling of them that comes from a
//! client is removed first (`names`, with `http/headers`). Values are printable ASCII; everything else is percent-encoded,
//! so nothing in a token can begin a second header or a second role.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::EncodingKey;
use serde_json::{Map, Value, json};

use super::{AuthProblem, Identity, keys};
use crate::config::auth::Auth;

/// The headers of `[auth.identity]`.
pub struct IdentityHeaders {
    subject: Option<HeaderName>,
    roles: Option<HeaderName>,
    tenant: Option<HeaderName>,
    /// Header and path of the claim it holds.
    claims: Vec<(HeaderName, String)>,
    token: Option<(HeaderName, EncodingKey)>,
    removed: Vec<String>,
}

impl IdentityHeaders {
    /// Every problem at once.
    pub fn new(auth: &Auth) -> Result<Self, Vec<AuthProblem>> {
        keys::use_backend();
        let wanted = &auth.identity;
        let mut problems = Vec::new();
        let mut taken: Vec<HeaderName> = Vec::new();
        let mut name = |key: String, text: &str| match own_name(text, &taken) {
            Ok(name) => {
                taken.extend(name.clone());
                name
            }
            Err(what) => {
                problems.push(AuthProblem::new(
                    key,
                    what,
                    "write a name of your own such as \"X-Auth-Subject\", or \"\" for none",
                ));
                None
            }
        };
        let subject = name("auth.identity.subject".into(), &wanted.subject);
        let roles = name("auth.identity.roles".into(), &wanted.roles);
        let tenant = name("auth.identity.tenant".into(), &wanted.tenant);
        let claims = wanted
            .claims
            .iter()
            .filter_map(|(header, path)| Some((name(format!("auth.identity.claims.{header}"), header)?, path.clone())))
            .collect();
        let token = name("auth.identity.token".into(), &wanted.token);
        let token = match (token, keys::secret_of(wanted.token_secret.as_ref(), wanted.token_secret_file.as_deref())) {
            (None, _) => None,
            (Some(name), Ok(Some(secret))) if secret.expose().len() >= keys::SECRET_SIZE => {
                Some((name, EncodingKey::from_secret(secret.expose().as_bytes())))
            }
            (Some(_), Err(flaw)) => {
                problems.push(flaw.at("auth.identity.token_secret_file"));
                None
            }
            (Some(_), Ok(secret)) => {
                let what =
                    if secret.is_none() { "there is no secret to sign with" } else { "the secret is shorter than 32 bytes" };
                problems.push(AuthProblem::new("auth.identity.token_secret", what, "make one with `openssl rand -base64 48`"));
                None
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let removed = taken.iter().map(|name| name.as_str().to_owned()).chain(wanted.remove.iter().cloned()).collect();
        Ok(Self { subject, roles, tenant, claims, token, removed })
    }

    /// What to remove of every client request, in every spelling: the headers written here, and those the operator names.
    pub fn names(&self) -> &[String] {
        &self.removed
    }

    /// Says who is asking. Headers of these names that are there already are replaced; of nobody nothing is said.
    pub fn write(&self, headers: &mut HeaderMap, identity: &Identity, now: SystemTime) {
        for (name, value) in self.values(identity, now) {
            match value {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
    }

    fn values<'h>(&'h self, identity: &Identity, now: SystemTime) -> impl Iterator<Item = (&'h HeaderName, Option<HeaderValue>)> {
        let roles = identity.roles().iter().map(|role| encode(role, b", %")).collect::<Vec<_>>().join(",");
        let people = [
            (&self.subject, identity.subject().map(str::to_owned)),
            (&self.roles, Some(roles).filter(|roles| !roles.is_empty())),
            (&self.tenant, identity.tenant().map(str::to_owned)),
        ];
        let people = people.into_iter().filter_map(|(name, value)| Some((name.as_ref()?, value)));
        let claims: Vec<_> = self.claims.iter().map(|(name, path)| (name, identity.claim(path).and_then(claim_text))).collect();
        let token = self.token.iter().map(|(name, key)| (name, self.token(key, identity, now)));
        people.chain(claims).chain(token.collect::<Vec<_>>()).map(|(name, value)| (name, value.and_then(printable)))
    }

    /// A token of the gate's own: for apps that want to check that the gate speaks. None of nobody.
    fn token(&self, key: &EncodingKey, identity: &Identity, now: SystemTime) -> Option<String> {
        let subject = identity.subject()?;
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let expires = identity.expires().unwrap_or(u64::MAX).min(now + TOKEN_SECONDS);
        let claims: Map<String, Value> =
            self.claims.iter().filter_map(|(_, path)| Some((path.clone(), identity.claim(path)?.clone()))).collect();
        let body = json!({
            "iss": "sockgate", "sub": subject, "roles": identity.roles(), "tenant": identity.tenant(), "claims": claims,
            "iat": now, "exp": expires,
        });
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &body, key).ok()
    }
}

/// A header name that the gate may use for its own: well-formed, once, and not one that has a meaning already. None for "".
fn own_name(text: &str, taken: &[HeaderName]) -> Result<Option<HeaderName>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let name = text.parse::<HeaderName>().map_err(|_| format!("{text:?} is not a header name"))?;
    if taken.iter().any(|other| spelling(other.as_str()) == spelling(name.as_str())) {
        return Err(format!("{text:?} is used twice"));
    }
    let plain = spelling(name.as_str());
    let has_meaning = RESERVED.contains(&plain.as_str()) || RESERVED_BEGINNINGS.iter().any(|begin| plain.starts_with(begin));
    if has_meaning { Err(format!("{text:?} has a meaning of its own")) } else { Ok(Some(name)) }
}

/// Names as the most generous app server compares them.
fn spelling(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// A claim in one header value: texts as they are, all else as JSON. Null is nothing.
fn claim_text(claim: &Value) -> Option<String> {
    let text = match claim {
        Value::Null => return None,
        Value::String(text) => encode(text, b"%"),
        other => encode(&other.to_string(), b"%"),
    };
    if text.len() <= CLAIM_SIZE { Some(text) } else { None }
}

fn printable(value: String) -> Option<HeaderValue> {
    HeaderValue::from_str(&value).ok()
}

/// Percent-encodes all that is not printable ASCII, and `also`. Spaces at the ends would get lost on the way, so they are
/// encoded too.
fn encode(text: &str, also: &[u8]) -> String {
    let last = text.len().saturating_sub(1);
    let mut encoded = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_edge = byte == b' ' && (at == 0 || at == last);
        if (0x20..0x7f).contains(&byte) && !also.contains(&byte) && !is_edge {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    encoded
}

/// A token of the gate's own is for the request it comes with.
const TOKEN_SECONDS: u64 = 60;

/// A claim that would be larger is not sent: app servers refuse heads of 16 KiB.
const CLAIM_SIZE: usize = 4096;

/// Names that already mean something on the way to an app.
const RESERVED: [&str; 22] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-request-id",
];
const RESERVED_BEGINNINGS: [&str; 4] = ["proxy-", "sec-", "access-control-", "x-forwarded-"];
