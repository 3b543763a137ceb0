//! Polling bodies of judged sessions, as messages and back, in either revision of Engine.IO. What clients send is read
//! strictly and whole; what an app says packet by packet. Toward both they are written as text: that is read by everyone,
//! also by who may send bytes. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::super::guard::Message;
use crate::codec::{
    engine::{Kind, Revision},
    payload::{self, PayloadError},
    payload3::{self, Form, Packet},
};

/// The messages of a client's body, of at most so many packets.
pub fn of_client(revision: Revision, body: &[u8], most: usize) -> Result<Vec<Message>, PayloadError> {
    match revision {
        Revision::Three => of_three(body)
            .enumerate()
            .map(|(count, packet)| if count < most { packet } else { Err(PayloadError::TooMany) })
            .collect(),
        Revision::Four => {
            payload::judge(body, most)?;
            payload::packets(body).map(|packet| packet.map(|packet| of_four(packet.kind, packet.text))?).collect()
        }
    }
}

/// The messages of an app's body, in order; `None` for one that is none. Empty packets are nobody's.
pub fn of_app(revision: Revision, body: &[u8]) -> Box<dyn Iterator<Item = Option<Message>> + '_> {
    match revision {
        Revision::Three => Box::new(of_three(body).map(Result::ok)),
        Revision::Four => Box::new(body.split(|byte| *byte == SEPARATOR).filter(|packet| !packet.is_empty()).map(of_app_four)),
    }
}

/// Whether a client may send this by polling: not what belongs to an upgrade.
pub fn may_be_polled(revision: Revision, message: &Message) -> bool {
    match message {
        Message::Text(text) if text.starts_with('2') => revision == Revision::Three && text == "2",
        Message::Text(text) => !text.starts_with('5'),
        Message::Binary(_) => true,
    }
}

/// Puts a message behind those that are in the body.
pub fn write(revision: Revision, message: &Message, body: &mut Vec<u8>) {
    match revision {
        Revision::Three => body.extend_from_slice(payload3::join(&[to_three(message)]).as_bytes()),
        Revision::Four => {
            if !body.is_empty() {
                body.push(SEPARATOR);
            }
            match message {
                Message::Text(text) => body.extend_from_slice(text.as_bytes()),
                Message::Binary(bytes) => body.extend_from_slice(payload::encode(bytes).as_bytes()),
            }
        }
    }
}

/// Bytes of a message in a body; in version 3 at most so many.
pub fn size(revision: Revision, message: &Message) -> usize {
    let packet = match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => 1 + bytes.len().div_ceil(3) * 4,
    };
    match revision {
        Revision::Three => packet + LONGEST_FRAME,
        Revision::Four => packet,
    }
}

fn of_four(kind: Kind, text: &str) -> Result<Message, PayloadError> {
    match kind {
        Kind::Binary => payload::decode(text).map(Message::Binary).ok_or(PayloadError::Base64),
        kind => Ok(Message::Text(format!("{}{text}", char::from(kind.byte())))),
    }
}

/// Also base64 that is written otherwise than clients would.
fn of_app_four(packet: &[u8]) -> Option<Message> {
    match packet.strip_prefix(b"b") {
        Some(text) => STANDARD.decode(text).ok().map(Message::Binary),
        None => String::from_utf8(packet.to_vec()).ok().map(Message::Text),
    }
}

fn of_three(body: &[u8]) -> impl Iterator<Item = Result<Message, PayloadError>> {
    Form::of(body).packets(body).map(|packet| match packet? {
        Packet::Text { kind, text } => of_four(kind, text),
        Packet::Binary(bytes) => Ok(Message::Binary(bytes.into_owned())),
    })
}

fn to_three(message: &Message) -> Packet<'_> {
    match message {
        Message::Binary(bytes) => Packet::Binary(bytes.into()),
        // Messages of text are packets that were read, or our own: their first byte tells their kind.
        Message::Text(text) => match Kind::of(text.as_bytes()) {
            Some(kind) => Packet::Text { kind, text: &text[1..] },
            None => Packet::Text { kind: Kind::Noop, text: "" },
        },
    }
}

const SEPARATOR: u8 = 0x1e;
/// A length of 9 digits, its colon, and the digit of a binary message's kind.
const LONGEST_FRAME: usize = 11;
