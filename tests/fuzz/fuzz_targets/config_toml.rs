//! Configuration files: whatever is written becomes a configuration or problems, never a panic.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use sockgate::config::{Sources, load};

fuzz_target!(|text: &[u8]| {
    let file = std::env::temp_dir().join(format!("sockgate-fuzz-{}.toml", std::process::id()));
    if std::fs::write(&file, text).is_err() {
        return;
    }
    let sources =
        Sources { files: vec![file], env: Vec::new(), overrides: Vec::new(), directory: PathBuf::new(), strict: false };
    let loaded = load(&sources);
    assert!(loaded.config.is_some() || !loaded.problems.is_empty());
});
