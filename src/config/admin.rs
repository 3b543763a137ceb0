//! `[admin]`: the operator's own door.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;

/// The operator's own door.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Where `/healthz`, `/readyz`, `/metrics`, `/status`, `/sessions` and `/revocations` are served. Other than loopback it needs a
    /// token; what changes something (`/revoke`, `/unrevoke`, `/sessions/NAME/kill`, `/reload`) needs one everywhere. Empty: nowhere.
    pub address: String,
    /// An additional read-only address for probes and metrics alone (`/healthz`, `/readyz`, `/metrics`), without a token: for
    /// the kubelet and Prometheus.
    pub probe_address: String,
    /// The token (`Authorization: Bearer`), at least 16 bytes.
    pub token: Option<Secret>,
    /// A file that holds it.
    pub token_file: Option<PathBuf>,
    /// Host names under which the admin door may be asked, besides its address and localhost (against DNS rebinding).
    pub hosts: Vec<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: "127.0.0.1:9090".into(), probe_address: String::new(), token: None, token_file: None, hosts: Vec::new() }
    }
}
