//! The name of a configured key, used with one algorithm. Identities keep the name of the key that signed their token, so that
//! a session ends when its key is taken out of the configuration. A key keeps its name however it is written down and whatever
//! else it is used with; the key itself cannot be told from it, and it is never printed.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::config::auth::Algorithm;

/// A truncated SHA-256. The keys are the operator's own, so nobody looks for two with the same.
#[derive(Clone, Copy, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Thumbprint(u64);

impl Thumbprint {
    pub(super) fn new(material: &[u8], algorithm: Algorithm) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"sockgate key v1\0");
        hash.update(format!("{algorithm:?}\0").as_bytes());
        hash.update(material);
        let hash = hash.finish();
        Self(hash.as_ref().iter().take(8).fold(0, |name, byte| name << 8 | u64::from(*byte)))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Thumbprint")
    }
}
