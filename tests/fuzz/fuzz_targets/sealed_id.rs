//! Session ids: nothing but what the gate sealed opens, and nothing panics.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sockgate::{config::Secret, relay::Sealer};

static SEALER: LazyLock<Sealer> = LazyLock::new(|| Sealer::new(&[Secret::from("k".repeat(32))]));

fuzz_target!(|id: &str| {
    assert!(SEALER.open(id).is_err());
    assert!(SEALER.open_mark(id).is_err());
});
