//! WebSocket frames: the verdict does not depend on how the bytes are cut, and little is held back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::codec::frame::{FrameError, LONGEST_HELD, Limits, Sender, Walker};

fn walk(sender: Sender, bytes: &[u8], cut: usize) -> (usize, u64, Option<FrameError>) {
    let mut walker = Walker::new(sender, Limits { message: 4096, fragments: 16 });
    let (mut passed, mut messages, mut held) = (0, 0, Vec::new());
    for piece in bytes.chunks(cut) {
        held.extend_from_slice(piece);
        let scan = walker.scan(&held);
        messages += scan.messages;
        passed += scan.upto;
        held.drain(..scan.upto);
        if scan.fault.is_some() || walker.is_closed() {
            return (passed, messages, scan.fault);
        }
        assert!(held.len() <= LONGEST_HELD);
    }
    (passed, messages, None)
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (from_client, cut, bytes) = input;
    let sender = if from_client { Sender::Client } else { Sender::Server };
    assert_eq!(walk(sender, bytes, usize::from(cut).max(1)), walk(sender, bytes, bytes.len().max(1)));
});
