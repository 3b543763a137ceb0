//! WebSockets of sessions whose app has heard nothing yet (`auth.when = "connect"`): the gate answers the handshake itself, for new
//! sessions and for the upgrade of polling ones, and the carriage begins without an app. [`Late`] calls it when it is time.

use std::sync::Arc;

use http::{HeaderValue, Response};
use hyper::upgrade::OnUpgrade;

use super::{
    admission::{Admission, Bench, Venue},
    errand::Errand,
    judged::{opening, speaker::Speaker},
    late::{Caller, Late},
    live::{Far, Life},
    session::{Attendance, Session, Transport},
    websocket::Claim,
};
use crate::{
    http::{Body, upgrade},
    policy::{Refusal, Refused},
    upstream::Member,
};

/// What is taken of a request before it is kept for the app.
struct Door {
    handshake: upgrade::Ask,
    on_upgrade: OnUpgrade,
    random: [u8; 32],
    mask: [u8; 4],
    /// The subprotocol that the client is given, and what the app may choose from.
    protocol: Option<HeaderValue>,
    offered: Vec<String>,
    pass: Arc<dyn std::any::Any + Send + Sync>,
}

/// A new session that begins as a WebSocket, which its app does not hear of yet.
pub fn open(bench: &Arc<Bench>, venue: &Arc<Venue>, admission: Admission, mut errand: Errand) -> Result<Response<Body>, Refused> {
    let door = Door::of(&mut errand).ok_or(Refusal::Internal)?;
    let member = admission.seat.member().clone();
    let (session, packet) = opening::enter(bench, venue, admission, errand, Transport::WebSocket)?;
    let attendance = session.attend();
    door.let_in(bench, venue, attendance, Entering { member, speaker: None, packet: Some(packet) })
}

/// A polling session wants to go on as a WebSocket, and its app has heard nothing of it.
pub fn upgrade(
    bench: &Arc<Bench>,
    venue: &Arc<Venue>,
    session: &Arc<Session>,
    admission: &Admission,
    mut errand: Errand,
) -> Result<Response<Body>, Refused> {
    let Some(claim) = Claim::make(session) else {
        return Err(Refused::because(Refusal::Engine, "a WebSocket carries this session already"));
    };
    let door = Door::of(&mut errand).ok_or(Refusal::Internal)?;
    let member = admission.seat.member().clone();
    let speaker = Some(Arc::new(Speaker::new(errand)));
    let mut attendance = session.attend();
    attendance.counts();
    let answer = door.let_in(bench, venue, attendance, Entering { member, speaker, packet: None })?;
    claim.keep();
    Ok(answer)
}

/// Who comes in.
struct Entering {
    member: Arc<Member>,
    /// In whose voice an upgrade is made toward the app; a new session makes none.
    speaker: Option<Arc<Speaker>>,
    /// The open packet of a new session.
    packet: Option<Vec<u8>>,
}

impl Door {
    fn of(errand: &mut Errand) -> Option<Self> {
        // Nobody can be asked which one it is to be: apps that know any take the first.
        let mut offered = errand.offered();
        offered.truncate(1);
        let first = offered.first().and_then(|first| HeaderValue::from_str(first).ok());
        let protocol = errand.echo().or(first);
        Some(Self {
            random: errand.random,
            mask: errand.mask(),
            protocol,
            offered,
            pass: errand.pass.clone(),
            handshake: errand.handshake.take()?,
            on_upgrade: errand.on_upgrade.take()?,
        })
    }

    /// Answers the client and lets the carriage begin once the answer is out.
    fn let_in(
        self,
        bench: &Arc<Bench>,
        venue: &Arc<Venue>,
        attendance: Attendance,
        entering: Entering,
    ) -> Result<Response<Body>, Refused> {
        let session = attendance.session().clone();
        let judged = session.judged.clone().ok_or(Refusal::Internal)?;
        let mut answer = upgrade::accept(&self.handshake, self.protocol.as_ref());
        // Its record names the session.
        answer.extensions_mut().insert(session.key);
        let Entering { member, speaker, packet } = entering;
        let life = Life {
            venue: venue.clone(),
            bench: bench.clone(),
            session: session.clone(),
            attendance,
            upgraded: packet.is_none(),
            pass: self.pass,
            mask: self.mask,
        };
        let caller = Caller {
            bench: bench.clone(),
            venue: venue.clone(),
            session,
            judged,
            speaker,
            random: self.random,
            mask: self.mask,
            offered: self.offered,
        };
        let late = Box::new(Late::new(caller));
        bench.tasks.spawn(life.begin(self.on_upgrade, Far::Late(late, member, packet)));
        Ok(answer)
    }
}
