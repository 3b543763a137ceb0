//! The open packet: what the client is told instead of what the app said, and apps that say nonsense.

use proptest::prelude::*;
use serde_json::Value;
use sockgate::codec::engine::{Kind, Open, OpenError, Rewrite, read_open};

const NODE: &[u8] = include_bytes!("../../vectors/open_node.txt");

const SID: &str = "v1.sealed~id";
const CHANGE: Rewrite = Rewrite { keep_upgrades: &["websocket"], max_payload: 100_000 };

/// The packet for the client, and what the app said.
fn rewrite_open(packet: &[u8], change: &Rewrite<'_>) -> Result<(Vec<u8>, Open), OpenError> {
    read_open(packet, change).map(|packet| (packet.write(SID), packet.open))
}

fn rewritten(packet: &str) -> String {
    String::from_utf8(rewrite_open(packet.as_bytes(), &CHANGE).unwrap().0).unwrap()
}

#[test]
fn an_interval_under_a_second_as_python_tells_it_is_passed_on() {
    let packet = r#"0{"sid":"x","upgrades":[],"pingInterval":0,"pingTimeout":2000,"maxPayload":5}"#;
    assert!(rewritten(packet).contains(r#""pingInterval":0"#));
}

#[test]
fn every_kind_has_its_byte() {
    let kinds = [
        (b'0', Kind::Open),
        (b'1', Kind::Close),
        (b'2', Kind::Ping),
        (b'3', Kind::Pong),
        (b'4', Kind::Message),
        (b'5', Kind::Upgrade),
        (b'6', Kind::Noop),
        (b'b', Kind::Binary),
    ];
    for byte in 0..=255 {
        let kind = kinds.iter().find(|(known, _)| *known == byte).map(|(_, kind)| *kind);
        assert_eq!(Kind::of(&[byte, b'x']), kind, "{byte}");
    }
    assert_eq!(Kind::of(b""), None);
}

#[test]
fn a_real_open_packet_gets_our_sid_and_limit() {
    let (packet, open) = rewrite_open(NODE, &CHANGE).unwrap();
    assert_eq!(
        String::from_utf8(packet).unwrap(),
        r#"0{"sid":"v1.sealed~id","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#
    );
    let said = Open {
        sid: "sB3uQV7lJqqYJB6QAAAA".into(),
        upgrades: vec!["websocket".into()],
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        max_payload: 100_000,
    };
    assert_eq!(open, said);
}

#[test]
fn unknown_keys_stay_as_written_and_where_they_are() {
    assert_eq!(
        rewritten(r#"0{"a":1.0,"sid":"x","upgrades":[], "z":{"k" : [1e2,"\u00e9"]},"pingInterval":1,"pingTimeout":2,"b":null}"#),
        r#"0{"a":1.0,"sid":"v1.sealed~id","upgrades":[],"z":{"k" : [1e2,"\u00e9"]},"pingInterval":1,"pingTimeout":2,"b":null,"maxPayload":100000}"#
    );
}

#[test]
fn the_upgrades_told_are_those_kept_and_webtransport_never_is() {
    let packet = |upgrades: &str| format!(r#"0{{"sid":"x","upgrades":{upgrades},"pingInterval":1,"pingTimeout":2}}"#);
    let all = Rewrite { keep_upgrades: &["webtransport", "websocket"], ..CHANGE };
    let none = Rewrite { keep_upgrades: &[], ..CHANGE };
    let cases = [
        (r#"["websocket","webtransport"]"#, all, r#""upgrades":["websocket"]"#),
        (r#"["webtransport"]"#, all, r#""upgrades":[]"#),
        (r#"["websocket"]"#, none, r#""upgrades":[]"#),
        (r#"["carrier-pigeon","websocket"]"#, all, r#""upgrades":["websocket"]"#),
    ];
    for (offered, change, told) in cases {
        let (packet, _) = rewrite_open(packet(offered).as_bytes(), &change).unwrap();
        assert!(String::from_utf8(packet).unwrap().contains(told), "{offered}");
    }
}

#[test]
fn a_missing_upgrades_key_is_added_because_clients_crash_without() {
    assert_eq!(
        rewritten(r#"0{"sid":"x","pingInterval":1,"pingTimeout":2,"maxPayload":5}"#),
        r#"0{"sid":"v1.sealed~id","pingInterval":1,"pingTimeout":2,"maxPayload":5,"upgrades":[]}"#
    );
}

#[test]
fn max_payload_is_lowered_never_raised() {
    for (said, told) in [("5", 5), ("100001", 100_000), ("null", 100_000), ("1e6", 100_000), ("1e+21", 100_000), ("2048.5", 2048)]
    {
        let packet = format!(r#"0{{"sid":"x","pingInterval":1,"pingTimeout":2,"maxPayload":{said}}}"#);
        let (packet, open) = rewrite_open(packet.as_bytes(), &CHANGE).unwrap();
        assert_eq!(open.max_payload, told, "{said}");
        let object: Value = serde_json::from_slice(&packet[1..]).unwrap();
        assert_eq!(object["maxPayload"], told, "{said}");
    }
}

#[test]
fn an_escaped_key_is_the_key() {
    let packet = rewritten(r#"0{"\u0073id":"secret","upgrades":[],"pingInterval":1,"pingTimeout":2}"#);
    assert!(packet.starts_with(r#"0{"sid":"v1.sealed~id""#), "{packet}");
    assert!(!packet.contains("secret"));
}

#[test]
fn what_is_not_an_open_packet_is_refused() {
    let large = format!(r#"0{{"sid":"x","pingInterval":1,"pingTimeout":2,"pad":"{}"}}"#, "p".repeat(8192));
    let deep = format!(r#"0{{"sid":"x","pingInterval":1,"pingTimeout":2,"pad":{}1{}}}"#, "[".repeat(9), "]".repeat(8));
    let many: String = (0..100).map(|number| format!(r#","k{number}":0"#)).collect();
    let many = format!(r#"0{{"sid":"x","pingInterval":1,"pingTimeout":2{many}}}"#);
    let long_sid = format!(r#"0{{"sid":"{}","pingInterval":1,"pingTimeout":2}}"#, "s".repeat(257));
    let cases = [
        ("", OpenError::NotOpen),
        ("1", OpenError::NotOpen),
        ("40{\"sid\":\"x\"}", OpenError::NotOpen),
        ("<html>", OpenError::NotOpen),
        (r#"{"sid":"x"}"#, OpenError::NotOpen),
        ("0", OpenError::NotAnObject),
        ("0{", OpenError::NotAnObject),
        ("0[]", OpenError::NotAnObject),
        ("0\"{}\"", OpenError::NotAnObject),
        (r#"0 {"sid":"x","pingInterval":1,"pingTimeout":2}"#, OpenError::NotAnObject),
        (r#"0{"sid":"x","pingInterval":1,"pingTimeout":2} "#, OpenError::NotAnObject),
        (r#"0{"sid":"x","pingInterval":1,"pingTimeout":2}}"#, OpenError::NotAnObject),
        (r#"0{"sid":"x","sid":"y","pingInterval":1,"pingTimeout":2}"#, OpenError::NotAnObject),
        (r#"0{"sid":"x","\u0073id":"y","pingInterval":1,"pingTimeout":2}"#, OpenError::NotAnObject),
        (r#"0{"sid":"x","pingInterval":NaN,"pingTimeout":2}"#, OpenError::NotAnObject),
        (deep.as_str(), OpenError::NotAnObject),
        (many.as_str(), OpenError::NotAnObject),
        (large.as_str(), OpenError::TooLarge),
        (r#"0{"pingInterval":1,"pingTimeout":2}"#, OpenError::Sid),
        (r#"0{"sid":7,"pingInterval":1,"pingTimeout":2}"#, OpenError::Sid),
        (r#"0{"sid":"","pingInterval":1,"pingTimeout":2}"#, OpenError::Sid),
        (r#"0{"sid":"a\r\nb","pingInterval":1,"pingTimeout":2}"#, OpenError::Sid),
        (long_sid.as_str(), OpenError::Sid),
        (r#"0{"sid":"x","upgrades":"websocket","pingInterval":1,"pingTimeout":2}"#, OpenError::Upgrades),
        (r#"0{"sid":"x","upgrades":[1],"pingInterval":1,"pingTimeout":2}"#, OpenError::Upgrades),
        (r#"0{"sid":"x","pingTimeout":2}"#, OpenError::Ping),
        (r#"0{"sid":"x","pingInterval":-1,"pingTimeout":2}"#, OpenError::Ping),
        (r#"0{"sid":"x","pingInterval":-5,"pingTimeout":2}"#, OpenError::Ping),
        (r#"0{"sid":"x","pingInterval":"1","pingTimeout":2}"#, OpenError::Ping),
        (r#"0{"sid":"x","pingInterval":1,"pingTimeout":1e300}"#, OpenError::Ping),
        (r#"0{"sid":"x","pingInterval":1,"pingTimeout":2,"maxPayload":-1}"#, OpenError::MaxPayload),
        (r#"0{"sid":"x","pingInterval":1,"pingTimeout":2,"maxPayload":0}"#, OpenError::MaxPayload),
        (r#"0{"sid":"x","pingInterval":1,"pingTimeout":2,"maxPayload":"1"}"#, OpenError::MaxPayload),
    ];
    for (packet, error) in cases {
        assert_eq!(rewrite_open(packet.as_bytes(), &CHANGE).map(|_| ()), Err(error), "{packet}");
    }
    assert_eq!(rewrite_open(b"0{\"sid\":\"\xff\"}", &CHANGE).map(|_| ()), Err(OpenError::NotAnObject));
}

#[test]
fn deep_values_are_kept_without_recursion() {
    let deep = format!(r#"{}{}"#, "[".repeat(4000), "]".repeat(4000));
    let packet = rewritten(&format!(r#"0{{"sid":"x","pingInterval":1,"pingTimeout":2,"pad":{deep}}}"#));
    assert!(packet.contains(&deep));
}

proptest! {
    #[test]
    fn hostile_packets_never_panic(packet: Vec<u8>) {
        let _ = rewrite_open(&packet, &CHANGE);
    }

    #[test]
    fn a_damaged_packet_never_panics_nor_leaks_the_sid(at in 0..NODE.len(), byte: u8) {
        let mut packet = NODE.to_vec();
        packet[at] = byte;
        if let Ok((rewritten, open)) = rewrite_open(&packet, &CHANGE) {
            let object: Value = serde_json::from_slice(&rewritten[1..]).unwrap();
            prop_assert_eq!(&object["sid"], SID);
            prop_assert!(!open.sid.is_empty());
            prop_assert!(object["upgrades"].is_array());
            prop_assert!(object["maxPayload"].as_u64().unwrap() <= CHANGE.max_payload);
        }
    }

    #[test]
    fn what_was_rewritten_can_be_rewritten(sid in "[A-Za-z0-9._~-]{1,64}", interval in 1_u64..86_400_000) {
        let packet = format!(r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":{interval},"pingTimeout":20000,"x":[1]}}"#);
        let (first, open) = rewrite_open(packet.as_bytes(), &CHANGE).unwrap();
        prop_assert_eq!(open.sid, sid);
        let (second, again) = rewrite_open(&first, &CHANGE).unwrap();
        prop_assert_eq!(again.sid, SID);
        prop_assert_eq!(first, second);
    }
}
