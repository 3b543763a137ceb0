//! The door of the relay: takes an admission and does what it admits. Everything before this was judgement, everything
//! after it is bytes.

use std::sync::Arc;

use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{
    admission::{Admission, Asked, Bench, Opener, Seat, Venue},
    errand::Errand,
    exchange::{self, Carried, Wait},
    outgoing, polling,
    seal::Note,
    session::{Held, Session, Transport},
    websocket,
};
use crate::{
    http::Body,
    policy::{Refusal, Refused},
};

/// Carries one request.
pub async fn carry(
    bench: &Arc<Bench>,
    venue: &Arc<Venue>,
    admission: Admission,
    errand: Errand,
    body: Incoming,
) -> Result<Response<Body>, Refused> {
    match &admission.asked {
        Asked::Open => polling::open(bench, venue, admission, &errand).await,
        Asked::Poll(note) => {
            let note = note.clone();
            let session = known(venue, &note, &admission)?;
            polling::poll(bench, venue, session, note, admission, &errand).await
        }
        Asked::Post(note) => {
            let note = note.clone();
            let session = known(venue, &note, &admission)?;
            polling::post(bench, venue, session, note, admission, &errand, body).await
        }
        Asked::Upgrade { note, on_trust } => {
            let (note, on_trust) = (note.clone(), *on_trust);
            let session = known(venue, &note, &admission)?;
            if on_trust && !session.trust_upgrade() {
                return Err(Refusal::TokenAbsent.into());
            }
            websocket::upgrade(bench, venue, session, note, admission, errand).await
        }
        Asked::OpenWebSocket | Asked::WebSocket => websocket::open(bench, venue, admission, errand).await,
        Asked::Http => http(bench, venue, admission, &errand, body).await,
    }
}

/// The session a sealed id speaks of. One that this gate has not seen is entered from what the id says; one that is over
/// stays over.
fn known(venue: &Venue, note: &Note, admission: &Admission) -> Result<Arc<Session>, Refused> {
    let session = venue.ledger.find_or_enter(note.key(), || {
        let lease = Seat::Kept(admission.seat.member().clone()).into_lease(venue)?;
        let by = Opener {
            transport: Transport::Polling,
            identity: note.identity.as_ref(),
            address: admission.address,
            origin: note.origin,
        };
        Ok::<_, Refused>(venue.session(note.key(), by, Held { lease, permits: Vec::new() }))
    })?;
    if session.is_over() {
        return Err(Refused::because(Refusal::SessionUnknown, session.end().name()));
    }
    if session.bind_origin(admission.grant.tag()).is_err() {
        let asks = admission.grant.page().unwrap_or("a page without origin");
        return Err(Refused::because(Refusal::SessionOrigin, format!("the session belongs to another page than {asks}")));
    }
    Ok(session)
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
