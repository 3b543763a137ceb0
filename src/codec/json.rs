//! JSON as RFC 8259 has it and nothing else, checked while it passes: the data of Socket.IO packets. What servers read
//! differently (NaN, what follows the value, bytes that are not UTF-8) is refused here, so that what was judged and what the
//! app parses cannot differ. Nothing is kept but the kinds of the open brackets, one bit each: a packet of any size costs no
//! memory, and depth costs no stack. Called by `relay` on the pieces of a message as they come.

use super::frame;

/// Follows one JSON text through its pieces, however they are cut.
#[derive(Clone, Debug)]
pub struct Scanner {
    state: State,
    top: Top,
    /// Brackets open now, and how many may be.
    depth: u8,
    most: u8,
    /// What the open brackets are, the innermost in the lowest bit: 1 is an object.
    objects: u128,
    /// The string being read is the name of a member.
    in_name: bool,
}

/// What the text must be.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Top {
    Array,
    Object,
    Any,
}

/// Why a text is not JSON, or not what was asked for. Its sender is to blame.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum JsonError {
    #[error("the JSON is of another kind than belongs here")]
    Top,
    #[error("the JSON is not well formed")]
    Syntax,
    #[error("a number is not written as JSON has it")]
    Number,
    #[error("a string has an escape that JSON does not know")]
    Escape,
    #[error("a string has a control character in it")]
    Control,
    #[error("a string is not UTF-8")]
    NotUtf8,
    #[error("the JSON is nested deeper than allowed")]
    TooDeep,
    #[error("something follows the JSON")]
    Trailing,
    #[error("the JSON ends before it is whole")]
    Short,
}

/// A text as a JSON string, quotes and all.
pub fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Scanner {
    /// A text that may open `depth` brackets into each other, at most [`MOST_DEPTH`].
    pub fn new(depth: u8, top: Top) -> Self {
        Self { state: State::Value, top, depth: 0, most: depth.min(MOST_DEPTH), objects: 0, in_name: false }
    }

    /// A text of which this much has been seen: the array's bracket and its first element, which were right.
    pub fn behind_first(depth: u8) -> Self {
        let mut scanner = Self::new(depth, Top::Array);
        scanner.state = match scanner.open(false) {
            Ok(_) => State::After,
            Err(error) => State::Wrong(error),
        };
        scanner
    }

    /// Looks at the next piece. After an error everything is one.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.read(Piece::<false> { bytes, key: [0; 4] })
    }

    /// The same for a piece that is under a WebSocket's mask (RFC 6455 section 5.3), whose first byte falls on the piece's first.
    pub fn feed_masked(&mut self, bytes: &[u8], key: [u8; 4]) -> Result<(), JsonError> {
        self.read(Piece::<true> { bytes, key })
    }

    /// Whether the text is whole with what was fed so far.
    pub fn finish(&self) -> Result<(), JsonError> {
        match self.state {
            State::Wrong(error) => Err(error),
            State::After | State::Zero | State::Whole | State::Fraction | State::Power if self.depth == 0 => Ok(()),
            _ => Err(JsonError::Short),
        }
    }

    fn read<const MASKED: bool>(&mut self, piece: Piece<'_, MASKED>) -> Result<(), JsonError> {
        let fed = self.follow(piece);
        if let Err(error) = fed {
            self.state = State::Wrong(error);
        }
        fed
    }

    fn follow<const MASKED: bool>(&mut self, piece: Piece<'_, MASKED>) -> Result<(), JsonError> {
        let mut at = 0;
        while let Some(byte) = piece.get(at) {
            match self.state {
                State::Text => at = self.text(piece, at)?,
                _ => at += usize::from(self.step(byte)?),
            }
        }
        Ok(())
    }

    /// One byte outside a string's plain text; false when it ends a number and is to be looked at once more.
    fn step(&mut self, byte: u8) -> Result<bool, JsonError> {
        self.state = match self.state {
            State::Value | State::Element | State::FirstName | State::Name | State::Colon | State::After if is_space(byte) => {
                return Ok(true);
            }
            State::Element if byte == b']' => self.close(false)?,
            State::Value | State::Element => self.value(byte)?,
            State::FirstName if byte == b'}' => self.close(true)?,
            State::FirstName | State::Name => match byte {
                b'"' => {
                    self.in_name = true;
                    State::Text
                }
                _ => return Err(JsonError::Syntax),
            },
            State::Colon if byte == b':' => State::Value,
            State::Colon => return Err(JsonError::Syntax),
            State::After => self.after(byte)?,

            State::Text => return Ok(false),
            State::Escape => match byte {
                b'u' => State::Hex(4),
                _ if is_short_escape(byte) => State::Text,
                _ => return Err(JsonError::Escape),
            },
            State::Hex(left) => match left {
                _ if !byte.is_ascii_hexdigit() => return Err(JsonError::Escape),
                1 => State::Text,
                _ => State::Hex(left - 1),
            },
            State::Inside(due) => match due.follow(byte).ok_or(JsonError::NotUtf8)? {
                Some(due) => State::Inside(due),
                None => State::Text,
            },

            State::Minus => match byte {
                b'0' => State::Zero,
                b'1'..=b'9' => State::Whole,
                _ => return Err(JsonError::Number),
            },
            State::Whole if byte.is_ascii_digit() => State::Whole,
            State::Zero if byte.is_ascii_digit() => return Err(JsonError::Number),
            State::Zero | State::Whole if byte == b'.' => State::Point,
            State::Zero | State::Whole | State::Fraction if matches!(byte, b'e' | b'E') => State::Exponent,
            State::Point | State::Fraction if byte.is_ascii_digit() => State::Fraction,
            State::Exponent if matches!(byte, b'+' | b'-') => State::Sign,
            State::Exponent | State::Sign | State::Power if byte.is_ascii_digit() => State::Power,
            State::Point | State::Exponent | State::Sign => return Err(JsonError::Number),
            State::Zero | State::Whole | State::Fraction | State::Power => {
                self.state = State::After;
                return Ok(false);
            }

            State::Word(word, at) => match word.text().get(usize::from(at)..) {
                Some([due]) if *due == byte => State::After,
                Some([due, ..]) if *due == byte => State::Word(word, at + 1),
                _ => return Err(JsonError::Syntax),
            },
            State::Wrong(error) => return Err(error),
        };
        Ok(true)
    }

    /// The first byte of a value.
    fn value(&mut self, byte: u8) -> Result<State, JsonError> {
        let is_wanted = self.depth > 0
            || match self.top {
                Top::Array => byte == b'[',
                Top::Object => byte == b'{',
                Top::Any => true,
            };
        if !is_wanted {
            return Err(JsonError::Top);
        }
        Ok(match byte {
            b'"' => {
                self.in_name = false;
                State::Text
            }
            b'[' => self.open(false)?,
            b'{' => self.open(true)?,
            b'-' => State::Minus,
            b'0' => State::Zero,
            b'1'..=b'9' => State::Whole,
            b't' => State::Word(Word::True, 1),
            b'f' => State::Word(Word::False, 1),
            b'n' => State::Word(Word::Null, 1),
            _ => return Err(JsonError::Syntax),
        })
    }

    /// What follows a whole value.
    fn after(&mut self, byte: u8) -> Result<State, JsonError> {
        let in_object = self.objects & 1 == 1;
        match byte {
            _ if self.depth == 0 => Err(JsonError::Trailing),
            b',' if in_object => Ok(State::Name),
            b',' => Ok(State::Value),
            b'}' => self.close(true),
            b']' => self.close(false),
            _ => Err(JsonError::Syntax),
        }
    }

    fn open(&mut self, is_object: bool) -> Result<State, JsonError> {
        if self.depth >= self.most {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
        Ok(if is_object { State::FirstName } else { State::Element })
    }

    fn close(&mut self, is_object: bool) -> Result<State, JsonError> {
        if self.depth == 0 || (self.objects & 1 == 1) != is_object {
            return Err(JsonError::Syntax);
        }
        self.depth -= 1;
        self.objects >>= 1;
        Ok(State::After)
    }

    /// Passes over a string's text from `at` on, up to its end, to an escape or a character that is cut, or to the end of the
    /// piece; how far. Most text is plain, which is seen a block at a time, and its end in smaller ones; where it is not, the bytes
    /// of a whole block are looked at one by one before the next block is tried.
    fn text<const MASKED: bool>(&mut self, piece: Piece<'_, MASKED>, mut at: usize) -> Result<usize, JsonError> {
        loop {
            let start = piece.plain::<BLOCK>(at, piece.len().min(at + BLOCK));
            at += start;
            if start > 0 {
                at += piece.plain::<LARGE>(at, piece.len());
                at += piece.plain::<BLOCK>(at, piece.len());
            }
            let upto = piece.len().min(at + BLOCK);
            at += piece.plain::<MIDDLE>(at, upto);
            at += piece.plain::<SMALL>(at, upto.min(at + MIDDLE));
            while at < upto
                && let Some(byte) = piece.get(at)
            {
                match byte {
                    b'"' => {
                        self.state = if self.in_name { State::Colon } else { State::After };
                        return Ok(at + 1);
                    }
                    b'\\' if piece.get(at + 1).is_some_and(is_short_escape) => at += 2,
                    b'\\' => {
                        self.state = State::Escape;
                        return Ok(at + 1);
                    }
                    0x20..=0x7f => at += 1,
                    0x00..=0x1f => return Err(JsonError::Control),
                    lead => match self.character(lead, piece, at + 1)? {
                        Some(behind) => at = behind,
                        None => return Ok(piece.len()),
                    },
                }
            }
            if at == piece.len() {
                return Ok(at);
            }
        }
    }

    /// Where a character that is not ASCII ends; `None` when the piece ends within it.
    fn character<const MASKED: bool>(
        &mut self,
        lead: u8,
        piece: Piece<'_, MASKED>,
        mut at: usize,
    ) -> Result<Option<usize>, JsonError> {
        let mut due = Due::after(lead).ok_or(JsonError::NotUtf8)?;
        while let Some(byte) = piece.get(at) {
            at += 1;
            due = match due.follow(byte).ok_or(JsonError::NotUtf8)? {
                Some(due) => due,
                None => return Ok(Some(at)),
            };
        }
        self.state = State::Inside(due);
        Ok(None)
    }
}

/// A piece of a text as it stands on the wire, under a mask or not.
#[derive(Clone, Copy)]
struct Piece<'a, const MASKED: bool> {
    bytes: &'a [u8],
    /// The mask that falls on its first bytes, and again on those behind.
    key: [u8; 4],
}

impl<const MASKED: bool> Piece<'_, MASKED> {
    fn len(self) -> usize {
        self.bytes.len()
    }

    fn get(self, at: usize) -> Option<u8> {
        let byte = *self.bytes.get(at)?;
        Some(if MASKED { byte ^ self.key[at % 4] } else { byte })
    }

    /// How much of `from..upto` is text that means itself, in whole blocks.
    fn plain<const SIZE: usize>(self, from: usize, upto: usize) -> usize {
        let mut keys = [0; SIZE];
        keys.as_chunks_mut().0.fill(frame::turned(self.key, from as u64).map(|key| key ^ TOGETHER));
        let blocks = self.bytes[from..upto].as_chunks().0;
        blocks.iter().position(|block| !is_plain(block, &keys)).unwrap_or(blocks.len()) * SIZE
    }
}

/// Where in the text the scanner stands.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a value.
    Value,
    /// Behind `[`.
    Element,
    /// Behind `{`.
    FirstName,
    /// Behind a comma in an object.
    Name,
    /// Behind a member's name.
    Colon,
    /// Behind a value.
    After,

    Text,
    Escape,
    /// In `\uXXXX`, with so many digits to come. Half a surrogate pair is fine: it is for servers.
    Hex(u8),
    /// In a character of several bytes.
    Inside(Due),

    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,

    /// In one of these, behind so many of its letters.
    Word(Word, u8),
    Wrong(JsonError),
}

/// What values there are that are words.
#[derive(Clone, Copy, Debug)]
enum Word {
    True,
    False,
    Null,
}

impl Word {
    fn text(self) -> &'static [u8] {
        match self {
            Self::True => b"true",
            Self::False => b"false",
            Self::Null => b"null",
        }
    }
}

/// The bytes that must still come of a UTF-8 character, and between which the next must be (RFC 3629 section 4).
#[derive(Clone, Copy, Debug)]
struct Due {
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
    fn follow(self, byte: u8) -> Option<Option<Self>> {
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

fn is_short_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// As many brackets as there are bits to remember them.
pub const MOST_DEPTH: u8 = 128;

/// Bytes of text looked at together.
const LARGE: usize = 256;
const BLOCK: usize = 64;
const MIDDLE: usize = 16;
const SMALL: usize = 8;
