//! Follows JSON through its pieces: where it stands between them is all that is kept.

use super::{
    JsonError,
    strings::{Due, Piece, Stop, is_short_escape},
};

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
        // What changes with nearly every byte changes in registers.
        let mut scanner = self.clone();
        let fed = scanner.follow(piece);
        if let Err(error) = fed {
            scanner.state = State::Wrong(error);
        }
        *self = scanner;
        fed
    }

    #[inline(always)]
    fn follow<const MASKED: bool>(&mut self, piece: Piece<'_, MASKED>) -> Result<(), JsonError> {
        let mut at = 0;
        while let Some(byte) = piece.get(at) {
            match self.state {
                State::Text => {
                    let (upto, stop) = piece.text(at)?;
                    at = upto;
                    self.state = match stop {
                        Stop::Quote if self.in_name => State::Colon,
                        Stop::Quote => State::After,
                        Stop::Escape => State::Escape,
                        Stop::Inside(due) => State::Inside(due),
                        Stop::Short => State::Text,
                    };
                    // What follows a string is foretold better by itself than among all other bytes.
                    if let (State::Colon | State::After, Some(byte)) = (self.state, piece.get(at)) {
                        at += usize::from(self.step(byte)?);
                    }
                }
                State::Whole | State::Fraction if byte.is_ascii_digit() => at += 1,
                _ => at += usize::from(self.step(byte)?),
            }
        }
        Ok(())
    }

    /// One byte outside a string's plain text; false when it ends a number and is to be looked at once more.
    #[inline(always)]
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
    #[inline(always)]
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
    #[inline(always)]
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

    #[inline(always)]
    fn open(&mut self, is_object: bool) -> Result<State, JsonError> {
        if self.depth >= self.most {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
        Ok(if is_object { State::FirstName } else { State::Element })
    }

    #[inline(always)]
    fn close(&mut self, is_object: bool) -> Result<State, JsonError> {
        if self.depth == 0 || (self.objects & 1 == 1) != is_object {
            return Err(JsonError::Syntax);
        }
        self.depth -= 1;
        self.objects >>= 1;
        Ok(State::After)
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

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// As many brackets as there are bits to remember them.
pub const MOST_DEPTH: u8 = 128;
