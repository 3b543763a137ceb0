//! The first packet of a session that begins as a WebSocket: collected whole and exchanged before the client sees a byte.

use std::{
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    carriage::Carriage,
    terms::Exchanged,
    way::{BUFFER, Broken, Fault},
};
use crate::codec::frame::{self, FrameError, Header, Opcode, Sender};

/// The largest first packet that is exchanged.
const LARGEST_OPENING: usize = 16 * 1024;

impl<C, U> Carriage<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Until the app's first message is there: collect, exchange it, put the result where the client will read it.
    pub(super) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Broken> {
        loop {
            if let Some(first) = first_message(&self.down.early).map_err(|error| Broken::Fault(Fault::Frame(error)))? {
                return self.exchange_opening(first);
            }
            if self.down.early.len() >= LARGEST_OPENING {
                return Err(Broken::Fault(Fault::Opening));
            }
            let read = BUFFER.with_borrow_mut(|buffer| {
                let mut into = ReadBuf::new(&mut buffer[..LARGEST_OPENING]);
                ready!(Pin::new(&mut self.upstream).poll_read(cx, &mut into))?;
                self.down.early.extend_from_slice(into.filled());
                Poll::Ready(Ok(into.filled().len()))
            });
            match read {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(error)) => return Err(Broken::Reader(error)),
                Poll::Ready(Ok(0)) => {
                    self.down.ended = true;
                    self.opening = None;
                    return Ok(Poll::Ready(()));
                }
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    fn exchange_opening(&mut self, first: First) -> Result<Poll<()>, Broken> {
        let opening = self.opening.take();
        // A refusal by close frame is the app's own answer and goes through as it is.
        if let (First::Text { header, before }, Some(mut opening)) = (first, opening) {
            let payload = before + header.size..before + header.size + header.length as usize;
            let packet = opening.exchange(&self.down.early[payload.clone()]).ok_or(Broken::Fault(Fault::Opening))?;
            let Exchanged { packet, silence } = packet;
            self.silence = silence;
            let frame = frame::write(Opcode::Text, &packet, None);
            let frame_size = frame.len();
            self.down.early.splice(before..payload.end, frame);
            if self.court.is_some() {
                // The guard sees what follows.
                let rest = self.down.early.split_off(before + frame_size);
                let front = std::mem::replace(&mut self.down.early, rest);
                self.down.pass_unseen(front);
            }
        }
        // What was collected is passed on by the ordinary way from here.
        Ok(Poll::Ready(()))
    }
}

/// The first thing an app says that is not a ping.
enum First {
    Text { header: Header, before: usize },
    Other,
}

/// Where an app's first text stands in what it says.
pub struct FirstText {
    pub frame: Range<usize>,
    pub payload: Range<usize>,
}

/// Finds an app's first text. `None`: it is not all there yet. An app that says something else first, or too much, is at fault.
pub fn first_text(bytes: &[u8]) -> Result<Option<FirstText>, FrameError> {
    match first_message(bytes)? {
        Some(First::Text { header, before }) => {
            let start = before + header.size;
            let end = start + header.length as usize;
            Ok(Some(FirstText { frame: before..end, payload: start..end }))
        }
        Some(First::Other) => Err(FrameError::Order),
        None if bytes.len() >= LARGEST_OPENING => Err(FrameError::TooLarge),
        None => Ok(None),
    }
}

/// `None`: not all there yet.
fn first_message(bytes: &[u8]) -> Result<Option<First>, FrameError> {
    let mut before = 0;
    loop {
        let Some(header) = Header::read(&bytes[before..], Sender::Server)? else { return Ok(None) };
        let whole = before as u64 + header.size as u64 + header.length;
        match header.opcode {
            Opcode::Close => return Ok(Some(First::Other)),
            Opcode::Text if header.last && whole <= LARGEST_OPENING as u64 => {
                let first = First::Text { header, before };
                return Ok((whole <= bytes.len() as u64).then_some(first));
            }
            Opcode::Ping | Opcode::Pong if whole <= bytes.len() as u64 => before = whole as usize,
            Opcode::Ping | Opcode::Pong => return Ok(None),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => return Err(FrameError::Order),
        }
    }
}
