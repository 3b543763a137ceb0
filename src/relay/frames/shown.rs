//! How messages in their frames are shown to a judge, and how those of ours are written.

use crate::{
    codec::{
        engine::Revision,
        frame::{self, Header, Opcode, Sender},
        json::{JsonError, Scanner},
    },
    relay::{
        guard::{Extent, Message, Seen, Side},
        session::Reason,
    },
};

/// What a judge is shown of a message.
pub(super) enum Content<'a> {
    Seen(Seen<'a>),
    /// Nothing of it is here yet.
    Hidden,
    /// It is no message.
    None,
}

/// In Engine.IO 3 the kind of a binary packet stands in front of it, and only messages are binary.
pub(super) fn content(seen: Seen<'_>, revision: Revision) -> Content<'_> {
    if seen.is_text || revision == Revision::Four {
        return Content::Seen(seen);
    }
    match seen.bytes {
        [MESSAGE, bytes @ ..] => {
            let extent = match seen.extent {
                Extent::Whole => Extent::Whole,
                Extent::Begun(length) => Extent::Begun(length.map(|length| length.saturating_sub(1))),
            };
            Content::Seen(Seen { bytes, extent, ..seen })
        }
        [] if seen.extent != Extent::Whole => Content::Hidden,
        _ => Content::None,
    }
}

/// The payloads of raw data frames whose headers have been followed already, of the last of them what is there, with their masks.
#[derive(Clone)]
pub(super) struct Payloads<'a> {
    rest: &'a [u8],
    sender: Sender,
}

impl<'a> Payloads<'a> {
    pub fn of(raw: &'a [u8], from: Side) -> Self {
        let sender = match from {
            Side::Client => Sender::Client,
            Side::App => Sender::Server,
        };
        Self { rest: raw, sender }
    }

    /// The first `most` bytes of all of them together, unmasked. Lent from the frames where they stand there unmasked and together.
    pub fn unmasked(self, most: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let most = most as usize;
        scratch.clear();
        for (key, payload) in self {
            let wanted = &payload[..payload.len().min(most - scratch.len())];
            match key {
                None if wanted.len() == most => return wanted,
                None => scratch.extend_from_slice(wanted),
                Some(key) => frame::unmask_into(scratch, wanted, key, 0),
            }
            if scratch.len() == most {
                break;
            }
        }
        scratch
    }

    /// Feeds all of them but their first `seen` bytes.
    pub fn feed(self, scanner: &mut Scanner, mut seen: u64) -> Result<(), JsonError> {
        for (key, payload) in self {
            let skipped = seen.min(payload.len() as u64);
            seen -= skipped;
            watch(scanner, &payload[skipped as usize..], key, skipped)?;
        }
        Ok(())
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = (Option<[u8; 4]>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = Header::read(self.rest, self.sender).ok()??;
        let payload = &self.rest[header.size..];
        let (payload, rest) = payload.split_at(header.length.min(payload.len() as u64) as usize);
        self.rest = rest;
        Some((header.mask, payload))
    }
}

/// Feeds bytes that stand `offset` bytes behind the start of their frame's payload.
pub(super) fn watch(scanner: &mut Scanner, bytes: &[u8], key: Option<[u8; 4]>, offset: u64) -> Result<(), JsonError> {
    match key {
        None => scanner.feed(bytes),
        Some(key) => scanner.feed_masked(bytes, frame::turned(key, offset)),
    }
}

/// A message of ours in its frame.
pub fn write(message: &Message, revision: Revision, mask: Option<[u8; 4]>) -> Vec<u8> {
    match message {
        Message::Text(text) => frame::write(Opcode::Text, text.as_bytes(), mask),
        Message::Binary(bytes) if revision == Revision::Three => {
            frame::write(Opcode::Binary, &[&[MESSAGE], bytes.as_slice()].concat(), mask)
        }
        Message::Binary(bytes) => frame::write(Opcode::Binary, bytes, mask),
    }
}

/// So much of a larger message is unmasked to be shown at first: what most events are known by. What need not be shown is only
/// watched, under its mask.
pub(super) const FIRST_LOOK: usize = 128;

/// The kind of a message in a binary packet of Engine.IO 3: the number, not the digit.
const MESSAGE: u8 = 4;

/// Whose fault a wrong message is.
pub(super) fn malformed_by(side: Side) -> Reason {
    match side {
        Side::Client => Reason::MalformedPacket,
        Side::App => Reason::AppInvalid,
    }
}
