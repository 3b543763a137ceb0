//! The name of an event: the first element of its array, JSON-decoded, since that is what apps look handlers up by. Rules match
//! this name and never its spelling.

use std::borrow::Cow;

use super::PacketError;
use crate::codec::json::JsonError;

/// Names that clients and servers use for themselves; an event that has one runs what it should not.
pub const RESERVED: [&str; 7] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "__disconnect_final"];

pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The name at the start of an event's array and the bytes up to its end, from all of the array when `whole`, else from its
/// first bytes, of which more may be needed (`None`), though never more than [`LONGEST_NAME_TEXT`]. A name is a string of 1 to
/// [`LONGEST_NAME`] bytes, or an integer, which is given as its text. What follows it is the scanner's to judge.
pub fn event_name(data: &[u8], whole: bool) -> Result<Option<(Cow<'_, str>, usize)>, PacketError> {
    let more = || match () {
        () if data.len() >= LONGEST_NAME_TEXT => Err(PacketError::Name),
        () if whole => Err(PacketError::Json(JsonError::Short)),
        () => Ok(None),
    };
    let data = &data[..data.len().min(LONGEST_NAME_TEXT)];
    match data.first() {
        Some(b'[') => {}
        Some(_) => return Err(PacketError::Data),
        None => return more(),
    }
    let start = 1 + data[1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    let Some(first) = data.get(start) else { return more() };
    let length = match first {
        b'"' => quoted_length(&data[start..]),
        b'-' | b'0'..=b'9' => number_length(&data[start..]),
        _ => return Err(PacketError::Name),
    };
    let Some(length) = length else { return more() };
    let end = start + length;
    let name = match first {
        b'"' => decoded(&data[start..end])?,
        _ => integer(&data[start..end])?,
    };
    match name.len() {
        1..=LONGEST_NAME => Ok(Some((name, end))),
        _ => Err(PacketError::Name),
    }
}

/// The length of a string with its quotes; `None` when it goes on.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The length of what looks like a number; `None` when it may go on.
fn number_length(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| matches!(byte, b',' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
}

fn decoded(quoted: &[u8]) -> Result<Cow<'_, str>, PacketError> {
    let plain = &quoted[1..quoted.len() - 1];
    if plain.iter().any(|byte| *byte == b'\\' || *byte < 0x20) {
        // Half a surrogate pair, which no text of ours could hold, is refused with the rest.
        return serde_json::from_slice(quoted).map(Cow::Owned).map_err(|_| PacketError::Name);
    }
    std::str::from_utf8(plain).map(Cow::Borrowed).map_err(|_| PacketError::Name)
}

/// An integer as JavaScript would write it again, so that its text is the one name it has.
fn integer(digits: &[u8]) -> Result<Cow<'_, str>, PacketError> {
    let digits = std::str::from_utf8(digits).map_err(|_| PacketError::Name)?;
    let number: i64 = digits.parse().map_err(|_| PacketError::Name)?;
    let is_exact = number.unsigned_abs() < 1 << 53 && number.to_string() == digits;
    if is_exact { Ok(Cow::Borrowed(digits)) } else { Err(PacketError::Name) }
}

/// Bytes of a name, decoded.
pub const LONGEST_NAME: usize = 128;

/// Bytes up to the end of a name as it is written: every byte of it as `\uXXXX`, and some room for bracket, space and quotes.
pub const LONGEST_NAME_TEXT: usize = 6 * LONGEST_NAME + 32;
