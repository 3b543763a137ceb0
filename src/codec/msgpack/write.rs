//! The packets that the gate itself says, as the binary messages that notepack and msgpack-python read: keys in the parsers' own
//! order, numbers in their shortest form, and no `data` where there is none, since JavaScript takes a nil there for an error.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::reader::{Item, MsgpackError, Reader};
use crate::codec::socket::{Kind, PacketError};

/// Joins a namespace: with what a client says for itself, or with what a server answers.
pub fn connect(namespace: &str, payload: Option<&Value>) -> Vec<u8> {
    packet(Kind::Connect, namespace, None, payload)
}

/// Refuses a namespace, in the one form that every client reads: an object with a message.
pub fn connect_error(namespace: &str, message: &str, data: Option<&Value>) -> Vec<u8> {
    let mut error = json!({ "message": message });
    if let Some(data) = data {
        error["data"] = data.clone();
    }
    packet(Kind::ConnectError, namespace, None, Some(&error))
}

pub fn disconnect(namespace: &str) -> Vec<u8> {
    packet(Kind::Disconnect, namespace, None, None)
}

/// An event that asks for no ack.
pub fn event(namespace: &str, name: &str, args: &[Value]) -> Vec<u8> {
    let data = [Value::from(name)].iter().chain(args).cloned().collect();
    packet(Kind::Event, namespace, None, Some(&data))
}

pub fn ack(namespace: &str, id: u64, args: &[Value]) -> Vec<u8> {
    packet(Kind::Ack, namespace, Some(id), Some(&Value::from(args)))
}

/// A CONNECT packet written anew with one more member in its data, in place of any of that name that the client put there.
/// `data` is what `Packet` says of the client's, which may be empty. Members that are there twice are refused.
pub fn merge(namespace: &str, data: &[u8], name: &str, value: &Value) -> Result<Vec<u8>, MsgpackError> {
    let mut kept: Vec<(&str, &[u8])> = Vec::new();
    if !data.is_empty() {
        let mut reader = Reader::new(data);
        let Item::Map(count) = reader.item()? else { return Err(PacketError::Data.into()) };
        let mut names = HashSet::new();
        for _ in 0..count {
            let key = reader.key()?;
            let start = reader.position();
            reader.skip(u8::MAX)?;
            if !names.insert(key) {
                return Err(MsgpackError::Key);
            }
            if key != name {
                kept.push((key, &data[start..reader.position()]));
            }
        }
        if !reader.is_at_end() {
            return Err(MsgpackError::Trailing);
        }
    }
    let mut message = Vec::with_capacity(data.len() + 256);
    start(&mut message, Kind::Connect, 3);
    text(&mut message, "data");
    sized(&mut message, &MAP, kept.len() + 1);
    for (key, value) in kept {
        text(&mut message, key);
        message.extend_from_slice(value);
    }
    text(&mut message, name);
    write(&mut message, value);
    end(&mut message, namespace, None);
    Ok(message)
}

/// A CONNECT packet with this data, which is MessagePack already; none when it is empty.
pub fn connect_with(namespace: &str, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(data.len() + namespace.len() + 32);
    start(&mut message, Kind::Connect, 2 + usize::from(!data.is_empty()));
    if !data.is_empty() {
        text(&mut message, "data");
        message.extend_from_slice(data);
    }
    end(&mut message, namespace, None);
    message
}

/// The start of a map.
pub(super) fn map(message: &mut Vec<u8>, members: usize) {
    sized(message, &MAP, members);
}

fn packet(kind: Kind, namespace: &str, id: Option<u64>, data: Option<&Value>) -> Vec<u8> {
    let mut message = Vec::new();
    start(&mut message, kind, 2 + usize::from(data.is_some()) + usize::from(id.is_some()));
    if let Some(data) = data {
        text(&mut message, "data");
        write(&mut message, data);
    }
    end(&mut message, namespace, id);
    message
}

fn start(message: &mut Vec<u8>, kind: Kind, members: usize) {
    sized(message, &MAP, members);
    text(message, "type");
    message.push(kind.number());
}

fn end(message: &mut Vec<u8>, namespace: &str, id: Option<u64>) {
    if let Some(id) = id {
        text(message, "id");
        unsigned(message, id);
    }
    text(message, "nsp");
    text(message, namespace);
}

/// Something of a JSON value that is still to be written.
enum Due<'a> {
    Name(&'a str),
    Value(&'a Value),
}

/// A JSON value, however deep: what is due waits in a list.
fn write(message: &mut Vec<u8>, value: &Value) {
    let mut due = vec![Due::Value(value)];
    while let Some(next) = due.pop() {
        match next {
            Due::Name(name) => text(message, name),
            Due::Value(Value::Null) => message.push(0xc0),
            Due::Value(Value::Bool(value)) => message.push(0xc2 + u8::from(*value)),
            Due::Value(Value::Number(value)) => number(message, value),
            Due::Value(Value::String(value)) => text(message, value),
            Due::Value(Value::Array(values)) => {
                sized(message, &ARRAY, values.len());
                due.extend(values.iter().rev().map(Due::Value));
            }
            Due::Value(Value::Object(members)) => {
                sized(message, &MAP, members.len());
                due.extend(members.iter().rev().flat_map(|(name, value)| [Due::Value(value), Due::Name(name)]));
            }
        }
    }
}

fn number(message: &mut Vec<u8>, number: &serde_json::Number) {
    if let Some(value) = number.as_u64() {
        unsigned(message, value);
    } else if let Some(value) = number.as_i64() {
        negative(message, value);
    } else {
        message.push(0xcb);
        message.extend_from_slice(&number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
    }
}

fn unsigned(message: &mut Vec<u8>, value: u64) {
    let bytes = value.to_be_bytes();
    let (marker, width) = match value {
        0..0x80 => (None, 1),
        0x80..=0xff => (Some(0xcc), 1),
        0x100..=0xffff => (Some(0xcd), 2),
        0x1_0000..=0xffff_ffff => (Some(0xce), 4),
        _ => (Some(0xcf), 8),
    };
    message.extend(marker);
    message.extend_from_slice(&bytes[8 - width..]);
}

fn negative(message: &mut Vec<u8>, value: i64) {
    let bytes = value.to_be_bytes();
    let (marker, width) = match value {
        -0x20.. => (None, 1),
        -0x80.. => (Some(0xd0), 1),
        -0x8000.. => (Some(0xd1), 2),
        -0x8000_0000.. => (Some(0xd2), 4),
        _ => (Some(0xd3), 8),
    };
    message.extend(marker);
    message.extend_from_slice(&bytes[8 - width..]);
}

fn text(message: &mut Vec<u8>, text: &str) {
    sized(message, &TEXT, text.len());
    message.extend_from_slice(text.as_bytes());
}

/// How lengths of a type are written.
struct Sizes {
    /// The marker that has a length below `fixed_below` in it.
    fixed: u8,
    fixed_below: usize,
    /// The markers before a length of one (texts alone), two and four bytes.
    one: Option<u8>,
    two: u8,
    four: u8,
}

const MAP: Sizes = Sizes { fixed: 0x80, fixed_below: 16, one: None, two: 0xde, four: 0xdf };
const ARRAY: Sizes = Sizes { fixed: 0x90, fixed_below: 16, one: None, two: 0xdc, four: 0xdd };
const TEXT: Sizes = Sizes { fixed: 0xa0, fixed_below: 32, one: Some(0xd9), two: 0xda, four: 0xdb };

/// What the gate writes is far from 4 GiB; should it ever not be, the length says so and no reader takes the message.
fn sized(message: &mut Vec<u8>, sizes: &Sizes, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let bytes = length.to_be_bytes();
    match (length, sizes.one) {
        (short, _) if (short as usize) < sizes.fixed_below => message.push(sizes.fixed | bytes[3]),
        (..=0xff, Some(one)) => message.extend([one, bytes[3]]),
        (..=0xffff, _) => message.extend([sizes.two, bytes[2], bytes[3]]),
        _ => {
            message.push(sizes.four);
            message.extend_from_slice(&bytes);
        }
    }
}
