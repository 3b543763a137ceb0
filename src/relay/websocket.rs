//! WebSocket handshakes: the client's was judged in `http/upgrade` before anyone was contacted, the app's is made by `knock`
//! before anything of it is passed on. Then HTTP ends on both sides, its futures are freed, and the carriage of
//! `frames` goes on with the bare connections.

use std::sync::Arc;

use http::{Response, StatusCode};

use super::{
    admission::{Admission, Answered, Asked, Bench, Opener, Seat, Venue},
    errand::Errand,
    exchange,
    frames::{Exchanged, Opening},
    knock::{Agreed, Knock, Said},
    live::{Far, Life, SILENCE_MARGIN},
    outgoing, polling,
    seal::Note,
    session::{Attendance, Held, Key, Session, Transport},
};
use crate::{
    http::{Body, body, upgrade},
    policy::{Refusal, Refused, auth::Identity},
    upstream::{Member, connect::ExchangeError},
};

/// A new WebSocket: a Socket.IO session that starts on it, or one without Engine.IO. Also the member it has come to.
pub async fn open(bench: &Arc<Bench>, venue: &Arc<Venue>, mut admission: Admission, errand: Errand) -> Result<Answered, Refused> {
    let mut said = ask(bench, venue, &admission.seat, admission.identity.as_ref(), None, &errand).await;
    if said.as_ref().is_err_and(polling::is_unreached) {
        // Nothing of the request was heard by anyone: another member may be asked, once.
        admission.seat = polling::elsewhere(venue, &admission, &errand)?;
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
    let Some(claim) = Claim::make(&session) else {
        return Err(Refused::because(Refusal::Engine, "a WebSocket carries this session already"));
    };
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
pub struct Claim(Option<Arc<Session>>);

impl Claim {
    /// `None`: a WebSocket carries it already.
    pub fn make(session: &Arc<Session>) -> Option<Self> {
        session.move_to_websocket().then(|| Self(Some(session.clone())))
    }

    pub fn keep(mut self) {
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
    let knock = Knock { member, request, random: &errand.random, offered: errand.offered(), is_in_session: sid.is_some() };
    knock.make(bench, venue).await
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
    let protocol = agreed.protocol.clone().or_else(|| errand.echo());
    let (Some(handshake), Some(on_upgrade)) = (errand.handshake.take(), errand.on_upgrade.take()) else {
        // `gate/pipeline` admits a WebSocket only with its handshake.
        return Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(body::empty()).unwrap_or_default();
    };
    let mut answer = upgrade::accept(&handshake, protocol.as_ref());
    // Its record names the session.
    answer.extensions_mut().insert(session.key);
    let life = Life {
        venue: venue.clone(),
        bench: bench.clone(),
        upgraded: attendance.is_some(),
        attendance: attendance.unwrap_or_else(|| session.attend()),
        session,
        mask: errand.mask(),
        pass: errand.pass,
    };
    bench.tasks.spawn(life.begin(on_upgrade, Far::Agreed(agreed, opening)));
    answer
}
