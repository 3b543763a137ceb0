//! Engine.IO by long polling: opening a session (the one answer whose first packet is rewritten), its polls and its POSTs.
//! A poll is exchanged one to one with the app and streams; it is never cut before the app's own heartbeat would have ended
//! it (a ping, in Engine.IO 3 the answer to the client's), and it ends early only when the session does.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::{
    admission::{Admission, Answered, Bench, Opener, Seat, Venue},
    errand::Errand,
    exchange::{self, Attended, Carried, Wait},
    judged::{app, hearing, speaker::Speaker, watch},
    outgoing,
    seal::{self, Note},
    seating,
    session::{Attendance, Held, LAST_WORDS, Lane, QUIET, Reason, Session, Transport},
};
use crate::{
    codec::{
        engine::{self, Kind, Open, Revision, Rewrite},
        payload,
        payload3::{self, Form, Packet},
    },
    config::socketio::Transport as Allowed,
    http::{Body, body},
    policy::{Refusal, Refused},
    upstream::{Member, connect::ExchangeError},
};

/// The first answer of a session: an open packet and perhaps a few more.
const LARGEST_FIRST: usize = 64 * 1024;
/// Beyond the app's own heartbeat, so that it is the app that ends a poll.
pub const POLL_MARGIN: Duration = Duration::from_secs(10);

/// A new session: the app's open packet, with its id sealed. Also the member it has come to.
pub async fn open(bench: &Arc<Bench>, venue: &Arc<Venue>, mut admission: Admission, errand: Errand) -> Result<Answered, Refused> {
    let mut answer = ask_open(bench, venue, &admission, &errand).await;
    if answer.as_ref().is_err_and(is_unreached) {
        // Nothing of the request was heard by anyone: another member may be asked, once.
        admission.seat = elsewhere(venue, &admission, &errand)?;
        answer = ask_open(bench, venue, &admission, &errand).await;
    }
    let answer = answer.map_err(|error| exchange::refusal(&error))?;
    let member = admission.seat.member().clone();
    if answer.status() != StatusCode::OK {
        // The app said no in its own words.
        return Ok(Answered { answer, member });
    }
    let (answer, session) = seal_first(venue, admission, answer).await?;
    if let Some(desk) = session.judged.as_ref().and_then(|judged| judged.desk()) {
        desk.speak_as(venue, &Arc::new(Speaker::new(errand)));
        watch::begin(bench, &venue.metrics, &session);
    }
    Ok(Answered { answer, member })
}

/// A seat on another member than the one that could not be reached.
pub fn elsewhere(venue: &Venue, admission: &Admission, errand: &Errand) -> Result<Seat, Refused> {
    let key = venue.hash.key(&errand.asker(admission.identity.as_ref()));
    let lease = seating::elsewhere(&venue.pool, key, admission.seat.member(), Instant::now());
    lease
        .map(Seat::New)
        .map_err(|_| Refused::because(Refusal::UpstreamUnavailable, "the member could not be reached, and there is no other"))
}

async fn ask_open(bench: &Bench, venue: &Venue, admission: &Admission, errand: &Errand) -> Result<Response<Body>, ExchangeError> {
    let member = admission.seat.member();
    let told = errand.told(admission.identity.as_ref(), None, member);
    let mut request = outgoing::request(&errand.parts, &errand.head, &venue.manners, &told);
    // The first packet is rewritten, so it must come as it is.
    request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    exchange::send(bench, venue, member, request.map(|()| body::empty()), Wait::Open(venue.patience.handshake)).await
}

async fn seal_first(
    venue: &Venue,
    admission: Admission,
    answer: Response<Body>,
) -> Result<(Response<Body>, Arc<Session>), Refused> {
    let invalid = |detail: &str| Refused::because(Refusal::UpstreamInvalid, detail);
    let (mut parts, body) = answer.into_parts();
    if parts.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(invalid("the open packet came encoded although identity was asked for"));
    }
    let collected = tokio::time::timeout(venue.patience.handshake, Limited::new(body, LARGEST_FIRST).collect());
    let body = collected
        .await
        .map_err(|_| Refused::from(Refusal::UpstreamTimeout))?
        .map_err(|_| invalid("the open packet broke off or is too large"))?
        .to_bytes();
    let member = admission.seat.member().clone();
    let mut first = First::read(admission.revision, &body).map_err(invalid)?;
    let (packet, note, open) =
        exchange_open(venue, &member, blank(venue, &admission), &first.packet).map_err(|error| invalid(&error))?;
    first.packet = packet.into();
    let session = enter(venue, &note, admission)?;
    if let Some(judged) = &session.judged {
        // The guard sees what follows, and the next poll brings it: an app of Engine.IO 3 may have joined the main namespace.
        let rest = first.take_rest();
        if let Some(desk) = judged.desk().filter(|_| !rest.is_empty()) {
            hearing::hear(judged, desk, rest);
        }
        judged.app.polls(app::Seat { sid: note.sid.as_str().into(), member, largest: open.max_payload });
    }
    let rewritten = first.write();
    // For the record.
    parts.extensions.insert(note.key());
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(rewritten.len()));
    parts.headers.remove(header::TRANSFER_ENCODING);
    drop_engine_cookie(&mut parts.headers);
    no_store(&mut parts.headers);
    Ok((Response::from_parts(parts, body::full(rewritten)), session))
}

/// The first answer of a session, taken apart: its open packet, and what follows that.
struct First<'a> {
    packet: Cow<'a, [u8]>,
    rest: &'a [u8],
    /// In Engine.IO 3 a packet's length stands before it.
    form: Option<Form>,
}

impl<'a> First<'a> {
    fn read(revision: Revision, body: &'a [u8]) -> Result<Self, &'static str> {
        if revision == Revision::Four {
            let (packet, rest) = payload::split_first(body);
            return Ok(Self { packet: packet.into(), rest, form: None });
        }
        let form = Form::of(body);
        match form.split_first(body) {
            Ok((Packet::Text { kind: Kind::Open, text }, rest)) => {
                Ok(Self { packet: format!("0{text}").into_bytes().into(), rest, form: Some(form) })
            }
            _ => Err("the first answer does not begin with an open packet of Engine.IO 3"),
        }
    }

    /// What follows, for whoever reads it on its own.
    fn take_rest(&mut self) -> &'a [u8] {
        let rest = std::mem::take(&mut self.rest);
        if self.form.is_some() { rest } else { rest.get(1..).unwrap_or_default() }
    }

    fn write(self) -> Vec<u8> {
        let packet = match (self.form, std::str::from_utf8(&self.packet)) {
            (Some(form), Ok(packet)) => form.join(&[Packet::Text { kind: Kind::Open, text: &packet[1..] }]),
            _ => self.packet.into_owned(),
        };
        [&packet, self.rest].concat()
    }
}

/// Exchanges the app's open packet for the one a client may see; also what a session's later requests need to know. `note`
/// lacks only the app's id.
pub fn exchange_open(venue: &Venue, member: &Member, mut note: Note, packet: &[u8]) -> Result<(Vec<u8>, Note, Open), String> {
    let upgrades: &[&str] = if venue.allows(Allowed::Websocket) { &["websocket"] } else { &[] };
    let change = Rewrite { keep_upgrades: upgrades, max_payload: venue.limits.message };
    let packet = engine::read_open(packet, &change).map_err(|error| error.to_string())?;
    member.learn(packet.open.ping_interval_ms, packet.open.ping_timeout_ms);
    note.sid.clone_from(&packet.open.sid);
    let sealed = venue.sealer.seal(&note).ok_or("the identity is too large for a session id")?;
    Ok((packet.write(&sealed), note, packet.open))
}

/// What will be sealed of an admission, before the app's id is known.
pub fn blank(venue: &Venue, admission: &Admission) -> Note {
    Note {
        route: venue.tag,
        member: admission.seat.member().id(),
        sid: String::new(),
        is_local: false,
        revision: admission.revision,
        identity: admission.identity.clone(),
        token: admission.token,
        origin: admission.grant.tag(),
        address: seal::address_tag(admission.address),
    }
}

fn enter(venue: &Venue, note: &Note, admission: Admission) -> Result<Arc<Session>, Refused> {
    let lease = admission.seat.into_lease(venue)?;
    let by = Opener {
        transport: Transport::Polling,
        revision: note.revision,
        identity: note.identity.as_ref(),
        address: admission.address,
        origin: note.origin,
        shown: None,
    };
    Ok(venue.ledger.enter(venue.session(note.key(), by, Held { lease, permits: admission.permits })))
}

/// The next packets of a session.
pub async fn poll(
    bench: &Bench,
    venue: &Venue,
    session: Arc<Session>,
    note: &Note,
    admission: Admission,
    errand: &Errand,
) -> Result<Response<Body>, Refused> {
    let mut attendance = attend(&session, Lane::Poll)?;
    // A client that waits is there, whenever the app answers.
    attendance.counts();
    let request = request(venue, note, &admission, errand, body::empty());
    let member = admission.seat.member();
    // It is the app that ends a poll.
    let wait = Wait::Poll(session.key, venue.heartbeat(member) + POLL_MARGIN);
    let answer = exchange::send(bench, venue, member, request, wait);
    let hangup = Hangup(Some(&session));
    let answer = tokio::select! {
        // What the app has to say goes before what the gate has.
        biased;
        answer = answer => answer,
        reason = over(&session) => {
            // What its client still posts is refused from here on.
            venue.ledger.close(&session, reason);
            hangup.did_not_come();
            return Err(reason.refused());
        }
    };
    hangup.did_not_come();
    let answer = answer.map_err(|error| lost(venue, &session, &error))?;
    if answer.status().is_success() {
        session.set_cut(false);
    }
    Ok(give_back(venue, session.clone(), answer, attendance))
}

/// Notes that a client went away while it waited for its poll, unless it is told otherwise.
struct Hangup<'a>(Option<&'a Session>);

impl Hangup<'_> {
    fn did_not_come(mut self) {
        self.0 = None;
    }
}

impl Drop for Hangup<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            session.set_cut(true);
        }
    }
}

/// Packets of a client.
pub async fn post(
    bench: &Bench,
    venue: &Venue,
    session: Arc<Session>,
    note: &Note,
    admission: Admission,
    errand: &Errand,
    incoming: Incoming,
) -> Result<Response<Body>, Refused> {
    let attendance = attend(&session, Lane::Post)?;
    let taken = exchange::client_body(incoming, venue.limits.message, venue.patience.body).await?;
    session.bytes_in.fetch_add(taken.size, Ordering::Relaxed);
    venue.carried.polling_in.inc_by(taken.size);
    if taken.size > heartbeat(session.revision) {
        session.speaks(Instant::now());
    }
    let request = request(venue, note, &admission, errand, taken.body);
    let wait = Wait::Request(Some(session.key), venue.patience.answer, taken.upload);
    let answer = exchange::send(bench, venue, admission.seat.member(), request, wait)
        .await
        .map_err(|error| lost(venue, &session, &error))?;
    // What carries the session decides: an app refuses packets by polling once a WebSocket does.
    let closes = taken.whole.is_some_and(|body| exchange::is_closing(session.revision, &body));
    if closes && answer.status().is_success() && session.transport() == Transport::Polling {
        venue.ledger.close(&session, Reason::ClientClosed);
    }
    Ok(give_back(venue, session.clone(), answer, attendance))
}

/// Bytes of a body that holds a heartbeat and nothing else: in Engine.IO 3 a ping with its length, in 4 a pong.
fn heartbeat(revision: Revision) -> u64 {
    match revision {
        Revision::Three => payload3::HEARTBEAT,
        Revision::Four => engine::HEARTBEAT,
    }
}

fn attend(session: &Arc<Session>, lane: Lane) -> Result<Attendance, Refused> {
    let attendance = session.attend_by(lane);
    attendance.ok_or_else(|| Refused::because(Refusal::Engine, "too many requests of this session are under way"))
}

/// What a failed request inside a session means. A member that cannot be reached has lost its sessions: the client is told to
/// start over, which it does elsewhere.
pub fn lost(venue: &Venue, session: &Arc<Session>, error: &ExchangeError) -> Refused {
    match error {
        ExchangeError::Dial(cause) if !cause.is_local() => {
            venue.ledger.close(session, Reason::MemberGone);
            session.ending.tell(Reason::MemberGone);
            Refused::because(Refusal::SessionUnknown, cause.to_string())
        }
        _ => exchange::refusal(error),
    }
}

/// Whether the member, and not this gate, is why nothing was sent: another one may do better.
pub fn is_unreached(error: &ExchangeError) -> bool {
    matches!(error, ExchangeError::Dial(cause) if !cause.is_local())
}

fn request(venue: &Venue, note: &Note, admission: &Admission, errand: &Errand, body: Body) -> Request<Body> {
    let identity = note.identity.as_ref();
    let told = errand.told(identity, Some(&note.sid), admission.seat.member());
    outgoing::request(&errand.parts, &errand.head, &venue.manners, &told).map(|()| body)
}

fn give_back(venue: &Venue, session: Arc<Session>, answer: Response<Body>, mut attendance: Attendance) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    no_store(&mut parts.headers);
    if parts.status.is_success() {
        attendance.counts();
        session.confirm();
    }
    // An app that does not know the session any more has ended it.
    if parts.status == StatusCode::BAD_REQUEST && session.transport() == Transport::Polling {
        venue.ledger.close(&session, session.end_by_app());
    }
    let attended = Attended::new(attendance, venue);
    Response::from_parts(parts, Carried::new(body, Some(attended)).boxed_unsync())
}

/// Resolves when a poll of this session is no longer to wait for the app. A gate that leaves gives the app a moment for each
/// poll, so that packets it holds already still reach the client, but not for ever.
pub async fn over(session: &Session) -> Reason {
    tokio::select! {
        () = session.ending.cancelled() => {}
        () = until(session.expires) => return Reason::Expired,
        reason = overdue(session) => return reason,
    }
    let reason = session.ending.reason();
    if let (Reason::Draining, Some(since)) = (reason, session.ending.since()) {
        tokio::time::sleep_until((Instant::now() + QUIET).min(since + LAST_WORDS).into()).await;
    }
    reason
}

/// Resolves when a session has lasted or been quiet too long.
async fn overdue(session: &Session) -> Reason {
    loop {
        if let Some(reason) = session.overdue(Instant::now()) {
            return reason;
        }
        match session.due() {
            Some(due) => tokio::time::sleep_until(due.into()).await,
            None => std::future::pending().await,
        }
    }
}

/// Resolves when a session's identity is no longer good; never for one that does not expire.
async fn until(expires: Option<SystemTime>) {
    let Some(at) = expires else { return std::future::pending().await };
    // The wall clock may be set while we sleep, so a long wait is taken in steps.
    while let Ok(left) = at.duration_since(SystemTime::now()) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(Duration::from_secs(30))).await;
    }
}

/// The cookies that an app sets with its first answer, for the client. `Set-Cookie: io=…` names the app's own session id, which
/// stays here. Nobody reads it back.
pub fn cookies(headers: &HeaderMap) -> Vec<HeaderValue> {
    let is_engines = |cookie: &&HeaderValue| cookie.as_bytes().trim_ascii_start().starts_with(b"io=");
    headers.get_all(header::SET_COOKIE).iter().filter(|cookie| !is_engines(cookie)).cloned().collect()
}

fn drop_engine_cookie(headers: &mut HeaderMap) {
    let kept = cookies(headers);
    headers.remove(header::SET_COOKIE);
    for cookie in kept {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// Packets are nobody's to keep; Python servers do not say so.
fn no_store(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
