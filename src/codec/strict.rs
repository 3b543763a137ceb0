//! JSON as a gate must read it: one reading only. A key that is there twice is refused, because the app's library may take
//! the other one; depth is counted before anything is built, in one pass without recursion; a number that does not fit is
//! an error and never infinity.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not JSON that has one meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StrictError {
    #[error("it is not a JSON object")]
    Malformed,
    #[error("a key is there twice")]
    DuplicateKey,
    #[error("it is nested deeper than {DEPTH} levels")]
    TooDeep,
}

/// Reads one JSON object that is the whole of `bytes`, a token's part for example.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, StrictError> {
    if is_too_deep(bytes) {
        return Err(StrictError::TooDeep);
    }
    match value(bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err(StrictError::Malformed),
    }
}

/// Reads one JSON value that is the whole of `bytes`. Nested deeper than the parser's own 127 levels it is malformed; a text with
/// half a surrogate pair is, too.
pub fn value(bytes: &[u8]) -> Result<Value, StrictError> {
    let mut has_duplicate = false;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { has_duplicate: &mut has_duplicate }.deserialize(&mut reader).map_err(|_| StrictError::Malformed);
    let is_whole = value.is_ok() && reader.end().is_ok();
    match value? {
        _ if !is_whole => Err(StrictError::Malformed),
        _ if has_duplicate => Err(StrictError::DuplicateKey),
        value => Ok(value),
    }
}

/// Whether it nests deeper than anybody needs.
pub fn is_too_deep(bytes: &[u8]) -> bool {
    depth(bytes) > DEPTH
}

/// How deep brackets nest outside of texts. Right for every valid text, and an upper bound that matters for the others: they
/// are refused by the parser anyway.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Builds a value and notes a key that is there twice. Noted rather than reported as an error, for the parser's errors are
/// texts and could not be told apart.
struct Strict<'a> {
    has_duplicate: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict { has_duplicate: self.has_duplicate })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            let value = entries.next_value_seed(Strict { has_duplicate: self.has_duplicate })?;
            *self.has_duplicate |= map.insert(key, value).is_some();
        }
        Ok(Value::Object(map))
    }
}

/// A key as a text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        String::deserialize(from)
    }
}

/// Levels of brackets. Real tokens have two or three; the parser's recursion is bounded by it.
const DEPTH: usize = 32;
