//! What an app says. It is read as far as is needed to know what the client has joined, what it may receive, and how long answers
//! take; what cannot be read is the client's business, except where something is kept from it.

use std::time::Instant;

use super::{
    Guard, Seen, Side, Verdict,
    core::Fate,
    spaces::Standing,
    spoken::{self, Spoken},
};
use crate::{
    codec::{msgpack, socket::Kind},
    config::socketio::Parser,
    policy::access::Decision,
};

impl Guard {
    pub(super) fn app_text(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        let whole = spoken::is_whole(seen);
        match seen.bytes {
            [] if whole => Verdict::Drop,
            [] => Verdict::More,
            [b'4', text @ ..] => match self.parser() {
                Parser::Custom | Parser::Msgpack => Verdict::Pass,
                Parser::Default => match Spoken::of_text(text, whole) {
                    Ok(Some(spoken)) => self.app_packet(&spoken, now),
                    Ok(None) => Verdict::More,
                    Err(_) => self.unreadable(),
                },
            },
            [b'b', ..] if self.awaits_app() => self.take_app_attachment(),
            // The client has its open packet, and only it upgrades.
            [b'0' | b'5', ..] => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }

    pub(super) fn app_binary(&mut self, seen: &Seen<'_>) -> Verdict {
        match self.parser() {
            Parser::Default if self.awaits_app() => self.take_app_attachment(),
            Parser::Default => self.unreadable(),
            Parser::Custom => Verdict::Pass,
            Parser::Msgpack if !spoken::is_whole(seen) => Verdict::More,
            Parser::Msgpack => match msgpack::Packet::read(seen.bytes, msgpack::MOST_DEPTH) {
                Ok(packet) => self.app_packet(&Spoken::of_pack(&packet, seen.bytes), Instant::now()),
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

    fn app_packet(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        if self.awaits_app() {
            // An app that breaks its own event off.
            self.expect_app(spoken, Fate::Drop);
        }
        let namespace = spoken.namespace;
        if self.joins_main(spoken) && self.spaces.standing(namespace).is_none() {
            self.refuse_main();
            return Verdict::Drop;
        }
        let Some(standing) = self.spaces.standing(namespace).filter(|standing| *standing != Standing::Asking) else {
            // Left, or never asked for: client libraries take no notice of it either.
            self.expect_app(spoken, Fate::Drop);
            return Verdict::Drop;
        };
        match spoken.kind {
            Kind::Connect => {
                if standing == Standing::Sent {
                    self.joined(namespace);
                }
                Verdict::Pass
            }
            Kind::ConnectError | Kind::Disconnect => {
                self.spaces.remove(namespace);
                Verdict::Pass
            }
            Kind::Event | Kind::BinaryEvent => self.app_event(spoken),
            Kind::Ack | Kind::BinaryAck => {
                if let Some(took) = spoken.id.and_then(|id| self.acks.answered(namespace, id, now)) {
                    self.rules.tally.acked(took);
                }
                self.expect_app(spoken, Fate::Pass);
                Verdict::Pass
            }
        }
    }

    /// The app said yes: what waited for it goes out.
    fn joined(&mut self, namespace: &str) {
        self.has_joined = true;
        self.spaces.set(namespace, Standing::Joined);
        for message in self.spaces.take_held(namespace) {
            self.tell_app(message);
        }
    }

    fn app_event(&mut self, spoken: &Spoken<'_>) -> Verdict {
        if !self.rules.access.filters_received() && !self.rules.tally.names_events() {
            self.expect_app(spoken, Fate::Pass);
            return Verdict::Pass;
        }
        let name = match spoken.name() {
            Ok(Some(name)) => name,
            Ok(None) => return Verdict::More,
            Err(_) => {
                let verdict = self.unreadable();
                let fate = if matches!(verdict, Verdict::Drop) { Fate::Drop } else { Fate::Pass };
                self.expect_app(spoken, fate);
                return verdict;
            }
        };
        let is_kept_back = match self.rules.access.may_receive(self.identity.as_ref(), spoken.namespace, &name) {
            Decision::Allow | Decision::Shadow(_) => false,
            Decision::Deny(_) => true,
        };
        if is_kept_back {
            self.rules.tally.filtered();
            self.expect_app(spoken, Fate::Drop);
            return Verdict::Drop;
        }
        self.rules.tally.event(Side::App, &name);
        self.expect_app(spoken, Fate::Pass);
        Verdict::Pass
    }
}
