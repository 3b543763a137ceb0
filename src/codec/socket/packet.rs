//! A whole packet, read in one go: what polling bodies and small WebSocket messages hold. Says nothing that head, name and
//! scanner would not say one after the other.

use std::borrow::Cow;

use super::{Head, PacketError, event_name, is_reserved};
use crate::codec::json::Scanner;

/// A packet that is what it should be, to its last byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    pub head: Head,
    pub namespace: &'a str,
    /// Of an event, decoded.
    pub name: Option<Cow<'a, str>>,
    /// The JSON, empty when there is none.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads all that follows the engine's `4`. `depth` is how deep the JSON may be nested.
    pub fn read(text: &'a [u8], depth: u8) -> Result<Self, PacketError> {
        let head = Head::read(text, true)?.ok_or(PacketError::Empty)?;
        let data = &text[head.data_at..];
        let name = match head.kind.is_event() {
            true => event_name(data, true)?.map(|(name, _)| name),
            false => None,
        };
        if name.as_deref().is_some_and(is_reserved) {
            return Err(PacketError::Reserved);
        }
        if let Some(top) = head.top {
            let mut scanner = Scanner::new(depth, top);
            scanner.feed(data)?;
            scanner.finish()?;
        }
        Ok(Self { namespace: head.namespace(text), head, name, data })
    }
}
