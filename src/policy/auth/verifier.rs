//! The judge of tokens. Order of the checks: size, shape and header; a key that fixes the algorithm, and its signature; the
//! claims, read strictly; the rules of `[auth]`. Only then is there an `Identity`. The library's own validation is not used:
//! it lets missing and odd claims pass.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    AuthProblem, Claims, Header, Identity, Jwks, KeyRing, Places, TokenRefusal,
    claims::Opened,
    keys::{self, Key, Miss},
    rules::{RULES, Rules},
};
use crate::config::auth::{Auth, When};

/// The judge of tokens, made of one version of `[auth]`.
pub struct Verifier {
    when: When,
    leeway: Duration,
    places: Places,
    rules: Rules,
    own: KeyRing,
    jwks: Option<Arc<Jwks>>,
}

/// Everything there is to say about one token, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub header: Result<Header, TokenRefusal>,
    pub claims: Result<Claims, TokenRefusal>,
    /// The key that signed it: where it is configured, its id, and the algorithms it is used with.
    pub key: Option<String>,
    pub checks: Vec<Check>,
}

/// One check and how it went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    pub name: &'static str,
    pub outcome: Result<(), TokenRefusal>,
}

impl Verifier {
    /// `kept` are paths of claims that identities carry along beside those of the identity headers (for balancing by claim).
    /// `trust` is whom an issuer's https server is checked against. Every problem is reported at once.
    pub fn new(auth: &Auth, kept: &[String], trust: Option<Arc<rustls::ClientConfig>>) -> Result<Self, Vec<AuthProblem>> {
        let mut problems = Vec::new();
        let places = Places::parse(&auth.from).map_err(|found| problems.extend(found)).ok();
        let own = KeyRing::configured(auth, &mut problems);
        let jwks = Jwks::new(auth, trust, &mut problems).map(Arc::new);
        if auth.subject.is_empty() {
            problems.push(AuthProblem::new("auth.subject", "it names no claim", "write \"sub\""));
        }
        if problems.is_empty() && auth.when == When::Handshake && own.is_empty() && jwks.is_none() {
            problems.push(AuthProblem::new(
                "auth.when",
                "tokens are required and there is no key to check them with",
                "give auth.secret, auth.keys, auth.jwks_url or auth.oidc_issuer, or let everybody in with auth.when = \"none\"",
            ));
        }
        let Some(places) = places.filter(|_| problems.is_empty()) else { return Err(problems) };
        let mut paths: Vec<String> = auth.identity.claims.values().chain(kept).cloned().collect();
        paths.sort();
        paths.dedup();
        Ok(Self { when: auth.when, leeway: auth.leeway.0, places, rules: Rules::new(auth, paths), own, jwks })
    }

    /// Takes over the fetched keys of the version of the configuration before, where they are of the same issuer.
    pub fn inherit(&self, before: &Self) {
        if let (Some(jwks), Some(before)) = (&self.jwks, &before.jwks) {
            jwks.inherit(before);
        }
    }

    /// Whom a good token names. With an issuer's keys, only those that are here already count.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Identity, TokenRefusal> {
        self.judge(token, now).map_err(|miss| miss.refusal)
    }

    /// Like `verify`, and when the key is not known, waits for the issuer's newer keys once, at most two seconds. Dropping
    /// the future has no effect on the fetch.
    pub async fn verify_or_refetch(&self, token: &str, now: SystemTime) -> Result<Identity, TokenRefusal> {
        let edition = self.jwks.as_ref().map_or(0, |jwks| jwks.edition());
        let miss = match self.judge(token, now) {
            Ok(identity) => return Ok(identity),
            Err(miss) => miss,
        };
        match &self.jwks {
            Some(jwks) if miss.may_be_newer && jwks.newer(edition).await => self.verify(token, now),
            _ => Err(miss.refusal),
        }
    }

    /// Runs every check, also behind one that failed.
    pub fn explain(&self, token: &str, now: SystemTime) -> Explanation {
        let opened = match Opened::new(token) {
            Ok(opened) => opened,
            Err(refusal) => return Explanation::unreadable(refusal),
        };
        let claims = opened.claims();
        let signed = self.with_signer(&opened, Key::describe).map_err(|miss| miss.refusal);
        let mut checks = vec![
            Check { name: "shape and header", outcome: Ok(()) },
            Check { name: "signature", outcome: signed.as_ref().map(drop).map_err(Clone::clone) },
            Check { name: "claims are readable", outcome: claims.as_ref().map(drop).map_err(Clone::clone) },
        ];
        if let Ok(claims) = &claims {
            let now = to_seconds(now);
            checks.extend(RULES.map(|(name, rule)| Check { name, outcome: rule(&self.rules, claims, now) }));
        }
        Explanation { header: Ok(opened.header), claims, key: signed.ok(), checks }
    }

    pub fn when(&self) -> When {
        self.when
    }

    /// Tolerance for clocks that disagree: how long after its expiry a session still lives.
    pub fn leeway(&self) -> Duration {
        self.leeway
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Whether there is a key to check a token with, or nobody needs one.
    pub fn can_judge(&self) -> bool {
        self.when == When::None || !self.own.is_empty() || self.jwks.as_ref().is_some_and(|jwks| jwks.status().age.is_some())
    }

    /// The issuer's keys, whose task somebody must run.
    pub fn jwks(&self) -> Option<&Arc<Jwks>> {
        self.jwks.as_ref()
    }

    fn judge(&self, token: &str, now: SystemTime) -> Result<Identity, Miss> {
        let opened = Opened::new(token)?;
        self.with_signer(&opened, |_| ())?;
        let claims = opened.claims()?;
        Ok(self.rules.judge(&claims, to_seconds(now))?)
    }

    /// Hands the key that signed to `then`, for the issuer's keys may be replaced at any moment.
    fn with_signer<T>(&self, token: &Opened<'_>, then: impl FnOnce(&Key) -> T) -> Result<T, Miss> {
        let ring = self.jwks.as_ref().map(|jwks| (jwks, jwks.ring()));
        let published = ring.as_ref().map(|(jwks, ring)| jwks.published(ring));
        keys::signer(&self.own, published, token).map(then)
    }
}

impl Explanation {
    /// Whether the gate lets the token in.
    pub fn is_good(&self) -> bool {
        self.key.is_some() && self.checks.iter().all(|check| check.outcome.is_ok())
    }

    fn unreadable(refusal: TokenRefusal) -> Self {
        let check = Check { name: "shape and header", outcome: Err(refusal.clone()) };
        Self { header: Err(refusal.clone()), claims: Err(refusal), key: None, checks: vec![check] }
    }
}

/// A refusal that newer keys would not change.
impl From<TokenRefusal> for Miss {
    fn from(refusal: TokenRefusal) -> Self {
        Self { refusal, may_be_newer: false }
    }
}

/// Seconds since 1970. A clock before that is a clock at 1970: every token is then from the future.
pub(in crate::policy) fn to_seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
