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
    /// Follow some clients at debug level: `address:192.0.2.7`, `subject:ana`.
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

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".into(), debug_for: Vec::new() }
    }
}
