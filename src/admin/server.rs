//! The admin door's listener: HTTP/1.1, a handful of paths, one `match`. Loopback needs no token, because who can reach it can
//! read the configuration too; any other address does. Pages are kept out: no Origin is accepted and the Host must be one
//! the operator named, so that a rebound DNS name in somebody's browser reads nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, uri::Authority};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::health::{self, Readiness};
use crate::gate::Gate;

/// Which door: the operator's, or the read-only one for probes and metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    Admin,
    Probe,
}

/// One admin listener.
pub struct Admin {
    pub gate: Arc<Gate>,
    pub door: Door,
}

/// Connections at once: a few operators, a kubelet, a Prometheus.
const CONNECTIONS: usize = 64;
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// A connection is over after this long, whatever it does.
const LONGEST: Duration = Duration::from_secs(60);

impl Admin {
    /// Serves until told to stop.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        let this = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the admin door cannot accept");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            // Full: the connection is closed by dropping it.
            let Ok(seat) = seats.clone().try_acquire_owned() else { continue };
            let this = this.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let answer = this.answer(&request, peer);
                    async move { Ok::<_, std::convert::Infallible>(answer) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_DEADLINE)
                    .max_buf_size(16 * 1024)
                    .serve_connection(TokioIo::new(tcp), service);
                // Scrapers that break off are nobody's concern.
                let _ = tokio::time::timeout(LONGEST, connection).await;
                drop(seat);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        if let Err((status, message)) = self.judge(request, peer) {
            return json_answer(status, &json!({ "error": message }));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = json_answer(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": "only GET" }));
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match (request.uri().path(), self.door) {
            ("/healthz", _) => text_answer(StatusCode::OK, "ok\n", "text/plain; charset=utf-8"),
            ("/readyz", _) => readyz(&health::readiness(&self.gate)),
            ("/metrics", _) => {
                self.gate.measure();
                text_answer(
                    StatusCode::OK,
                    self.gate.metrics.page(),
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                )
            }
            ("/status", Door::Admin) => json_answer(StatusCode::OK, &health::status(&self.gate)),
            _ => json_answer(StatusCode::NOT_FOUND, &json!({ "error": "not found" })),
        }
    }

    fn judge(&self, request: &Request<Incoming>, peer: SocketAddr) -> Result<(), (StatusCode, &'static str)> {
        if self.door == Door::Probe {
            return Ok(());
        }
        if request.headers().contains_key(header::ORIGIN) {
            return Err((StatusCode::FORBIDDEN, "pages are not served here"));
        }
        let generation = self.gate.generation();
        let admin = &generation.config.admin;
        if !is_known_host(request, &admin.hosts) {
            return Err((StatusCode::FORBIDDEN, "this host name is not in admin.hosts"));
        }
        match &admin.token {
            Some(token) if !has_token(request, token.expose()) => Err((StatusCode::UNAUTHORIZED, "the admin token is required")),
            // `config/check` refuses an address other than loopback without a token; this holds it whatever happened.
            None if !peer.ip().to_canonical().is_loopback() => Err((StatusCode::UNAUTHORIZED, "the admin token is required")),
            _ => Ok(()),
        }
    }
}

/// An address is what it is; a name must be localhost or one the operator wrote.
fn is_known_host(request: &Request<Incoming>, hosts: &[String]) -> bool {
    let mut values = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (values.next(), values.next()) else { return false };
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let name = host.host();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn has_token(request: &Request<Incoming>, token: &str) -> bool {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let (Some(shown), None) = (values.next(), values.next()) else { return false };
    let Some(shown) = shown.as_bytes().strip_prefix(b"Bearer ") else { return false };
    aws_lc_rs::constant_time::verify_slices_are_equal(shown, token.as_bytes()).is_ok()
}

/// The first line is the answer; the others say what is missing, also where the gate is ready without it.
fn readyz(readiness: &Readiness) -> Response<Full<Bytes>> {
    let (status, first) = match readiness.is_ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let lines: Vec<&str> = std::iter::once(first).chain(readiness.missing.iter().map(String::as_str)).collect();
    text_answer(status, lines.join("\n") + "\n", "text/plain; charset=utf-8")
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    text_answer(status, body.to_string(), "application/json")
}

fn text_answer(status: StatusCode, body: impl Into<Bytes>, kind: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
