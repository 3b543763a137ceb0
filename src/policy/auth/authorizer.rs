//! Asks somebody else whether a token is good: the app, or an introspection endpoint (RFC 7662). Who asks about a token that is
//! being asked about waits for that answer; answers are remembered for a while; calls under way are bounded, and so are those
//! that wait for their turn. It fails closed: no sound answer in time is no yes. The token is sent to the configured address only.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri};
use serde_json::{Map, Value};
use tokio::{
    sync::{OnceCell, Semaphore},
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

use super::{
    Claims, TokenRefusal,
    cache::{Cache, Fingerprint, Remembered},
    keys,
    problem::AuthProblem,
    strict,
};
use crate::{
    config::{
        Secret, authorizer,
        authorizer::{AuthorizerKind, Usage},
    },
    http::fetch::{self, FetchError, Fetcher, Question},
    net::tls::trust,
    telemetry::metrics::Asked,
};

/// Somebody who says whether a token is good.
pub(super) struct Authorizer {
    address: Uri,
    kind: AuthorizerKind,
    usage: Usage,
    /// The gate's own name and secret there.
    credentials: Option<HeaderValue>,
    fetcher: Fetcher,
    deadline: Duration,
    cache: Mutex<Cache>,
    /// Questions under way, each with those that wait for its answer.
    flights: Mutex<HashMap<Fingerprint, Flight>>,
    turns: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// Claims that anybody looks at, by their outermost name. Others are not kept.
    names: Vec<String>,
    told: Mutex<Option<Instant>>,
    counts: Asked,
}

/// A question under way, and how many wait for its answer.
struct Flight {
    answer: Arc<OnceCell<Answer>>,
    askers: usize,
}

/// What it says about a token.
#[derive(Clone)]
enum Answer {
    Yes(Arc<Claims>),
    No,
    Nothing,
}

/// Why it said nothing. The authorizer is to blame, or the way to it.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("the answer is not a JSON object with one meaning: {0}")]
    Unsound(#[from] strict::StrictError),
    #[error("the answer does not say whether the token is active")]
    Undecided,
    #[error("too many questions are under way")]
    Busy,
}

impl Authorizer {
    /// The authorizer as configured, of whose claims the rules look at those of these names. None: there is none, or something is
    /// wrong with it.
    pub fn new(wanted: &authorizer::Authorizer, names: Vec<String>, problems: &mut Vec<AuthProblem>) -> Option<Self> {
        let text = wanted.url.as_deref()?;
        let address = text.parse::<Uri>().ok().filter(|address| fetch::is_address(address) && !text.contains('#'));
        let Some(address) = address else {
            problems.push(AuthProblem::new(
                "auth.authorizer.url",
                "it is not an address",
                "write one such as \"https://id.example.com/introspect\"",
            ));
            return None;
        };
        let trust = match address.scheme_str() {
            Some("https") => match trust::client_config(wanted.ca.as_deref(), None) {
                Ok(config) => Some(Arc::new(config)),
                Err(problem) => {
                    problems.push(AuthProblem::new("auth.authorizer.ca", problem.to_string(), "name a PEM file of certificates"));
                    return None;
                }
            },
            _ => None,
        };
        let credentials = credentials(wanted, problems).ok()?;
        Some(Self {
            address,
            kind: wanted.kind,
            usage: wanted.usage,
            credentials,
            fetcher: Fetcher { trust, size: ANSWER_SIZE, deadline: wanted.deadline.0 },
            deadline: wanted.deadline.0,
            cache: Mutex::new(Cache::new(wanted.cache.0, wanted.cache_negative.0, wanted.cache_keys)),
            flights: Mutex::default(),
            turns: Semaphore::new(wanted.in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            most_waiting: wanted.in_flight.saturating_mul(QUEUE),
            names,
            told: Mutex::default(),
            counts: Asked::default(),
        })
    }

    pub fn count(&mut self, counts: Asked) {
        self.counts = counts;
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The claims of a good token. Waits at most twice the deadline: for a question that was given up by who asked it, and then
    /// for one of its own. Dropping the future gives up the question, unless somebody else waits for its answer.
    pub async fn claims(&self, token: &str, now: SystemTime) -> Result<Arc<Claims>, TokenRefusal> {
        let fingerprint = fingerprint(token);
        let answer = match self.remembered(&fingerprint) {
            Some(answer) => Some(answer),
            None => {
                let asker = Asker::join(self, fingerprint);
                let answer = asker.answer.get_or_init(|| self.ask(token, fingerprint, now));
                timeout(self.deadline.saturating_mul(2), answer).await.ok().cloned()
            }
        };
        match answer {
            Some(Answer::Yes(claims)) => Ok(claims),
            Some(Answer::No) => Err(TokenRefusal::Denied),
            Some(Answer::Nothing) | None => Err(TokenRefusal::AuthorizerUnavailable),
        }
    }

    fn remembered(&self, token: &Fingerprint) -> Option<Answer> {
        let (counter, answer) = match self.cache().find(token, Instant::now().into_std())? {
            Remembered::Yes(claims) => (&self.counts.remembered_yes, Answer::Yes(claims)),
            Remembered::No => (&self.counts.remembered_no, Answer::No),
        };
        counter.inc();
        Some(answer)
    }

    /// Asks once and remembers the answer.
    async fn ask(&self, token: &str, fingerprint: Fingerprint, now: SystemTime) -> Answer {
        // It may have come between the first look and the place in the list.
        if let Some(answer) = self.remembered(&fingerprint) {
            return answer;
        }
        let outcome = timeout(self.deadline, self.call(token)).await.unwrap_or(Err(FetchError::TooSlow.into()));
        match outcome {
            Ok(Some(claims)) => {
                self.counts.yes.inc();
                let claims = Arc::new(claims);
                self.cache().say_yes(fingerprint, claims.clone(), time_left(&claims, now), Instant::now().into_std());
                Answer::Yes(claims)
            }
            Ok(None) => {
                self.counts.no.inc();
                self.cache().say_no(fingerprint, Instant::now().into_std());
                Answer::No
            }
            Err(cause) => {
                let counter = match &cause {
                    Silence::Busy => &self.counts.busy,
                    Silence::Fetch(FetchError::TooSlow) => &self.counts.timeout,
                    Silence::Fetch(_) | Silence::Unsound(_) | Silence::Undecided => &self.counts.failed,
                };
                counter.inc();
                self.tell(&cause);
                Answer::Nothing
            }
        }
    }

    /// The claims of a good token, None of a bad one.
    async fn call(&self, token: &str) -> Result<Option<Claims>, Silence> {
        let _in_line = InLine::join(self)?;
        // It is closed by nobody.
        let _turn = self.turns.acquire().await.map_err(|_| Silence::Busy)?;
        let question = self.question(token).ok_or(FetchError::Url)?;
        let reply = self.fetcher.ask(&self.address, &question).await?;
        match (self.kind, reply.status) {
            (AuthorizerKind::App, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Ok(None),
            (AuthorizerKind::App, StatusCode::OK) => Ok(Some(self.kept(strict::object(&reply.body)?))),
            (AuthorizerKind::Introspection, StatusCode::OK) => {
                let claims = strict::object(&reply.body)?;
                match claims.get("active") {
                    Some(Value::Bool(true)) => Ok(Some(self.kept(claims))),
                    Some(Value::Bool(false)) => Ok(None),
                    _ => Err(Silence::Undecided),
                }
            }
            (AuthorizerKind::App | AuthorizerKind::Introspection, other) => Err(FetchError::Status(other.as_u16()).into()),
        }
    }

    /// What the rules look at of an answer. Not held: the rest of what an app knows about a person, and its size.
    fn kept(&self, mut claims: Map<String, Value>) -> Claims {
        claims.retain(|name, _| self.names.contains(name));
        Claims::of(claims)
    }

    fn question(&self, token: &str) -> Option<Question> {
        match self.kind {
            AuthorizerKind::App => {
                let text = Zeroizing::new(format!("Bearer {token}"));
                let authorization = secret_value(&text)?;
                Some(Question { authorization: Some(authorization), form: None })
            }
            AuthorizerKind::Introspection => {
                let form = form_urlencoded::Serializer::new(String::new())
                    .append_pair("token", token)
                    .append_pair("token_type_hint", "access_token")
                    .finish();
                Some(Question { authorization: self.credentials.clone(), form: Some(Bytes::from(form)) })
            }
        }
    }

    /// Loud now and then; every single one is counted.
    fn tell(&self, cause: &Silence) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| now.duration_since(told) >= TOLD_EVERY) {
            *told = Some(now);
            tracing::warn!(authorizer = self.address.host(), %cause, "no answer about a token");
        } else {
            tracing::debug!(authorizer = self.address.host(), %cause, "no answer about a token");
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Fingerprint, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for an answer. The first asks; when the first goes away, the next does. The last one takes the question from
/// the list, so what is in it is bounded by who waits.
struct Asker<'a> {
    authorizer: &'a Authorizer,
    token: Fingerprint,
    answer: Arc<OnceCell<Answer>>,
}

impl<'a> Asker<'a> {
    fn join(authorizer: &'a Authorizer, token: Fingerprint) -> Self {
        let mut flights = authorizer.flights();
        let flight = flights.entry(token).or_insert_with(|| Flight { answer: Arc::default(), askers: 0 });
        if flight.askers > 0 {
            authorizer.counts.shared.inc();
        }
        flight.askers += 1;
        Self { authorizer, token, answer: flight.answer.clone() }
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        let mut flights = self.authorizer.flights();
        // Another question about the same token may have begun since this one was answered.
        let Some(flight) = flights.get_mut(&self.token).filter(|flight| Arc::ptr_eq(&flight.answer, &self.answer)) else {
            return;
        };
        flight.askers -= 1;
        // An answer is for who asked before it came; who comes later finds it in the cache, or asks again.
        if flight.askers == 0 || self.answer.initialized() {
            flights.remove(&self.token);
        }
    }
}

/// A place among those who wait for their turn or have it.
struct InLine<'a>(&'a Authorizer);

impl<'a> InLine<'a> {
    fn join(authorizer: &'a Authorizer) -> Result<Self, Silence> {
        let place = Self(authorizer);
        let before = authorizer.waiting.fetch_add(1, Ordering::Relaxed);
        if before < authorizer.most_waiting { Ok(place) } else { Err(Silence::Busy) }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Name and secret as RFC 6749 section 2.3.1 has them: each form-encoded, then Basic.
fn credentials(wanted: &authorizer::Authorizer, problems: &mut Vec<AuthProblem>) -> Result<Option<HeaderValue>, ()> {
    let secret = keys::secret_of(wanted.client_secret.as_ref(), wanted.client_secret_file.as_deref()).map_err(|flaw| {
        problems.push(flaw.at("auth.authorizer.client_secret_file"));
    })?;
    if wanted.client_id.is_empty() {
        return Ok(None);
    }
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = Zeroizing::new(encoded(secret.as_ref().map_or("", Secret::expose)));
    let pair = Zeroizing::new(format!("{}:{}", encoded(&wanted.client_id), secret.as_str()));
    Ok(secret_value(&Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))))
}

/// A header value that no debug output shows.
fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn fingerprint(token: &str) -> Fingerprint {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

/// How long what was said is still true. None: it does not say. What is no time is for the rules to refuse.
fn time_left(claims: &Claims, now: SystemTime) -> Option<Duration> {
    let expires = claims.seconds("exp").unwrap_or(Some(0))?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Duration::from_secs(expires).saturating_sub(now))
}

/// The largest answer. Real ones have a few hundred bytes.
const ANSWER_SIZE: usize = 64 * 1024;

/// Questions that wait or are under way, for each that may be under way: more would not be asked within the deadline, even of an
/// authorizer that answers in a sixteenth of it.
const QUEUE: usize = 16;

/// Who reads the log needs to know that it fails, not how often; the metrics say that.
const TOLD_EVERY: Duration = Duration::from_secs(10);
