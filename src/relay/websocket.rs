//! WebSocket handshakes: the client's was judged in `http/upgrade` before anyone was contacted, the app's is made and judged
//! here before anything of it is passed on. Then HTTP ends on both sides, its futures are freed, and the carriage of
//! `frames` goes on with the bare connections.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    admission::{Admission, Answered, Asked, Bench, Opener, Seat, Venue},
    errand::Errand,
    exchange,
    frames::{Carriage, Exchanged, Opening, Terms},
    outgoing, polling,
    seal::Note,
    session::{Attendance, Held, Key, Reason, Session, Transport},
};
use crate::{
    config::route::Kind,
    http::{Body, body, headers, serve::Carrier, upgrade},
    net::dial::Line,
    policy::{Refusal, Refused, auth::Identity},
    telemetry::panic,
    upstream::{
        Member,
        connect::{self, ExchangeError, Fault, Handshake, Tally},
        member::Outcome,
    },
};

/// Of an app's refusal this much is passed on.
const LARGEST_REFUSAL: usize = 64 * 1024;
/// After our 101 the client's connection is ours at once; anything longer is a bug or a client that left.
const HAND_OVER: Duration = Duration::from_secs(5);
/// Beyond the app's own heartbeat.
const SILENCE_MARGIN: Duration = Duration::from_secs(5);

/// What the app said to the handshake.
enum Said {
    Yes(Agreed),
    /// In its own words: a status and perhaps a body.
    No(Response<Body>),
}

/// The app's side of an agreed WebSocket.
struct Agreed {
    member: Arc<Member>,
    line: Line,
    /// Its place among the gate's connections to members.
    tally: Tally,
    /// What arrived together with the 101.
    early: Bytes,
    protocol: Option<HeaderValue>,
}

/// A new WebSocket: a Socket.IO session that starts on it, or one without Engine.IO. Also the member it has come to.
pub async fn open(bench: &Arc<Bench>, venue: &Arc<Venue>, mut admission: Admission, errand: Errand) -> Result<Answered, Refused> {
    let mut said = ask(bench, venue, &admission.seat, admission.identity.as_ref(), None, &errand).await;
    if said.as_ref().is_err_and(polling::is_unreached) {
        // Nothing of the request was heard by anyone: another member may be asked, once.
        admission.seat = polling::elsewhere(venue, &admission.seat)?;
        said = ask(bench, venue, &admission.seat, admission.identity.as_ref(), None, &errand).await;
    }
    let member = admission.seat.member().clone();
    let agreed = match said.map_err(|error| exchange::refusal(&error))? {
        Said::Yes(agreed) => agreed,
        Said::No(answer) => return Ok(Answered { answer, member }),
    };
    let opening = matches!(admission.asked, Asked::OpenWebSocket).then(|| {
        let note = polling::blank(venue, &admission);
        Box::new(Sealing { venue: venue.clone(), member: member.clone(), note: Some(note) }) as Box<dyn Opening>
    });
    let session = enter(venue, admission, &errand)?;
    let answer = hand_over(bench, venue, session, None, agreed, opening, errand);
    Ok(Answered { answer, member })
}

/// A polling session goes on as a WebSocket.
pub async fn upgrade(
    bench: &Arc<Bench>,
    venue: &Arc<Venue>,
    session: Arc<Session>,
    note: Note,
    admission: Admission,
    errand: Errand,
) -> Result<Response<Body>, Refused> {
    if !session.move_to_websocket() {
        return Err(Refused::because(Refusal::Engine, "a WebSocket carries this session already"));
    }
    let claim = Claim(Some(session.clone()));
    let mut attendance = session.attend();
    let said = ask(bench, venue, &admission.seat, note.identity.as_ref(), Some(&note.sid), &errand).await;
    match said {
        Ok(Said::Yes(agreed)) => {
            claim.keep();
            attendance.counts();
            session.confirm();
            Ok(hand_over(bench, venue, session, Some(attendance), agreed, None, errand))
        }
        Ok(Said::No(answer)) => Ok(answer),
        Err(error) => {
            drop(claim);
            Err(polling::lost(venue, &session, &error))
        }
    }
}

/// A session that is about to move to a WebSocket. Dropped without being kept, for whatever reason, it goes on by polling.
struct Claim(Option<Arc<Session>>);

impl Claim {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.back_to_polling();
        }
    }
}

fn enter(venue: &Venue, admission: Admission, errand: &Errand) -> Result<Arc<Session>, Refused> {
    let mut key = [0_u8; 16];
    key.copy_from_slice(&errand.random[16..]);
    let by = Opener {
        transport: Transport::WebSocket,
        identity: admission.identity.as_ref(),
        address: admission.address,
        origin: admission.grant.tag(),
    };
    let held = Held { lease: admission.seat.into_lease(venue)?, permits: admission.permits };
    Ok(venue.ledger.enter(venue.session(Key(u128::from_be_bytes(key)), by, held)))
}

/// The open packet of a session that starts on a WebSocket.
struct Sealing {
    venue: Arc<Venue>,
    member: Arc<Member>,
    note: Option<Note>,
}

impl Opening for Sealing {
    fn exchange(&mut self, packet: &[u8]) -> Option<Exchanged> {
        let (packet, _) = polling::exchange_open(&self.venue, &self.member, self.note.take()?, packet).ok()?;
        Some(Exchanged { packet, silence: self.venue.heartbeat(&self.member) + SILENCE_MARGIN })
    }
}

/// Makes the handshake with the app.
async fn ask(
    bench: &Bench,
    venue: &Venue,
    seat: &Seat,
    identity: Option<&Identity>,
    sid: Option<&str>,
    errand: &Errand,
) -> Result<Said, ExchangeError> {
    let member = seat.member();
    let told = errand.told(identity, sid, member);
    let request = outgoing::request(&errand.parts, &errand.head, &venue.manners, &told);
    // Dialing has a shorter deadline of its own.
    let deadline = Instant::now() + venue.patience.handshake;
    let (line, tally) = bench.connections.dial_fresh(member, deadline).await?;
    let asked = Instant::now();
    let said = match tokio::time::timeout_at(deadline.into(), shake_hands(request, errand, member, line, tally)).await {
        Ok(said) => said,
        Err(_) => Err(ExchangeError::Timeout),
    };
    match (blame(venue, sid), outcome(&said)) {
        (Blame::Nothing, outcome @ (Outcome::Broken | Outcome::Timeout | Outcome::Garbage)) => member.excuse(outcome),
        (Blame::Silence, outcome @ (Outcome::Broken | Outcome::Garbage)) => member.excuse(outcome),
        (_, outcome) => member.report(outcome, Instant::now()),
    }
    if said.is_ok() {
        venue.metrics.answer_seconds.observe(asked.elapsed().as_secs_f64());
    }
    said
}

/// What a member is blamed for when a handshake comes to nothing.
enum Blame {
    Everything,
    /// Only for saying nothing: apps without Engine.IO say no by hanging up, or in ways of their own, and a client must not be
    /// able to eject a member by asking for it.
    Silence,
    /// A request inside a session: a client knows what its app does not answer.
    Nothing,
}

fn blame(venue: &Venue, sid: Option<&str>) -> Blame {
    match (venue.kind, sid) {
        (_, Some(_)) => Blame::Nothing,
        (Kind::Socketio, None) => Blame::Everything,
        (Kind::Websocket | Kind::Http, None) => Blame::Silence,
    }
}

fn outcome(said: &Result<Said, ExchangeError>) -> Outcome {
    match said {
        Ok(_) => Outcome::Answered,
        Err(ExchangeError::Timeout) => Outcome::Timeout,
        Err(ExchangeError::Garbage(_)) => Outcome::Garbage,
        Err(_) => Outcome::Broken,
    }
}

async fn shake_hands(
    request: Request<()>,
    errand: &Errand,
    member: &Arc<Member>,
    line: Line,
    tally: Tally,
) -> Result<Said, ExchangeError> {
    let key = STANDARD.encode(&errand.random[..16]);
    let offered = offered(errand);
    let shaken = connect::shake_hands(line, handshake(request, &key, &offered)).await?;
    if shaken.answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Said::No(refused(shaken).await?));
    }
    let protocol = judge(&shaken.answer, &key, &offered)?;
    let (line, early) = shaken.take_line().await?;
    Ok(Said::Yes(Agreed { member: member.clone(), line, tally, early, protocol }))
}

/// Subprotocols the app gets to choose from.
fn offered(errand: &Errand) -> Vec<String> {
    let offered = errand.handshake.iter().flat_map(|ask| &ask.protocols);
    offered.filter(|protocol| !errand.withheld_protocols.contains(protocol)).cloned().collect()
}

fn handshake(mut request: Request<()>, key: &str, offered: &[String]) -> Request<Body> {
    let headers = request.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
    }
    if !offered.is_empty()
        && let Ok(offered) = HeaderValue::try_from(offered.join(", "))
    {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered);
    }
    request.map(|()| body::empty())
}

/// A 101 is believed only when it is right in every part (RFC 6455 section 4.1).
fn judge(answer: &Response<Incoming>, key: &str, offered: &[String]) -> Result<Option<HeaderValue>, ExchangeError> {
    let fields = answer.headers();
    let is_websocket = fields.get_all(header::UPGRADE).iter().count() == 1
        && fields.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && headers::has_token(fields, header::CONNECTION, "upgrade");
    let accept = fields.get_all(header::SEC_WEBSOCKET_ACCEPT).iter().collect::<Vec<_>>();
    let is_accepted = matches!(accept[..], [value] if value.as_bytes() == upgrade::accept_key(key).as_bytes());
    // None was offered.
    let has_extension = fields.contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
    let mut protocols = fields.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let protocol = protocols.next().cloned();
    let is_offered = protocol.as_ref().is_none_or(|chosen| offered.iter().any(|offer| offer.as_bytes() == chosen.as_bytes()));
    if is_websocket && is_accepted && !has_extension && is_offered && protocols.next().is_none() {
        Ok(protocol)
    } else {
        Err(ExchangeError::Garbage(Fault::Handshake))
    }
}

/// An app's refusal, so that its connection can go: whole, unless it is a long one.
async fn refused(mut shaken: Handshake) -> Result<Response<Body>, ExchangeError> {
    let mut said = Vec::new();
    while said.len() < LARGEST_REFUSAL
        && let Some(frame) = shaken.answer.body_mut().frame().await
    {
        if let Ok(bytes) = frame.map_err(|_| ExchangeError::Broken)?.into_data() {
            said.extend_from_slice(&bytes);
        }
    }
    said.truncate(LARGEST_REFUSAL);
    let mut answer = shaken.answer.map(|_| body::full(said));
    headers::drop_hop_by_hop(answer.headers_mut());
    headers::drop_cors(answer.headers_mut());
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(answer)
}

/// Answers the client and lets the carriage begin once the answer is out.
fn hand_over(
    bench: &Arc<Bench>,
    venue: &Arc<Venue>,
    session: Arc<Session>,
    attendance: Option<Attendance>,
    agreed: Agreed,
    opening: Option<Box<dyn Opening>>,
    mut errand: Errand,
) -> Response<Body> {
    let (Some(handshake), Some(on_upgrade)) = (errand.handshake.take(), errand.on_upgrade.take()) else {
        // `gate/pipeline` admits a WebSocket only with its handshake.
        return Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(body::empty()).unwrap_or_default();
    };
    let protocol = agreed.protocol.clone().or_else(|| echo(&handshake, &errand));
    let mut answer = upgrade::accept(&handshake, protocol.as_ref());
    // Its record names the session.
    answer.extensions_mut().insert(session.key);
    let task = Task {
        venue: venue.clone(),
        bench: bench.clone(),
        upgraded: attendance.is_some(),
        attendance: attendance.unwrap_or_else(|| session.attend()),
        session,
        pass: errand.pass,
        mask: [errand.random[0], errand.random[5], errand.random[9], errand.random[14]],
    };
    let (metrics, ledger, session) = (venue.metrics.clone(), venue.ledger.clone(), task.session.clone());
    bench.tasks.spawn(async move {
        let carried = async {
            match tokio::time::timeout(HAND_OVER, on_upgrade).await {
                Ok(Ok(client)) => task.carry(client, agreed, opening).await,
                _ => task.never_began(),
            }
        };
        if panic::caught(&metrics, carried).await.is_err() {
            ledger.close(&session, Reason::AppGone);
        }
    });
    answer
}

/// Browsers drop a connection whose offered subprotocols were all ignored: the marker of a token pair is answered.
fn echo(handshake: &upgrade::Ask, errand: &Errand) -> Option<HeaderValue> {
    let marker = errand.withheld_protocols.first()?;
    handshake.protocols.contains(marker).then(|| HeaderValue::from_str(marker).ok()).flatten()
}

/// An open WebSocket and what it holds.
struct Task {
    venue: Arc<Venue>,
    bench: Arc<Bench>,
    session: Arc<Session>,
    attendance: Attendance,
    /// Whether the session began as polling.
    upgraded: bool,
    pass: Arc<dyn std::any::Any + Send + Sync>,
    mask: [u8; 4],
}

impl Task {
    async fn carry(self, client: Upgraded, agreed: Agreed, opening: Option<Box<dyn Opening>>) {
        // HTTP/1.1 gives the bare connection back; an HTTP/2 stream stays wrapped.
        match client.downcast::<Carrier>() {
            Ok(parts) => {
                let (stream, early) = (parts.io.into_inner(), parts.read_buf);
                self.run(stream.into_untimed(), early, agreed, opening).await;
            }
            Err(client) => self.run(TokioIo::new(client), Bytes::new(), agreed, opening).await,
        }
    }

    async fn run<C>(self, client: C, early: Bytes, agreed: Agreed, opening: Option<Box<dyn Opening>>)
    where
        C: AsyncRead + AsyncWrite + Reset + Unpin,
    {
        let terms = Arc::new(self.terms(&agreed.member));
        let session = self.session.clone();
        let mut carriage = Box::new(Carriage::new((client, &early), (agreed.line, &agreed.early), opening, terms, session));
        let ended = tokio::select! {
            ended = carriage.run() => ended,
            // The worker's last hour: there is no time left for goodbyes.
            () = self.bench.stop.cancelled() => carriage.cut(Reason::Draining),
        };
        let (mut client, mut upstream) = carriage.into_ends();
        let _counted = agreed.tally;
        if ended.reset {
            client.reset();
            upstream.reset();
        }
        drop((client, upstream));
        self.ended(ended);
    }

    fn terms(&self, member: &Member) -> Terms {
        let venue = &self.venue;
        let is_engine = venue.kind == Kind::Socketio;
        Terms {
            limits: venue.limits,
            // A client of Engine.IO answers the app's pings.
            silence: if is_engine { venue.heartbeat(member) + SILENCE_MARGIN } else { venue.patience.ping * 2 },
            ping: (!is_engine).then_some(venue.patience.ping),
            stall: venue.patience.stall,
            expires: self.session.expires,
            mask: self.mask,
            carried: venue.carried.clone(),
        }
    }

    fn ended(self, ended: super::frames::Ended) {
        let session = &self.session;
        let metrics = &self.venue.metrics;
        session.bytes_in.fetch_add(ended.moved.bytes_in, Ordering::Relaxed);
        session.bytes_out.fetch_add(ended.moved.bytes_out, Ordering::Relaxed);
        session.messages_in.fetch_add(ended.moved.messages_in, Ordering::Relaxed);
        session.messages_out.fetch_add(ended.moved.messages_out, Ordering::Relaxed);
        session.close_code.store(ended.code.unwrap_or(0), Ordering::Relaxed);
        // A client that upgrades says `2probe` and then `5`: one that never came so far goes on by polling.
        let did_upgrade = ended.moved.messages_in >= 2;
        if self.upgraded {
            let outcome = if did_upgrade { "done" } else { "failed" };
            metrics.upgrades.get_or_create_owned(&[("outcome", outcome)]).inc();
        }
        if self.upgraded && !did_upgrade && !session.ending.is_told() {
            session.back_to_polling();
            return;
        }
        self.venue.ledger.close(session, ended.reason);
        drop((self.attendance, self.pass));
    }

    fn never_began(self) {
        if self.upgraded {
            self.session.back_to_polling();
        } else {
            self.venue.ledger.close(&self.session, Reason::ClientGone);
        }
    }
}

/// A connection that can be dropped as rudely as its other half was.
pub trait Reset {
    fn reset(&mut self);
}

impl Reset for Line {
    fn reset(&mut self) {
        linger_not(self.tcp());
    }
}

impl Reset for crate::net::Stream {
    fn reset(&mut self) {
        linger_not(self.tcp());
    }
}

impl Reset for TokioIo<Upgraded> {
    /// An HTTP/2 stream that is dropped unfinished is reset by that.
    fn reset(&mut self) {}
}

/// Closing with a linger of zero sends RST instead of FIN.
fn linger_not(tcp: &tokio::net::TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}
