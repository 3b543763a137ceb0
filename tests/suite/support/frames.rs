//! WebSocket frames for both ends of the tests: written bit by bit, so that wrong ones can be written too, and read without
//! the gate's own codec.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::Line;

pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// The mask of every client frame here.
pub const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// One frame as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The code and reason of a close frame; `None` when it has no code.
    pub fn closing(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk::<2>()?;
        Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }
}

/// A frame whose first byte and mask are the caller's.
pub fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64, mask);
    match mask {
        Some(mask) => frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask)),
        None => frame.extend(payload),
    }
    frame
}

/// The header alone, whatever follows it.
pub fn header(first: u8, length: u64, mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut header = vec![first];
    match length {
        0..126 => header.push(masked | length as u8),
        126..65_536 => {
            header.push(masked | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(masked | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(mask.into_iter().flatten());
    header
}

/// The payload of a close frame.
pub fn closing(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// The next frame. `None`: the connection ended between two. May be cancelled.
pub async fn read<S: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<S>) -> io::Result<Option<Frame>> {
    loop {
        if let Some((frame, size)) = parse(&line.buffer) {
            line.buffer.drain(..size);
            return Ok(Some(frame));
        }
        if line.more().await? == 0 {
            return if line.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, mut at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let masked = second & 0x80 != 0;
    let mask = if masked {
        at += 4;
        bytes.get(at - 4..at)?.to_vec()
    } else {
        vec![0]
    };
    let end = at + usize::try_from(length).ok()?;
    let payload = bytes.get(at..end)?.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((Frame { first, masked, payload }, end))
}
