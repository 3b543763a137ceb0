//! What a request wants of the route that took it, as far as the request itself tells: the one place where a sealed session
//! id is opened. Whether it may have it is for `pipeline` to find out.

use http::request::Parts;

use super::Room;
use crate::{
    config::{route::Kind, socketio::Transport},
    http::{
        head::{self, Head, Step},
        upgrade,
    },
    policy::{Refusal, Refused},
    relay::seal::Note,
};

/// What is asked, as far as the request itself tells.
pub enum Wanted {
    Open,
    OpenWebSocket,
    Poll(Note),
    Post(Note),
    Upgrade(Note),
    WebSocket,
    Http,
}

/// Reads what a route of this kind is asked for; opens the sealed id where there is one.
pub fn read(room: &Room, head: &Head, parts: &Parts) -> Result<(Wanted, Option<upgrade::Ask>), Refused> {
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
        Kind::Socketio => read_engine(room, head).map(|wanted| (wanted, handshake)),
    }
}

fn read_engine(room: &Room, head: &Head) -> Result<Wanted, Refused> {
    let ask = head::engine(head)?;
    let transport = match ask.transport {
        head::Transport::Polling => Transport::Polling,
        head::Transport::WebSocket => Transport::Websocket,
    };
    if !room.venue.allows(transport) {
        return Err(Refusal::TransportUnknown.into());
    }
    let Some(sid) = ask.sid else {
        return Ok(if ask.transport == head::Transport::WebSocket { Wanted::OpenWebSocket } else { Wanted::Open });
    };
    let note = room.venue.sealer.open(&sid).map_err(|error| Refused::because(Refusal::SessionUnknown, error.to_string()))?;
    // An id of another route, or of a pool that is gone, opens nothing here.
    if note.route != room.venue.tag {
        return Err(Refused::because(Refusal::SessionUnknown, "the session is another route's"));
    }
    Ok(match ask.step {
        Step::Post => Wanted::Post(note),
        Step::Upgrade => Wanted::Upgrade(note),
        Step::Poll | Step::Open => Wanted::Poll(note),
    })
}
