//! Asks members how they are: whether they take connections, answer HTTP, or open an Engine.IO session, which also tells the
//! app's ping values. One task a pool, stopped by its owner; what it finds goes to the members and decides who gets new sessions.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval_at, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{config::upstream::Probe, http::body, net::dial};

use super::{
    connect::{self, AnswerBody, ExchangeError},
    member::Member,
    pool::{Pool, Probing},
};

/// Why a probe failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProbeFailure {
    #[error(transparent)]
    Dial(#[from] dial::DialError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error("it answered with status {0}")]
    Status(StatusCode),
    #[error("it did not answer in time")]
    Timeout,
    #[error("its answer is no Engine.IO open packet")]
    NotEngine,
    #[error("the probe's path cannot be asked for")]
    Path,
}

impl ProbeFailure {
    /// Whether the gate's own want of resources was the cause.
    fn is_local(&self) -> bool {
        matches!(self, Self::Dial(error) | Self::Exchange(ExchangeError::Dial(error)) if error.is_local())
    }
}

/// The app's open packet, as far as probes look at it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    pub sid: String,
    pub ping_interval: u64,
    pub ping_timeout: u64,
}

/// Probes all members of `pool` until `stop`. Members stand as they were before: up, if this is the first generation.
pub async fn watch(pool: Arc<Pool>, stop: CancellationToken) {
    let mut watches = JoinSet::new();
    for seat in 0..pool.members().len() {
        watches.spawn(watch_one(pool.clone(), seat));
    }
    // They never end by themselves; dropping the set ends them.
    stop.cancelled().await;
}

/// One probe of one member. What an Engine.IO handshake tells about pings, the member keeps.
pub async fn probe(pool: &Pool, member: &Member) -> Result<(), ProbeFailure> {
    let probing = pool.probing();
    let deadline = Instant::now() + probing.deadline;
    let probed = async {
        match probing.kind {
            Probe::Off => Ok(()),
            Probe::Tcp => {
                dial::dial(member.target(), deadline).await?;
                Ok(())
            }
            Probe::Http => ask_http(member, probing, deadline).await,
            Probe::Engine => {
                let opened = open_session(member, probing, deadline).await?;
                member.learn(opened.ping_interval, opened.ping_timeout);
                close_session(member, probing, &opened.sid, deadline).await;
                Ok(())
            }
        }
    };
    timeout_at(deadline.into(), probed).await.unwrap_or(Err(ProbeFailure::Timeout))
}

/// The open packet at the start of a polling answer. None: it is something else.
pub fn read_open(payload: &[u8]) -> Option<Opened> {
    let first = payload.split(|byte| *byte == SEPARATOR).next()?;
    serde_json::from_slice(first.strip_prefix(b"0")?).ok()
}

async fn watch_one(pool: Arc<Pool>, seat: usize) {
    let member = &pool.members()[seat];
    let Probing { kind, interval, fall, rise, .. } = *pool.probing();
    let mut ticks = interval_at((Instant::now() + head_start(seat, pool.members().len(), interval)).into(), interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if kind == Probe::Off {
            member.show(Instant::now());
            continue;
        }
        let result = probe(&pool, member).await;
        if let Err(failure) = &result
            && failure.is_local()
        {
            // Nothing was learned: the member stays as it was.
            tracing::warn!(member = member.url(), %failure, "the gate cannot probe");
            continue;
        }
        if let Err(failure) = &result {
            tracing::debug!(member = member.url(), %failure, "probe failed");
        }
        member.probed(result.is_ok(), fall, rise, Instant::now());
    }
}

/// Members are probed one after the other over an interval and not all at once, the first without waiting.
fn head_start(seat: usize, members: usize, interval: Duration) -> Duration {
    let part = seat as f64 / members.max(1) as f64;
    interval.mul_f64(part)
}

async fn ask_http(member: &Member, probing: &Probing, deadline: Instant) -> Result<(), ProbeFailure> {
    let answer = connect::ask(member, request(Method::GET, &probing.path, "")?, deadline).await?;
    let status = answer.status();
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(ProbeFailure::Status(status)) }
}

async fn open_session(member: &Member, probing: &Probing, deadline: Instant) -> Result<Opened, ProbeFailure> {
    let asked = engine_path(&probing.path, "");
    let answer = connect::ask(member, request(Method::GET, &asked, "")?, deadline).await?;
    if answer.status() != StatusCode::OK {
        return Err(ProbeFailure::Status(answer.status()));
    }
    read_open(&collect(answer.into_body()).await?).ok_or(ProbeFailure::NotEngine)
}

/// Without it the app would hold the probe's session until its ping timeout. Whether it listens does not matter, and an
/// id that would have to be escaped (apps may make their own) is left to that timeout.
async fn close_session(member: &Member, probing: &Probing, sid: &str, deadline: Instant) {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-._~".contains(&letter);
    if sid.is_empty() || !sid.bytes().all(is_plain) {
        return;
    }
    let Ok(request) = request(Method::POST, &engine_path(&probing.path, sid), "1") else { return };
    if let Ok(answer) = connect::ask(member, request, deadline).await {
        let _ = collect(answer.into_body()).await;
    }
}

fn engine_path(path: &str, sid: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    let session = if sid.is_empty() { String::new() } else { format!("&sid={sid}") };
    format!("{path}{joint}EIO=4&transport=polling{session}")
}

fn request(method: Method, path: &str, text: &'static str) -> Result<Request<crate::http::Body>, ProbeFailure> {
    let uri: Uri = path.parse().map_err(|_| ProbeFailure::Path)?;
    let mut request = Request::new(if text.is_empty() { body::empty() } else { body::full(text) });
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(::http::header::USER_AGENT, ::http::HeaderValue::from_static("sockgate-probe"));
    if !text.is_empty() {
        headers.insert(::http::header::CONTENT_TYPE, ::http::HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Ok(request)
}

async fn collect(body: AnswerBody) -> Result<bytes::Bytes, ProbeFailure> {
    let collected = Limited::new(body, OPEN_BYTES).collect().await;
    collected.map(|all| all.to_bytes()).map_err(|_| ProbeFailure::NotEngine)
}

/// Separates the packets of a polling payload.
const SEPARATOR: u8 = 0x1e;
/// An open packet is some hundred bytes long.
const OPEN_BYTES: usize = 8 * 1024;
