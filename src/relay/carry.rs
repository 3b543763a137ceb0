//! The door of the relay: takes an admission and does what it admits. Everything before this was judgement, everything
//! after it is bytes.

use std::{borrow::Cow, sync::Arc, time::Instant};

use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{
    admission::{Admission, Answered, Asked, Bench, Opener, Seat, Venue},
    errand::Errand,
    exchange::{self, Carried, Wait},
    front,
    judged::{self, app::Stage, opening, speaker::Speaker, visit::Visit},
    outgoing, polling,
    seal::{self, Note, Stub},
    session::{Held, Session, Transport},
    websocket,
};
use crate::{
    http::Body,
    policy::{Refusal, Refused},
    upstream::Member,
};

/// Carries one request.
pub async fn carry(
    bench: &Arc<Bench>,
    venue: &Arc<Venue>,
    mut admission: Admission,
    errand: Errand,
    body: Incoming,
) -> Result<Answered, Refused> {
    let member = admission.seat.member().clone();
    let is_new = matches!(admission.asked, Asked::Open | Asked::OpenWebSocket);
    if is_new && admission.identity.as_ref().is_some_and(|identity| !seal::has_room_for(identity)) {
        return Err(Refusal::IdentityTooLarge.into());
    }
    let answer = match &admission.asked {
        // Boxed each, for a request's future is as large as the largest of them, and is moved about.
        Asked::Open if venue.asks_by_connect() => opening::open(bench, venue, admission, errand)?,
        Asked::Open => return Box::pin(polling::open(bench, venue, admission, errand)).await,
        Asked::OpenWebSocket if venue.asks_by_connect() => front::open(bench, venue, admission, errand)?,
        Asked::OpenWebSocket | Asked::WebSocket => return Box::pin(websocket::open(bench, venue, admission, errand)).await,
        Asked::Poll(note) => {
            let note = note.clone();
            let session = known(venue, &note, &mut admission)?;
            match asker(bench, venue, session, errand)? {
                Asker::Judged(visit) => Box::pin(judged::polling::poll(visit)).await?,
                Asker::Plain(session, errand) => {
                    Box::pin(polling::poll(bench, venue, session, &note, admission, &errand)).await?
                }
            }
        }
        Asked::Post(note) => {
            let note = note.clone();
            let session = known(venue, &note, &mut admission)?;
            match asker(bench, venue, session, errand)? {
                Asker::Judged(visit) => {
                    let session = visit.session.clone();
                    let answer = Box::pin(judged::polling::post(visit, body)).await?;
                    // It may have opened the app's session, elsewhere than was meant.
                    return Ok(Answered { answer, member: session.member() });
                }
                Asker::Plain(session, errand) => {
                    Box::pin(polling::post(bench, venue, session, &note, admission, &errand, body)).await?
                }
            }
        }
        Asked::Upgrade { note, on_trust } => {
            let (note, on_trust) = (note.clone(), *on_trust);
            let session = known(venue, &note, &mut admission)?;
            if session.is_over() {
                return Err(over(&session));
            }
            if on_trust && !session.trust_upgrade() {
                return Err(Refusal::TokenAbsent.into());
            }
            match known_as(&session, &note) {
                Some((note, member)) => {
                    if let Some(member) = member.filter(|member| member.id() != admission.seat.member().id()) {
                        // It was opened just now, elsewhere than was meant.
                        admission.seat = Seat::Kept(member);
                    }
                    Box::pin(websocket::upgrade(bench, venue, session, &note, admission, errand)).await?
                }
                None => front::upgrade(bench, venue, &session, &admission, errand)?,
            }
        }
        Asked::Http => Box::pin(http(bench, venue, admission, &errand, body)).await?,
    };
    Ok(Answered { answer, member })
}

/// The session a sealed id speaks of. One that this gate has not seen, or has forgotten, is entered from what the id says, with
/// the permits of whoever asks; one that is over stays over.
fn known(venue: &Venue, note: &Stub, admission: &mut Admission) -> Result<Arc<Session>, Refused> {
    let lives_here = venue.is_judged() || note.is_local;
    if lives_here && venue.ledger.find(note.key()).is_none() {
        // What its guard knows no other gate can know, nor this one after a restart.
        return Err(Refused::because(Refusal::SessionUnknown, "a judged session of another gate, or of before"));
    }
    let session = venue.ledger.find_or_enter(note.key(), || {
        let lease = Seat::Kept(admission.seat.member().clone()).into_lease(venue)?;
        let by = Opener {
            transport: Transport::Polling,
            revision: note.revision,
            identity: note.identity.as_ref(),
            address: admission.address,
            origin: note.origin,
            shown: None,
        };
        let permits = std::mem::take(&mut admission.permits);
        Ok::<_, Refused>(venue.session(note.key(), by, Held { lease, permits }))
    })?;
    // A client that was told not to come back may still say goodbye.
    let lingers = || {
        let desk = session.judged.as_ref().and_then(|judged| judged.desk());
        desk.is_some_and(|desk| desk.lingers(Instant::now()).is_some())
    };
    if session.is_over() && !lingers() {
        return Err(session.end().refused());
    }
    if session.bind_origin(admission.grant.tag()).is_err() {
        let asks = admission.grant.page().unwrap_or("a page without origin");
        return Err(Refused::because(Refusal::SessionOrigin, format!("the session belongs to another page than {asks}")));
    }
    Ok(session)
}

/// As whom its app knows a session that wants to upgrade, and which one, where the sealed id does not say. `None`: it does not
/// know it yet.
fn known_as<'a>(session: &Session, note: &'a Note) -> Option<(Cow<'a, Note>, Option<Arc<Member>>)> {
    let Some(judged) = &session.judged else { return Some((Cow::Borrowed(note), None)) };
    let mut note = note.clone();
    note.identity = judged.guard().identity().cloned();
    if !note.is_local {
        return Some((Cow::Owned(note), None));
    }
    let is_polling = judged.app.stage() == Stage::Polling;
    let seat = judged.app.seat().filter(|_| is_polling)?;
    note.sid = seat.sid.to_string();
    Some((Cow::Owned(note), Some(seat.member)))
}

fn over(session: &Session) -> Refused {
    Refused::because(Refusal::SessionUnknown, session.end().name())
}

/// Whose request it is.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Asker {
    Judged(Visit),
    Plain(Arc<Session>, Errand),
}

/// A request of a session that polls.
fn asker(bench: &Arc<Bench>, venue: &Arc<Venue>, session: Arc<Session>, errand: Errand) -> Result<Asker, Refused> {
    let Some(judged) = session.judged.clone() else { return Ok(Asker::Plain(session, errand)) };
    let desk = judged.desk().cloned().ok_or_else(judged::polling::upgraded)?;
    let speaker = Arc::new(Speaker::new(errand));
    if !session.is_over() && !desk.is_handed_over() {
        desk.speak_as(venue, &speaker);
    }
    Ok(Asker::Judged(Visit { bench: bench.clone(), venue: venue.clone(), session, judged, desk, speaker }))
}

async fn http(
    bench: &Bench,
    venue: &Venue,
    admission: Admission,
    errand: &Errand,
    body: Incoming,
) -> Result<Response<Body>, Refused> {
    let told = errand.told(admission.identity.as_ref(), None, admission.seat.member());
    let request = outgoing::request(&errand.parts, &errand.head, &venue.manners, &told);
    let taken = exchange::client_body(body, venue.limits.message, venue.patience.body).await?;
    let wait = Wait::Request(None, venue.patience.answer, taken.upload);
    let answer = exchange::send(bench, venue, admission.seat.member(), request.map(|()| taken.body), wait)
        .await
        .map_err(|error| exchange::refusal(&error))?;
    Ok(answer.map(|body| Carried::new(body, None).boxed_unsync()))
}
