//! One direction's key: how a single record is sealed and opened with it. Pure.

use std::{fmt, ops::Range};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;
use zeroize::Zeroizing;

use super::error::RecordError;

/// Which of the two record formats is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    Tls12,
    Tls13,
}

/// One direction's key and where it stands. Its memory is wiped when it is dropped.
pub struct Cipher {
    key: LessSafeKey,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    /// Records so far: each has its own nonce.
    sequence: u64,
    /// After so many records the key has seen enough (RFC 8446 section 5.5).
    most: u64,
    shape: Shape,
}

/// How a record is laid out around its payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    /// The content type travels encrypted, behind the payload.
    Tls13,
    /// Eight bytes of the nonce travel in front of the payload (RFC 5288).
    Tls12Gcm,
    /// Nothing but payload and tag (RFC 7905).
    Tls12ChaCha,
}

impl Cipher {
    /// `sequence` is that of the next record.
    pub fn new(version: Version, sequence: u64, secrets: &ConnectionTrafficSecrets) -> Result<Self, RecordError> {
        let (algorithm, key, iv, most) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv, GCM_RECORDS),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv, GCM_RECORDS),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv, u64::MAX),
            _ => return Err(RecordError::Suite),
        };
        let shape = match (version, std::ptr::eq(algorithm, &CHACHA20_POLY1305)) {
            (Version::Tls13, _) => Shape::Tls13,
            (Version::Tls12, false) => Shape::Tls12Gcm,
            (Version::Tls12, true) => Shape::Tls12ChaCha,
        };
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).map_err(|_| RecordError::Suite)?),
            iv: Zeroizing::new(iv.as_ref().try_into().map_err(|_| RecordError::Suite)?),
            sequence,
            most,
            shape,
        })
    }

    /// The same for fewer records, to see what happens at the end of a key.
    pub fn with_most(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    /// Whether it must not be used much longer.
    pub fn is_worn(&self) -> bool {
        self.sequence >= self.most
    }

    /// Writes one record of `kind` with this payload, at most [`FRAGMENT`] bytes, to the beginning of `out`, which has room for
    /// [`LARGEST`] more than it. Gives the record's length.
    pub fn seal(&mut self, kind: u8, payload: &[u8], out: &mut [u8]) -> Result<usize, RecordError> {
        let nonce = self.nonce();
        let (prefix, inner): (usize, &[u8]) = match self.shape {
            Shape::Tls13 => (0, &[kind]),
            Shape::Tls12Gcm => (EXPLICIT, &[]),
            Shape::Tls12ChaCha => (0, &[]),
        };
        let length = prefix + payload.len() + inner.len() + TAG;
        let outer = if self.shape == Shape::Tls13 { APPLICATION_DATA } else { kind };
        let header = header(outer, length);
        let out = out.get_mut(..HEADER + length).ok_or(RecordError::Seal)?;
        let (front, body) = out.split_at_mut(HEADER + prefix);
        front[..HEADER].copy_from_slice(&header);
        front[HEADER..].copy_from_slice(&nonce[NONCE_LEN - prefix..]);
        let (text, rest) = body.split_at_mut(payload.len());
        let aad = self.aad(header, outer, payload.len());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_out_of_place_scatter(nonce, aad, payload, text, inner, rest).map_err(|_| RecordError::Seal)?;
        self.sequence += 1;
        Ok(HEADER + length)
    }

    /// Opens one record in its place. Gives its content type and where in `body`, which is what followed the header, its payload
    /// stands now.
    pub fn open(&mut self, header: [u8; HEADER], body: &mut [u8]) -> Result<(u8, Range<usize>), RecordError> {
        let (nonce, prefix) = match self.shape {
            Shape::Tls13 | Shape::Tls12ChaCha => (self.nonce(), 0),
            Shape::Tls12Gcm => {
                let explicit: &[u8; EXPLICIT] = body.first_chunk().ok_or(RecordError::Forged)?;
                let mut nonce = *self.iv;
                nonce[NONCE_LEN - EXPLICIT..].copy_from_slice(explicit);
                (nonce, EXPLICIT)
            }
        };
        let length = body.len().checked_sub(prefix + TAG).ok_or(RecordError::Forged)?;
        let aad = self.aad(header, header[0], length);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let text = self.key.open_in_place(nonce, aad, &mut body[prefix..]).map_err(|_| RecordError::Forged)?;
        self.sequence = self.sequence.checked_add(1).ok_or(RecordError::Worn)?;
        if self.shape != Shape::Tls13 {
            let most = text.len() <= FRAGMENT;
            return most.then_some((header[0], prefix..prefix + length)).ok_or(RecordError::TooLong);
        }
        if text.len() > FRAGMENT + 1 {
            return Err(RecordError::TooLong);
        }
        // Padding is zeros behind the content type.
        let end = text.iter().rposition(|byte| *byte != 0).ok_or(RecordError::Unexpected)?;
        Ok((text[end], 0..end))
    }

    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = *self.iv;
        for (byte, sequence) in nonce[NONCE_LEN - EXPLICIT..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= sequence;
        }
        nonce
    }

    /// What is authenticated beside the payload: of TLS 1.3 the record's header, of TLS 1.2 the record's number, type, version and
    /// the length of its payload.
    fn aad(&self, header: [u8; HEADER], kind: u8, length: usize) -> Aad<Additional> {
        let mut bytes = [0; ADDITIONAL];
        let used = match self.shape {
            Shape::Tls13 => {
                bytes[..HEADER].copy_from_slice(&header);
                HEADER
            }
            Shape::Tls12Gcm | Shape::Tls12ChaCha => {
                bytes[..8].copy_from_slice(&self.sequence.to_be_bytes());
                bytes[8..11].copy_from_slice(&[kind, 3, 3]);
                bytes[11..].copy_from_slice(&(length as u16).to_be_bytes());
                ADDITIONAL
            }
        };
        Aad::from(Additional { bytes, used })
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Cipher({:?}, {} records)", self.shape, self.sequence)
    }
}

struct Additional {
    bytes: [u8; ADDITIONAL],
    used: usize,
}

impl AsRef<[u8]> for Additional {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

fn header(kind: u8, length: usize) -> [u8; HEADER] {
    let [high, low] = (length as u16).to_be_bytes();
    // The version on the wire is that of TLS 1.2 for both (RFC 8446 section 5.1).
    [kind, 3, 3, high, low]
}

/// What a record of ours has beyond its payload, at most.
pub const LARGEST: usize = HEADER + EXPLICIT + 1 + TAG;
/// The payload of a record.
pub const FRAGMENT: usize = 1 << 14;
/// Type, version and length in front of every record.
pub const HEADER: usize = 5;
/// What a record may have beyond its payload.
pub const EXPANSION_12: usize = 2048;
pub const EXPANSION_13: usize = 256;
pub const APPLICATION_DATA: u8 = 23;
const TAG: usize = 16;
const EXPLICIT: usize = 8;
const ADDITIONAL: usize = 13;
/// RFC 8446 section 5.5 allows AES-GCM 2^24.5 full records.
const GCM_RECORDS: u64 = 1 << 24;
