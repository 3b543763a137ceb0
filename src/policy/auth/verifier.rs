//! The judge of tokens; `who` is the one door for all of them. Order of the checks of a JWT: size, shape and header; a key that
//! fixes the algorithm, and its signature; the claims, read strictly; the rules of `[auth]`. Only then is there an `Identity`.
//! What no key can tell, the authorizer says, under the same rules. The library's own validation is not used: it lets missing
//! and odd claims pass.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    AuthProblem, Claims, Header, Identity, Jwks, KeyRing, Merge, Places, Thumbprint, TokenRefusal,
    authorizer::Authorizer,
    claims::Opened,
    keys::{self, Key, Miss},
    rules::{RULES, Rules},
    token::TOKEN_SIZE,
};
use crate::{
    config::{
        auth::{Auth, When},
        authorizer::Usage,
    },
    telemetry::Metrics,
};

/// The judge of tokens, made of one version of `[auth]`.
pub struct Verifier {
    when: When,
    leeway: Duration,
    places: Places,
    rules: Rules,
    own: KeyRing,
    jwks: Option<Arc<Jwks>>,
    authorizer: Option<Authorizer>,
    merge: Merge,
}

/// Claims that a known key has signed, and which, where it is a configured one.
struct Signed {
    claims: Claims,
    key: Option<Thumbprint>,
}

/// Everything there is to say about one token, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub header: Result<Header, TokenRefusal>,
    pub claims: Result<Claims, TokenRefusal>,
    /// The key that signed it: where it is configured, its id, and the algorithms it is used with.
    pub key: Option<String>,
    pub checks: Vec<Check>,
    /// Whether the authorizer decides, which is not asked here.
    pub is_for_authorizer: bool,
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
        let mut paths: Vec<String> = auth.identity.claims.values().chain(kept).cloned().collect();
        paths.sort();
        paths.dedup();
        let rules = Rules::new(auth, paths);
        let authorizer = Authorizer::new(&auth.authorizer, rules.names(), &mut problems);
        if auth.subject.is_empty() {
            problems.push(AuthProblem::new("auth.subject", "it names no claim", "write \"sub\""));
        }
        let has_keys = !own.is_empty() || jwks.is_some();
        let is_enough = |authorizer: &Authorizer| authorizer.usage() == Usage::Opaque;
        if problems.is_empty() && auth.when != When::None && !has_keys && !authorizer.as_ref().is_some_and(is_enough) {
            problems.push(AuthProblem::new(
                "auth.when",
                "tokens are required and there is no key to check them with",
                "give auth.secret, auth.keys, auth.jwks_url or auth.oidc_issuer, or let everybody in with auth.when = \"none\"",
            ));
        }
        let Some(places) = places.filter(|_| problems.is_empty()) else { return Err(problems) };
        let merge = Merge::new(auth, &places);
        Ok(Self { when: auth.when, leeway: auth.leeway.0, places, rules, own, jwks, authorizer, merge })
    }

    /// With the questions to its authorizer counted.
    pub fn counted(mut self, metrics: &Metrics) -> Self {
        if let Some(authorizer) = &mut self.authorizer {
            authorizer.count(metrics.asked());
        }
        self
    }

    /// Takes over the fetched keys of the version of the configuration before, where they are of the same issuer.
    pub fn inherit(&self, before: &Self) {
        if let (Some(jwks), Some(before)) = (&self.jwks, &before.jwks) {
            jwks.inherit(before);
        }
    }

    /// Whom a good token names: the one door for every token, wherever it was found. When its key is not known, waits for the
    /// issuer's newer keys once, at most two seconds; where the authorizer has a word in it, waits for that, at most twice its
    /// deadline. Dropping the future has no effect on a fetch of keys.
    pub async fn who(&self, token: &str, now: SystemTime) -> Result<Identity, TokenRefusal> {
        let Some(authorizer) = self.asked_about(token) else {
            let Signed { claims, key } = self.signed_or_refetch(token).await?;
            return self.rules.judge(&claims, key, to_seconds(now));
        };
        match authorizer.usage() {
            Usage::Opaque if token.len() > TOKEN_SIZE => Err(TokenRefusal::TooLarge),
            Usage::Opaque => {
                let claims = authorizer.claims(token, now).await?;
                self.rules.judge(&claims, None, to_seconds(now))
            }
            Usage::Always => {
                let Signed { claims, key } = self.signed_or_refetch(token).await?;
                self.rules.judge(&claims, key, to_seconds(now))?;
                let claims = claims.overlaid(&*authorizer.claims(token, now).await?)?;
                self.rules.judge(&claims, key, to_seconds(now))
            }
        }
    }

    /// Whom a JWT names whose signature and claims are good, whatever the authorizer says. With an issuer's keys, only those
    /// that are here already count.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Identity, TokenRefusal> {
        let Signed { claims, key } = self.signed(token).map_err(|miss| miss.refusal)?;
        self.rules.judge(&claims, key, to_seconds(now))
    }

    /// Whether the key that signed for an identity is still one of the operator's. An issuer's keys come and go by themselves, and
    /// end no session.
    pub fn has_key_of(&self, identity: &Identity) -> bool {
        identity.signed_by().is_none_or(|key| self.own.has(key))
    }

    /// Runs every check, also behind one that failed.
    pub fn explain(&self, token: &str, now: SystemTime) -> Explanation {
        let opened = match Opened::new(token) {
            Ok(opened) => opened,
            Err(refusal) => return Explanation::unreadable(refusal, self.leaves_open(token, false)),
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
        let is_good = checks.iter().all(|check| check.outcome.is_ok());
        let is_for_authorizer = self.leaves_open(token, is_good);
        Explanation { header: Ok(opened.header), claims, key: signed.ok(), checks, is_for_authorizer }
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

    /// The path of the token in the payload of a CONNECT packet.
    pub fn connect_field(&self) -> Option<&str> {
        self.places.connect_field()
    }

    /// What is changed in a CONNECT packet before the app gets it.
    pub fn merge(&self) -> &Merge {
        &self.merge
    }

    /// Whether there is a key to check a token with, or somebody to ask, or nobody needs one.
    pub fn can_judge(&self) -> bool {
        let has_fetched = || self.jwks.as_ref().is_some_and(|jwks| jwks.status().age.is_some());
        let asks_about_opaque = || self.authorizer.as_ref().is_some_and(|authorizer| authorizer.usage() == Usage::Opaque);
        self.when == When::None || !self.own.is_empty() || has_fetched() || asks_about_opaque()
    }

    /// The issuer's keys, whose task somebody must run.
    pub fn jwks(&self) -> Option<&Arc<Jwks>> {
        self.jwks.as_ref()
    }

    /// The authorizer, where it has a word in this token. By the token's shape alone: what has three parts is a JWT where there
    /// are keys for JWTs, and nothing else is.
    fn asked_about(&self, token: &str) -> Option<&Authorizer> {
        let has_keys = !self.own.is_empty() || self.jwks.is_some();
        let is_opaque = || !has_keys || token.bytes().filter(|byte| *byte == b'.').count() != 2;
        self.authorizer.as_ref().filter(|authorizer| authorizer.usage() == Usage::Always || is_opaque())
    }

    /// Whether the authorizer decides about a token whose own checks ended so.
    fn leaves_open(&self, token: &str, is_good: bool) -> bool {
        self.asked_about(token).is_some_and(|authorizer| is_good || authorizer.usage() == Usage::Opaque)
    }

    /// The claims of a JWT that a known key has signed.
    fn signed(&self, token: &str) -> Result<Signed, Miss> {
        let opened = Opened::new(token)?;
        let key = self.with_signer(&opened, |key| key.thumbprint(&opened))?;
        Ok(Signed { claims: opened.claims()?, key })
    }

    /// The same, and when the key is not known, waits for newer ones.
    async fn signed_or_refetch(&self, token: &str) -> Result<Signed, TokenRefusal> {
        let edition = self.jwks.as_ref().map_or(0, |jwks| jwks.edition());
        let miss = match self.signed(token) {
            Ok(signed) => return Ok(signed),
            Err(miss) => miss,
        };
        match &self.jwks {
            Some(jwks) if miss.may_be_newer && jwks.newer(edition).await => self.signed(token).map_err(|miss| miss.refusal),
            _ => Err(miss.refusal),
        }
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

    fn unreadable(refusal: TokenRefusal, is_for_authorizer: bool) -> Self {
        let check = Check { name: "shape and header", outcome: Err(refusal.clone()) };
        Self { header: Err(refusal.clone()), claims: Err(refusal), key: None, checks: vec![check], is_for_authorizer }
    }
}

/// Nothing of keys is printed.
impl std::fmt::Debug for Verifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Verifier").field("when", &self.when).finish_non_exhaustive()
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
