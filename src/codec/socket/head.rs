//! A packet's head: everything before its JSON. Read from the first bytes of a packet, of which it never needs more than
//! [`LONGEST_HEAD`], by a grammar of plain ASCII:
//!
//! ```text
//! kind [attachments "-"] [namespace ","] [id]
//! ```

use std::ops::Range;

use super::PacketError;
use crate::codec::json::Top;

/// What a packet is, told by its first byte.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
    BinaryEvent,
    BinaryAck,
}

impl Kind {
    pub fn of(text: &[u8]) -> Option<Self> {
        text.first().and_then(|digit| Self::from_number(u64::from(digit.wrapping_sub(b'0'))))
    }

    pub fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Connect,
            1 => Self::Disconnect,
            2 => Self::Event,
            3 => Self::Ack,
            4 => Self::ConnectError,
            5 => Self::BinaryEvent,
            6 => Self::BinaryAck,
            _ => return None,
        })
    }

    pub fn number(self) -> u8 {
        match self {
            Self::Connect => 0,
            Self::Disconnect => 1,
            Self::Event => 2,
            Self::Ack => 3,
            Self::ConnectError => 4,
            Self::BinaryEvent => 5,
            Self::BinaryAck => 6,
        }
    }

    /// Whether its attachments follow as messages of their own.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    pub fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::BinaryEvent)
    }

    pub fn is_ack(self) -> bool {
        matches!(self, Self::Ack | Self::BinaryAck)
    }

    /// Whether a packet may have this id, or be without: events may ask for an ack, and an ack answers one.
    pub(crate) fn may_have(self, id: Option<u64>) -> bool {
        match self {
            Self::Event | Self::BinaryEvent => true,
            Self::Ack | Self::BinaryAck => id.is_some(),
            Self::Connect | Self::Disconnect | Self::ConnectError => id.is_none(),
        }
    }
}

/// What a packet says before its JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    pub kind: Kind,
    /// Binary messages that belong to the packet and follow it; none unless the kind is binary, and then at least one.
    pub attachments: u8,
    /// Where the namespace stands; empty when it is left out, which means the main one.
    pub namespace: Range<usize>,
    /// The ack that is asked for or given.
    pub id: Option<u64>,
    /// Where the JSON begins: at the end of the text when there is none.
    pub data_at: usize,
    /// What the JSON must be for the scanner, `None` when there is none.
    pub top: Option<Top>,
}

impl Head {
    /// Reads the head of what follows the engine's `4`: of all of it when `whole`, else of its first bytes, of which more may
    /// be needed (`None`). The first byte of the JSON is judged too, so that nothing can stand between it and the head.
    pub fn read(text: &[u8], whole: bool) -> Result<Option<Self>, PacketError> {
        let Some(kind) = text.first() else { return if whole { Err(PacketError::Empty) } else { Ok(None) } };
        let kind = Kind::of(&[*kind]).ok_or(PacketError::Kind)?;
        let mut cursor = Cursor { text, at: 1, whole };

        let attachments = match kind.is_binary() {
            true => match cursor.attachments()? {
                Some(attachments) => attachments,
                None => return Ok(None),
            },
            false => 0,
        };
        let Some(namespace) = cursor.namespace(kind)? else { return Ok(None) };
        let Some(id) = cursor.id(kind)? else { return Ok(None) };
        let Some(top) = cursor.top(kind)? else { return Ok(None) };
        Ok(Some(Self { kind, attachments, namespace, id, data_at: cursor.at, top }))
    }

    /// The namespace; `text` is what the head was read from.
    pub fn namespace<'a>(&self, text: &'a [u8]) -> &'a str {
        match self.namespace.is_empty() {
            true => "/",
            false => {
                std::str::from_utf8(&text[self.namespace.clone()]).expect("the text that the head was read from, there ASCII")
            }
        }
    }
}

/// Reads one part after the other; every part is `None` while it may still go on behind the bytes there are.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    whole: bool,
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn attachments(&mut self) -> Result<Option<u8>, PacketError> {
        let Some((number, length)) =
            number(self.rest(), self.whole, MOST_ATTACHMENTS.into()).map_err(|_| PacketError::Attachments)?
        else {
            return Ok(None);
        };
        // Something stands behind a number, or the text is whole.
        match (number.and_then(|number| u8::try_from(number).ok()), self.rest().get(length)) {
            (Some(attachments @ 1..), Some(b'-')) => {
                self.at += length + 1;
                Ok(Some(attachments))
            }
            _ => Err(PacketError::Attachments),
        }
    }

    fn namespace(&mut self, kind: Kind) -> Result<Option<Range<usize>>, PacketError> {
        let start = self.at;
        match self.rest().first() {
            Some(b'/') => {}
            None if !self.whole => return Ok(None),
            _ => return Ok(Some(start..start)),
        }
        let length = self.rest().iter().take(LONGEST_NAMESPACE + 1).take_while(|byte| is_namespace_byte(**byte)).count();
        if length > LONGEST_NAMESPACE {
            return Err(PacketError::Namespace);
        }
        let range = start..start + length;
        match self.rest().get(length) {
            Some(b',') => self.at = range.end + 1,
            Some(_) => return Err(PacketError::Namespace),
            None if !self.whole => return Ok(None),
            None if matches!(kind, Kind::Connect | Kind::Disconnect) => self.at = range.end,
            None => return Err(PacketError::Namespace),
        }
        Ok(Some(range))
    }

    fn id(&mut self, kind: Kind) -> Result<Option<Option<u64>>, PacketError> {
        let Some((id, length)) = number(self.rest(), self.whole, MOST_ID).map_err(|_| PacketError::Id)? else { return Ok(None) };
        if !kind.may_have(id) {
            return Err(PacketError::Id);
        }
        self.at += length;
        Ok(Some(id))
    }

    fn top(&self, kind: Kind) -> Result<Option<Option<Top>>, PacketError> {
        let first = self.rest().first();
        if first.is_none() && !self.whole {
            return Ok(None);
        }
        match (kind, first) {
            (Kind::Event | Kind::BinaryEvent | Kind::Ack | Kind::BinaryAck, Some(b'[')) => Ok(Some(Some(Top::Array))),
            (Kind::Connect | Kind::ConnectError, Some(b'{')) => Ok(Some(Some(Top::Object))),
            // What python-socketio says: a bare text.
            (Kind::ConnectError, Some(b'"')) => Ok(Some(Some(Top::Any))),
            (Kind::Connect | Kind::Disconnect | Kind::ConnectError, None) => Ok(Some(None)),
            _ => Err(PacketError::Data),
        }
    }
}

struct Malformed;

/// A number without leading zeros at the start of the text, if there is one, and its length. `None` while it may go on.
fn number(text: &[u8], whole: bool, most: u64) -> Result<Option<(Option<u64>, usize)>, Malformed> {
    let mut number = None;
    for (index, byte) in text.iter().enumerate() {
        if !byte.is_ascii_digit() {
            return Ok(Some((number, index)));
        }
        // No bound on an id is near where this could overflow.
        number = match number {
            None => Some(u64::from(byte - b'0')),
            Some(0) => return Err(Malformed),
            Some(number) => Some(number * 10 + u64::from(byte - b'0')),
        };
        if number > Some(most) {
            return Err(Malformed);
        }
    }
    Ok(whole.then_some((number, text.len())))
}

/// Whether a text is a namespace as a head may name it.
pub fn is_namespace(text: &str) -> bool {
    text.starts_with('/') && text.len() <= LONGEST_NAMESPACE && text.bytes().all(is_namespace_byte)
}

/// What ends a namespace, what Python cuts off with all behind it, and what does not print are not in its name.
fn is_namespace_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b',' | b'?')
}

/// Attachments a packet may have: as many as Socket.IO's own parser takes.
pub const MOST_ATTACHMENTS: u8 = 10;

pub const LONGEST_NAMESPACE: usize = 128;

/// With so many bytes a head is always read or refused: the kind, `10-`, a namespace and its comma, an id of 16 digits, and the
/// first byte of the JSON.
pub const LONGEST_HEAD: usize = 1 + 3 + LONGEST_NAMESPACE + 1 + 16 + 1;

/// The largest number that JavaScript tells from its neighbours.
pub const MOST_ID: u64 = (1 << 53) - 1;
