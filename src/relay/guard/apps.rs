//! What an app says. It is read as far as is needed to know what the client has joined, what it may receive, and how long answers
//! take; what cannot be read is the client's business, except where something is kept from it.

use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Extent, Guard, Seen, Side, Verdict,
    attachments::Fate,
    clients, say,
    spaces::Standing,
    spoken::{self, Spoken},
};
use crate::{
    codec::{json, msgpack, socket::Kind},
    config::socketio::Parser,
    policy::{access::Decision, limit::Bounds},
};

impl Guard {
    pub(super) fn app_text(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        let whole = spoken::is_whole(seen);
        match seen.bytes {
            [] if whole => Verdict::Drop,
            [] => Verdict::More,
            [b'4', text @ ..] => match self.parser {
                Parser::Custom | Parser::Msgpack => Verdict::Pass,
                Parser::Default => self.app_message(text, clients::behind_kind(seen.extent), now),
            },
            [b'b', ..] if !whole && self.parser == Parser::Msgpack => Verdict::More,
            // A binary message to every client.
            [b'b', text @ ..] => match (self.parser, STANDARD.decode(text)) {
                (Parser::Msgpack, Ok(bytes)) => self.app_binary(&Seen { is_text: false, bytes: &bytes, ..*seen }, now),
                (Parser::Msgpack, Err(_)) => self.unreadable(),
                (Parser::Default | Parser::Custom, _) => self.app_binary(&Seen { is_text: false, ..*seen }, now),
            },
            [b'2', ..] => {
                self.pings = self.pings.saturating_add(1);
                Verdict::Pass
            }
            // The client has its open packet, and only it upgrades.
            [b'0' | b'5', ..] => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }

    fn app_message(&mut self, text: &[u8], extent: Extent, now: Instant) -> Verdict {
        match Spoken::of_text(text, extent == Extent::Whole) {
            Ok(Some(spoken)) => self.app_packet(&spoken, text.len() as u64, extent, now),
            Ok(None) => Verdict::More,
            Err(_) => self.unreadable(),
        }
    }

    pub(super) fn app_binary(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        match self.parser {
            Parser::Default if self.awaits_app() => self.take_app_attachment(),
            Parser::Default => self.unreadable(),
            Parser::Custom => Verdict::Pass,
            Parser::Msgpack if !spoken::is_whole(seen) => Verdict::More,
            Parser::Msgpack => match msgpack::Packet::read(seen.bytes, json::MOST_DEPTH) {
                Ok(packet) => {
                    let spoken = Spoken::of_pack(&packet, seen.bytes);
                    self.app_packet(&spoken, seen.bytes.len() as u64, Extent::Whole, now)
                }
                Err(_) => self.unreadable(),
            },
        }
    }

    /// What nobody here can read is kept back where anything is.
    fn unreadable(&self) -> Verdict {
        if self.rules.access.filters_received() {
            self.rules.tally.filtered();
            return Verdict::Drop;
        }
        Verdict::Pass
    }

    fn app_packet(&mut self, spoken: &Spoken<'_>, bytes: u64, extent: Extent, now: Instant) -> Verdict {
        let verdict = self.app_says(spoken, now);
        if !matches!(verdict, Verdict::More) {
            self.rules.tally.message(Side::App, spoken.namespace, clients::length(bytes, extent));
        }
        verdict
    }

    fn app_says(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let namespace = spoken.namespace;
        if self.joins_main(spoken) && self.spaces.standing(namespace).is_none() {
            self.refuse_main();
            return Verdict::Drop;
        }
        if self.spaces.is_left(namespace) {
            return self.app_answers_late(spoken);
        }
        let Some(standing) = self.spaces.standing(namespace).filter(|standing| *standing != Standing::Asking) else {
            // Left, or never asked for: client libraries take no notice of it either.
            self.expect_app(spoken, Fate::Drop);
            return Verdict::Drop;
        };
        match spoken.kind {
            Kind::Connect => {
                if standing == Standing::Sent {
                    self.joined(namespace, now);
                }
                self.expect_app(spoken, Fate::Pass);
                Verdict::Pass
            }
            Kind::ConnectError | Kind::Disconnect => {
                self.spaces.remove(namespace);
                self.expect_app(spoken, Fate::Pass);
                Verdict::Pass
            }
            Kind::Event | Kind::BinaryEvent => self.app_event(spoken),
            Kind::Ack | Kind::BinaryAck => {
                if let Some(took) = spoken.id.and_then(|id| self.seldom.acks.answered(namespace, id, now)) {
                    self.rules.tally.acked(took);
                }
                self.expect_app(spoken, Fate::Pass);
                Verdict::Pass
            }
        }
    }

    /// The client has left before it was let in: the app is told once it can be.
    fn app_answers_late(&mut self, spoken: &Spoken<'_>) -> Verdict {
        self.expect_app(spoken, Fate::Drop);
        if self.spaces.is_asking(spoken.namespace) {
            return Verdict::Drop;
        }
        match spoken.kind {
            Kind::Connect => {
                self.spaces.remove(spoken.namespace);
                self.tell_app(say::disconnect(self.parser, spoken.namespace));
            }
            Kind::ConnectError | Kind::Disconnect => self.spaces.remove(spoken.namespace),
            Kind::Event | Kind::BinaryEvent | Kind::Ack | Kind::BinaryAck => {}
        }
        Verdict::Drop
    }

    /// The app said yes: what waited for it is judged and goes out.
    fn joined(&mut self, namespace: &str, now: Instant) {
        self.has_joined = true;
        self.spaces.set(namespace, Standing::Joined);
        self.release(namespace, now);
    }

    fn app_event(&mut self, spoken: &Spoken<'_>) -> Verdict {
        if !self.rules.access.filters_received() && !self.rules.tally.names_events() {
            // Up to the bracket: what the event is called makes no difference.
            self.learn_of_app(spoken, 1, None);
            return self.let_event(spoken);
        }
        let (name, named) = match spoken.name() {
            Ok(Some(read)) => read,
            Ok(None) => return Verdict::More,
            Err(_) if self.rules.access.filters_received() => return self.filter(spoken),
            Err(_) => return self.let_event(spoken),
        };
        match self.rules.access.may_receive(self.identity.as_ref(), spoken.namespace, &name) {
            Decision::Allow | Decision::Shadow(_) => {}
            Decision::Deny(_) => return self.filter(spoken),
        }
        self.learn_of_app(spoken, named, Some(&name));
        self.rules.tally.event(Side::App, &name);
        self.let_event(spoken)
    }

    /// Remembers an event that passes and says nothing by the way, up to there in its data.
    fn learn_of_app(&mut self, spoken: &Spoken<'_>, upto: usize, name: Option<&str>) {
        if let Some((text, upto)) = spoken.plain_event(upto) {
            self.learn(Side::App, text, upto, name, spoken.namespace, Bounds::default());
        }
    }

    fn let_event(&mut self, spoken: &Spoken<'_>) -> Verdict {
        if spoken.id.is_some() {
            self.owed = self.owed.saturating_add(1);
        }
        self.expect_app(spoken, Fate::Pass);
        Verdict::Pass
    }

    /// An event that this client may not receive.
    fn filter(&mut self, spoken: &Spoken<'_>) -> Verdict {
        self.rules.tally.filtered();
        self.expect_app(spoken, Fate::Drop);
        Verdict::Drop
    }
}
