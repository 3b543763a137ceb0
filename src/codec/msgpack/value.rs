//! An event's data as the JSON that it stands for, so that one schema judges it whichever parser wrote it.

use serde_json::{Map, Number, Value, json};

use super::reader::{Item, MsgpackError, Reader};

/// The value that is the whole of `data`, whose depth the packet's reader has bounded. Bytes and extensions become what the
/// JSON parser writes in the place of an attachment, numbered in their order; a map that looks like one is refused, and so is
/// a number that JSON does not have.
pub fn value(data: &[u8]) -> Result<Value, MsgpackError> {
    let mut reader = Reader::new(data);
    let mut open: Vec<Open> = Vec::new();
    let mut opaque = 0_u64;
    loop {
        let at = reader.position();
        let item = reader.item()?;
        let raw = data.get(at..reader.position()).unwrap_or_default();
        let mut done = match item {
            Item::Nil | Item::Undefined => Value::Null,
            Item::Bool => Value::Bool(raw == [0xc3]),
            Item::Integer(number) => integer(number)?,
            Item::Float => float(raw)?,
            Item::Text(text) => Value::from(text),
            Item::Opaque => {
                opaque += 1;
                json!({ PLACEHOLDER: true, "num": opaque - 1 })
            }
            Item::Array(0) => Value::Array(Vec::new()),
            Item::Map(0) => Value::Object(Map::new()),
            Item::Array(count) => {
                open.push(Open::Array { items: Vec::new(), left: count });
                continue;
            }
            Item::Map(count) => {
                open.push(Open::Map { members: Map::new(), key: key(&mut reader)?, left: count });
                continue;
            }
        };
        // What is whole goes into what is open, which may be whole by that.
        loop {
            match open.pop() {
                None if reader.is_at_end() => return Ok(done),
                None => return Err(MsgpackError::Trailing),
                Some(mut outer) => match outer.put(done, &mut reader)? {
                    Some(whole) => done = whole,
                    None => {
                        open.push(outer);
                        break;
                    }
                },
            }
        }
    }
}

/// What has values to come.
enum Open {
    Array { items: Vec<Value>, left: u32 },
    Map { members: Map<String, Value>, key: String, left: u32 },
}

impl Open {
    /// Adds one value. `Some`: it was the last.
    fn put(&mut self, value: Value, reader: &mut Reader<'_>) -> Result<Option<Value>, MsgpackError> {
        match self {
            Self::Array { items, left } => {
                items.push(value);
                *left -= 1;
                Ok((*left == 0).then(|| Value::Array(std::mem::take(items))))
            }
            Self::Map { members, key: name, left } => {
                if members.insert(std::mem::take(name), value).is_some() {
                    return Err(MsgpackError::Key);
                }
                *left -= 1;
                if *left == 0 {
                    return Ok(Some(Value::Object(std::mem::take(members))));
                }
                *name = key(reader)?;
                Ok(None)
            }
        }
    }
}

fn key(reader: &mut Reader<'_>) -> Result<String, MsgpackError> {
    match reader.key()? {
        PLACEHOLDER => Err(MsgpackError::Key),
        key => Ok(key.to_string()),
    }
}

fn integer(number: i128) -> Result<Value, MsgpackError> {
    let small = i64::try_from(number).map(Value::from);
    small.or_else(|_| u64::try_from(number).map(Value::from)).map_err(|_| MsgpackError::Marker)
}

/// Four or eight bytes behind a marker.
fn float(raw: &[u8]) -> Result<Value, MsgpackError> {
    let number = match raw {
        [_, a, b, c, d] => f64::from(f32::from_be_bytes([*a, *b, *c, *d])),
        [_, a, b, c, d, e, f, g, h] => f64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => return Err(MsgpackError::Short),
    };
    Number::from_f64(number).map(Value::Number).ok_or(MsgpackError::Marker)
}

const PLACEHOLDER: &str = "_placeholder";
