//! A session judged from bytes: whatever both sides say, in whatever cuts, only what may go on does (`hostile` checks it).
#![no_main]

use libfuzzer_sys::fuzz_target;

// The suite asks it more.
#[allow(dead_code)]
#[path = "../../suite/relay/guard/hostile.rs"]
mod hostile;

fuzz_target!(|bytes: &[u8]| {
    if let [kind, rest @ ..] = bytes {
        hostile::play(*kind, &hostile::deeds(rest));
    }
});
