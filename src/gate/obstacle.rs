//! What stops a configuration from being put in effect, told by the key that must change.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use crate::{
    config::upstream::Upstream,
    net::tls::{store::TlsProblem, trust::TrustProblem},
    upstream::pool::PoolProblem,
};

/// What stops a generation from being built: the key and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obstacle {
    pub key: String,
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

impl Obstacle {
    pub(super) fn new(key: impl Into<String>, what: &dyn Display, instead: &str) -> Self {
        Self { key: key.into(), what: what.to_string(), instead: instead.to_string() }
    }
}

/// The key of a pool that its problem is about.
pub(super) fn key_of_pool(index: usize, upstream: &Upstream, problem: &PoolProblem) -> String {
    let is_own = |own: &Option<PathBuf>, path: &Path| own.as_deref() == Some(path);
    let name = match problem {
        PoolProblem::Empty | PoolProblem::Url(_) | PoolProblem::Twice(_) => "members",
        PoolProblem::ServerName(_) => "server_name",
        PoolProblem::HalfCertificate => "client_key",
        PoolProblem::Trust(TrustProblem::Mismatch { .. }) => "client_certificate",
        PoolProblem::Trust(
            TrustProblem::Unreadable { path, .. }
            | TrustProblem::NoCertificate { path }
            | TrustProblem::UnusableCertificate { path, .. },
        ) if is_own(&upstream.client_certificate, path) => "client_certificate",
        PoolProblem::Trust(TrustProblem::Unreadable { path, .. }) if is_own(&upstream.client_key, path) => "client_key",
        PoolProblem::Trust(_) => "ca",
    };
    format!("upstream.{index}.{name}")
}

/// The key of `[tls]` that a problem is about.
pub(super) fn key_of_tls(problem: &TlsProblem) -> &'static str {
    match problem {
        TlsProblem::Incomplete => "tls",
        TlsProblem::Key { .. } => "tls.key",
        TlsProblem::Generate(_) => "tls.generate",
        TlsProblem::Unreadable { .. } | TlsProblem::Empty { .. } | TlsProblem::Mismatch { .. } | TlsProblem::Expired { .. } => {
            "tls.certificate"
        }
    }
}
