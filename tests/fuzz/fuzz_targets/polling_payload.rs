//! Polling bodies: split, joined and judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::codec::payload;

fuzz_target!(|body: &[u8]| {
    let (first, rest) = payload::split_first(body);
    assert_eq!([first, rest].concat(), body);
    let is_good = payload::packets(body).all(|packet| packet.is_ok());
    let count = payload::packets(body).count();
    assert_eq!(payload::judge(body, count) == Ok(count), is_good);
    assert!(payload::judge(body, count - 1).is_err());
});
