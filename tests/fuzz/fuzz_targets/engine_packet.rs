//! The open packet: whatever an app sends, the client gets our sid and limit, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::codec::engine::{Rewrite, read_open};

fuzz_target!(|packet: &[u8]| {
    let change = Rewrite { keep_upgrades: &["websocket"], max_payload: 1000 };
    if let Ok(packet) = read_open(packet, &change) {
        assert!(packet.open.max_payload <= 1000);
        let rewritten = packet.write("sealed");
        let again = read_open(&rewritten, &change).expect("what was rewritten is an open packet");
        assert_eq!(again.open.sid, "sealed");
        assert_eq!(again.write("sealed"), rewritten);
    }
});
