//! Engine.IO 3 polling bodies, of Socket.IO 2 clients. As text: `<length>:<packet>` again and again, where the length counts
//! UTF-16 code units, and a binary message is `b4` and base64. As bytes (`application/octet-stream`), when a binary message is
//! among them: 0 for text or 1 for binary, the digits of the length as bytes from 0 to 9, 0xff, and so many bytes. Read as
//! strictly as those of version 4, in the one spelling that clients write. [`Follower`] reads no more of a body that passes than
//! it must to know how it ends. Called by `relay`.

use std::borrow::Cow;

use super::{
    engine::Kind,
    payload::{self, PayloadError},
};

/// One packet of a body, however the body writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Packet<'a> {
    /// Any but binary messages; the text is what follows the byte of the kind.
    Text { kind: Kind, text: &'a str },
    /// A binary message.
    Binary(Cow<'a, [u8]>),
}

/// How a body writes its packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    Text,
    Bytes,
}

impl Form {
    /// Told by the first byte: text begins with a digit, bytes with one that is none.
    pub fn of(body: &[u8]) -> Self {
        if matches!(body, [0 | 1, ..]) { Self::Bytes } else { Self::Text }
    }

    /// The first packet of a body, and what follows it.
    pub fn split_first(self, body: &[u8]) -> Result<(Packet<'_>, &[u8]), PayloadError> {
        match self {
            Self::Text => split_first(body),
            Self::Bytes => split_first_of_bytes(body),
        }
    }

    /// The packets of a body. The first error is the last of them; an empty body has one.
    pub fn packets(self, body: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, PayloadError>> {
        all(body, if self == Self::Text { split_first } else { split_first_of_bytes })
    }

    pub fn join(self, packets: &[Packet<'_>]) -> Vec<u8> {
        match self {
            Self::Text => join(packets).into_bytes(),
            Self::Bytes => join_bytes(packets),
        }
    }
}

/// Whether a whole body's last packet is the close packet: the session ends with it.
pub fn is_closing(body: &[u8]) -> bool {
    let mut follower = Follower::default();
    follower.feed(body);
    follower.is_closing()
}

/// Follows a body from packet to packet as it passes, in whatever pieces. What is no body is followed no further.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower {
    at: At,
    /// The packet that was begun last is text, and is a close packet.
    is_text: bool,
    closes: bool,
}

/// Where in a body a follower stands.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Start,
    Length {
        form: Form,
        length: usize,
    },
    /// In a packet, or behind it: `left` counts what its form counts.
    Packet {
        form: Form,
        length: usize,
        left: usize,
    },
    Lost,
}

impl Follower {
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            (self.at, rest) = match self.at {
                At::Start => {
                    (self.is_text, self.closes) = (*byte != 1, false);
                    (begin(*byte), after)
                }
                At::Length { form, length } => (go_on(form, length, *byte), after),
                At::Packet { form: Form::Bytes, left: 0, .. } => (At::Start, rest),
                At::Packet { form: Form::Bytes, length, left } => {
                    self.closes |= self.is_text && length == 1 && *byte == b'1';
                    let passed = left.min(rest.len());
                    (At::Packet { form: Form::Bytes, length, left: left - passed }, &rest[passed..])
                }
                At::Packet { form: Form::Text, length, left } => match units_begun_by(*byte) {
                    // The rest of a character.
                    0 => (self.at, after),
                    _ if left == 0 => (At::Start, rest),
                    units if units > left => (At::Lost, after),
                    units => {
                        self.closes |= length == 1 && *byte == b'1';
                        (At::Packet { form: Form::Text, length, left: left - units }, after)
                    }
                },
                At::Lost => return,
            };
        }
    }

    /// Whether the body that ends here ends with the close packet.
    pub fn is_closing(&self) -> bool {
        self.closes && matches!(self.at, At::Packet { left: 0, .. })
    }
}

fn begin(byte: u8) -> At {
    match byte {
        0 | 1 => At::Length { form: Form::Bytes, length: 0 },
        b'1'..=b'9' => At::Length { form: Form::Text, length: usize::from(byte - b'0') },
        _ => At::Lost,
    }
}

fn go_on(form: Form, length: usize, byte: u8) -> At {
    let (digit, is_end) = match form {
        Form::Text => (byte.wrapping_sub(b'0'), byte == b':'),
        Form::Bytes => (byte, byte == 0xff),
    };
    match digit {
        _ if is_end && length > 0 => At::Packet { form, length, left: length },
        digit @ 0..=9 if length < MOST_LENGTH / 10 => At::Length { form, length: length * 10 + usize::from(digit) },
        _ => At::Lost,
    }
}

/// UTF-16 code units of the character that this byte of UTF-8 begins; none of one inside a character.
fn units_begun_by(byte: u8) -> usize {
    match byte {
        0x80..=0xbf => 0,
        0xf0.. => 2,
        _ => 1,
    }
}

/// The packets of a body of text. The first error is the last of them; an empty body has one.
pub fn packets(body: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, PayloadError>> {
    all(body, split_first)
}

/// The packets of a body of bytes. The first error is the last of them; an empty body has one.
pub fn packets_of_bytes(body: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, PayloadError>> {
    all(body, split_first_of_bytes)
}

/// The first packet of a body of text, and what follows it.
pub fn split_first(body: &[u8]) -> Result<(Packet<'_>, &[u8]), PayloadError> {
    if body.is_empty() {
        return Err(PayloadError::Empty);
    }
    let (length, after) = length(body, b':', b'0')?;
    let (packet, rest) = after.split_at_checked(bytes_of_units(after, length)?).ok_or(PayloadError::Length)?;
    let packet = match packet.strip_prefix(b"b") {
        Some(binary) => Packet::Binary(Cow::Owned(decode(binary)?)),
        None => text(packet)?,
    };
    Ok((packet, rest))
}

/// The first packet of a body of bytes, and what follows it.
pub fn split_first_of_bytes(body: &[u8]) -> Result<(Packet<'_>, &[u8]), PayloadError> {
    let (is_binary, after) = match body {
        [] => return Err(PayloadError::Empty),
        [form @ (0 | 1), after @ ..] => (*form == 1, after),
        _ => return Err(PayloadError::Kind),
    };
    let (length, after) = length(after, 0xff, 0)?;
    let (packet, rest) = after.split_at_checked(length).ok_or(PayloadError::Length)?;
    let packet = match packet {
        [MESSAGE, message @ ..] if is_binary => Packet::Binary(Cow::Borrowed(message)),
        _ if is_binary => return Err(PayloadError::Kind),
        packet => text(packet)?,
    };
    Ok((packet, rest))
}

/// A body of text.
pub fn join(packets: &[Packet<'_>]) -> String {
    let mut body = String::new();
    for packet in packets {
        let packet = match packet {
            Packet::Text { kind, text } => format!("{}{text}", char::from(kind.byte())),
            Packet::Binary(message) => format!("b4{}", &payload::encode(message)[1..]),
        };
        body.push_str(&packet.encode_utf16().count().to_string());
        body.push(':');
        body.push_str(&packet);
    }
    body
}

/// A body of bytes.
pub fn join_bytes(packets: &[Packet<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for packet in packets {
        let (form, kind, rest) = match packet {
            Packet::Text { kind, text } => (0, kind.byte(), text.as_bytes()),
            Packet::Binary(message) => (1, MESSAGE, &message[..]),
        };
        body.push(form);
        body.extend((1 + rest.len()).to_string().bytes().map(|digit| digit - b'0'));
        body.extend([0xff, kind]);
        body.extend_from_slice(rest);
    }
    body
}

type SplitFirst = for<'a> fn(&'a [u8]) -> Result<(Packet<'a>, &'a [u8]), PayloadError>;

fn all(body: &[u8], split_first: SplitFirst) -> impl Iterator<Item = Result<Packet<'_>, PayloadError>> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let split = split_first(rest?);
        rest = split.as_ref().ok().map(|(_, rest)| *rest).filter(|rest| !rest.is_empty());
        Some(split.map(|(packet, _)| packet))
    })
}

/// The length at the start of a body, whose digits begin at `zero`, and what follows its end.
fn length(body: &[u8], end: u8, zero: u8) -> Result<(usize, &[u8]), PayloadError> {
    let mut length = 0;
    for (index, byte) in body.iter().enumerate().take(LONGEST_LENGTH + 1) {
        match byte.wrapping_sub(zero) {
            _ if *byte == end && index > 0 => return Ok((length, &body[index + 1..])),
            // A packet has a byte at least, so that a zero can only follow another digit.
            0 if index == 0 => return Err(PayloadError::Length),
            digit @ 0..=9 => length = length * 10 + usize::from(digit),
            _ => return Err(PayloadError::Length),
        }
    }
    Err(PayloadError::Length)
}

/// How many bytes so many UTF-16 code units are. What they are is not judged here but their first bytes: whether all is UTF-8
/// is for who reads them.
fn bytes_of_units(text: &[u8], units: usize) -> Result<usize, PayloadError> {
    let (mut left, mut at) = (units, 0);
    while left > 0 {
        let (units, bytes) = match text.get(at).ok_or(PayloadError::Length)? {
            0x00..=0x7f => (1, 1),
            0xc2..=0xdf => (1, 2),
            0xe0..=0xef => (1, 3),
            0xf0..=0xf4 => (2, 4),
            _ => return Err(PayloadError::NotUtf8),
        };
        left = left.checked_sub(units).ok_or(PayloadError::Length)?;
        at += bytes;
    }
    Ok(at)
}

fn text(packet: &[u8]) -> Result<Packet<'_>, PayloadError> {
    match Kind::of(packet) {
        None | Some(Kind::Binary) => Err(PayloadError::Kind),
        Some(kind) => {
            let text = std::str::from_utf8(&packet[1..]).map_err(|_| PayloadError::NotUtf8)?;
            Ok(Packet::Text { kind, text })
        }
    }
}

/// What follows the `b` of a binary packet: nothing but messages is binary.
fn decode(binary: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let base64 = binary.strip_prefix(b"4").ok_or(PayloadError::Kind)?;
    std::str::from_utf8(base64).ok().and_then(payload::decode).ok_or(PayloadError::Base64)
}

/// The kind of a message in a binary packet: the number, not the digit.
const MESSAGE: u8 = 4;

/// Digits of a length; more than any body that is taken.
const LONGEST_LENGTH: usize = 9;
const MOST_LENGTH: usize = 1_000_000_000;

/// Bytes of a body that is a heartbeat and nothing more (`1:2`).
pub const HEARTBEAT: u64 = 3;
