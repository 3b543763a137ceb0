//! `[[access.payload]]`: what the data of events must be. A schema in a file is read by `files` into the same field as one that
//! is written here; `policy::access` makes a judge of it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Size;

/// What the data of some events must be.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Payload {
    /// Events that clients send, written as in rules: `"chat:message"`, `"chat:*"`.
    pub events: Vec<String>,
    /// The namespaces it holds in. Not set: all.
    #[serde(rename = "in")]
    pub within: Option<Vec<String>>,
    /// The schema, as text: JSON Schema 2020-12 of the list of the event's arguments, its name not among them:
    /// `{ "prefixItems": [{ "type": "string", "maxLength": 500 }], "minItems": 1, "items": false }`. References stay inside the
    /// schema; patterns have neither look-around nor references back; `format` is judged, except `regex` and those of
    /// international names. A binary attachment is the object that stands for it, `{ "_placeholder": true, "num": 0 }`, with every parser. Words
    /// that JSON Schema does not have are refused, except those that begin with `x-`.
    pub schema: Option<String>,
    /// A file with the schema, in place of `schema`. It is watched, and read anew when it changes.
    pub schema_file: Option<PathBuf>,
    /// The largest message, without its attachments; a larger one is refused without being read. The gate holds so many bytes of
    /// each message of these events, and for a moment up to forty times as many while it judges them. At most 1 MiB.
    pub size: Size,
}

/// So much at most is held and judged of one message.
pub const LARGEST_PAYLOAD: Size = Size::kibibytes(1024);

impl Default for Payload {
    fn default() -> Self {
        Self { events: Vec::new(), within: None, schema: None, schema_file: None, size: Size::kibibytes(64) }
    }
}
