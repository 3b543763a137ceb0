//! The open packet: whatever an app sends, the client gets our sid and limit, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::codec::engine::{Rewrite, rewrite_open};

fuzz_target!(|packet: &[u8]| {
    let change = Rewrite { sid: "sealed", keep_upgrades: &["websocket"], max_payload: 1000 };
    if let Ok((rewritten, open)) = rewrite_open(packet, &change) {
        assert!(open.max_payload <= 1000);
        let (again, client) = rewrite_open(&rewritten, &change).expect("what was rewritten is an open packet");
        assert_eq!(client.sid, "sealed");
        assert_eq!(again, rewritten);
    }
});
