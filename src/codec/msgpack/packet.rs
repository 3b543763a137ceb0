//! One packet out of one binary message.

use std::{borrow::Cow, ops::Range};

use super::reader::{Item, MsgpackError, Reader};
use crate::codec::socket::{Kind, LONGEST_NAME, MOST_ID, PacketError, is_namespace, is_reserved};

/// What a packet says. Its attachments are within its data, so that no kind is binary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    pub kind: Kind,
    pub namespace: Cow<'a, str>,
    /// The ack that is asked for or given.
    pub id: Option<u64>,
    /// Of an event; an integer as its text.
    pub name: Option<Cow<'a, str>>,
    /// Where in the message the data stands; empty when there is none.
    pub data: Range<usize>,
}

impl<'a> Packet<'a> {
    /// Reads a whole message. `depth` is how deep its data may be nested.
    pub fn read(message: &'a [u8], depth: u8) -> Result<Self, MsgpackError> {
        let members = Members::read(message, depth)?;
        let kind = members.kind()?;
        let namespace = members.namespace()?;
        let id = members.id(kind)?;
        let data = members.data(kind)?;
        let name = match kind.is_event() {
            true => Some(name(&message[data.clone()])?),
            false => None,
        };
        if name.as_deref().is_some_and(is_reserved) {
            return Err(PacketError::Reserved.into());
        }
        Ok(Self { kind, namespace: Cow::Borrowed(namespace), id, name, data })
    }
}

/// What stands in the map, if it is there.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Item<'a>>,
    namespace: Option<Item<'a>>,
    id: Option<Item<'a>>,
    data: Option<(Item<'a>, Range<usize>)>,
}

impl<'a> Members<'a> {
    /// The whole message: members in any order, none twice, and those that nobody knows passed over.
    fn read(message: &'a [u8], depth: u8) -> Result<Self, MsgpackError> {
        let mut reader = Reader::new(message);
        let count = match reader.item()? {
            Item::Map(count @ ..=MOST_KEYS) => count,
            _ => return Err(MsgpackError::Map),
        };
        let mut members = Self::default();
        let mut keys = Vec::new();
        for _ in 0..count {
            let key = reader.key()?;
            if keys.contains(&key) {
                return Err(MsgpackError::Key);
            }
            keys.push(key);
            let start = reader.position();
            let item = reader.skip(depth)?;
            match key {
                "type" => members.kind = Some(item),
                "nsp" => members.namespace = Some(item),
                "id" => members.id = Some(item),
                "data" => members.data = Some((item, start..reader.position())),
                _ => {}
            }
        }
        if !reader.is_at_end() {
            return Err(MsgpackError::Trailing);
        }
        Ok(members)
    }

    fn kind(&self) -> Result<Kind, PacketError> {
        let Some(Item::Integer(number)) = self.kind else { return Err(PacketError::Kind) };
        let kind = u64::try_from(number).ok().and_then(Kind::from_number).ok_or(PacketError::Kind)?;
        if kind.is_binary() { Err(PacketError::Kind) } else { Ok(kind) }
    }

    fn namespace(&self) -> Result<&'a str, PacketError> {
        match self.namespace {
            Some(Item::Text(namespace)) if is_namespace(namespace) => Ok(namespace),
            _ => Err(PacketError::Namespace),
        }
    }

    fn id(&self, kind: Kind) -> Result<Option<u64>, PacketError> {
        let id = match self.id {
            None | Some(Item::Nil | Item::Undefined) => None,
            Some(Item::Integer(id)) => Some(u64::try_from(id).ok().filter(|id| *id <= MOST_ID).ok_or(PacketError::Id)?),
            Some(_) => return Err(PacketError::Id),
        };
        if kind.may_have(id) { Ok(id) } else { Err(PacketError::Id) }
    }

    /// JavaScript writes what is not there as `undefined`, Python as nil.
    fn data(&self, kind: Kind) -> Result<Range<usize>, PacketError> {
        let (item, range) = match &self.data {
            None | Some((Item::Nil | Item::Undefined, _)) => (None, 0..0),
            Some((item, range)) => (Some(item), range.clone()),
        };
        let is_wanted = match kind {
            Kind::Connect => matches!(item, None | Some(Item::Map(_))),
            Kind::Disconnect => item.is_none(),
            Kind::Event | Kind::Ack | Kind::BinaryEvent | Kind::BinaryAck => matches!(item, Some(Item::Array(_))),
            Kind::ConnectError => matches!(item, None | Some(Item::Map(_) | Item::Text(_))),
        };
        if is_wanted { Ok(range) } else { Err(PacketError::Data) }
    }
}

/// The first element of an event's array.
fn name(data: &[u8]) -> Result<Cow<'_, str>, MsgpackError> {
    let mut reader = Reader::new(data);
    match reader.item()? {
        Item::Array(1..) => {}
        _ => return Err(PacketError::Name.into()),
    }
    match reader.item()? {
        Item::Text(name) if (1..=LONGEST_NAME).contains(&name.len()) => Ok(Cow::Borrowed(name)),
        Item::Integer(number) if number.unsigned_abs() <= MOST_ID.into() => Ok(Cow::Owned(number.to_string())),
        _ => Err(PacketError::Name.into()),
    }
}

/// Members a packet may have: twice those that the parsers write.
const MOST_KEYS: u32 = 16;
