//! Which request paths may pass at all. App servers disagree about encoded characters, `//`, dots and backslashes: a path that
//! one reads as `/socket.io/` is another to the next, and a route's rules would be walked around. So there is one spelling:
//! decoding happens here only to detect, nothing is repaired, and what was judged is what is forwarded.

use crate::config::names;

/// Judges a raw path, without its query.
pub fn judge(path: &str) -> Result<(), PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    judge_characters(path)?;
    let decoded = decode(path.as_bytes());
    judge_text(&decoded)?;
    judge_encoding(path.as_bytes())?;
    if path.contains("//") {
        return Err(PathError::EmptySegment);
    }
    judge_encoding_within(decoded)
}

/// A path that may pass, in the form that rules about paths compare: decoded as often as any app might.
pub fn plain(path: &str) -> String {
    let mut text = path.as_bytes().to_vec();
    for _ in 0..DEPTH {
        text = decode(&text);
    }
    names::plain(&String::from_utf8_lossy(&text))
}

/// Why a path may not pass. The client is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    #[error("the path does not start with a slash")]
    NotAbsolute,
    #[error("a character that must not be in a path")]
    Character,
    #[error("a control character")]
    Control,
    #[error("a backslash")]
    Backslash,
    #[error("a dot segment")]
    Dots,
    #[error("an empty segment")]
    EmptySegment,
    #[error("an encoded slash")]
    EncodedSlash,
    #[error("an encoded character that needs no encoding")]
    NeedlessEncoding,
    #[error("a percent sign without two hexadecimal digits")]
    BrokenEncoding,
    #[error("an encoding within an encoding")]
    NestedEncoding,
    #[error("bytes that are not UTF-8")]
    NotUtf8,
}

fn judge_characters(path: &str) -> Result<(), PathError> {
    for byte in path.bytes() {
        match byte {
            b'\\' => return Err(PathError::Backslash),
            0..=0x1f | 0x7f => return Err(PathError::Control),
            // `[]|^` are not of RFC 3986's path, but browsers send them as they are.
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'%' | b'/' => {}
            _ if b"-._~!$&'()*+,;=:@[]|^".contains(&byte) => {}
            _ => return Err(PathError::Character),
        }
    }
    Ok(())
}

/// What no decoded path may say, however it was written.
fn judge_text(decoded: &[u8]) -> Result<(), PathError> {
    // Overlong forms of dots and slashes are no UTF-8.
    let text = std::str::from_utf8(decoded).map_err(|_| PathError::NotUtf8)?;
    if text.contains(char::is_control) {
        return Err(PathError::Control);
    }
    if text.contains('\\') {
        return Err(PathError::Backslash);
    }
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if text.split('/').any(is_dots) { Err(PathError::Dots) } else { Ok(()) }
}

/// Only what cannot be written plainly may be encoded.
fn judge_encoding(path: &[u8]) -> Result<(), PathError> {
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        match triplet(&path[at..]) {
            None => return Err(PathError::BrokenEncoding),
            Some(b'/') => return Err(PathError::EncodedSlash),
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => return Err(PathError::NeedlessEncoding),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Servers that decode twice must not find a way up either. A harmless `%2520` passes.
fn judge_encoding_within(mut text: Vec<u8>) -> Result<(), PathError> {
    for _ in 0..DEPTH {
        let inner = decode(&text);
        if inner == text {
            return Ok(());
        }
        let slashes = |text: &[u8]| memchr::memchr_iter(b'/', text).count();
        if slashes(&inner) != slashes(&text) || judge_text(&inner).is_err() {
            return Err(PathError::NestedEncoding);
        }
        text = inner;
    }
    Err(PathError::NestedEncoding)
}

fn decode(mut text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        match triplet(text) {
            Some(byte) => {
                decoded.push(byte);
                text = &text[3..];
            }
            None => {
                decoded.push(*first);
                text = rest;
            }
        }
    }
    decoded
}

/// The byte a text starts with in encoded form.
fn triplet(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? * 16 + digit(*low)?)
}

/// Encodings within encodings that are followed. Real paths have one, a link within a link two.
const DEPTH: usize = 3;
