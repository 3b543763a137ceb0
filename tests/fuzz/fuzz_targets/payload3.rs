//! Engine.IO 3 polling bodies: what is read has one spelling, as text and as bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::codec::payload3::{join, join_bytes, packets, packets_of_bytes};

fuzz_target!(|body: &[u8]| {
    if let Ok(packets) = packets(body).collect::<Result<Vec<_>, _>>() {
        assert_eq!(join(&packets).as_bytes(), body);
    }
    if let Ok(packets) = packets_of_bytes(body).collect::<Result<Vec<_>, _>>() {
        assert_eq!(join_bytes(&packets), body);
    }
});
