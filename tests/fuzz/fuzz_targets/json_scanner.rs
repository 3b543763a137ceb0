//! The JSON scanner: its verdict is serde_json's, but for depth, and does not depend on how the bytes are cut, nor on
//! the mask that they are under.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use sockgate::codec::json::{JsonError, MOST_DEPTH, Scanner, Top};

fn scan(text: &[u8], cut: usize) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(MOST_DEPTH, Top::Any);
    text.chunks(cut).try_for_each(|piece| scanner.feed(piece))?;
    scanner.finish()
}

fn scan_masked(text: &[u8], cut: usize, mut key: [u8; 4]) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(MOST_DEPTH, Top::Any);
    for piece in text.chunks(cut) {
        let masked: Vec<u8> = piece.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        scanner.feed_masked(&masked, key)?;
        key.rotate_left(piece.len() % 4);
    }
    scanner.finish()
}

fuzz_target!(|input: (u8, [u8; 4], &[u8])| {
    let (cut, key, text) = input;
    let whole = scan(text, text.len().max(1));
    assert_eq!(scan(text, usize::from(cut).max(1)), whole);
    assert_eq!(scan_masked(text, usize::from(cut).max(1), key), whole);
    let is_json = std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    if whole != Err(JsonError::TooDeep) {
        assert_eq!(whole.is_ok(), is_json);
    }
});
