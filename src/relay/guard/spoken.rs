//! A Socket.IO packet as a guard sees it, whichever parser wrote it.

use std::borrow::Cow;

use super::{Seen, Wire};
use crate::codec::{
    json::Scanner,
    msgpack,
    socket::{self, Head, Kind, PacketError},
};

/// One packet, or as much of it as is there.
pub(super) struct Spoken<'a> {
    pub kind: Kind,
    pub attachments: u8,
    pub namespace: &'a str,
    pub id: Option<u64>,
    pub words: Words<'a>,
}

/// Where the rest of it is.
pub(super) enum Words<'a> {
    /// What follows the header: JSON. `whole`: all of it.
    Text { head: Head, text: &'a [u8], whole: bool, wire: Option<Wire<'a>> },
    /// One map that is the whole message.
    Pack { packet: &'a msgpack::Packet<'a>, message: &'a [u8] },
}

impl<'a> Spoken<'a> {
    /// `None`: the header is not all there yet.
    pub fn of_text(text: &'a [u8], whole: bool) -> Result<Option<Self>, PacketError> {
        let Some(head) = Head::read(text, whole)? else { return Ok(None) };
        Ok(Some(Self {
            kind: head.kind,
            attachments: head.attachments,
            namespace: head.namespace(text),
            id: head.id,
            words: Words::Text { text, head, whole, wire: None },
        }))
    }

    /// The same where all of it is there under its mask.
    pub fn on(mut self, wire: Option<Wire<'a>>) -> Self {
        if let Words::Text { wire: own, .. } = &mut self.words {
            *own = wire;
        }
        self
    }

    pub fn of_pack(packet: &'a msgpack::Packet<'a>, message: &'a [u8]) -> Self {
        Self {
            kind: packet.kind,
            attachments: 0,
            namespace: &packet.namespace,
            id: packet.id,
            words: Words::Pack { packet, message },
        }
    }

    pub fn is_whole(&self) -> bool {
        match &self.words {
            Words::Text { whole, .. } => *whole,
            Words::Pack { .. } => true,
        }
    }

    /// The event's name, decoded, and where in a text's data it ends. `None`: it is not all there yet.
    pub fn name(&self) -> Result<Option<(Cow<'a, str>, usize)>, PacketError> {
        match &self.words {
            Words::Text { head, text, whole, .. } => socket::event_name(&text[head.data_at..], *whole),
            Words::Pack { packet, .. } => packet.name.clone().map(|name| Some((name, 0))).ok_or(PacketError::Name),
        }
    }

    /// What checks the rest of a text, fed with what is there. `None`: there is nothing left to be checked. `named`: where an event's
    /// name ends, which has been read already.
    pub fn scanner(&self, depth: u8, named: Option<usize>) -> Result<Option<Box<Scanner>>, PacketError> {
        let Words::Text { head, text, whole, wire } = &self.words else { return Ok(None) };
        let Some(top) = head.top else { return Ok(None) };
        let (mut scanner, read) = match named {
            Some(end) => (Scanner::behind_first(depth), head.data_at + end),
            None => (Scanner::new(depth, top), head.data_at),
        };
        if let Some(wire) = wire {
            // Behind the engine's `4`.
            wire.feed(&mut scanner, 1 + read)?;
            scanner.finish()?;
            return Ok(None);
        }
        scanner.feed(&text[read..])?;
        if *whole {
            scanner.finish()?;
            return Ok(None);
        }
        Ok(Some(Box::new(scanner)))
    }

    /// An event as text that asks for no answer and has no attachments: the text, and where a place in its data is in it.
    pub fn plain_event(&self, at: usize) -> Option<(&'a [u8], usize)> {
        match &self.words {
            Words::Text { head, text, .. } if self.kind == Kind::Event && self.id.is_none() => Some((text, head.data_at + at)),
            Words::Text { .. } | Words::Pack { .. } => None,
        }
    }

    /// The JSON of a whole text.
    pub fn json(&self) -> Option<&'a str> {
        match &self.words {
            Words::Text { head, text, whole: true, .. } => std::str::from_utf8(&text[head.data_at..]).ok(),
            Words::Text { .. } | Words::Pack { .. } => None,
        }
    }
}

/// For messages that must be a whole one before anything can be said.
pub(super) fn is_whole(seen: &Seen<'_>) -> bool {
    matches!(seen.extent, super::Extent::Whole)
}
