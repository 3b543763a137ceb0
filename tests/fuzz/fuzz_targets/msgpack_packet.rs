//! Socket.IO packets as MessagePack: nothing hostile panics, and a CONNECT that was read can be written with an identity.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::codec::{
    msgpack::{Packet, merge, token},
    socket::Kind,
};

fuzz_target!(|message: &[u8]| {
    let _ = token(message, ["auth", "token"]);
    let Ok(packet) = Packet::read(message, 32) else { return };
    let data = &message[packet.data.clone()];
    let _ = token(data, ["auth", "token"]);
    if packet.kind != Kind::Connect {
        return;
    }
    if let Ok(merged) = merge(&packet.namespace, data, "identity", &serde_json::json!("ann")) {
        let read = Packet::read(&merged, 33).expect("what was written");
        assert_eq!((read.kind, &read.namespace), (packet.kind, &packet.namespace));
        assert_eq!(token(&merged[read.data], ["identity"]), Ok(Some("ann")));
    }
});
