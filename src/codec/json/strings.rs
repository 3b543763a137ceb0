//! The text of JSON strings, which is most of what is sent: passed over in words and blocks as far as it means itself, under a mask
//! as well as without one; and written.

use super::JsonError;
use crate::codec::frame;

/// A text as a JSON string, quotes and all.
pub fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A piece of a text as it stands on the wire, under a mask or not.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a, const MASKED: bool> {
    pub bytes: &'a [u8],
    /// The mask that falls on its first bytes, and again on those behind.
    pub key: [u8; 4],
}

impl<const MASKED: bool> Piece<'_, MASKED> {
    fn len(self) -> usize {
        self.bytes.len()
    }

    pub fn get(self, at: usize) -> Option<u8> {
        let byte = *self.bytes.get(at)?;
        Some(if MASKED { byte ^ self.key[at % 4] } else { byte })
    }

    /// Where a string's text ends that goes on from there, and how.
    pub fn text(self, mut at: usize) -> Result<(usize, Stop), JsonError> {
        loop {
            at = self.behind_plain(at);
            let Some(byte) = self.get(at) else { return Ok((at, Stop::Short)) };
            match byte {
                b'"' => return Ok((at + 1, Stop::Quote)),
                b'\\' if self.get(at + 1).is_some_and(is_short_escape) => at += 2,
                b'\\' => return Ok((at + 1, Stop::Escape)),
                0x00..=0x1f => return Err(JsonError::Control),
                0x20..=0x7f => at += 1,
                // As many characters as stand here beyond ASCII.
                0x80.. => {
                    while let Some(lead @ 0x80..) = self.get(at) {
                        let (behind, due) = self.character(lead, at + 1)?;
                        at = behind;
                        if let Some(due) = due {
                            return Ok((at, Stop::Inside(due)));
                        }
                    }
                }
            }
        }
    }

    /// Where a character that is not ASCII ends, or what is due of it where the piece ends within it.
    fn character(self, lead: u8, mut at: usize) -> Result<(usize, Option<Due>), JsonError> {
        let mut due = Due::after(lead).ok_or(JsonError::NotUtf8)?;
        while let Some(byte) = self.get(at) {
            at += 1;
            match due.follow(byte).ok_or(JsonError::NotUtf8)? {
                Some(next) => due = next,
                None => return Ok((at, None)),
            }
        }
        Ok((at, Some(due)))
    }

    /// Where the text that means itself ends which goes on from there. Most texts are short, and some are very long: a word is
    /// looked at first, blocks after it, and words again behind those.
    fn behind_plain(self, mut at: usize) -> usize {
        match self.plain_of_word(at) {
            Some(WORD) => at += WORD,
            Some(some) => return at + some,
            None => {}
        }
        let start = self.plain::<BLOCK>(at, self.len().min(at + BLOCK));
        at += start;
        if start > 0 {
            at += self.plain::<LARGE>(at, self.len());
            at += self.plain::<BLOCK>(at, self.len());
        }
        at += self.plain::<SMALL>(at, self.len().min(at + BLOCK));
        while let Some(some) = self.plain_of_word(at) {
            at += some;
            if some < WORD {
                return at;
            }
        }
        // The last bytes of the piece.
        while self.get(at).is_some_and(|byte| matches!(byte, 0x20..=0x7f) && !matches!(byte, b'"' | b'\\')) {
            at += 1;
        }
        at
    }

    /// How many of the eight bytes from there on are text that means itself, before the first that does not. `None`: there are
    /// fewer.
    fn plain_of_word(self, at: usize) -> Option<usize> {
        let mut word = u64::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?);
        if MASKED {
            word ^= u64::from(u32::from_le_bytes(frame::turned(self.key, at as u64))) * REPEATED;
        }
        // Of each byte the highest bit, right up to the first that is set: a borrow spoils only those behind it.
        let all = |byte: u8| ONES * u64::from(byte);
        let below = |word: u64, least: u8| word.wrapping_sub(all(least)) & !word;
        let special = below(word, b' ') | below(word ^ all(b'"'), 1) | below(word ^ all(b'\\'), 1) | word;
        Some((special & all(0x80)).trailing_zeros() as usize / 8)
    }

    /// How much of `from..upto` is text that means itself, in whole blocks.
    fn plain<const SIZE: usize>(self, from: usize, upto: usize) -> usize {
        let mut keys = [0; SIZE];
        keys.as_chunks_mut().0.fill(frame::turned(self.key, from as u64).map(|key| key ^ TOGETHER));
        let blocks = self.bytes[from..upto].as_chunks().0;
        blocks.iter().position(|block| !is_plain(block, &keys)).unwrap_or(blocks.len()) * SIZE
    }
}

/// What ends a string's text, or the piece of it.
pub(super) enum Stop {
    Quote,
    /// Behind a backslash that needs more than a look at the next byte.
    Escape,
    Inside(Due),
    Short,
}

/// The bytes that must still come of a UTF-8 character, and between which the next must be (RFC 3629 section 4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    left: u8,
    low: u8,
    high: u8,
}

impl Due {
    fn after(lead: u8) -> Option<Self> {
        let (left, low, high) = match lead {
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return None,
        };
        Some(Self { left, low, high })
    }

    /// What is due after one more byte (nothing: the character is whole), unless the byte is wrong.
    pub fn follow(self, byte: u8) -> Option<Option<Self>> {
        let is_due = (self.low..=self.high).contains(&byte);
        is_due.then(|| (self.left > 1).then(|| Self { left: self.left - 1, low: 0x80, high: 0xbf }))
    }
}

/// Whether a block is text that means itself. Without branches, so that the compiler compares many bytes at once. As a signed
/// number a byte from 0x80 on is below the space too.
fn is_plain<const SIZE: usize>(block: &[u8; SIZE], keys: &[u8; SIZE]) -> bool {
    let mut special = false;
    for (byte, key) in block.iter().zip(keys) {
        let byte = byte ^ key;
        special |= byte.cast_signed() <= (b'"' ^ TOGETHER).cast_signed() || byte == b'\\' ^ TOGETHER;
    }
    !special
}

/// Brings the quote down to where the space was, next to the control characters, and none of these across: one comparison finds
/// all of them.
const TOGETHER: u8 = 0x02;

pub(super) fn is_short_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
}

/// Bytes of text looked at together.
const LARGE: usize = 256;
const BLOCK: usize = 64;
const SMALL: usize = 16;
const WORD: usize = 8;
/// Repeats half a word in the other half.
const REPEATED: u64 = 1 << 32 | 1;
/// A one in each byte of a word.
const ONES: u64 = u64::MAX / 0xff;
