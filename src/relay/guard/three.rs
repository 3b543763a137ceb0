//! What is different in Engine.IO 3, of Socket.IO 2 clients. The main namespace is joined by the app itself, nobody asks. A
//! CONNECT has no payload; it may have a query behind its namespace, which is the app's to read. And apps read namespaces as
//! paths of a URL (Node's `new URL` in Socket.IO 4, `url.parse` in 2), in every packet: one that a URL would write in another
//! way could be judged under one name and joined under another, so it is refused.

use std::time::Instant;

use super::{Extent, Guard, Out, Verdict, clients::LARGEST_CONNECT, say, spaces::Standing, spoken::Spoken};
use crate::{
    codec::{engine::Revision, socket::Kind},
    policy::{Refusal, Refused, access::Decision},
    relay::session::Reason,
};

impl Guard {
    pub(super) fn is_three(&self) -> bool {
        self.revision == Revision::Three
    }

    /// The app will say that the main namespace is joined. Where it may not be, that is when the client hears so.
    pub(super) fn expect_main(&mut self, now: Instant) {
        match self.rules.access.may_join(self.identity.as_ref(), MAIN) {
            Decision::Allow => {}
            Decision::Shadow(rule) => self.note(Refusal::NamespaceRefused, &format!("{MAIN}: {rule}"), true, now),
            Decision::Deny(_) => return,
        }
        self.spaces.set(MAIN, Standing::Sent);
    }

    /// The app has joined the main namespace although it is forbidden: nothing can be done in such a session. Said with `41`, after
    /// which client libraries do not come back by themselves.
    pub(super) fn refuse_main(&mut self) {
        let Decision::Deny(rule) = self.rules.access.may_join(self.identity.as_ref(), MAIN) else { return };
        let refused = Refused::because(Refusal::NamespaceRefused, format!("{MAIN}: {rule}"));
        self.note_last(refused.refusal, refused.detail.as_deref().unwrap_or(MAIN));
        let parser = self.parser;
        self.tell_app(say::disconnect(parser, MAIN));
        self.tell_client(say::connect_error_of_three(MAIN, &refused));
        self.tell_client(say::disconnect(parser, MAIN));
        self.want(Out::End(Reason::NamespaceRefused));
        self.set_ended();
    }

    /// A CONNECT packet: judged by its namespace, passed on with its query.
    pub(super) fn connect_of_three(&mut self, text: &[u8], extent: Extent, now: Instant) -> Verdict {
        match (extent, text.len() > LARGEST_CONNECT) {
            (_, true) => return self.malformed("a CONNECT packet that is too large"),
            (Extent::Begun(_), false) => return Verdict::More,
            (Extent::Whole, false) => {}
        }
        let Some(named) = without_query(text) else { return self.malformed("a query that is not as it must be") };
        match Spoken::of_text(&named, true) {
            Ok(Some(spoken)) if spoken.json().is_none_or(str::is_empty) => {
                if let Some(why) = self.rules.refuse_three() {
                    // The rules have changed since the session began.
                    return self.refuse(spoken.namespace, &Refused::because(Refusal::ProtocolVersion, why), now);
                }
                self.client_packet(&spoken, &named, extent, now)
            }
            Ok(_) => self.malformed("a payload in a CONNECT packet of Engine.IO 3"),
            Err(error) => self.malformed(&error.to_string()),
        }
    }

    /// Whether apps read the namespace of this packet as it is written.
    pub(super) fn is_read_alike(&self, spoken: &Spoken<'_>) -> bool {
        !self.is_three() || is_path(spoken.namespace)
    }

    /// Whether the app says here that it has joined the main namespace unasked.
    pub(super) fn joins_main(&self, spoken: &Spoken<'_>) -> bool {
        self.is_three() && spoken.kind == Kind::Connect && spoken.namespace == MAIN
    }
}

/// A CONNECT packet with what stands between `?` and the comma left out. `None`: that is not printable, or there is no end to it.
fn without_query(text: &[u8]) -> Option<Vec<u8>> {
    let Some(from) = memchr::memchr(b'?', text) else { return Some(text.to_vec()) };
    let (name, query) = text.split_at(from);
    let to = memchr::memchr(b',', query).unwrap_or(query.len());
    let (query, rest) = query.split_at(to);
    // `#` would end the query, and what follows it nobody reads.
    let is_sound = query.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#' && *byte != b'\\');
    is_sound.then(|| [name, rest].concat())
}

/// Whether a namespace is a path that no reader of URLs changes: no empty or dotted segments, nothing that is cut off or escaped.
fn is_path(namespace: &str) -> bool {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&()*+=;/".contains(&byte);
    namespace.bytes().all(is_kept)
        && !namespace.contains("//")
        && namespace.split('/').all(|segment| !matches!(segment, "." | ".."))
}

const MAIN: &str = "/";
