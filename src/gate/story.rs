//! What is learned of a request while it is told, for the headers every answer carries and for the one record it leaves. A
//! story that is dropped before its end leaves its record too: nobody waited for the answer any more.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    thread,
    time::Instant,
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header, request::Parts};

use super::{Generation, Room, wanted::Wanted};
use crate::{
    config::Environment,
    http::{
        Body,
        forwarded::{self, Client, Fresh},
    },
    net::Peer,
    policy::{
        Refusal, Refused,
        access::RuleId,
        auth::Identity,
        origin::{self, Cors, Grant, OriginRefusal},
    },
    relay::{admission::Bench, session::Key},
    telemetry::{
        Metrics, log,
        record::{self, Shadow},
    },
    upstream::Member,
};

/// One request's story.
pub struct Story {
    began: Instant,
    metrics: Arc<Metrics>,
    /// In the worker's last hour what is dropped was cut by us.
    bench: Arc<Bench>,
    /// The record is written.
    is_told: bool,
    record: record::Request,
    cors: Option<Cors>,
    preflight: bool,
    secure: bool,
    http1: bool,
    closes: bool,
    /// It asks to leave HTTP.
    is_handshake: bool,
    /// Somebody will read the record.
    is_wanted: bool,
    /// This client is followed: everything it does is told.
    is_followed: bool,
    suggestion: Option<(usize, OriginRefusal)>,
    room: Option<usize>,
    /// Fresh for every request: its id and its trace.
    pub fresh: Fresh,
    /// More of the same: a key, a mask.
    pub random: [u8; 32],
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Story {
    pub fn begin(metrics: &Arc<Metrics>, bench: &Arc<Bench>, peer: &Peer) -> Self {
        let mut bytes = [0_u8; 72];
        // Without randomness ids repeat, which harms nobody but the reader of logs; what must be secret is the seal's.
        let _ = SystemRandom::new().fill(&mut bytes);
        let (fresh, random) = split(&bytes);
        Self {
            began: Instant::now(),
            metrics: metrics.clone(),
            bench: bench.clone(),
            is_told: false,
            record: record::Request { address: Some(peer.address), kind: "none", ..record::Request::default() },
            cors: None,
            preflight: false,
            secure: peer.secure,
            http1: !peer.http2,
            closes: false,
            is_handshake: false,
            is_wanted: record::is_wanted() || log::follows_anybody(),
            is_followed: false,
            suggestion: None,
            room: None,
            fresh,
            random,
        }
    }

    /// Who asks for what, before anything is judged.
    pub fn meet(&mut self, parts: &Parts, client: &Client) {
        self.record.address = Some(client.address);
        self.is_followed = log::follows(client.address, None);
        self.is_wanted |= self.is_followed;
        self.secure = client.secure;
        // The same as the app is told.
        self.record.id = forwarded::request_id(&parts.headers, client.standing, &self.fresh);
        self.is_handshake = parts.headers.contains_key(header::UPGRADE);
        self.closes = self.http1 && (ends_connection(parts) || parts.version == Version::HTTP_10);
        if self.is_wanted {
            self.record.method = parts.method.as_str().to_string();
            self.record.path = parts.uri.path().to_string();
            self.record.origin = text_of(parts, header::ORIGIN);
        }
    }

    pub fn enter(&mut self, room: &Room) {
        self.room = Some(room.venue.index);
    }

    /// How the page was judged decides what CORS says on whatever answer follows.
    pub fn page(&mut self, judged: &Result<Grant, OriginRefusal>) {
        match judged {
            Ok(grant) => self.cors = Some(grant.cors().clone()),
            Err(refusal) => {
                self.cors = refusal.cors.clone();
                self.suggestion = self.room.map(|room| (room, refusal.clone()));
            }
        }
    }

    pub fn asks(&mut self, wanted: &Wanted) {
        self.record.kind = match wanted {
            Wanted::Open(_) => "open",
            Wanted::OpenWebSocket(_) | Wanted::WebSocket => "websocket",
            Wanted::Poll(_) => "poll",
            Wanted::Post(_) => "post",
            Wanted::Upgrade(_) => "upgrade",
            Wanted::Http => "http",
        };
        if let Wanted::Poll(note) | Wanted::Post(note) | Wanted::Upgrade(note) = wanted {
            self.is_in(note.key());
        }
    }

    fn is_in(&mut self, session: Key) {
        if self.is_wanted {
            self.record.session = session.to_string();
            self.is_followed |= log::follows_session(&self.record.session);
        }
    }

    pub fn knows(&mut self, identity: Option<&Identity>) {
        if let (true, Some(subject)) = (self.is_wanted, identity.and_then(Identity::subject)) {
            self.is_followed |= log::follows(client_of(&self.record), Some(subject));
            self.record.subject = subject.to_string();
        }
    }

    pub fn goes_to(&mut self, member: &Member) {
        if self.is_wanted {
            self.record.member = member.url().to_string();
        }
    }

    pub fn refused(&mut self, refused: &Refused) {
        self.record.refusal = Some(refused.refusal.name());
        self.record.detail = refused.detail.clone();
        self.record.suspicious = refused.refusal.is_suspicious();
    }

    /// A rule that is only tried says no.
    pub fn would_refuse(&self, refusal: Refusal, rule: &RuleId) {
        record::shadow(&Shadow {
            id: &self.record.id,
            session: &self.record.session,
            address: client_of(&self.record),
            subject: &self.record.subject,
            path: &self.record.path,
            refusal: refusal.name(),
            detail: rule,
        });
    }

    /// The answer is the last one on its connection.
    pub fn closes(&mut self) {
        self.closes = self.http1;
    }

    /// A page asks whether it may ask.
    pub fn asks_first(&mut self) {
        self.record.kind = "preflight";
    }

    /// It may: the answer says so itself.
    pub fn is_preflight(&mut self) {
        self.preflight = true;
    }

    /// Completes the answer and writes the record.
    pub fn end(mut self, generation: &Generation, mut answer: Response<Body>) -> Response<Body> {
        self.finish_headers(generation, &mut answer);
        if self.is_wanted {
            self.explain(generation);
        }
        self.write(answer.status());
        answer
    }

    /// The end of a request that could not be read: there is nobody to answer.
    pub fn end_unread(mut self, refused: &Refused) {
        self.refused(refused);
        self.write(refused.refusal.status());
    }

    /// Counts it and leaves its record.
    fn write(&mut self, status: StatusCode) {
        self.is_told = true;
        self.metrics.requests.get_or_create_owned(&[("kind", self.record.kind), ("status", class(status))]).inc();
        if let Some(refusal) = self.record.refusal {
            self.metrics.refusals.get_or_create_owned(&[("reason", refusal)]).inc();
        }
        if self.is_wanted {
            self.record.status = status.as_u16();
            self.record.lasted = self.began.elapsed();
            record::request(&self.record, self.is_followed);
        }
    }

    /// Why a story ends in the middle. hyper drops it when its connection or stream has gone.
    fn interruption(&self) -> Refusal {
        if thread::panicking() {
            Refusal::Internal
        } else if self.bench.stop.is_cancelled() {
            Refusal::Draining
        } else {
            Refusal::ClientGone
        }
    }

    fn finish_headers(&mut self, generation: &Generation, answer: &mut Response<Body>) {
        let status = answer.status();
        if let Some(session) = answer.extensions().get::<Key>() {
            self.is_in(*session);
        }
        let headers = answer.headers_mut();
        match &self.cors {
            _ if self.preflight => {}
            Some(cors) => cors.write(headers),
            None => origin::vary_only(headers),
        }
        if let Ok(id) = HeaderValue::from_str(&self.record.id) {
            headers.insert(REQUEST_ID, id);
        }
        let hsts = generation.hsts().filter(|_| self.secure && generation.config.environment == Environment::Production);
        if let Some(hsts) = hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        // Whatever follows a handshake that was refused was meant for a WebSocket.
        if self.closes || (self.http1 && self.is_handshake) {
            // A list: 426 names what to upgrade to.
            headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// A page's refusal gets its category and the way to mend it: for the operator, never for the client.
    fn explain(&mut self, generation: &Generation) {
        let Some((room, refusal)) = self.suggestion.take().filter(|_| self.record.refusal.is_some()) else { return };
        let suggestion = generation.origin_of(room).suggest(&refusal);
        self.record.detail = Some(format!("{}: {suggestion}", refusal.category));
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if !self.is_told {
            let refusal = self.interruption();
            self.refused(&refusal.into());
            self.write(refusal.status());
        }
    }
}

fn split(bytes: &[u8; 72]) -> (Fresh, [u8; 32]) {
    let mut fresh = Fresh { request: [0; 16], trace: [0; 16], span: [0; 8] };
    let mut random = [0; 32];
    fresh.request.copy_from_slice(&bytes[..16]);
    fresh.trace.copy_from_slice(&bytes[16..32]);
    fresh.span.copy_from_slice(&bytes[32..40]);
    random.copy_from_slice(&bytes[40..]);
    (fresh, random)
}

fn client_of(record: &record::Request) -> IpAddr {
    record.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Whether an answer ends its connection: HTTP/1 requests with a transfer coding are answered and then left, so that no
/// disagreement about where they ended can matter (RFC 9112 section 11.2).
fn ends_connection(parts: &Parts) -> bool {
    parts.headers.contains_key(header::TRANSFER_ENCODING)
}

fn text_of(parts: &Parts, name: HeaderName) -> String {
    parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
