//! WebSocket frames as a gate needs them (RFC 6455 section 5): headers checked and followed, boundaries known, payload bytes
//! left as they came. `relay/frames` reads whole chunks from a socket and asks a [`Walker`] how far they may be passed on.
//! Only control frames are looked into: they are small, and a close must be understood.

use super::{
    close::{self, CloseError},
    engine::HEARTBEAT,
};

/// Who sends on this direction: clients mask their frames, servers must not (section 5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sender {
    Client,
    Server,
}

/// What a frame carries (section 5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    /// Control frames may stand between the fragments of a message and are never fragmented themselves.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// One frame's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    pub last: bool,
    pub opcode: Opcode,
    pub mask: Option<[u8; 4]>,
    /// Payload bytes that follow the header.
    pub length: u64,
    /// Bytes of the header itself.
    pub size: usize,
}

/// What makes a stream of bytes something else than WebSocket, or more than is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    #[error("reserved bits are set, but no extension was agreed on")]
    Reserved,
    #[error("the opcode is not defined")]
    Opcode,
    #[error("the frame is not masked, but a client's must be")]
    Unmasked,
    #[error("the frame is masked, but a server's must not be")]
    Masked,
    #[error("a control frame is fragmented or longer than 125 bytes")]
    Control,
    #[error("the length is not written in the shortest form or has its highest bit set")]
    Length,
    #[error("a continuation without a message, or a message inside another")]
    Order,
    #[error("the message is larger than allowed")]
    TooLarge,
    #[error("the message has more fragments than allowed")]
    TooManyFragments,
    #[error("the close frame is malformed: {0}")]
    Close(CloseError),
}

impl FrameError {
    /// The close code that tells the sender (section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::TooManyFragments => 1008,
            Self::Close(CloseError::NotUtf8) => 1007,
            _ => 1002,
        }
    }
}

/// What one message may be. Applied to what clients send; an app may send what it likes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Payload bytes of a message, over all its fragments.
    pub message: u64,
    /// Frames of a message.
    pub fragments: u32,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self { message: u64::MAX, fragments: u32::MAX };
}

/// Follows the frames of one direction, however the bytes are cut.
#[derive(Debug)]
pub struct Walker {
    sender: Sender,
    limits: Limits,
    /// Payload bytes still to come of the data frame being passed on.
    remaining: u64,
    /// Payload bytes and frames so far of the message being passed on; no frames means none is open.
    message: u64,
    fragments: u32,
    /// A message longer than a heartbeat has begun since somebody asked.
    said: bool,
    /// A close has been seen: nothing may follow it.
    closed: bool,
}

/// What stands next in a direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// A whole control frame of this many bytes, and the code when it is a close frame (`None` inside: it had none).
    Control { size: usize, closing: Option<Option<u16>> },
    /// The header of a data frame; its payload follows.
    Header(Header),
    /// So many bytes of that payload.
    Payload(usize),
}

/// How far a chunk may be passed on, and what was in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scan {
    /// Bytes that may be passed on. What stands behind them is an unfinished header or control frame: present it again
    /// with what follows it. It is never longer than [`LONGEST_HELD`].
    pub upto: usize,
    /// Messages whose last frame began here.
    pub messages: u64,
    /// Control frames seen here.
    pub controls: u32,
    /// The code of the close frame that ended this direction (`None` inside: it had no code). Bytes behind it are to be dropped.
    pub closing: Option<Option<u16>>,
    /// The bytes behind `upto` must not be passed on.
    pub fault: Option<FrameError>,
}

/// An unfinished header or control frame is at most this long: 2 + 8 + 4 bytes of header, or 2 + 4 + 125 bytes.
pub const LONGEST_HELD: usize = 131;

impl Walker {
    pub fn new(sender: Sender, limits: Limits) -> Self {
        Self { sender, limits, remaining: 0, message: 0, fragments: 0, said: false, closed: false }
    }

    /// Whether what was passed on so far ends with a whole frame: the only place where a frame of our own may stand.
    pub fn is_at_boundary(&self) -> bool {
        self.remaining == 0
    }

    /// Whether a close frame has ended this direction.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether no message is begun and unfinished.
    pub fn is_between_messages(&self) -> bool {
        self.remaining == 0 && self.fragments == 0
    }

    /// Whether a message has begun, since this was last asked, that is longer than Engine.IO's heartbeats are.
    pub fn take_said(&mut self) -> bool {
        std::mem::take(&mut self.said)
    }

    /// Looks at a chunk that begins where the last one's `upto` ended.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut seen = Scan::default();
        while seen.upto < bytes.len() && !self.closed {
            match self.step(&bytes[seen.upto..]) {
                Ok(Some(step)) => seen.count(&step),
                Ok(None) => break,
                Err(error) => {
                    seen.fault = Some(error);
                    break;
                }
            }
        }
        seen
    }

    /// Steps over a message that stands at the start of `rest` whole and in one frame, as nearly all do. `None`: there is none, and
    /// [`Walker::step`] tells what there is.
    #[inline]
    pub fn message(&mut self, rest: &[u8]) -> Option<Header> {
        if self.closed || !self.is_between_messages() {
            return None;
        }
        let header = Header::read(rest, self.sender).ok()??;
        let is_message = header.last && matches!(header.opcode, Opcode::Text | Opcode::Binary);
        let is_whole = header.length <= (rest.len() - header.size) as u64;
        if !is_message || !is_whole || header.length > self.limits.message || self.limits.fragments == 0 {
            return None;
        }
        self.said |= header.length > HEARTBEAT;
        Some(header)
    }

    /// What stands at the start of `rest`, which begins where the last step ended. `None`: an unfinished header or control frame
    /// (of at most [`LONGEST_HELD`] bytes), to be presented again with what follows it; or nothing at all, after a close.
    #[inline]
    pub fn step(&mut self, rest: &[u8]) -> Result<Option<Step>, FrameError> {
        if self.closed {
            return Ok(None);
        }
        if self.remaining > 0 {
            let here = self.remaining.min(rest.len() as u64);
            self.remaining -= here;
            return Ok((here > 0).then_some(Step::Payload(here as usize)));
        }
        let Some(header) = Header::read(rest, self.sender)? else { return Ok(None) };
        if header.opcode.is_control() { self.pass_control(&header, rest) } else { self.pass_data(header).map(Some) }
    }

    /// A control frame is passed on whole or not at all, so that it can be judged first.
    fn pass_control(&mut self, header: &Header, rest: &[u8]) -> Result<Option<Step>, FrameError> {
        let size = header.size + header.length as usize;
        if rest.len() < size {
            return Ok(None);
        }
        let mut closing = None;
        if header.opcode == Opcode::Close {
            let mut payload = [0_u8; 125];
            let payload = &mut payload[..header.length as usize];
            payload.copy_from_slice(&rest[header.size..size]);
            header.unmask(payload);
            closing = Some(close::parse(payload).map_err(FrameError::Close)?.map(|(code, _)| code));
            self.closed = true;
        }
        Ok(Some(Step::Control { size, closing }))
    }

    /// A data frame's header is judged and passed on; its payload follows by itself.
    fn pass_data(&mut self, header: Header) -> Result<Step, FrameError> {
        let continues = header.opcode == Opcode::Continuation;
        if continues != (self.fragments > 0) {
            return Err(FrameError::Order);
        }
        let message = self.message.saturating_add(header.length);
        if message > self.limits.message {
            return Err(FrameError::TooLarge);
        }
        if self.fragments >= self.limits.fragments {
            return Err(FrameError::TooManyFragments);
        }
        self.said |= message > HEARTBEAT;
        if header.last {
            self.message = 0;
            self.fragments = 0;
        } else {
            self.message = message;
            self.fragments += 1;
        }
        self.remaining = header.length;
        Ok(Step::Header(header))
    }
}

impl Scan {
    /// Goes on behind this step.
    #[inline]
    pub fn count(&mut self, step: &Step) {
        match step {
            Step::Control { size, closing } => {
                self.upto += size;
                self.controls += 1;
                self.closing = *closing;
            }
            Step::Header(header) => {
                self.upto += header.size;
                self.messages += u64::from(header.last);
            }
            Step::Payload(length) => self.upto += length,
        }
    }

    /// Goes on behind a whole message.
    #[inline]
    pub fn pass_message(&mut self, header: &Header) {
        self.upto += header.size + header.length as usize;
        self.messages += 1;
    }

    /// Goes on with what was found behind it.
    pub fn go_on(&mut self, after: Self) {
        self.upto += after.upto;
        self.messages += after.messages;
        self.controls += after.controls;
        self.closing = self.closing.or(after.closing);
        self.fault = self.fault.or(after.fault);
    }
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` when it is not all there yet. Every rule that the header alone can
    /// break is checked here.
    #[inline]
    pub fn read(bytes: &[u8], sender: Sender) -> Result<Option<Self>, FrameError> {
        let &[first, ref after @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::Reserved);
        }
        let last = first & 0x80 != 0;
        let opcode = match first & 0x0f {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            _ => return Err(FrameError::Opcode),
        };
        let &[second, ref after @ ..] = after else { return Ok(None) };
        match (sender, second & 0x80 != 0) {
            (Sender::Client, false) => return Err(FrameError::Unmasked),
            (Sender::Server, true) => return Err(FrameError::Masked),
            _ => {}
        }
        let short = second & 0x7f;
        if opcode.is_control() && (!last || short > 125) {
            return Err(FrameError::Control);
        }
        let (length, after) = match short {
            126 => {
                let Some((long, after)) = after.split_first_chunk::<2>() else { return Ok(None) };
                let length = u64::from(u16::from_be_bytes(*long));
                (if length < 126 { return Err(FrameError::Length) } else { length }, after)
            }
            127 => {
                let Some((long, after)) = after.split_first_chunk::<8>() else { return Ok(None) };
                let length = u64::from_be_bytes(*long);
                if length <= 0xffff || length >> 63 != 0 {
                    return Err(FrameError::Length);
                }
                (length, after)
            }
            short => (u64::from(short), after),
        };
        let (mask, after) = match sender {
            Sender::Server => (None, after),
            Sender::Client => {
                let Some((mask, after)) = after.split_first_chunk::<4>() else { return Ok(None) };
                (Some(*mask), after)
            }
        };
        Ok(Some(Self { last, opcode, mask, length, size: bytes.len() - after.len() }))
    }

    /// Takes the mask off a payload that starts at its first byte; without a mask nothing changes.
    pub fn unmask(&self, payload: &mut [u8]) {
        if let Some(key) = self.mask {
            mask(payload, key, 0);
        }
    }
}

/// Puts a mask on bytes that stand `offset` bytes behind the start of their payload, or takes it off.
pub fn mask(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    let [a, b, c, d] = turned(key, offset);
    // By words, which the compiler takes several of at once.
    let wide = [a, b, c, d, a, b, c, d];
    let word = u64::from_ne_bytes(wide);
    let (words, rest) = bytes.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide) {
        *byte ^= key;
    }
}

/// The mask that falls on bytes so far behind the start of their payload.
pub fn turned(key: [u8; 4], offset: u64) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right((offset % 4) as u32 * 8).to_le_bytes()
}

/// The beginning of a payload without its mask, as much of it as there is room for.
pub fn unmasked<'a>(room: &'a mut [u8], payload: &[u8], key: [u8; 4]) -> &'a [u8] {
    let length = payload.len().min(room.len());
    let (plain, payload) = (&mut room[..length], &payload[..length]);
    plain.copy_from_slice(payload);
    mask(plain, key, 0);
    plain
}

/// Appends bytes that stand `offset` bytes behind the start of their payload, without their mask.
pub fn unmask_into(out: &mut Vec<u8>, bytes: &[u8], key: [u8; 4], offset: u64) {
    let start = out.len();
    out.extend_from_slice(bytes);
    mask(&mut out[start..], key, offset);
}

/// One whole frame, masked when a mask is given (which clients must, section 5.3).
pub fn write(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let code = match opcode {
        Opcode::Continuation => 0x0,
        Opcode::Text => 0x1,
        Opcode::Binary => 0x2,
        Opcode::Close => 0x8,
        Opcode::Ping => 0x9,
        Opcode::Pong => 0xa,
    };
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | code);
    match payload.len() {
        short @ 0..=125 => frame.push(masked | short as u8),
        long @ 126..=0xffff => {
            frame.push(masked | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
        longer => {
            frame.push(masked | 127);
            frame.extend_from_slice(&(longer as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        frame.extend_from_slice(&key);
    }
    let start = frame.len();
    frame.extend_from_slice(payload);
    if let Some(key) = key {
        mask(&mut frame[start..], key, 0);
    }
    frame
}
