//! One level of a JSON object: its keys decoded, its values as they were written. For payloads that are passed on, of which the
//! gate reads and changes a member or two: a number too long for us or a text we would escape differently reaches the app as
//! the client wrote it. A key that is there twice is refused, because the app's library may take the other one.

use serde::{
    Deserialize, Serialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};

use super::strict::{self, StrictError};

/// The members of an object, in their order.
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

/// Checks once how deep a text nests; what `Members` reads of it afterwards is bounded by it.
pub(super) fn shallow(text: &str) -> Result<&str, StrictError> {
    if strict::is_too_deep(text.as_bytes()) { Err(StrictError::TooDeep) } else { Ok(text) }
}

impl<'a> Members<'a> {
    /// The members of the object that is the whole of `text`. The values are well-formed; what their keys are nobody has
    /// looked at yet.
    pub fn read(text: &'a str) -> Result<Self, StrictError> {
        let Level { members, has_duplicate } = serde_json::from_str(text).map_err(|_| StrictError::Malformed)?;
        if has_duplicate { Err(StrictError::DuplicateKey) } else { Ok(Self(members)) }
    }

    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn find(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }

    /// Without the members of these names.
    pub fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| is_kept(key));
    }

    /// With this in the place of a member's value. Nothing happens where there is no such member.
    pub fn replace(&mut self, name: &str, value: &'a RawValue) {
        if let Some(member) = self.0.iter_mut().find(|(key, _)| key == name) {
            member.1 = value;
        }
    }

    pub fn push(&mut self, name: &str, value: &'a RawValue) {
        self.0.push((name.to_owned(), value));
    }

    /// The object again.
    pub fn write(&self) -> Result<Box<RawValue>, StrictError> {
        to_raw_value(self).map_err(|_| StrictError::Malformed)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// What the reader found. Whether a key came twice is noted rather than reported as an error, for the parser's errors are texts
/// and could not be told apart.
struct Level<'a> {
    members: Vec<(String, &'a RawValue)>,
    has_duplicate: bool,
}

impl<'de> Deserialize<'de> for Level<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Level<'de>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Level<'de>, A::Error> {
        let mut level = Level { members: Vec::new(), has_duplicate: false };
        let mut keys = std::collections::HashSet::new();
        while let Some((key, value)) = entries.next_entry::<String, &'de RawValue>()? {
            level.has_duplicate |= !keys.insert(key.clone());
            level.members.push((key, value));
        }
        Ok(level)
    }
}
