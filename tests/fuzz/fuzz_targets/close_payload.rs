//! Close payloads: what is read can be written and reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::codec::close;

fuzz_target!(|payload: &[u8]| {
    if let Ok(Some((code, reason))) = close::parse(payload) {
        assert_eq!(close::payload(code, reason), payload);
    }
});
