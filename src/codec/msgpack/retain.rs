//! A CONNECT packet's data without what is not the client's to say, or not the app's to see. What stays is not written anew but kept
//! byte for byte.

use std::borrow::Cow;

use super::{
    reader::{Item, MsgpackError, Reader},
    write,
};

/// The data without the members that are not kept, of the map that `way` leads to from map to map; all of it when nothing is there.
/// A key that is there twice in a map on the way is refused.
pub fn retain<'a, 'p>(
    data: &'a [u8],
    way: impl IntoIterator<Item = &'p str>,
    is_kept: impl Fn(&str) -> bool,
) -> Result<Cow<'a, [u8]>, MsgpackError> {
    let mut reader = Reader::new(data);
    for step in way {
        match find(&mut reader, step)? {
            Some(below) => reader = below,
            None => return Ok(Cow::Borrowed(data)),
        }
    }
    let start = reader.position();
    let Some(count) = length(&mut reader)? else { return Ok(Cow::Borrowed(data)) };
    let (mut keys, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let at = reader.position();
        let key = once(&mut reader, &mut keys)?;
        reader.skip(u8::MAX)?;
        if is_kept(key) {
            kept.push(&data[at..reader.position()]);
        }
    }
    if kept.len() == keys.len() {
        return Ok(Cow::Borrowed(data));
    }
    let mut written = data[..start].to_vec();
    write::map(&mut written, kept.len());
    kept.into_iter().for_each(|member| written.extend_from_slice(member));
    written.extend_from_slice(&data[reader.position()..]);
    Ok(Cow::Owned(written))
}

/// The value of this name in the map that comes next.
fn find<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Option<Reader<'a>>, MsgpackError> {
    let Some(count) = length(reader)? else { return Ok(None) };
    let (mut keys, mut found) = (Vec::new(), None);
    for _ in 0..count {
        if once(reader, &mut keys)? == name {
            found = Some(reader.clone());
        }
        reader.skip(u8::MAX)?;
    }
    Ok(found)
}

/// How many members the map has that comes next, if it is one.
fn length(reader: &mut Reader<'_>) -> Result<Option<u32>, MsgpackError> {
    if reader.is_at_end() {
        return Ok(None);
    }
    Ok(match reader.item()? {
        Item::Map(count) => Some(count),
        _ => None,
    })
}

/// The next key, which may not be there twice.
fn once<'a>(reader: &mut Reader<'a>, keys: &mut Vec<&'a str>) -> Result<&'a str, MsgpackError> {
    let key = reader.key()?;
    // A CONNECT packet has a few members, and is bounded by whoever asks.
    if keys.len() == MOST_MEMBERS || keys.contains(&key) {
        return Err(MsgpackError::Key);
    }
    keys.push(key);
    Ok(key)
}

/// Each key is compared with each.
const MOST_MEMBERS: usize = 256;
