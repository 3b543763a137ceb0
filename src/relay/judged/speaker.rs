//! In whose voice a judged session asks its app. Requests toward the app are made from a client's, as everywhere; but here they
//! may outlive the one they were made from, and a poll's may become a POST's, so what they are made from is kept.

use std::{fmt, sync::Arc, time::SystemTime};

use http::{HeaderValue, Method, Request, Uri, header, request::Parts};

use crate::{
    http::{
        Body, body,
        forwarded::{Client, Fresh},
        head::Head,
        query::Query,
    },
    net::Peer,
    policy::auth::Identity,
    relay::{
        Venue,
        errand::Errand,
        outgoing::{self, Told},
        seating::Asker,
    },
    upstream::Member,
};

/// A request's head and what was found out about its sender.
pub struct Speaker {
    pub parts: Parts,
    pub head: Head,
    pub client: Client,
    pub peer: Arc<Peer>,
    pub fresh: Fresh,
}

/// Whom a request goes to, and who asks as far as the app is told.
#[derive(Clone, Copy)]
pub struct Toward<'a> {
    pub member: &'a Member,
    /// The app's own session id; `None` opens one.
    pub sid: Option<&'a str>,
    pub identity: Option<&'a Identity>,
}

impl Speaker {
    pub fn new(errand: Errand) -> Self {
        let Errand { mut parts, head, client, peer, fresh, .. } = errand;
        // What hyper has put beside it is not needed any more.
        parts.extensions.clear();
        Self { parts, head, client, peer, fresh }
    }

    /// Bytes of the request as it came, about as many as keeping it costs.
    pub fn weight(&self) -> usize {
        let target = self.parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let headers = self.parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        target + headers.sum::<usize>()
    }

    /// Who asks, as far as the choice of a member goes.
    pub fn asker<'a>(&'a self, identity: Option<&'a Identity>) -> Asker<'a> {
        Asker { identity, address: self.client.address, headers: &self.parts.headers }
    }

    /// A GET: opens a session, or asks for its next packets.
    pub fn get(&self, venue: &Venue, toward: Toward<'_>) -> Request<Body> {
        let mut request = self.request(venue, toward);
        *request.method_mut() = Method::GET;
        request.headers_mut().remove(header::CONTENT_TYPE);
        // What the guard is to read must come as it is.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request.map(|()| body::empty())
    }

    /// A POST of packets. Its length is known, for some servers ignore bodies without one.
    pub fn post(&self, venue: &Venue, toward: Toward<'_>, packets: Body) -> Request<Body> {
        let mut request = self.request(venue, toward);
        *request.method_mut() = Method::POST;
        let text = HeaderValue::from_static("text/plain;charset=UTF-8");
        request.headers_mut().insert(header::CONTENT_TYPE, text);
        request.map(|()| packets)
    }

    /// A WebSocket handshake, but for its own headers: opens a session, or upgrades one.
    pub fn shake_hands(&self, venue: &Venue, toward: Toward<'_>) -> Request<()> {
        let mut request = self.request(venue, toward);
        *request.method_mut() = Method::GET;
        request.headers_mut().remove(header::CONTENT_TYPE);
        if let Some(query) = request.uri().query() {
            let path = request.uri().path();
            let mut target = String::with_capacity(path.len() + query.len() + ROOM);
            target.push_str(path);
            target.push('?');
            // The first request may have been a poll's.
            Query::new(query).write_replaced("transport", "websocket", &mut target);
            if let Ok(target) = Uri::try_from(target) {
                *request.uri_mut() = target;
            }
        }
        request
    }

    fn request(&self, venue: &Venue, toward: Toward<'_>) -> Request<()> {
        let told = Told {
            client: &self.client,
            peer: &self.peer,
            identity: toward.identity,
            sid: toward.sid,
            fresh: &self.fresh,
            member_host: toward.member.authority(),
            now: SystemTime::now(),
        };
        outgoing::request(&self.parts, &self.head, &venue.manners, &told)
    }
}

/// Headers may hold tokens: they are not printed.
impl fmt::Debug for Speaker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Speaker").field("client", &self.client.address).finish_non_exhaustive()
    }
}

/// What `websocket` is longer than `polling`.
const ROOM: usize = 8;
