//! Engine.IO 4 polling bodies: packets with a record separator (0x1e) between them. `relay` splits the first packet off a
//! session's first answer to rewrite it; `judge` tells whether a whole body is what it claims to be before it is passed on.
//! Nothing is copied there. JSON writes 0x1e only as an escape, so the byte is never part of a packet. Judged sessions take
//! bodies apart and join what is left of them, in as many bodies as the other end wants.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::engine::Kind;

/// The first packet, and the rest with the separator at its front, so that the two joined are the body again.
pub fn split_first(body: &[u8]) -> (&[u8], &[u8]) {
    body.split_at(memchr::memchr(SEPARATOR, body).unwrap_or(body.len()))
}

/// The packets of a body, each read or refused on its own. An empty body has one packet, which is empty and refused.
pub fn packets(body: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, PayloadError>> {
    body.split(|byte| *byte == SEPARATOR).map(Packet::read)
}

/// Reads a whole body and counts its packets. Stops at the first that is wrong, and at the first above `most`: a body of
/// separators costs no more than its allowed packets.
pub fn judge(body: &[u8], most: usize) -> Result<usize, PayloadError> {
    let mut count = 0;
    for packet in packets(body) {
        if count == most {
            return Err(PayloadError::TooMany);
        }
        packet?;
        count += 1;
    }
    Ok(count)
}

/// Whether a whole body's last packet is the close packet: the session ends with it.
pub fn is_closing(body: &[u8]) -> bool {
    body == b"1" || body.ends_with(b"\x1e1")
}

/// The packets in one body.
pub fn join(packets: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let length: usize = packets.iter().map(|packet| packet.as_ref().len() + 1).sum();
    let mut body = Vec::with_capacity(length);
    for (index, packet) in packets.iter().enumerate() {
        if index > 0 {
            body.push(SEPARATOR);
        }
        body.extend_from_slice(packet.as_ref());
    }
    body
}

/// The packets in bodies of at most `most` each, in their order: python-engineio drops all of a body that has more than 16,
/// and says that all is well.
pub fn split(packets: &[impl AsRef<[u8]>], most: usize) -> impl Iterator<Item = Vec<u8>> {
    packets.chunks(most.max(1)).map(join)
}

/// The bytes of a binary packet, given what follows its `b`. `None` unless it is written in the one spelling that `packets`
/// lets pass.
pub fn decode(base64: &str) -> Option<Vec<u8>> {
    STANDARD.decode(base64).ok()
}

/// A binary message as a packet of a body, with its `b`.
pub fn encode(message: &[u8]) -> String {
    let mut packet = String::with_capacity(1 + message.len().div_ceil(3) * 4);
    packet.push('b');
    STANDARD.encode_string(message, &mut packet);
    packet
}

/// One packet of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    pub kind: Kind,
    /// What follows the byte of the kind: text, or base64 for `Kind::Binary`.
    pub text: &'a str,
}

impl<'a> Packet<'a> {
    fn read(packet: &'a [u8]) -> Result<Self, PayloadError> {
        if packet.is_empty() {
            return Err(PayloadError::Empty);
        }
        let kind = Kind::of(packet).ok_or(PayloadError::Kind)?;
        // Every kind is told by an ASCII byte.
        let text = std::str::from_utf8(&packet[1..]).map_err(|_| PayloadError::NotUtf8)?;
        if kind == Kind::Binary && !is_base64(text.as_bytes()) {
            return Err(PayloadError::Base64);
        }
        Ok(Self { kind, text })
    }
}

/// Why a body is not a polling body.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PayloadError {
    #[error("a packet is empty")]
    Empty,
    #[error("a packet is of no known kind")]
    Kind,
    #[error("a packet is not UTF-8")]
    NotUtf8,
    #[error("a binary packet is not base64")]
    Base64,
    /// Of Engine.IO 3, where packets have their length in front.
    #[error("a packet's length is malformed or not its own")]
    Length,
    #[error("the body has too many packets")]
    TooMany,
}

/// Standard alphabet, padded, without leftover bits: the one spelling every server decodes alike (RFC 4648 section 3.5).
fn is_base64(text: &[u8]) -> bool {
    if !text.len().is_multiple_of(4) {
        return false;
    }
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let leftover_bits = match text.len() - digits.len() {
        2 => 0b1111,
        1 => 0b11,
        _ => 0,
    };
    digits.iter().all(|digit| base64_digit(*digit).is_some())
        && digits.last().and_then(|digit| base64_digit(*digit)).is_none_or(|last| last & leftover_bits == 0)
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

const SEPARATOR: u8 = 0x1e;
