//! A TCP connection that speaks TLS by [`Records`]. What was read is opened in a buffer that all connections of a thread share, and
//! what is written is sealed there; a connection keeps only what could not go on: the beginning of a record, payload the
//! reader had no room for, and records the socket did not take or that are to go out together with the next.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    cipher::FRAGMENT,
    records::{ROOM, Records, length},
};

/// A TLS connection after its handshake.
#[derive(Debug)]
pub struct Line {
    tcp: TcpStream,
    records: Records,
    /// The beginning of a record.
    partial: Vec<u8>,
    /// Payload that the reader had no room for.
    ready: Vec<u8>,
    /// How much of it was taken already.
    given: usize,
    /// Records that are still to go out.
    waiting: Vec<u8>,
    written: usize,
    departure: Departure,
    /// What the other side sends has ended.
    ended: bool,
    /// It ended without a goodbye.
    cut: bool,
    /// Nothing of it is believed any more.
    broken: bool,
}

/// When the records that wait go out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Departure {
    /// As soon as the socket takes them.
    Now,
    /// With the first data: nobody waits for a ticket alone.
    WithData,
    /// With the next flush, or with the goodbye.
    Together,
}

thread_local! {
    static OPENING: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
    static SEALING: RefCell<Box<[u8]>> = RefCell::new(vec![0; AT_ONCE * (FRAGMENT + ROOM)].into_boxed_slice());
}

impl Line {
    /// `behind` is what came behind the handshake, not opened yet; `unsaid` are records of ours that go out with the first data.
    pub fn new(tcp: TcpStream, records: Records, behind: Vec<u8>, unsaid: Vec<u8>) -> Self {
        Self {
            tcp,
            records,
            partial: behind,
            ready: Vec::new(),
            given: 0,
            departure: if unsaid.is_empty() { Departure::Now } else { Departure::WithData },
            waiting: unsaid,
            written: 0,
            ended: false,
            cut: false,
            broken: false,
        }
    }

    /// The connection underneath, for its options.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// From here on what is written goes out with the next flush, or together with the goodbye.
    pub fn gather(&mut self) {
        self.departure = Departure::Together;
    }

    /// Gives the reader what is ready. `true`: there was something.
    fn give(&mut self, into: &mut ReadBuf<'_>) -> bool {
        let ready = &self.ready[self.given..];
        if ready.is_empty() {
            return false;
        }
        let taken = ready.len().min(into.remaining());
        into.put_slice(&ready[..taken]);
        self.given += taken;
        if self.given == self.ready.len() {
            self.ready = Vec::new();
            self.given = 0;
        }
        true
    }

    /// Reads once and opens what is whole of it.
    fn poll_open(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let held = self.partial.len();
        let mut fresh = ReadBuf::new(&mut scratch[held..]);
        // What came with the handshake is looked at before more is asked for.
        if length(&self.partial).is_none() {
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut fresh))?;
            if fresh.filled().is_empty() {
                self.cut = true;
                // Without a goodbye the end may be somebody else's doing: readers that count on an end are told.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let filled = held + fresh.filled().len();
        scratch[..held].copy_from_slice(&self.partial);
        let bytes = &mut scratch[..filled];
        let opened = match self.records.open(bytes, &mut self.waiting) {
            Ok(opened) => opened,
            Err(error) => {
                self.broken = true;
                self.partial = Vec::new();
                // The alert goes out if the socket takes it now.
                let _ = self.poll_drain(cx);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        };
        self.ended = opened.is_end;
        // Nothing behind the end is looked at.
        keep(&mut self.partial, if opened.is_end { &[] } else { &bytes[opened.taken..] });
        let (now, later) = bytes[..opened.payload].split_at(opened.payload.min(into.remaining()));
        into.put_slice(now);
        self.ready.extend_from_slice(later);
        Poll::Ready(Ok(()))
    }

    /// Writes the records that wait.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, &self.waiting[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        if !self.waiting.is_empty() {
            self.waiting = Vec::new();
            self.written = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Seals some of the payload and hands it to the socket; what that does not take waits.
    fn poll_seal(&mut self, cx: &mut Context<'_>, payload: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken || self.records.has_closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.departure == Departure::Now || self.waiting.len() > GATHERED {
            ready!(self.poll_drain(cx))?;
        }
        SEALING.with_borrow_mut(|scratch| {
            let (mut taken, mut sealed) = (0, 0);
            for fragment in payload.chunks(FRAGMENT).take(AT_ONCE) {
                match self.records.seal(fragment, &mut scratch[sealed..]) {
                    Ok(record) => sealed += record,
                    // What was sealed before goes out first; the next call hears of it.
                    Err(_) if taken > 0 => break,
                    Err(error) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
                }
                taken += fragment.len();
            }
            self.depart(cx, &scratch[..sealed])?;
            Poll::Ready(Ok(taken))
        })
    }

    /// Hands records to the socket, or keeps them for later.
    fn depart(&mut self, cx: &mut Context<'_>, sealed: &[u8]) -> io::Result<()> {
        let written = match self.departure {
            Departure::Now => match Pin::new(&mut self.tcp).poll_write(cx, sealed) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            },
            Departure::WithData | Departure::Together => 0,
        };
        self.waiting.extend_from_slice(&sealed[written..]);
        if self.departure == Departure::WithData {
            self.departure = Departure::Now;
            if let Poll::Ready(drained) = self.poll_drain(cx) {
                return drained;
            }
        }
        Ok(())
    }
}

/// Keeps `rest` without holding memory for nothing.
fn keep(kept: &mut Vec<u8>, rest: &[u8]) {
    kept.clear();
    if rest.is_empty() {
        *kept = Vec::new();
    } else {
        kept.extend_from_slice(rest);
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        OPENING.with_borrow_mut(|scratch| {
            loop {
                if line.give(into) || line.ended {
                    return Poll::Ready(Ok(()));
                }
                if line.cut {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                if line.broken {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                let before = into.filled().len();
                ready!(line.poll_open(cx, scratch, into))?;
                if into.filled().len() > before {
                    return Poll::Ready(Ok(()));
                }
            }
        })
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_seal(cx, bytes)
    }

    /// Several short pieces, a head and its body, become one record.
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if parts.len() == 1 || total > FRAGMENT {
            let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
            return line.poll_seal(cx, first);
        }
        OPENING.with_borrow_mut(|scratch| {
            let mut gathered = 0;
            for part in parts {
                scratch[gathered..gathered + part.len()].copy_from_slice(part);
                gathered += part.len();
            }
            line.poll_seal(cx, &scratch[..gathered])
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if line.departure == Departure::WithData {
            return Poll::Ready(Ok(()));
        }
        line.poll_drain(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        line.records.close(&mut line.waiting);
        ready!(line.poll_drain(cx))?;
        match ready!(Pin::new(&mut line.tcp).poll_shutdown(cx)) {
            // The other side has closed already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

/// Bytes read at once: several records, and room for the beginning of one.
const SCRATCH: usize = 64 * 1024;
/// Records sealed at once: what a slow socket does not take of them is kept.
const AT_ONCE: usize = 2;
/// Of what is to go out together no more than this is kept back.
const GATHERED: usize = 16 * 1024;
