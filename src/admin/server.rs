//! The admin door's listener: HTTP/1.1, a handful of paths, one `match`. To read, loopback needs no token, because who can
//! reach it can read the configuration too; any other address does. To change something a token is needed everywhere, and
//! whatever is done leaves a line in the security log. Pages are kept out: no Origin is accepted and the Host must be one
//! the operator named, so that a rebound DNS name in somebody's browser reads nothing.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, Request, StatusCode, header, uri::Authority};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Answer, No, no},
    ask::{self, Deed, Page, Path},
    health::{self, Readiness},
    reload::{self, Wishes},
    revocations::{self, Done},
    sessions,
};
use crate::{gate::Gate, telemetry::record};

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
    /// Who reloads; nobody where there are no files.
    pub wishes: Option<Wishes>,
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
                    let this = this.clone();
                    async move { Ok::<_, std::convert::Infallible>(this.answer(request, peer).await) }
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

    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let path = Path::read(request.uri().path()).filter(|path| self.door == Door::Admin || path.is_probe());
        if let Err(no) = self.judge(&request, path, peer) {
            if let Some(Path::Deed(deed)) = path {
                note(deed, peer, &no.why, no.status);
            }
            return no.into_answer();
        }
        match path {
            None => no(StatusCode::NOT_FOUND, "not found").into_answer(),
            Some(Path::Page(_)) if !matches!(*request.method(), Method::GET | Method::HEAD) => answer::only("GET, HEAD"),
            Some(Path::Page(page)) => self.show(page, request.uri().query()).await.unwrap_or_else(No::into_answer),
            Some(Path::Deed(_)) if request.method() != Method::POST => answer::only("POST"),
            // In a task of its own: what was begun is done and noted, also when nobody waits for the answer any more.
            Some(Path::Deed(deed)) => {
                let done = tokio::spawn(self.act_and_note(deed, request, peer)).await;
                done.unwrap_or_else(|_| broken().into_answer())
            }
        }
    }

    async fn show(&self, page: Page, query: Option<&str>) -> Result<Answer, No> {
        let gate = &self.gate;
        Ok(match page {
            Page::Healthz => answer::text(StatusCode::OK, "ok\n", "text/plain; charset=utf-8"),
            Page::Readyz => readyz(&health::readiness(gate)),
            Page::Metrics => {
                gate.measure();
                let page = gate.metrics.page();
                answer::text(StatusCode::OK, page, "application/openmetrics-text; version=1.0.0; charset=utf-8")
            }
            Page::Status => answer::json(StatusCode::OK, &health::status(gate)),
            Page::Sessions => sessions::list(gate, query).await?,
            Page::Session(name) => sessions::show(gate, name)?,
            Page::Revocations => revocations::list(gate, query)?,
        })
    }

    async fn act_and_note(self: Arc<Self>, deed: Deed, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        match self.act(deed, request).await {
            Ok(Done { answer, what }) => {
                note(deed, peer, &what, answer.status());
                answer
            }
            Err(no) => {
                // Why is for the answer alone: it may repeat a body, and somebody may have written a token into it.
                note(deed, peer, "", no.status);
                no.into_answer()
            }
        }
    }

    async fn act(&self, deed: Deed, request: Request<Incoming>) -> Result<Done, No> {
        let gate = self.gate.clone();
        let now = SystemTime::now();
        match deed {
            Deed::Revoke => {
                let wish = ask::body(request).await?;
                aside(move || revocations::revoke(&gate, wish, now)).await
            }
            Deed::Unrevoke => {
                let pardon = ask::body(request).await?;
                aside(move || revocations::unrevoke(&gate, pardon)).await
            }
            Deed::Kill(name) => {
                ask::nothing(request).await?;
                aside(move || sessions::kill(&gate, name, now)).await
            }
            Deed::Reload => {
                ask::nothing(request).await?;
                reload::reload(self.wishes.as_ref()).await
            }
        }
    }

    fn judge(&self, request: &Request<Incoming>, path: Option<Path>, peer: SocketAddr) -> Result<(), No> {
        if self.door == Door::Probe {
            return Ok(());
        }
        if request.headers().contains_key(header::ORIGIN) {
            return Err(no(StatusCode::FORBIDDEN, "pages are not served here"));
        }
        let generation = self.gate.generation();
        let admin = &generation.config.admin;
        if !is_known_host(request, &admin.hosts) {
            return Err(no(StatusCode::FORBIDDEN, "this host name is not in admin.hosts"));
        }
        match &admin.token {
            Some(token) if !has_token(request, token.expose()) => {
                Err(no(StatusCode::UNAUTHORIZED, "the admin token is required"))
            }
            None if matches!(path, Some(Path::Deed(_))) => {
                Err(no(StatusCode::FORBIDDEN, "nothing is changed here without a token: set admin.token_file"))
            }
            // `config/check` refuses an address other than loopback without a token; this holds it whatever happened.
            None if !peer.ip().to_canonical().is_loopback() => Err(no(StatusCode::UNAUTHORIZED, "the admin token is required")),
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
fn readyz(readiness: &Readiness) -> Answer {
    let (status, first) = match readiness.is_ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let lines: Vec<&str> = std::iter::once(first).chain(readiness.missing.iter().map(String::as_str)).collect();
    answer::text(status, lines.join("\n") + "\n", "text/plain; charset=utf-8")
}

/// What goes through all sessions, or waits for the disk, does not keep the control thread.
async fn aside(deed: impl FnOnce() -> Result<Done, No> + Send + 'static) -> Result<Done, No> {
    tokio::task::spawn_blocking(deed).await.unwrap_or_else(|_| Err(broken()))
}

fn note(deed: Deed, peer: SocketAddr, what: &str, status: StatusCode) {
    record::deed(&record::Deed { deed: deed.name(), address: peer, what, status: status.as_u16() });
}

fn broken() -> No {
    no(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong in the gate")
}
