//! A Socket.IO packet as a guard sees it, whichever parser wrote it.

use std::borrow::Cow;

use super::Seen;
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
    Text { head: Head, data: &'a [u8], whole: bool },
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
            words: Words::Text { data: &text[head.data_at..], head, whole },
        }))
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

    /// The event's name, decoded. `None`: it is not all there yet.
    pub fn name(&self) -> Result<Option<Cow<'a, str>>, PacketError> {
        match &self.words {
            Words::Text { data, whole, .. } => Ok(socket::event_name(data, *whole)?.map(|(name, _)| name)),
            Words::Pack { packet, .. } => packet.name.clone().map(Some).ok_or(PacketError::Name),
        }
    }

    /// What checks the rest of a text, fed with what is there. `None`: there is nothing left to be checked.
    pub fn scanner(&self, depth: u8) -> Result<Option<Box<Scanner>>, PacketError> {
        let Words::Text { head, data, whole } = &self.words else { return Ok(None) };
        let Some(top) = head.top else { return Ok(None) };
        let mut scanner = Scanner::new(depth, top);
        scanner.feed(data)?;
        if *whole {
            scanner.finish()?;
            return Ok(None);
        }
        Ok(Some(Box::new(scanner)))
    }

    /// The JSON of a whole text.
    pub fn json(&self) -> Option<&'a str> {
        match &self.words {
            Words::Text { data, whole: true, .. } => std::str::from_utf8(data).ok(),
            Words::Text { .. } | Words::Pack { .. } => None,
        }
    }
}

/// For messages that must be a whole one before anything can be said.
pub(super) fn is_whole(seen: &Seen<'_>) -> bool {
    matches!(seen.extent, super::Extent::Whole)
}
