//! Socket.IO packets: what the first bytes tell stays true of all of them, and the name is what serde_json reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sockgate::codec::socket::{Head, LONGEST_HEAD, LONGEST_NAME_TEXT, Packet, event_name};

fuzz_target!(|input: (u8, &[u8])| {
    let (at, text) = input;
    let first = &text[..usize::from(at).min(text.len())];
    let whole = Head::read(text, true);
    match Head::read(first, false) {
        Ok(None) => assert!(first.len() < LONGEST_HEAD),
        told => assert_eq!(told, whole),
    }
    let name = event_name(text, true);
    match event_name(first, false) {
        Ok(None) => assert!(first.len() < LONGEST_NAME_TEXT),
        told => assert_eq!(told, name),
    }
    let Ok(packet) = Packet::read(text, 32) else { return };
    assert_eq!(Ok(Some(&packet.head)), whole.as_ref().map(Option::as_ref));
    if let Some(name) = packet.name {
        // Half a surrogate pair in an argument is fine with us and not with serde_json.
        let Ok(values) = serde_json::from_slice::<Vec<Value>>(packet.data) else { return };
        match &values[0] {
            Value::String(text) => assert_eq!(name, text.as_str()),
            other => assert_eq!(name, other.to_string()),
        }
    }
});
