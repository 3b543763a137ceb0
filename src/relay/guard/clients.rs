//! What a client says.

use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Extent, Guard, Message, Seen, Side, Verdict, Wire,
    attachments::Fate,
    placeholders,
    spaces::Left,
    spoken::{self, Spoken, Words},
};
use crate::{
    codec::{
        msgpack,
        socket::{Kind, Packet, PacketError},
    },
    config::socketio::Parser,
    policy::{Refusal, Refused},
};

/// Engine packets that are no messages have a few bytes.
const ENGINE_PACKET: usize = 8;

impl Guard {
    pub(super) fn client_text(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        let whole = spoken::is_whole(seen);
        match seen.bytes {
            [] if whole => self.malformed("an empty packet"),
            [] => Verdict::More,
            [b'4', text @ ..] => self.client_message(text, seen.wire, behind_kind(seen.extent), now),
            [b'b', ..] if self.parser == Parser::Default && !self.awaits_client() => {
                self.malformed("a binary message that nothing announced")
            }
            [b'b', ..] if !whole => Verdict::More,
            [b'b', text @ ..] => self.client_base64(text, now),
            _ => self.client_engine(seen.bytes, whole),
        }
    }

    fn client_engine(&mut self, packet: &[u8], whole: bool) -> Verdict {
        match packet {
            _ if !whole && packet.len() <= ENGINE_PACKET => Verdict::More,
            // An app that has not heard of the session does not begin with them.
            b"1" | b"3" if !self.may_open() => Verdict::Drop,
            // In Engine.IO 3 the client pings.
            b"2" if self.is_three() => Verdict::Pass,
            b"3" if self.is_three() => self.malformed("a pong of a client that pings"),
            // Some apps begin a timer for every pong, asked for or not, and none of them counts as a message.
            b"3" if self.pings == 0 => Verdict::Drop,
            b"3" => {
                self.pings -= 1;
                Verdict::Pass
            }
            // The probe of an upgrade and its end, a goodbye.
            b"2probe" | b"5" | b"1" => Verdict::Pass,
            // It says nothing, and some apps end a session that says it.
            b"6" => Verdict::Drop,
            _ => self.malformed("no packet that a client sends"),
        }
    }

    /// `b` and base64 in a text message is a binary message to most servers: it is made one. In Engine.IO 3 the kind stands
    /// between the two.
    fn client_base64(&mut self, text: &[u8], now: Instant) -> Verdict {
        let text = if self.is_three() { text.strip_prefix(b"4") } else { Some(text) };
        let Some(Ok(bytes)) = text.map(|text| STANDARD.decode(text)) else {
            return self.malformed("a binary packet is not base64");
        };
        let seen = Seen { from: Side::Client, is_text: false, bytes: &bytes, extent: Extent::Whole, wire: None };
        match self.client_binary(&seen, now) {
            Verdict::Pass => Verdict::Replace(Message::Binary(bytes).into()),
            other => other,
        }
    }

    fn client_message(&mut self, text: &[u8], wire: Option<Wire<'_>>, extent: Extent, now: Instant) -> Verdict {
        let whole = extent == Extent::Whole;
        match self.parser {
            Parser::Custom => return self.client_unread(text.len() as u64, extent, now),
            Parser::Msgpack => return self.malformed("a text message where all are msgpack"),
            Parser::Default => {}
        }
        if self.awaits_client() {
            return self.malformed("a text where attachments are due");
        }
        if self.is_three() && text.first() == Some(&b'0') {
            return self.connect_of_three(text, extent, now);
        }
        match Spoken::of_text(text, whole) {
            Ok(Some(spoken)) => self.client_packet(&spoken.on(wire), text, extent, now),
            Ok(None) => Verdict::More,
            Err(error) => self.malformed(&error.to_string()),
        }
    }

    pub(super) fn client_binary(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        match self.parser {
            Parser::Custom => self.client_unread(seen.bytes.len() as u64, seen.extent, now),
            Parser::Default if self.awaits_client() => self.take_client_attachment(seen.bytes, seen.extent, now),
            Parser::Default => self.malformed("a binary message that nothing announced"),
            Parser::Msgpack if !spoken::is_whole(seen) => Verdict::More,
            Parser::Msgpack => match msgpack::Packet::read(seen.bytes, self.rules.json_depth) {
                Ok(packet) => {
                    let spoken = Spoken::of_pack(&packet, seen.bytes);
                    self.client_packet(&spoken, seen.bytes, Extent::Whole, now)
                }
                Err(error) => self.malformed(&error.to_string()),
            },
        }
    }

    /// A message that nobody here can read, on a route where that was chosen: it is counted and no more.
    fn client_unread(&mut self, bytes: u64, extent: Extent, now: Instant) -> Verdict {
        if self.by_connect && self.identity.is_none() {
            return self.malformed("nobody has been accepted, and no token can be read here");
        }
        self.heard = now;
        match self.count(("/", None), length(bytes, extent), now) {
            Ok(()) => Verdict::Pass,
            Err(over) => {
                self.note(over.refused.refusal, over.refused.detail.as_deref().unwrap_or_default(), false, now);
                self.violated(now);
                self.end_if(over.is_last, now);
                Verdict::Drop
            }
        }
    }

    pub(super) fn client_packet(&mut self, spoken: &Spoken<'_>, message: &[u8], extent: Extent, now: Instant) -> Verdict {
        if spoken.attachments > self.rules.limits.attachments() {
            return self.malformed("more attachments than an event may have");
        }
        if !self.is_read_alike(spoken) {
            return self.malformed("a namespace that apps of Engine.IO 3 read in another way");
        }
        let verdict = match spoken.kind {
            Kind::Connect | Kind::Disconnect if !spoken.is_whole() => match message.len() > LARGEST_CONNECT {
                true => self.malformed("a CONNECT packet that is too large"),
                false => Verdict::More,
            },
            Kind::Connect | Kind::Disconnect if !self.is_sound(message) => self.malformed("a packet that is not as it must be"),
            Kind::Connect if message.len() > LARGEST_CONNECT => self.malformed("a CONNECT packet that is too large"),
            Kind::Connect => self.connect(spoken, now),
            Kind::Disconnect => self.client_leaves(spoken),
            Kind::ConnectError => self.malformed("a client that refuses to be connected"),
            Kind::Event | Kind::BinaryEvent => self.event(spoken, message, extent, now),
            Kind::Ack | Kind::BinaryAck => self.client_acks(spoken, message, extent, now),
        };
        if !matches!(verdict, Verdict::More) {
            self.heard = now;
            self.rules.tally.message(Side::Client, spoken.namespace, length(message.len() as u64, extent));
        }
        verdict
    }

    /// Whether a whole packet is one in every part.
    fn is_sound(&self, message: &[u8]) -> bool {
        self.parser == Parser::Msgpack || Packet::read(message, self.rules.json_depth).is_ok()
    }

    fn client_leaves(&mut self, spoken: &Spoken<'_>) -> Verdict {
        // Who asks for a new token has not left; a CONNECT that is being judged is remembered until it is.
        match self.spaces.leave(spoken.namespace) {
            Left::Joined => Verdict::Pass,
            // The app has not heard of it, or hears of it when it has said yes.
            Left::Early | Left::Unknown => Verdict::Drop,
        }
    }

    fn client_acks(&mut self, spoken: &Spoken<'_>, message: &[u8], extent: Extent, now: Instant) -> Verdict {
        if !self.spaces.has_joined(spoken.namespace) {
            self.expect_client(spoken, Fate::Drop, 0);
            return Verdict::Drop;
        }
        if self.owed == 0 {
            // Nothing that the app asks for is held back, so nothing else may come this way.
            return self.deny(spoken, &Refused::because(Refusal::PacketMalformed, "an answer that nothing asked for"), now);
        }
        if spoken.attachments > 0 && !spoken.is_whole() {
            return Verdict::More;
        }
        let verdict = match self.finish(spoken, None) {
            Ok(verdict) => verdict,
            Err(error) => return self.malformed(&error.to_string()),
        };
        if !self.has_fitting_placeholders(spoken) {
            return self.malformed("a placeholder for no attachment");
        }
        self.owed -= 1;
        let length = length(message.len() as u64, extent);
        // The app waits for it, so it is counted but not held back.
        if let Err(over) = self.count((spoken.namespace, None), length, now) {
            self.end_if(over.is_last, now);
        }
        self.expect_client(spoken, Fate::Pass, self.rules.max_payload.saturating_sub(length));
        verdict
    }

    /// Whether the attachments of a whole packet are put where there is one, by every app alike.
    pub(super) fn has_fitting_placeholders(&self, spoken: &Spoken<'_>) -> bool {
        spoken.attachments == 0 || placeholders::fit(spoken.json().unwrap_or_default(), spoken.attachments)
    }

    /// A packet that may go on, once the rest of it is what it must be. `named`: where an event's name ends.
    pub(super) fn finish(&self, spoken: &Spoken<'_>, named: Option<usize>) -> Result<Verdict, PacketError> {
        Ok(match spoken.scanner(self.rules.json_depth, named)? {
            Some(scanner) => Verdict::Watch(scanner),
            None => Verdict::Pass,
        })
    }

    /// Holds a message for a namespace that the app has not said yes to.
    pub(super) fn hold(&mut self, spoken: &Spoken<'_>, message: &[u8], now: Instant) -> Verdict {
        let too_much = Refused::because(Refusal::NotConnected, "too much before the namespace was joined");
        if message.len() > LARGEST_CONNECT {
            return self.deny(spoken, &too_much, now);
        }
        if !spoken.is_whole() {
            return Verdict::More;
        }
        if let Err(error) = self.finish(spoken, None) {
            return self.malformed(&error.to_string());
        }
        let kept = match &spoken.words {
            Words::Text { .. } => match std::str::from_utf8(message) {
                Ok(text) => Message::Text(format!("4{text}")),
                Err(_) => return self.malformed("a text that is not UTF-8"),
            },
            Words::Pack { message, .. } => Message::Binary(message.to_vec()),
        };
        self.expect_client(spoken, Fate::Hold(spoken.namespace.into()), self.rules.max_payload);
        if self.spaces.hold(spoken.namespace, kept) {
            return Verdict::Drop;
        }
        self.deny(spoken, &too_much, now)
    }

    /// The app has said yes: what waited for that is judged now, as if it came now.
    pub(super) fn release(&mut self, namespace: &str, now: Instant) {
        if self.up.is_held_for(namespace) {
            // Half a unit waits; its last attachment brings us here again.
            return;
        }
        let up = std::mem::take(&mut self.up);
        for message in self.spaces.take_held(namespace) {
            let verdict = match (&message, self.parser) {
                (Message::Text(text), _) => match Spoken::of_text(&text.as_bytes()[1..], true) {
                    Ok(Some(spoken)) => self.event(&spoken, &text.as_bytes()[1..], Extent::Whole, now),
                    Ok(None) | Err(_) => Verdict::Drop,
                },
                (Message::Binary(bytes), Parser::Msgpack) => match msgpack::Packet::read(bytes, self.rules.json_depth) {
                    Ok(packet) => self.event(&Spoken::of_pack(&packet, bytes), bytes, Extent::Whole, now),
                    Err(_) => Verdict::Drop,
                },
                (Message::Binary(bytes), _) => self.take_client_attachment(bytes, Extent::Whole, now),
            };
            match verdict {
                Verdict::Pass => self.tell_app(message),
                Verdict::Break(reason) => return self.end(reason, now),
                // Of a whole message nothing is watched or replaced here.
                Verdict::Drop | Verdict::More | Verdict::Watch(_) | Verdict::Replace(_) => {}
            }
        }
        self.up = up;
    }
}

/// How much of a text there is behind the engine's `4`.
pub(super) fn behind_kind(extent: Extent) -> Extent {
    match extent {
        Extent::Begun(Some(length)) => Extent::Begun(Some(length.saturating_sub(1))),
        other => other,
    }
}

/// The length in all; of a message in fragments what is there of it.
pub(super) fn length(seen: u64, extent: Extent) -> u64 {
    match extent {
        Extent::Whole | Extent::Begun(None) => seen,
        Extent::Begun(Some(length)) => length,
    }
}

/// A CONNECT packet: a token of 8 KiB, and as much again. Also what must be held of other messages.
pub(super) const LARGEST_CONNECT: usize = 16 * 1024;
