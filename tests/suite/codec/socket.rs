//! Socket.IO packets: as clients and servers write them, as nobody should, cut anywhere, and written by the gate.

use std::borrow::Cow;

use proptest::prelude::*;
use serde::Deserialize;
use sockgate::codec::{
    engine,
    json::{JsonError, Top},
    socket::{self, Head, Kind, LONGEST_HEAD, LONGEST_NAME_TEXT, Packet, PacketError, event_name},
};

const DEPTH: u8 = 32;

/// kind, attachments, namespace, id, name, data
type Row<'a> = (Kind, u8, &'a str, Option<u64>, Option<&'a str>, &'a str);

#[derive(Deserialize)]
struct Refused {
    name: String,
    packet: String,
    error: String,
}

fn read(text: &str) -> Result<Packet<'_>, PacketError> {
    Packet::read(text.as_bytes(), DEPTH)
}

#[test]
fn packets_of_real_programs_are_read() {
    use Kind::{Ack, BinaryAck, BinaryEvent, Connect, ConnectError, Disconnect, Event};
    let table: [(&str, Row<'_>); 32] = [
        ("0", (Connect, 0, "/", None, None, "")),
        (r#"0{"token":"abc"}"#, (Connect, 0, "/", None, None, r#"{"token":"abc"}"#)),
        (r#"0{"sid":"IyXM"}"#, (Connect, 0, "/", None, None, r#"{"sid":"IyXM"}"#)),
        ("0/", (Connect, 0, "/", None, None, "")),
        ("0/,", (Connect, 0, "/", None, None, "")),
        ("0/chat", (Connect, 0, "/chat", None, None, "")),
        ("0/chat,", (Connect, 0, "/chat", None, None, "")),
        (r#"0/admin,{"token":"no"}"#, (Connect, 0, "/admin", None, None, r#"{"token":"no"}"#)),
        (r#"0/a-b_c.d/e:f,{}"#, (Connect, 0, "/a-b_c.d/e:f", None, None, "{}")),
        ("1", (Disconnect, 0, "/", None, None, "")),
        ("1/chat,", (Disconnect, 0, "/chat", None, None, "")),
        ("1/chat", (Disconnect, 0, "/chat", None, None, "")),
        (r#"2["hello",{"a":1}]"#, (Event, 0, "/", None, Some("hello"), r#"["hello",{"a":1}]"#)),
        (r#"212["add",2,3]"#, (Event, 0, "/", Some(12), Some("add"), r#"["add",2,3]"#)),
        (r#"20["add"]"#, (Event, 0, "/", Some(0), Some("add"), r#"["add"]"#)),
        (r#"2/,7["add"]"#, (Event, 0, "/", Some(7), Some("add"), r#"["add"]"#)),
        (r#"2/chat,3["add",1,1]"#, (Event, 0, "/chat", Some(3), Some("add"), r#"["add",1,1]"#)),
        (r#"29007199254740991["add"]"#, (Event, 0, "/", Some(9_007_199_254_740_991), Some("add"), r#"["add"]"#)),
        (r#"2["\u0061dd",1]"#, (Event, 0, "/", None, Some("add"), r#"["\u0061dd",1]"#)),
        (r#"2["\ud83d\ude00 é"]"#, (Event, 0, "/", None, Some("😀 é"), r#"["\ud83d\ude00 é"]"#)),
        (r#"2["naïve 😀"]"#, (Event, 0, "/", None, Some("naïve 😀"), r#"["naïve 😀"]"#)),
        ("2[7,1]", (Event, 0, "/", None, Some("7"), "[7,1]")),
        ("2[-7]", (Event, 0, "/", None, Some("-7"), "[-7]")),
        ("2[ \"add\" ,\n1 ] ", (Event, 0, "/", None, Some("add"), "[ \"add\" ,\n1 ] ")),
        (r#"2["add","\ud800"]"#, (Event, 0, "/", None, Some("add"), r#"["add","\ud800"]"#)),
        ("312[5]", (Ack, 0, "/", Some(12), None, "[5]")),
        ("3/chat,3[]", (Ack, 0, "/chat", Some(3), None, "[]")),
        (
            r#"51-["echo",{"_placeholder":true,"num":0}]"#,
            (BinaryEvent, 1, "/", None, Some("echo"), r#"["echo",{"_placeholder":true,"num":0}]"#),
        ),
        (r#"510-/chat,7["echo"]"#, (BinaryEvent, 10, "/chat", Some(7), Some("echo"), r#"["echo"]"#)),
        (r#"61-7[{"_placeholder":true,"num":0}]"#, (BinaryAck, 1, "/", Some(7), None, r#"[{"_placeholder":true,"num":0}]"#)),
        (r#"4/nope,"Unable to connect""#, (ConnectError, 0, "/nope", None, None, r#""Unable to connect""#)),
        (r#"4{"message":"no"}"#, (ConnectError, 0, "/", None, None, r#"{"message":"no"}"#)),
    ];
    for (text, (kind, attachments, namespace, id, name, data)) in table {
        let packet = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let head = &packet.head;
        assert_eq!((head.kind, head.attachments, packet.namespace, head.id), (kind, attachments, namespace, id), "{text}");
        assert_eq!((packet.name.as_deref(), packet.data), (name, data.as_bytes()), "{text}");
        assert_eq!(head.namespace(text.as_bytes()), namespace, "{text}");
    }
}

#[test]
fn packets_that_servers_read_differently_are_refused() {
    let table: Vec<Refused> = serde_json::from_str(include_str!("../../vectors/refused_packets.json")).unwrap();
    for Refused { name, packet, error } in table {
        let found = match engine::Kind::of(packet.as_bytes()) {
            Some(engine::Kind::Message) => match read(&packet[1..]) {
                Ok(_) => "none".to_string(),
                Err(found) => format!("{found:?}"),
            },
            _ => "Engine".to_string(),
        };
        assert_eq!(found, error, "{name}: {packet:?}");
    }
}

#[test]
fn packets_too_large_for_a_table_are_refused() {
    let long = |length: usize| "x".repeat(length);
    let nested = |depth: usize| format!("2[\"add\",{}{}]", "[".repeat(depth), "]".repeat(depth));
    let cases = [
        (format!("0/{}", long(10_000)), PacketError::Namespace),
        (format!("2/{},[\"add\"]", long(128)), PacketError::Namespace),
        (format!("2/{}\n,[\"add\"]", long(10)), PacketError::Namespace),
        (format!("2{}[\"add\"]", "1".repeat(400)), PacketError::Id),
        (format!("3{}[\"add\"]", "9".repeat(400)), PacketError::Id),
        (format!("5{}-[\"add\"]", "9".repeat(400)), PacketError::Attachments),
        (format!("2[\"{}\"]", long(129)), PacketError::Name),
        (format!("2[\"{}\"]", "\\u0061".repeat(129)), PacketError::Name),
        (format!("2[\"{}\"]", "é".repeat(65)), PacketError::Name),
        (format!("2[{}]", "1".repeat(400)), PacketError::Name),
        (format!("2[{}\"add\"]", " ".repeat(10_000)), PacketError::Name),
        (nested(50_000), PacketError::Json(JsonError::TooDeep)),
        (nested(32), PacketError::Json(JsonError::TooDeep)),
        (format!("0{}", "{\"a\":".repeat(50_000)), PacketError::Json(JsonError::TooDeep)),
    ];
    for (text, error) in cases {
        assert_eq!(read(&text), Err(error), "{}", &text[..40]);
    }
    for text in [
        format!("2/{},[\"add\"]", long(127)),
        format!("2[\"{}\"]", long(128)),
        format!("2[\"{}\"]", "\\u0061".repeat(128)),
        nested(31),
    ] {
        assert!(read(&text).is_ok(), "{}", &text[..40]);
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_wherever_they_stand() {
    for text in [
        &b"2/\xff,[\"add\"]"[..],
        b"\xff",
        b"2\xff[\"add\"]",
        b"2[\"a\xff\"]",
        b"2[\"\\u0061\xff\"]",
        b"2[\"a\",\"\xc0\x80\"]",
        b"2[\"a\"]\xff",
    ] {
        assert!(Packet::read(text, DEPTH).is_err(), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn the_head_says_what_the_json_must_be() {
    for (text, top) in [
        ("0", None),
        ("0{}", Some(Top::Object)),
        ("1", None),
        ("2[]", Some(Top::Array)),
        ("37[]", Some(Top::Array)),
        ("4", None),
        ("4{}", Some(Top::Object)),
        ("4\"no\"", Some(Top::Any)),
        ("51-[]", Some(Top::Array)),
        ("61-7[]", Some(Top::Array)),
    ] {
        assert_eq!(Head::read(text.as_bytes(), true).unwrap().unwrap().top, top, "{text}");
    }
}

#[test]
fn a_head_that_may_go_on_is_waited_for() {
    for text in ["", "0", "1", "2", "21", "5", "51", "51-", "2/", "2/chat", "2/chat,", "2/chat,12", "0/chat", "0/chat,", "4"] {
        assert_eq!(Head::read(text.as_bytes(), false), Ok(None), "{text}");
    }
    // With the longest head there is, the next byte decides.
    let longest = format!("510-/{},9007199254740991[", "x".repeat(127));
    assert_eq!(longest.len(), LONGEST_HEAD);
    assert!(Head::read(longest.as_bytes(), false).unwrap().is_some());
    assert_eq!(Head::read(&longest.as_bytes()[..LONGEST_HEAD - 1], false), Ok(None));
}

#[test]
fn a_name_that_may_go_on_is_waited_for() {
    for text in ["", "[", "[ ", "[\"", "[\"a", "[\"a\\", "[\"a\\\"", "[\"\\u00", "[1", "[-", "[12"] {
        assert_eq!(event_name(text.as_bytes(), false), Ok(None), "{text}");
        assert_eq!(event_name(text.as_bytes(), true), Err(PacketError::Json(JsonError::Short)), "{text}");
    }
    assert_eq!(event_name(b"[\"a\"", false), Ok(Some((Cow::Borrowed("a"), 4))));
    assert_eq!(event_name(b"[ 12,", false), Ok(Some((Cow::Borrowed("12"), 4))));
    assert_eq!(event_name(b"[ \"\\u0061\" ", false), Ok(Some((Cow::Borrowed("a"), 10))));
    let endless = format!("[\"{}", "\\u0061".repeat(1000));
    assert_eq!(event_name(&endless.as_bytes()[..LONGEST_NAME_TEXT - 1], false), Ok(None));
    assert_eq!(event_name(&endless.as_bytes()[..LONGEST_NAME_TEXT], false), Err(PacketError::Name));
    assert_eq!(event_name(endless.as_bytes(), true), Err(PacketError::Name));
}

#[test]
fn the_gate_writes_what_clients_expect() {
    assert_eq!(socket::connect("/", None), "40");
    assert_eq!(socket::connect("/chat", Some("{\"a\":1}")), "40/chat,{\"a\":1}");
    assert_eq!(socket::connect_error("/", "no \"entry\"", None), "44{\"message\":\"no \\\"entry\\\"\"}");
    assert_eq!(
        socket::connect_error("/admin", "not authorized", Some("{\"code\":\"E_TOKEN\"}")),
        "44/admin,{\"message\":\"not authorized\",\"data\":{\"code\":\"E_TOKEN\"}}"
    );
    assert_eq!(socket::disconnect("/"), "41");
    assert_eq!(socket::disconnect("/chat"), "41/chat,");
    assert_eq!(socket::event("/", "expiring", &["1", "{}"]), "42[\"expiring\",1,{}]");
    assert_eq!(socket::ack("/", 12, &[]), "4312[]");
    assert_eq!(socket::ack("/chat", 0, &["{\"error\":{}}"]), "43/chat,0[{\"error\":{}}]");
}

/// Bytes that are nearly a packet.
fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(
        [
            "0",
            "1",
            "2",
            "3",
            "4",
            "5",
            "6",
            "7",
            "-",
            "1-",
            "/",
            "/chat",
            ",",
            "[",
            "]",
            "{",
            "}",
            "\"a\"",
            "\"",
            "\\u0061",
            " ",
            "?",
            "é",
            "[\"add\"]",
            "{}",
        ]
        .to_vec(),
    );
    prop::collection::vec(token, 0..10).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn what_is_written_is_read(namespace in "/[!-+\\--0-9:->@-~]{0,127}", name in "[^\u{0}]{1,32}", id in 0..1_u64 << 53, text in ".{0,40}") {
        prop_assume!(!socket::is_reserved(&name));
        let quoted = sockgate::codec::json::text(&text);
        let object = format!("{{\"text\":{quoted}}}");
        let written = [
            (Kind::Connect, socket::connect(&namespace, Some(&object))),
            (Kind::Connect, socket::connect(&namespace, None)),
            (Kind::ConnectError, socket::connect_error(&namespace, &text, Some(&object))),
            (Kind::Disconnect, socket::disconnect(&namespace)),
            (Kind::Event, socket::event(&namespace, &name, &[&quoted, &object])),
            (Kind::Ack, socket::ack(&namespace, id, &[&quoted])),
        ];
        for (kind, packet) in written {
            prop_assert_eq!(engine::Kind::of(packet.as_bytes()), Some(engine::Kind::Message));
            let read = read(&packet[1..]).unwrap();
            prop_assert_eq!((read.head.kind, read.namespace), (kind, namespace.as_str()));
            prop_assert_eq!(read.head.id, (kind == Kind::Ack).then_some(id));
            prop_assert_eq!(read.name.as_deref(), (kind == Kind::Event).then_some(name.as_str()));
        }
    }

    #[test]
    fn a_head_that_is_read_from_the_first_bytes_stays_what_it_is(text in tokens(), at: prop::sample::Index) {
        let whole = Head::read(&text, true);
        match Head::read(&text[..at.index(text.len() + 1)], false) {
            Ok(None) => {}
            Ok(Some(head)) => prop_assert_eq!(whole, Ok(Some(head))),
            Err(error) => prop_assert_eq!(whole, Err(error)),
        }
        prop_assert_ne!(Head::read(&text, true), Ok(None));
    }

    #[test]
    fn a_name_that_is_read_from_the_first_bytes_stays_what_it_is(text in tokens(), at: prop::sample::Index) {
        let text = [b"[", &text[..]].concat();
        let whole = event_name(&text, true);
        match event_name(&text[..at.index(text.len() + 1)], false) {
            Ok(None) => {}
            Ok(some) => prop_assert_eq!(whole, Ok(some)),
            Err(error) => prop_assert_eq!(whole, Err(error)),
        }
        prop_assert_ne!(event_name(&text, true), Ok(None));
    }

    #[test]
    fn a_packet_that_is_cut_is_refused(name in "[a-z]{1,9}", at: prop::sample::Index) {
        let text = format!("2/chat,12[\"{name}\",{{\"a\":[1,2]}}]");
        prop_assert!(read(&text).is_ok());
        prop_assert!(read(&text[..at.index(text.len())]).is_err());
    }

    #[test]
    fn the_name_is_what_serde_json_reads(text in tokens()) {
        let text = [b"2[", &text[..], b"]"].concat();
        if let Ok(packet) = Packet::read(&text, DEPTH) {
            let values: Vec<serde_json::Value> = serde_json::from_slice(packet.data).unwrap();
            let name = match &values[0] {
                serde_json::Value::String(name) => name.clone(),
                other => other.to_string(),
            };
            prop_assert_eq!(packet.name.as_deref(), Some(name.as_str()));
        }
    }

    #[test]
    fn hostile_bytes_never_panic(text: Vec<u8>, kind in 0..10_u8) {
        let text = [&[b'0' + kind], &text[..]].concat();
        let _ = Packet::read(&text, DEPTH);
        let _ = Packet::read(&text[1..], DEPTH);
        let _ = event_name(&text, false);
    }
}
