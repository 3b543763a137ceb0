//! The token in a CONNECT packet's data: found by its path, and by the same path in one place only.

use super::reader::{Item, MsgpackError, Reader};

/// Why data has no token that could be judged. Whoever sent it is to blame.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum TokenError {
    #[error("what stands where the token should be is not a text")]
    NotText,
    #[error("a part of the token's path is there twice")]
    Twice,
    #[error(transparent)]
    Malformed(#[from] MsgpackError),
}

/// The text at the end of `path`, whose names lead from map to map. Data is what `Packet` says; `None` when it is empty or the
/// path ends early. What is there and not a text is refused, never passed over.
pub fn token<'a, 'p>(data: &'a [u8], path: impl IntoIterator<Item = &'p str>) -> Result<Option<&'a str>, TokenError> {
    if data.is_empty() {
        return Ok(None);
    }
    let mut value = Reader::new(data);
    for name in path {
        let count = match value.item()? {
            Item::Map(count) => count,
            Item::Undefined => return Ok(None),
            _ => return Err(TokenError::NotText),
        };
        let mut found = None;
        for _ in 0..count {
            let is_named = value.key()? == name;
            if is_named && found.is_some() {
                return Err(TokenError::Twice);
            }
            if is_named {
                found = Some(value.clone());
            }
            value.skip(u8::MAX)?;
        }
        let Some(at) = found else { return Ok(None) };
        value = at;
    }
    match value.item()? {
        Item::Text(token) => Ok(Some(token)),
        Item::Undefined => Ok(None),
        _ => Err(TokenError::NotText),
    }
}

/// The text at a place of an array, which is an event's data; the name is at 0. `None`: there is none.
pub fn argument(data: &[u8], place: u32) -> Result<Option<&str>, MsgpackError> {
    let mut reader = Reader::new(data);
    match reader.item()? {
        Item::Array(count) if place < count => {}
        _ => return Ok(None),
    }
    for _ in 0..place {
        reader.skip(u8::MAX)?;
    }
    Ok(match reader.item()? {
        Item::Text(text) => Some(text),
        _ => None,
    })
}
