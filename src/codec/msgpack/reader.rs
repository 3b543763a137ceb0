//! MessagePack itself, value by value. Nothing is copied and nothing recursed; lengths that a message claims are only believed
//! as far as its bytes go.

use crate::codec::socket::PacketError;

/// Reads values one after the other.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One value, or the start of one that has others in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Nil,
    /// What JavaScript's notepack makes of `undefined`.
    Undefined,
    Bool,
    Integer(i128),
    Float,
    Text(&'a str),
    /// Bytes and extensions.
    Opaque,
    /// So many values follow.
    Array(u32),
    /// So many keys, each with its value, follow.
    Map(u32),
}

/// Why a message is not a packet. Its sender is to blame.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum MsgpackError {
    #[error("the message ends before it is whole")]
    Short,
    #[error("something follows the packet")]
    Trailing,
    #[error("a byte is no type of MessagePack")]
    Marker,
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("the message is nested deeper than allowed")]
    TooDeep,
    #[error("the packet is not a map, or has too many keys")]
    Map,
    #[error("a key is not a text, is there twice or is reserved for the language")]
    Key,
    #[error(transparent)]
    Packet(#[from] PacketError),
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next value; of an array or map only its length.
    pub(super) fn item(&mut self) -> Result<Item<'a>, MsgpackError> {
        let [marker] = self.array()?;
        Ok(match marker {
            0x00..=0x7f => Item::Integer(marker.into()),
            0x80..=0x8f => Item::Map(u32::from(marker & 0x0f)),
            0x90..=0x9f => Item::Array(u32::from(marker & 0x0f)),
            0xa0..=0xbf => self.text(u32::from(marker & 0x1f))?,
            0xc0 => Item::Nil,
            0xc1 => return Err(MsgpackError::Marker),
            0xc2 | 0xc3 => Item::Bool,
            0xc4..=0xc6 => {
                let length = self.length(marker - 0xc4)?;
                self.opaque(length.into())?
            }
            0xc7..=0xc9 => {
                let length = self.length(marker - 0xc7)?;
                self.opaque(u64::from(length) + 1)?
            }
            0xca => self.opaque(4).map(|_| Item::Float)?,
            0xcb => self.opaque(8).map(|_| Item::Float)?,
            0xcc => Item::Integer(u8::from_be_bytes(self.array()?).into()),
            0xcd => Item::Integer(u16::from_be_bytes(self.array()?).into()),
            0xce => Item::Integer(u32::from_be_bytes(self.array()?).into()),
            0xcf => Item::Integer(u64::from_be_bytes(self.array()?).into()),
            0xd0 => Item::Integer(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Item::Integer(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Item::Integer(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Item::Integer(i64::from_be_bytes(self.array()?).into()),
            0xd4 => match self.array()? {
                [0, 0] => Item::Undefined,
                _ => Item::Opaque,
            },
            0xd5..=0xd8 => self.opaque((1 << (marker - 0xd4)) + 1)?,
            0xd9..=0xdb => {
                let length = self.length(marker - 0xd9)?;
                self.text(length)?
            }
            0xdc | 0xdd => Item::Array(self.length(marker - 0xdc + 1)?),
            0xde | 0xdf => Item::Map(self.length(marker - 0xde + 1)?),
            0xe0..=0xff => Item::Integer(marker.cast_signed().into()),
        })
    }

    /// A key of a map: a text, and not the one by which JavaScript sets an object's prototype, which would give the object
    /// members that nobody here has seen.
    pub(super) fn key(&mut self) -> Result<&'a str, MsgpackError> {
        match self.item()? {
            Item::Text("__proto__") => Err(MsgpackError::Key),
            Item::Text(key) => Ok(key),
            _ => Err(MsgpackError::Key),
        }
    }

    /// Passes over one whole value, in which at most `depth` arrays and maps may be open at a time.
    pub(super) fn skip(&mut self, depth: u8) -> Result<Item<'a>, MsgpackError> {
        let first = self.item()?;
        let mut open: Vec<Open> = Vec::new();
        let mut item = first;
        loop {
            if let Some(opened) = Open::by(item) {
                if open.len() >= usize::from(depth) {
                    return Err(MsgpackError::TooDeep);
                }
                open.push(opened);
            }
            while open.last().is_some_and(|innermost| innermost.left == 0) {
                open.pop();
            }
            let Some(innermost) = open.last_mut() else { return Ok(first) };
            innermost.left -= 1;
            if innermost.is_map {
                self.key()?;
            }
            item = self.item()?;
        }
    }

    fn text(&mut self, length: u32) -> Result<Item<'a>, MsgpackError> {
        std::str::from_utf8(self.take(length.into())?).map(Item::Text).map_err(|_| MsgpackError::NotUtf8)
    }

    fn opaque(&mut self, length: u64) -> Result<Item<'a>, MsgpackError> {
        self.take(length).map(|_| Item::Opaque)
    }

    /// A length of one, two or four bytes.
    fn length(&mut self, width: u8) -> Result<u32, MsgpackError> {
        Ok(match width {
            0 => u8::from_be_bytes(self.array()?).into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MsgpackError> {
        let bytes = self.bytes[self.at..].first_chunk().ok_or(MsgpackError::Short)?;
        self.at += N;
        Ok(*bytes)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], MsgpackError> {
        let length = usize::try_from(length).map_err(|_| MsgpackError::Short)?;
        let bytes = self.bytes[self.at..].get(..length).ok_or(MsgpackError::Short)?;
        self.at += length;
        Ok(bytes)
    }
}

/// An array or map that is being passed over.
struct Open {
    /// Values still to come.
    left: u32,
    is_map: bool,
}

impl Open {
    fn by(item: Item<'_>) -> Option<Self> {
        match item {
            Item::Array(left) => Some(Self { left, is_map: false }),
            Item::Map(left) => Some(Self { left, is_map: true }),
            Item::Nil | Item::Undefined | Item::Bool | Item::Integer(_) | Item::Float | Item::Text(_) | Item::Opaque => None,
        }
    }
}
