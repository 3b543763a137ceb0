//! WebSocket handshakes: the client's was judged in `http/upgrade` before anyone was contacted, the app's is made and judged
//! here before anything of it is passed on. Then HTTP ends on both sides, its futures are freed, and the carriage of
//! `frames` goes on with the bare connections.

use std::{sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;

use super::{
    admission::{Admission, Answered, Asked, Bench, Opener, Seat, Venue},
    errand::Errand,
    exchange,
    frames::{Exchanged, Opening},
    live::{Agreed, Life, SILENCE_MARGIN},
    outgoing, polling,
    seal::Note,
    session::{Attendance, Held, Key, Session, Transport},
};
use crate::{
    config::route::Kind,
    http::{Body, body, headers, upgrade},
    net::dial::Line,
    policy::{Refusal, Refused, auth::Identity},
    upstream::{
        Member,
        connect::{self, AnswerBody, ExchangeError, Fault, Shaken, Tally},
        member::Outcome,
    },
};

/// Of an app's refusal this much is passed on.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// What the app said to the handshake.
enum Said {
    Yes(Agreed),
    /// In its own words: a status and perhaps a body.
    No(Response<Body>),
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
    note: &Note,
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
        revision: admission.revision,
        identity: admission.identity.as_ref(),
        address: admission.address,
        origin: admission.grant.tag(),
        shown: None,
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
        let (packet, ..) = polling::exchange_open(&self.venue, &self.member, self.note.take()?, packet).ok()?;
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
    match connect::shake_hands(line, handshake(request, &key, &offered)).await? {
        Shaken::Refused(answer) => Ok(Said::No(refused(answer).await?)),
        Shaken::Switched { head, line, early } => {
            let protocol = judge(head.headers(), &key, &offered)?;
            Ok(Said::Yes(Agreed { member: member.clone(), line, tally, early, protocol }))
        }
    }
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
fn judge(fields: &HeaderMap, key: &str, offered: &[String]) -> Result<Option<HeaderValue>, ExchangeError> {
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
async fn refused(mut answer: Response<AnswerBody>) -> Result<Response<Body>, ExchangeError> {
    let mut said = Vec::new();
    while said.len() < LARGEST_REFUSAL
        && let Some(frame) = answer.body_mut().frame().await
    {
        if let Ok(bytes) = frame.map_err(|_| ExchangeError::Broken)?.into_data() {
            said.extend_from_slice(&bytes);
        }
    }
    said.truncate(LARGEST_REFUSAL);
    let mut answer = answer.map(|_| body::full(said));
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
    let life = Life {
        venue: venue.clone(),
        bench: bench.clone(),
        upgraded: attendance.is_some(),
        attendance: attendance.unwrap_or_else(|| session.attend()),
        session,
        pass: errand.pass,
        mask: [errand.random[0], errand.random[5], errand.random[9], errand.random[14]],
    };
    bench.tasks.spawn(life.begin(on_upgrade, agreed, opening));
    answer
}

/// Browsers drop a connection whose offered subprotocols were all ignored: the marker of a token pair is answered.
fn echo(handshake: &upgrade::Ask, errand: &Errand) -> Option<HeaderValue> {
    let marker = errand.withheld_protocols.first()?;
    handshake.protocols.contains(marker).then(|| HeaderValue::from_str(marker).ok()).flatten()
}
