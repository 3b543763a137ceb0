//! Engine.IO: the open packet that is rewritten once a session, and polling bodies, which are split and judged. Socket.IO: what
//! a judged session reads of every packet, whole.

use std::hint::black_box;

use sockgate::codec::{
    engine::{Rewrite, read_open},
    msgpack, payload, socket,
};

use super::{Operation, again};

/// What socket.io 4 answers a handshake.
const OPEN: &str =
    r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const SEALED: &str = "Jb1zkTVS8vTmu1Fq8cB0mO1Qm3gQ9cCk2c1o5dQ3pV9mH0s7d1xkQv7aXyZ0aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_AbCdEfGhIjKlMnOpQrStUvWxYz01";

pub fn open_packet() -> Operation {
    let change = Rewrite { keep_upgrades: &["websocket"], max_payload: 100_000 };
    let rewrite = move || read_open(black_box(OPEN.as_bytes()), &change).map(|packet| (packet.write(SEALED), packet.open));
    let (packet, open) = rewrite().expect("an open packet");
    assert!(String::from_utf8(packet).expect("text").contains(SEALED));
    assert_eq!((open.sid.as_str(), open.max_payload), ("lv_VI97HAXpY6yYWAAAC", 100_000));
    again(rewrite)
}

/// The first answer of a session: the open packet and what the app sent right after it.
pub fn first_packet() -> Operation {
    let body = format!("{OPEN}\u{1e}40{{\"sid\":\"x\"}}\u{1e}42[\"hello\"]").into_bytes();
    assert_eq!(payload::split_first(&body).0, OPEN.as_bytes());
    again(move || payload::split_first(black_box(&body)).0.len())
}

/// A POST of a busy client.
pub fn sixteen_packets() -> Operation {
    judge(["42[\"message\",{\"text\":\"0123456789abcdef\",\"at\":1800000000}]"; 16].join("\u{1e}"), 16)
}

/// 3 KiB, in base64.
pub fn binary_packet() -> Operation {
    judge(format!("b{}", "AQID".repeat(1024)), 1)
}

fn judge(body: String, packets: usize) -> Operation {
    assert_eq!(payload::judge(body.as_bytes(), 64), Ok(packets));
    again(move || payload::judge(black_box(body.as_bytes()), 64))
}

/// What an echo of 64 bytes says.
pub fn event_64() -> Operation {
    event(format!("2[\"echo\",\"{}\"]", "x".repeat(53)))
}

/// One long text.
pub fn event_16_kib() -> Operation {
    event(format!("2[\"echo\",\"{}\"]", "x".repeat(16 * 1024)))
}

/// One long text of characters of three bytes.
pub fn event_16_kib_beyond_ascii() -> Operation {
    event(format!("2[\"echo\",\"{}\"]", "語".repeat(16 * 1024 / 3)))
}

/// Many small values.
pub fn values_16_kib() -> Operation {
    event(format!("2[\"echo\"{}]", ",{\"id\":12345,\"at\":1.5e3,\"on\":true,\"text\":\"some words\"}".repeat(16 * 1024 / 55)))
}

fn event(text: String) -> Operation {
    let read = |text: &[u8]| socket::Packet::read(text, 32).map(|packet| packet.name.map(|name| name.len()));
    assert_eq!(read(text.as_bytes()), Ok(Some(4)));
    again(move || read(black_box(text.as_bytes())))
}

pub fn msgpack_event() -> Operation {
    let message = msgpack::event("/", "echo", &["x".repeat(53).into(), serde_json::json!({ "id": 12345, "on": true })]);
    let read = |message: &[u8]| msgpack::Packet::read(message, 32).map(|packet| packet.name.map(|name| name.len()));
    assert_eq!(read(&message), Ok(Some(4)));
    again(move || read(black_box(&message)))
}
