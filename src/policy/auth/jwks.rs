//! The keys an issuer publishes: fetched in the background, fetched again now and then and when a token names a key that is
//! not known, kept when the issuer is away. One task does all the fetching, so there is never a second fetch at the same
//! time; a storm of made-up key ids costs at most one in `jwks_minimum`. No address ever comes from a token.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Uri;
use serde_json::Value;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    KeyRing,
    keys::{Published, family},
    problem::AuthProblem,
    strict,
};
use crate::{
    config::auth::{Algorithm, Auth},
    http::fetch::{self, FetchError, Fetcher},
};

/// The keys an issuer publishes.
pub struct Jwks {
    source: Source,
    fetcher: Fetcher,
    algorithms: Vec<Algorithm>,
    refresh: Duration,
    minimum: Duration,
    keep: Duration,
    ring: ArcSwap<KeyRing>,
    state: Mutex<State>,
    wanted: Notify,
    /// Counts fetches that ended; who waits for one sees it change.
    ended: watch::Sender<u64>,
}

/// Why keys could not be fetched. The issuer is to blame, or the way to it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JwksFailure {
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("the discovery document is not sound: it needs \"issuer\" and \"jwks_uri\"")]
    Discovery,
    #[error("the discovery document is of the issuer {0:?}, and exactly the configured one is accepted")]
    OtherIssuer(String),
    #[error("the document has no key that can be used")]
    NoKeys,
}

/// What `/status` and `explain` tell about the keys.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JwksStatus {
    /// Usable keys now.
    pub keys: usize,
    /// Fetches begun since the start.
    pub fetches: u64,
    /// Age of the last good fetch. None: there has never been one, and nobody can be known by these keys.
    pub age: Option<Duration>,
    /// Why the last fetch failed, when it did.
    pub failure: Option<JwksFailure>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Source {
    Document(Uri),
    Issuer { name: String, discovery: Uri },
}

/// When what happened. Monotonic time: a clock that is set does not age the keys.
#[derive(Clone, Default)]
struct State {
    is_fetching: bool,
    fetches: u64,
    begun: Option<Instant>,
    good: Option<Instant>,
    failures: u32,
    failure: Option<JwksFailure>,
    /// What the keys in use were read from: a version of the configuration with other algorithms reads it anew.
    document: Bytes,
}

impl Jwks {
    /// The issuer's keys as configured, None when no issuer is. Fetches nothing yet.
    pub fn new(auth: &Auth, trust: Option<Arc<rustls::ClientConfig>>, problems: &mut Vec<AuthProblem>) -> Option<Self> {
        let found = problems.len();
        let source = Source::of(auth, problems)?;
        let algorithms: Vec<Algorithm> =
            auth.algorithms.iter().copied().filter(|named| family(*named) != jsonwebtoken::AlgorithmFamily::Hmac).collect();
        if algorithms.is_empty() && !auth.algorithms.is_empty() {
            problems.push(AuthProblem::new(
                "auth.algorithms",
                "none of them works with published keys",
                "add the algorithm of the issuer, such as RS256",
            ));
        }
        if source.address().scheme_str() == Some("https") && trust.is_none() {
            problems.push(AuthProblem::new(
                "auth.jwks_ca",
                "there are no certificate authorities to trust",
                "name a file of them",
            ));
        }
        if problems.len() > found {
            return None;
        }
        Some(Self {
            source,
            fetcher: Fetcher { trust, size: DOCUMENT_SIZE, deadline: FETCH_DEADLINE },
            algorithms,
            refresh: auth.jwks_refresh.0.max(SHORTEST),
            minimum: auth.jwks_minimum.0.max(SHORTEST),
            keep: auth.jwks_keep.0,
            ring: ArcSwap::default(),
            state: Mutex::default(),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        })
    }

    /// Takes over the keys of the version of the configuration before, if they come from the same place and are newer than
    /// those that are here: a reload must not make the gate forget them. With other algorithms they are read anew.
    pub fn inherit(&self, before: &Self) {
        let old = before.with_state(|state| state.clone());
        let own = self.with_state(|state| (state.good, state.begun));
        if self.source != before.source || (old.good, old.begun) <= own {
            return;
        }
        let ring = before.ring.load_full();
        let ring = match self.algorithms == before.algorithms || ring.is_empty() {
            true => Some(ring),
            false => KeyRing::published(&old.document, &self.algorithms).map(Arc::new),
        };
        // Nothing of it can be used in the new way: as if nothing had been fetched.
        let Some(ring) = ring else { return };
        self.ring.store(ring);
        // A fetch under way ends with the version it belongs to; it is due again as if it had not begun.
        let begun = if old.is_fetching { old.good } else { old.begun };
        self.with_state(|state| *state = State { is_fetching: false, begun, ..old });
    }

    /// Fetches now and then until `stop`. To be run once; all fetching happens in here.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.due() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.fetch() => self.tell(outcome.err()),
            }
        }
    }

    /// Fetches once, now, whatever was fetched before. For programs that run once; the gate uses `run`.
    pub async fn fetch(&self) -> Result<(), JwksFailure> {
        self.with_state(|state| {
            state.is_fetching = true;
            state.fetches += 1;
            state.begun = Some(Instant::now());
        });
        let outcome = self.source.document(&self.fetcher).await.and_then(|document| {
            let ring = KeyRing::published(&document, &self.algorithms).ok_or(JwksFailure::NoKeys)?;
            self.ring.store(Arc::new(ring));
            Ok(document)
        });
        self.with_state(|state| {
            state.note(&outcome, Instant::now());
            // Under the lock: who asks and finds no fetch under way must be able to see that one has just ended.
            self.ended.send_modify(|count| *count = count.wrapping_add(1));
        });
        self.forget_old();
        outcome.map(drop)
    }

    /// How many fetches have ended. To be read before a token is judged, for `newer`.
    pub(super) fn edition(&self) -> u64 {
        *self.ended.borrow()
    }

    /// Waits for keys newer than those of an edition: for the fetch under way, or for one that is begun for this caller if
    /// the last was long enough ago. False when there is nothing to wait for or it took too long.
    pub(super) async fn newer(&self, edition: u64) -> bool {
        let mut ended = self.ended.subscribe();
        // It may have ended since the caller looked, and then no other fetch may begin for a while.
        if *ended.borrow_and_update() != edition {
            return true;
        }
        if !self.ask(Instant::now()) {
            // Or it has ended just now, between the two looks.
            return ended.has_changed().unwrap_or(false);
        }
        matches!(timeout(PATIENCE, ended.changed()).await, Ok(Ok(())))
    }

    /// Where they are fetched from, for people: without a query, which may hold something secret.
    pub fn address(&self) -> String {
        let address = self.source.address();
        let (scheme, authority) = (address.scheme_str().unwrap_or_default(), address.authority().map_or("", |it| it.as_str()));
        format!("{scheme}://{authority}{}", address.path())
    }

    pub fn status(&self) -> JwksStatus {
        self.with_state(|state| JwksStatus {
            keys: self.ring.load().len(),
            fetches: state.fetches,
            age: state.good.map(|good| good.elapsed()),
            failure: state.failure.clone(),
        })
    }

    pub(super) fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    pub(super) fn published<'k>(&'k self, ring: &'k KeyRing) -> Published<'k> {
        Published { ring, algorithms: &self.algorithms }
    }

    /// Whether a fetch is under way, or one may begin now and has been asked for.
    fn ask(&self, now: Instant) -> bool {
        self.with_state(|state| {
            let is_rested = state.begun.is_none_or(|begun| now >= begun + self.pause(state));
            if is_rested && !state.is_fetching {
                state.is_fetching = true;
                self.wanted.notify_one();
            }
            state.is_fetching
        })
    }

    /// Ends when it is time to fetch: `refresh` after the last good fetch, sooner after a failure, or when asked for.
    async fn due(&self) {
        let next = self.with_state(|state| {
            let begun = state.begun?;
            let pause = if state.failures == 0 { self.refresh.max(self.minimum) } else { self.pause(state) };
            Some(begun + pause)
        });
        let Some(next) = next else { return };
        let expiry = self.with_state(|state| state.good).map(|good| good + self.keep);
        let timer = async {
            if let Some(expiry) = expiry.filter(|expiry| *expiry < next) {
                sleep_until(expiry).await;
                self.forget_old();
            }
            sleep_until(next).await;
        };
        let asked = async {
            // A wish can be left over from a fetch that the timer began; it is granted only while it is still a wish.
            while !self.wanted_now().await {}
        };
        tokio::select! {
            () = timer => {}
            () = asked => {}
        }
    }

    async fn wanted_now(&self) -> bool {
        self.wanted.notified().await;
        self.with_state(|state| state.is_fetching)
    }

    /// At least this long after the beginning of a fetch before the next. Until the first keys have come, tokens cannot make
    /// us fetch more often, so a gate that starts before its issuer tries again after 1, 2, 4 … seconds.
    fn pause(&self, state: &State) -> Duration {
        if state.good.is_some() || state.failures == 0 {
            return self.minimum;
        }
        FIRST_RETRY.saturating_mul(1 << (state.failures - 1).min(16)).min(self.minimum)
    }

    /// Keys that could not be fetched again for too long are no longer believed.
    fn forget_old(&self) {
        let is_old = self.with_state(|state| state.good.is_some_and(|good| good.elapsed() >= self.keep));
        if is_old && !self.ring.load().is_empty() {
            self.ring.store(Arc::default());
            tracing::error!(source = self.source.address().host(), "keys are too old and could not be fetched again: forgotten");
        }
    }

    fn tell(&self, failure: Option<JwksFailure>) {
        let keys = self.ring.load().len();
        match failure {
            None => tracing::debug!(source = self.source.address().host(), keys, "keys fetched"),
            Some(cause) => tracing::warn!(source = self.source.address().host(), keys, %cause, "keys could not be fetched"),
        }
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn note(&mut self, outcome: &Result<Bytes, JwksFailure>, now: Instant) {
        self.is_fetching = false;
        match outcome {
            Ok(document) => {
                (self.good, self.failures, self.failure, self.document) = (Some(now), 0, None, document.clone());
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                self.failure = Some(failure.clone());
            }
        }
    }
}

impl Source {
    fn of(auth: &Auth, problems: &mut Vec<AuthProblem>) -> Option<Self> {
        let mut address = |key: &str, text: &str| {
            let address = text.parse::<Uri>().ok().filter(|address| fetch::is_address(address) && !text.contains('#'));
            if address.is_none() {
                problems.push(AuthProblem::new(
                    key,
                    format!("{text:?} is not an address"),
                    "write one such as \"https://id.example.com/keys\"",
                ));
            }
            address
        };
        match (&auth.jwks_url, &auth.oidc_issuer) {
            (None, None) => None,
            (Some(url), None) => address("auth.jwks_url", url).map(Self::Document),
            // The issuer's name is compared whole with what its own page says (OpenID Connect Discovery 1.0 section 4.3).
            (None, Some(issuer)) => {
                let page = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                address("auth.oidc_issuer", &page).map(|discovery| Self::Issuer { name: issuer.clone(), discovery })
            }
            (Some(_), Some(_)) => {
                problems.push(AuthProblem::new(
                    "auth.jwks_url",
                    "it is given beside `auth.oidc_issuer`, which finds the keys itself",
                    "give one of them; with `auth.jwks_url` also set `auth.issuer`",
                ));
                None
            }
        }
    }

    fn address(&self) -> &Uri {
        match self {
            Self::Document(address) | Self::Issuer { discovery: address, .. } => address,
        }
    }

    async fn document(&self, fetcher: &Fetcher) -> Result<Bytes, JwksFailure> {
        match self {
            Self::Document(address) => Ok(fetcher.get(address).await?),
            Self::Issuer { name, discovery } => {
                let page = fetcher.get(discovery).await?;
                Ok(fetcher.get(&keys_address(&page, name, discovery)?).await?)
            }
        }
    }
}

/// Where a discovery page says the keys are. An https issuer's keys come over https.
fn keys_address(page: &[u8], issuer: &str, discovery: &Uri) -> Result<Uri, JwksFailure> {
    let page = strict::object(page).map_err(|_| JwksFailure::Discovery)?;
    let text = |name: &str| page.get(name).and_then(Value::as_str).ok_or(JwksFailure::Discovery);
    let named = text("issuer")?;
    if named != issuer {
        return Err(JwksFailure::OtherIssuer(named.chars().take(200).collect()));
    }
    let address: Uri = text("jwks_uri")?.parse().map_err(|_| JwksFailure::Discovery)?;
    let is_downgrade = discovery.scheme_str() == Some("https") && address.scheme_str() != Some("https");
    if is_downgrade || !fetch::is_address(&address) { Err(JwksFailure::Discovery) } else { Ok(address) }
}

/// The largest key document. Real ones have a few KiB.
const DOCUMENT_SIZE: usize = 1024 * 1024;

/// For one document, from the name to the last byte.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);

/// How long a request waits for keys that may be newer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Before the first keys have come.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// However it is configured, there is some rest between two fetches.
const SHORTEST: Duration = Duration::from_millis(50);
