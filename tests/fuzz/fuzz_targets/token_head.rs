//! Tokens before any cryptography: the strict JSON of header and claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::policy::auth::{Claims, Header, strict_object};

fuzz_target!(|json: &[u8]| {
    let _ = Header::read(json);
    if Claims::read(json).is_ok() {
        assert!(strict_object(json).is_ok());
    }
});
