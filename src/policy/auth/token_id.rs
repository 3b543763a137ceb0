//! The name a token has of its own (`jti`), as identities, seals and revocations keep it. Whoever revokes a token says its
//! `jti` as the token says it; both come through here, so a name of any length and alphabet is found again.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A `jti` as it is kept: itself when it is printable ASCII of at most 128 characters, else a hash of it. A name that was
/// too long to be kept would be one that cannot be revoked.
pub fn token_id(jti: &str) -> String {
    let is_short = (1..=LONGEST).contains(&jti.len());
    match is_short && jti.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        true => jti.to_owned(),
        false => format!("sha256:{}", URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, jti.as_bytes()))),
    }
}

/// It travels in every session id. A UUID has 36.
const LONGEST: usize = 128;
