//! `[log]`: what is written to standard error.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is written to standard error.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: Format,
    /// Level, or levels by target: `info`, `warn,sockgate::access=info`. Targets: `sockgate`, `sockgate::access` (a record per request
    /// and session), `sockgate::security` (refusals that may be an attack).
    pub level: String,
    /// Follow some clients or sessions: everything they do is written, whatever the level is. `address:192.0.2.7` or a network
    /// (`address:192.0.2.0/24`), `subject:ana`, `session:5f1c2a9b03de4471` (the name that records give it).
    pub debug_for: Vec<String>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Whether a text can be the name of a session: sixteen digits and letters, as records write them.
pub fn is_session_name(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".into(), debug_for: Vec::new() }
    }
}
