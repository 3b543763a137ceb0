//! Both directions of one connection's records: what came is opened, what goes is sealed, and what TLS says to itself in between
//! (alerts, new keys) is answered. Pure: bytes in, bytes out.

use std::fmt;

use rustls::{kernel::KernelConnection, server::ServerConnectionData};

use super::{
    cipher::{APPLICATION_DATA, Cipher, EXPANSION_12, EXPANSION_13, FRAGMENT, HEADER, LARGEST, Version},
    error::{Alert, RecordError},
};

/// What was found in some bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The first bytes are the payload of all whole records, one behind the other.
    pub payload: usize,
    /// So many bytes were whole records; the rest is the beginning of the next.
    pub taken: usize,
    /// The other side will send nothing more.
    pub is_end: bool,
}

/// The keys of both directions, and rustls for the keys after them.
pub struct Records {
    version: Version,
    receive: Cipher,
    send: Cipher,
    later: Box<dyn Keys>,
    /// Records without data that may still come before some data does.
    patience: u32,
    /// The client wants a new key of ours, which comes before the next data: one for all its wishes (RFC 8446 section 4.6.3).
    owes_update: bool,
    has_closed: bool,
}

/// Where the next keys come from.
trait Keys: Send {
    fn next_receive(&mut self) -> Result<Cipher, RecordError>;
    fn next_send(&mut self) -> Result<Cipher, RecordError>;
}

impl Keys for KernelConnection<ServerConnectionData> {
    fn next_receive(&mut self) -> Result<Cipher, RecordError> {
        let (sequence, secrets) = self.update_rx_secret().map_err(|_| RecordError::Unexpected)?;
        Cipher::new(Version::Tls13, sequence, &secrets)
    }

    fn next_send(&mut self) -> Result<Cipher, RecordError> {
        let (sequence, secrets) = self.update_tx_secret().map_err(|_| RecordError::Worn)?;
        Cipher::new(Version::Tls13, sequence, &secrets)
    }
}

impl Records {
    /// The server's side, as rustls gave it out after the handshake.
    pub fn new(version: Version, receive: Cipher, send: Cipher, later: KernelConnection<ServerConnectionData>) -> Self {
        Self { version, receive, send, later: Box::new(later), patience: PATIENCE, owes_update: false, has_closed: false }
    }

    /// Opens every whole record in its place. On an error the alert for the other side is appended to `reply`, and nothing more may
    /// be read.
    pub fn open(&mut self, bytes: &mut [u8], reply: &mut Vec<u8>) -> Result<Opened, RecordError> {
        let opened = self.open_all(bytes);
        if let Err(error) = opened
            && let Some(alert) = error.alert()
        {
            self.tell(alert, reply);
        }
        opened
    }

    /// Writes a record with this payload, at most [`FRAGMENT`] bytes, to the beginning of `out`, which has room for [`ROOM`] more
    /// than it. Gives how much was written.
    pub fn seal(&mut self, payload: &[u8], out: &mut [u8]) -> Result<usize, RecordError> {
        let renewed = self.renew(out)?;
        let record = self.send.seal(APPLICATION_DATA, payload, &mut out[renewed..])?;
        Ok(renewed + record)
    }

    /// Says that nothing more will come; once.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.tell(Alert::CloseNotify, out);
    }

    /// Whether our goodbye has been said: nothing may follow it.
    pub fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// What may follow a header (RFC 8446 section 5.2, RFC 5246 section 6.2.3).
    fn longest(&self) -> usize {
        FRAGMENT
            + match self.version {
                Version::Tls13 => EXPANSION_13,
                Version::Tls12 => EXPANSION_12,
            }
    }

    fn open_all(&mut self, bytes: &mut [u8]) -> Result<Opened, RecordError> {
        let mut opened = Opened { payload: 0, taken: 0, is_end: false };
        while !opened.is_end {
            let Some(header) = bytes[opened.taken..].first_chunk::<HEADER>().copied() else { break };
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if length > self.longest() {
                return Err(RecordError::TooLong);
            }
            self.is_plausible(header)?;
            let start = opened.taken + HEADER;
            let Some(body) = bytes.get_mut(start..start + length) else { break };
            let (kind, payload) = self.receive.open(header, body)?;
            opened.taken = start + length;
            if kind == APPLICATION_DATA && !payload.is_empty() {
                self.patience = PATIENCE;
                let at = start + payload.start;
                bytes.copy_within(at..at + payload.len(), opened.payload);
                opened.payload += payload.len();
                continue;
            }
            self.patience = self.patience.checked_sub(1).ok_or(RecordError::Flood)?;
            let payload = &body[payload];
            match kind {
                APPLICATION_DATA => {}
                ALERT => opened.is_end = hear(self.version, payload)?,
                HANDSHAKE => self.take_handshake(payload)?,
                _ => return Err(RecordError::Unexpected),
            }
        }
        Ok(opened)
    }

    /// Everything is encrypted by now, so in TLS 1.3 every record looks like data. What is not a record at all is not waited for.
    fn is_plausible(&self, header: [u8; HEADER]) -> Result<(), RecordError> {
        let is_known = match self.version {
            // Its version says nothing there, and is authenticated like the rest of the header.
            Version::Tls13 => header[0] == APPLICATION_DATA && header[1] == 3,
            Version::Tls12 => matches!(header[0], ALERT | HANDSHAKE | APPLICATION_DATA) && header[1..3] == [3, 3],
        };
        is_known.then_some(()).ok_or(RecordError::Unexpected)
    }

    /// The one message of the handshake protocol that a client may still send is the update of its key; it stands alone in its
    /// record, for keys change between records (RFC 8446 section 5.1).
    fn take_handshake(&mut self, message: &[u8]) -> Result<(), RecordError> {
        if self.version == Version::Tls12 {
            return Err(RecordError::Unexpected);
        }
        let &[KEY_UPDATE, 0, 0, 1, wish] = message else { return Err(RecordError::Unexpected) };
        match wish {
            NOT_REQUESTED => {}
            REQUESTED => self.owes_update = true,
            _ => return Err(RecordError::Illegal),
        }
        self.receive = self.later.next_receive()?;
        Ok(())
    }

    /// Takes the next key before this one is worn out. TLS 1.2 has no next one.
    fn renew(&mut self, out: &mut [u8]) -> Result<usize, RecordError> {
        match (self.send.is_worn() || self.owes_update, self.version) {
            (false, _) => Ok(0),
            (true, Version::Tls13) => self.update(out),
            (true, Version::Tls12) => Err(RecordError::Worn),
        }
    }

    fn update(&mut self, out: &mut [u8]) -> Result<usize, RecordError> {
        let length = self.send.seal(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, NOT_REQUESTED], out)?;
        self.send = self.later.next_send()?;
        self.owes_update = false;
        Ok(length)
    }

    fn tell(&mut self, alert: Alert, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_closed, true) {
            return;
        }
        let level = if alert == Alert::CloseNotify { WARNING } else { FATAL };
        let mut record = [0; ROOM];
        // What cannot even say goodbye is closed without one.
        let length = self.send.seal(ALERT, &[level, alert as u8], &mut record).unwrap_or(0);
        out.extend_from_slice(&record[..length]);
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Records").field("receive", &self.receive).field("send", &self.send).finish_non_exhaustive()
    }
}

/// Whether an alert is the end of what the client sends; an error when it is the end of everything.
fn hear(version: Version, alert: &[u8]) -> Result<bool, RecordError> {
    match (version, alert) {
        (_, [_, CLOSE_NOTIFY]) => Ok(true),
        // "I am cancelling for reasons of my own", followed by close_notify; and TLS 1.2's other warnings.
        (_, [_, USER_CANCELED]) | (Version::Tls12, [WARNING, _]) => Ok(false),
        (_, [_, alert]) => Err(RecordError::Alerted(*alert)),
        _ => Err(RecordError::Malformed),
    }
}

/// How long the record at the beginning of these bytes is, header included. `None`: it is not all here.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<HEADER>()?;
    let length = HEADER + usize::from(u16::from_be_bytes([header[3], header[4]]));
    (bytes.len() >= length).then_some(length)
}

/// Empty records, warnings and new keys in a row; more is a way to make the gate work for nothing.
const PATIENCE: u32 = 32;
/// What one sealing may write beyond the payload: its own record's frame, and a new key before it.
pub const ROOM: usize = 2 * LARGEST + 8;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const WARNING: u8 = 1;
const FATAL: u8 = 2;
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;
const KEY_UPDATE: u8 = 24;
const NOT_REQUESTED: u8 = 0;
const REQUESTED: u8 = 1;
