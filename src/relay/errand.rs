//! A request on its way through the relay: what was read of it once, lent to every step that needs it.

use std::{any::Any, sync::Arc, time::SystemTime};

use http::{HeaderValue, request::Parts};
use hyper::upgrade::OnUpgrade;
use zeroize::Zeroizing;

use super::{outgoing::Told, seating::Asker};
use crate::{
    http::{
        forwarded::{Client, Fresh},
        head::Head,
        upgrade,
    },
    net::Peer,
    policy::auth::Identity,
    upstream::Member,
};

/// A request without its body, and what was found out about its sender.
pub struct Errand {
    pub parts: Parts,
    pub head: Head,
    pub client: Client,
    pub peer: Arc<Peer>,
    /// Random bytes for the request id and its trace.
    pub fresh: Fresh,
    /// More of them, for a key and a mask.
    pub random: [u8; 32],
    /// The WebSocket handshake, where the request makes one.
    pub handshake: Option<upgrade::Ask>,
    /// Subprotocols that carried a token: not the app's business.
    pub withheld_protocols: Vec<String>,
    /// The token that was shown, where it is judged later: with the CONNECT packet of the session that the request opens.
    pub shown: Option<Zeroizing<String>>,
    pub on_upgrade: Option<OnUpgrade>,
    /// What the client's connection holds and a WebSocket goes on holding: its place among the connections.
    pub pass: Arc<dyn Any + Send + Sync>,
}

impl Errand {
    /// Subprotocols the app gets to choose from.
    pub fn offered(&self) -> Vec<String> {
        let offered = self.handshake.iter().flat_map(|ask| &ask.protocols);
        offered.filter(|protocol| !self.withheld_protocols.contains(protocol)).cloned().collect()
    }

    /// Browsers drop a connection whose offered subprotocols were all ignored: the marker of a token pair is answered.
    pub fn echo(&self) -> Option<HeaderValue> {
        let marker = self.withheld_protocols.first()?;
        let is_offered = self.handshake.as_ref().is_some_and(|ask| ask.protocols.contains(marker));
        is_offered.then(|| HeaderValue::from_str(marker).ok()).flatten()
    }

    /// Who asks, as far as the choice of a member goes.
    pub fn asker<'a>(&'a self, identity: Option<&'a Identity>) -> Asker<'a> {
        Asker { identity, address: self.client.address, headers: &self.parts.headers }
    }

    /// A mask for what the gate itself says to the app.
    pub fn mask(&self) -> [u8; 4] {
        [self.random[0], self.random[5], self.random[9], self.random[14]]
    }

    /// What the app is told of it.
    pub fn told<'a>(&'a self, identity: Option<&'a Identity>, sid: Option<&'a str>, member: &'a Member) -> Told<'a> {
        Told {
            client: &self.client,
            peer: &self.peer,
            identity,
            sid,
            fresh: &self.fresh,
            member_host: member.authority(),
            now: SystemTime::now(),
        }
    }
}
