//! `[revocation]`: tokens and sessions that are refused before their time is over.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Period;

/// Tokens and sessions that the admin door has taken back (`POST /revoke`, `POST /sessions/NAME/kill`).
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Revocation {
    /// Where revocations are kept, so that they hold after a restart. The gate writes it whole, beside it and then in its
    /// place, so its directory must be writable. One gate's own: two gates that share a file forget each other's. Not set:
    /// they are kept in memory and end with the process. Changes take effect at the next start.
    pub file: Option<PathBuf>,
    /// The longest lifetime of a token that an issuer gives out: a revocation that names no end holds for so long, and longer
    /// where an open session's token does.
    pub longest_token: Period,
    /// Revocations held at once. One more is refused; none is ever forgotten before its end.
    pub most: usize,
}

impl Revocation {
    /// The file, if there is to be one.
    pub fn kept_in(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

impl Default for Revocation {
    fn default() -> Self {
        Self { file: None, longest_token: Period::seconds(86_400), most: 100_000 }
    }
}
