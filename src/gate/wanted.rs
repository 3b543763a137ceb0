//! What a request wants of the route that took it, as far as the request itself tells: the one place where a sealed session
//! id is opened. Whether it may have it is for `pipeline` to find out.

use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;

use super::Room;
use crate::{
    codec::engine::Revision,
    config::{route::Kind, socketio::Transport},
    http::{
        head::{self, Head, Step},
        upgrade,
    },
    policy::{Refusal, Refused},
    relay::seal::{SealError, Sealer, Stub},
};

/// What is asked, as far as the request itself tells.
pub enum Wanted {
    Open(Revision),
    OpenWebSocket(Revision),
    Poll(Arc<Stub>),
    Post(Arc<Stub>),
    Upgrade(Arc<Stub>),
    WebSocket,
    Http,
}

impl Wanted {
    /// The revision of Engine.IO that is spoken, where it is Engine.IO that is asked for.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Open(revision) | Self::OpenWebSocket(revision) => *revision,
            Self::Poll(stub) | Self::Post(stub) | Self::Upgrade(stub) => stub.revision,
            Self::WebSocket | Self::Http => Revision::default(),
        }
    }
}

/// The session id that was shown last on a connection, opened. A poll follows a poll, and opening an id is a good part of what
/// judging one costs.
#[derive(Default)]
pub struct LastShown(Mutex<Option<Shown>>);

struct Shown {
    id: String,
    /// The generation whose keys opened it.
    generation: u64,
    stub: Arc<Stub>,
}

impl LastShown {
    /// What `id` says. Another generation may have other keys, so what an earlier one opened is opened again.
    pub fn open(&self, id: &str, generation: u64, sealer: &Sealer) -> Result<Arc<Stub>, SealError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = last.as_ref().filter(|shown| shown.generation == generation && shown.id == id) {
            return Ok(shown.stub.clone());
        }
        let stub = Arc::new(Stub::new(sealer.open(id)?));
        *last = Some(Shown { id: id.into(), generation, stub: stub.clone() });
        Ok(stub)
    }
}

/// Reads what a route of this kind is asked for; opens the sealed id where there is one.
pub fn read(
    room: &Room,
    head: &Head,
    parts: &Parts,
    generation: u64,
    last: &LastShown,
) -> Result<(Wanted, Option<upgrade::Ask>), Refused> {
    let handshake = match head.upgrade {
        Some(_) => Some(upgrade::read(parts)?),
        None => None,
    };
    if room.trespasses(head) {
        return Err(Refused::because(Refusal::NotFound, "the path is Engine.IO's, which another route guards"));
    }
    match room.venue.kind {
        Kind::Http if handshake.is_some() => Err(Refusal::Upgrade.into()),
        Kind::Http => Ok((Wanted::Http, None)),
        Kind::Websocket if handshake.is_none() => Err(Refusal::UpgradeRequired.into()),
        Kind::Websocket => Ok((Wanted::WebSocket, handshake)),
        Kind::Socketio => read_engine(room, head, generation, last).map(|wanted| (wanted, handshake)),
    }
}

fn read_engine(room: &Room, head: &Head, generation: u64, last: &LastShown) -> Result<Wanted, Refused> {
    let ask = head::engine(head)?;
    let transport = match ask.transport {
        head::Transport::Polling => Transport::Polling,
        head::Transport::WebSocket => Transport::Websocket,
    };
    if !room.venue.allows(transport) {
        return Err(Refusal::TransportUnknown.into());
    }
    if let Some(why) = room.venue.refuses(ask.revision) {
        return Err(Refused::because(Refusal::ProtocolVersion, why));
    }
    let Some(sid) = ask.sid else {
        let open = if ask.transport == head::Transport::WebSocket { Wanted::OpenWebSocket } else { Wanted::Open };
        return Ok(open(ask.revision));
    };
    let stub = last.open(&sid, generation, &room.venue.sealer);
    let stub = stub.map_err(|error| Refused::because(Refusal::SessionUnknown, error.to_string()))?;
    // An id of another route, or of a pool that is gone, opens nothing here.
    if stub.route != room.venue.tag {
        return Err(Refused::because(Refusal::SessionUnknown, "the session is another route's"));
    }
    // An app would read a WebSocket's packets by what the upgrade asks for, and the gate by what the session is.
    if stub.revision != ask.revision {
        return Err(Refused::because(Refusal::Engine, "the session speaks another revision of Engine.IO"));
    }
    Ok(match ask.step {
        Step::Post => Wanted::Post(stub),
        Step::Upgrade => Wanted::Upgrade(stub),
        Step::Poll | Step::Open => Wanted::Poll(stub),
    })
}
