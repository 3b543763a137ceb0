//! What a client says.

use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Extent, Guard, Message, Seen, Side, Verdict,
    core::Fate,
    placeholders,
    spaces::Standing,
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
            [b'4', text @ ..] => self.client_message(text, seen.extent, now),
            [b'b', ..] if !whole => Verdict::More,
            [b'b', text @ ..] => self.client_base64(text, now),
            _ => self.client_engine(seen.bytes, whole),
        }
    }

    fn client_engine(&self, packet: &[u8], whole: bool) -> Verdict {
        match packet {
            _ if !whole && packet.len() <= ENGINE_PACKET => Verdict::More,
            // An app that has not heard of the session does not begin with them.
            b"1" | b"3" if !self.may_open() => Verdict::Drop,
            // A pong, the probe of an upgrade and its end, a goodbye.
            b"3" if !self.is_three() => Verdict::Pass,
            // In Engine.IO 3 the client pings.
            b"2" if self.is_three() => Verdict::Pass,
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
        let seen = Seen { from: Side::Client, is_text: false, bytes: &bytes, extent: Extent::Whole };
        match self.client_binary(&seen, now) {
            Verdict::Pass => Verdict::Replace(Message::Binary(bytes)),
            other => other,
        }
    }

    fn client_message(&mut self, text: &[u8], extent: Extent, now: Instant) -> Verdict {
        let whole = extent == Extent::Whole;
        match self.parser() {
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
            Ok(Some(spoken)) => self.client_packet(&spoken, text, extent, now),
            Ok(None) => Verdict::More,
            Err(error) => self.malformed(&error.to_string()),
        }
    }

    pub(super) fn client_binary(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        match self.parser() {
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
        let length = length(bytes, extent);
        self.heard = now;
        match self.count("/", None, length, now) {
            Ok(()) => Verdict::Pass,
            Err(_) => {
                self.violated(now);
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
            Kind::Ack | Kind::BinaryAck => self.client_acks(spoken, extent, message.len() as u64, now),
        };
        if !matches!(verdict, Verdict::More) {
            self.heard = now;
            self.rules.tally.message(Side::Client, spoken.namespace, message.len() as u64);
        }
        verdict
    }

    /// Whether a whole packet is one in every part.
    fn is_sound(&self, message: &[u8]) -> bool {
        self.parser() == Parser::Msgpack || Packet::read(message, self.rules.json_depth).is_ok()
    }

    fn client_leaves(&mut self, spoken: &Spoken<'_>) -> Verdict {
        let before = self.spaces.remove(spoken.namespace);
        self.asked.retain(|asked| *asked.namespace != *spoken.namespace);
        match before {
            Some(Standing::Sent | Standing::Joined) => Verdict::Pass,
            // The app has not heard of it.
            Some(Standing::Asking) | None => Verdict::Drop,
        }
    }

    fn client_acks(&mut self, spoken: &Spoken<'_>, extent: Extent, bytes: u64, now: Instant) -> Verdict {
        if self.spaces.standing(spoken.namespace) != Some(Standing::Joined) {
            self.expect_client(spoken, Fate::Drop);
            return Verdict::Drop;
        }
        // Attachments are put into answers as they are into events.
        if spoken.kind == Kind::BinaryAck && !spoken.is_whole() {
            return Verdict::More;
        }
        let length = length(bytes, extent);
        match self.finish(spoken) {
            Ok(_) if spoken.kind == Kind::BinaryAck && !placeholders::fit(spoken.json().unwrap_or_default(), spoken.attachments) => {
                self.malformed("a placeholder for no attachment")
            }
            Ok(verdict) => {
                // The app waits for it, so it is counted but never held back.
                let _ = self.count(spoken.namespace, None, length, now);
                self.expect_client(spoken, Fate::Pass);
                verdict
            }
            Err(error) => self.malformed(&error.to_string()),
        }
    }

    /// A packet that may go on, once the rest of it is what it must be.
    pub(super) fn finish(&self, spoken: &Spoken<'_>) -> Result<Verdict, PacketError> {
        Ok(match spoken.scanner(self.rules.json_depth)? {
            Some(scanner) => Verdict::Watch(scanner),
            None => Verdict::Pass,
        })
    }

    /// Holds a message for a namespace that the app has not said yes to.
    pub(super) fn hold(&mut self, spoken: &Spoken<'_>, message: &[u8], now: Instant) -> Verdict {
        if !spoken.is_whole() {
            return if message.len() > LARGEST_CONNECT {
                self.malformed("a message before its namespace is joined")
            } else {
                Verdict::More
            };
        }
        if let Err(error) = self.finish(spoken) {
            return self.malformed(&error.to_string());
        }
        let kept = match &spoken.words {
            Words::Text { .. } => Message::Text(format!("4{}", String::from_utf8_lossy(message))),
            Words::Pack { message, .. } => Message::Binary(message.to_vec()),
        };
        self.expect_client(spoken, Fate::Hold(spoken.namespace.into()));
        if self.spaces.hold(spoken.namespace, kept) {
            return Verdict::Drop;
        }
        self.deny(spoken, &Refused::because(Refusal::NotConnected, "too much before the namespace was joined"), now)
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
