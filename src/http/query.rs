//! A request's query, as raw text: what is judged here is forwarded byte for byte, in order, unless it is cut out or replaced
//! on purpose. Names are compared decoded, because servers decode them, so a parameter cannot hide behind an encoding; which of
//! two equal parameters a server believes differs from server to server, so `one` refuses to choose.

use std::{borrow::Cow, fmt};

/// The text behind `?`, without it. No `?` and an empty query are the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    raw: String,
    /// Nothing in it is encoded, and nothing separates but `&`: most are like that, and are read without decoding.
    is_plain: bool,
}

impl Query {
    pub fn new(raw: impl Into<String>) -> Self {
        let raw = raw.into();
        let is_plain = memchr::memchr3(b'%', b'+', b';', raw.as_bytes()).is_none();
        Self { raw, is_plain }
    }

    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// Whether nothing in it is encoded and nothing separates but `&`.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Names and values as written. A parameter without `=` has an empty value; parameters of no text at all are skipped.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pieces().filter(|piece| !piece.is_empty()).map(split)
    }

    /// Names and values, decoded.
    pub fn decoded(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        match self.is_plain {
            true => self.pairs().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect(),
            false => form_urlencoded::parse(self.raw.as_bytes()).collect(),
        }
    }

    /// The decoded value of a parameter that may be given once.
    pub fn one(&self, name: &str) -> Result<Option<Cow<'_, str>>, Duplicate> {
        let mut found = self.pieces().filter(|piece| is_named(piece, name));
        let first = found.next();
        if found.next().is_some() {
            return Err(Duplicate);
        }
        Ok(first.map(|piece| if self.is_plain { Cow::Borrowed(split(piece).1) } else { decode(piece).1 }))
    }

    /// Whether a server could find a parameter of this name, in whatever spelling: encoded, or behind a `;`, which some
    /// servers take for `&`.
    pub fn has(&self, name: &str) -> bool {
        if self.is_plain {
            return self.pieces().any(|piece| split(piece).0 == name);
        }
        self.raw.split(['&', ';']).any(|piece| is_named(piece, name))
    }

    /// Whether a parameter of this name is written in another way than plainly.
    pub fn has_disguised(&self, name: &str) -> bool {
        if self.is_plain {
            return false;
        }
        let plain = self.pieces().filter(|piece| split(piece).0 == name).count();
        let any = self.raw.split(['&', ';']).filter(|piece| is_named(piece, name)).count();
        plain != any
    }

    /// The same query without these parameters, in whatever spelling. A token is cut with it before the query is forwarded.
    #[must_use]
    pub fn without<T: AsRef<str>>(&self, names: &[T]) -> Cow<'_, Self> {
        let mut kept = Cow::Borrowed(self);
        for name in names.iter().map(AsRef::as_ref) {
            if !kept.has(name) {
                continue;
            }
            // A `;` inside a parameter that stays must not keep a token for servers that split there, so such a
            // parameter goes whole.
            let pieces: Vec<&str> = kept.pieces().filter(|piece| !piece.split(';').any(|part| is_named(part, name))).collect();
            kept = Cow::Owned(Self::new(pieces.join("&")));
        }
        kept
    }

    /// Writes the query with another value for a parameter, encoded where it must be. Without that parameter nothing changes.
    pub fn write_replaced(&self, name: &str, value: &str, out: &mut String) {
        for (place, piece) in self.pieces().enumerate() {
            if place > 0 {
                out.push('&');
            }
            match is_named(piece, name) {
                true => {
                    out.push_str(name);
                    out.push('=');
                    encode(value, out);
                }
                false => out.push_str(piece),
            }
        }
    }

    fn pieces(&self) -> std::str::Split<'_, char> {
        self.raw.split('&')
    }
}

impl fmt::Display for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.raw)
    }
}

impl Default for Query {
    fn default() -> Self {
        Self::new("")
    }
}

/// A parameter is there more than once.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a query parameter is given more than once")]
pub struct Duplicate;

fn split(piece: &str) -> (&str, &str) {
    piece.split_once('=').unwrap_or((piece, ""))
}

fn is_named(piece: &str, name: &str) -> bool {
    let raw = split(piece).0;
    // Decoding is only needed where something is encoded.
    raw == name || (raw.contains(['%', '+']) && decode(piece).0 == name)
}

fn decode(piece: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    form_urlencoded::parse(piece.as_bytes()).next().unwrap_or_default()
}

/// Everything but unreserved characters (RFC 3986 section 2.3) is percent-encoded.
fn encode(value: &str, text: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
}
