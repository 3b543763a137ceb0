//! Socket.IO packets as MessagePack: bytes of real clients, bytes of nobody, and what the gate writes.

use proptest::prelude::*;
use serde_json::{Value, json};
use sockgate::codec::{
    msgpack::{self, MsgpackError, Packet, TokenError, token},
    socket::{Kind, PacketError},
};

const DEPTH: u8 = 32;

/// kind, namespace, id, name, data
type Row<'a> = (Kind, &'a str, Option<u64>, Option<&'a str>, &'a [u8]);

/// Bytes written as hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A map of pieces that are MessagePack already.
fn map(members: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut message = vec![0x80 | members.len() as u8];
    for (key, value) in members {
        message.extend_from_slice(key);
        message.extend_from_slice(value);
    }
    message
}

const TYPE: &[u8] = b"\xa4type";
const NSP: &[u8] = b"\xa3nsp";
const DATA: &[u8] = b"\xa4data";
const ID: &[u8] = b"\xa2id";
const MAIN: &[u8] = b"\xa1/";
const UNDEFINED: &[u8] = b"\xd4\x00\x00";
const ADD: &[u8] = b"\x93\xa3add\x01\x02";

fn event_with(key: &[u8], value: &[u8]) -> Vec<u8> {
    map(&[(TYPE, b"\x02"), (DATA, ADD), (NSP, MAIN), (key, value)])
}

fn event_of(data: &[u8]) -> Vec<u8> {
    map(&[(TYPE, b"\x02"), (DATA, data), (NSP, MAIN)])
}

fn read(message: &[u8]) -> Result<Packet<'_>, MsgpackError> {
    Packet::read(message, DEPTH)
}

#[test]
fn packets_of_real_programs_are_read() {
    use Kind::{Ack, Connect, ConnectError, Disconnect, Event};
    let table: [(Vec<u8>, Row<'_>); 15] = [
        // socket.io-client with its msgpack parser, and a server of the same.
        (
            bytes("83a47479706500a46461746181a5746f6b656ea3616263a36e7370a12f"),
            (Connect, "/", None, None, b"\x81\xa5token\xa3abc"),
        ),
        (bytes("82a47479706501a36e7370a12f"), (Disconnect, "/", None, None, b"")),
        (
            map(&[(TYPE, b"\x02"), (DATA, ADD), (b"\xa7options", b"\x81\xa8compress\xc3"), (ID, b"\x00"), (NSP, MAIN)]),
            (Event, "/", Some(0), Some("add"), ADD),
        ),
        (map(&[(TYPE, b"\x00"), (DATA, UNDEFINED), (NSP, b"\xa5/chat")]), (Connect, "/chat", None, None, b"")),
        (event_with(ID, UNDEFINED), (Event, "/", None, Some("add"), ADD)),
        (event_with(b"\xa3pid", UNDEFINED), (Event, "/", None, Some("add"), ADD)),
        // python-socketio.
        (map(&[(TYPE, b"\x01"), (DATA, b"\xc0"), (NSP, MAIN)]), (Disconnect, "/", None, None, b"")),
        (event_with(ID, b"\xc0"), (Event, "/", None, Some("add"), ADD)),
        // Any order, any width.
        (
            map(&[(NSP, MAIN), (ID, b"\xcd\x00\x07"), (DATA, ADD), (TYPE, b"\xd3\0\0\0\0\0\0\0\x02")]),
            (Event, "/", Some(7), Some("add"), ADD),
        ),
        ([b"\xde\x00\x02", &map(&[(NSP, MAIN), (TYPE, b"\xcc\x01")])[1..]].concat(), (Disconnect, "/", None, None, b"")),
        (event_of(b"\x91\xd9\x03add"), (Event, "/", None, Some("add"), b"\x91\xd9\x03add")),
        (event_of(b"\x91\xd0\xf9"), (Event, "/", None, Some("-7"), b"\x91\xd0\xf9")),
        (event_of(b"\x92\x07\xc4\x03\x01\x02\x03"), (Event, "/", None, Some("7"), b"\x92\x07\xc4\x03\x01\x02\x03")),
        (
            map(&[(TYPE, b"\x03"), (DATA, b"\x91\x05"), (ID, b"\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"), (NSP, MAIN)]),
            (Ack, "/", Some((1 << 53) - 1), None, b"\x91\x05"),
        ),
        (map(&[(TYPE, b"\x04"), (DATA, b"\xa2no"), (NSP, MAIN)]), (ConnectError, "/", None, None, b"\xa2no")),
    ];
    for (message, (kind, namespace, id, name, data)) in table {
        let packet = read(&message).unwrap_or_else(|error| panic!("{message:x?}: {error}"));
        assert_eq!((packet.kind, &*packet.namespace, packet.id), (kind, namespace, id), "{message:x?}");
        assert_eq!((packet.name.as_deref(), &message[packet.data.clone()]), (name, data), "{message:x?}");
    }
}

#[test]
fn hostile_messages_are_refused() {
    use MsgpackError::{Key, Map, Marker, NotUtf8, Short, TooDeep, Trailing};
    let reserved = MsgpackError::Packet(PacketError::Reserved);
    let kind = MsgpackError::Packet(PacketError::Kind);
    let namespace = MsgpackError::Packet(PacketError::Namespace);
    let id = MsgpackError::Packet(PacketError::Id);
    let data = MsgpackError::Packet(PacketError::Data);
    let name = MsgpackError::Packet(PacketError::Name);
    let good = event_of(ADD);
    let long = [&b"\xd9\x81/"[..], &[b'x'; 128]].concat();
    let long_name = [&b"\x91\xd9\x81"[..], &[b'x'; 129]].concat();
    let many: Vec<u8> = [&b"\xde\x00\x11"[..], &b"\xa1a\x01".repeat(17)].concat();
    let with_namespace = |value: &[u8]| map(&[(TYPE, b"\x02"), (DATA, ADD), (NSP, value)]);
    let connect = |value: &[u8]| map(&[(TYPE, b"\x00"), (DATA, value), (NSP, MAIN)]);
    let cases: Vec<(&str, Vec<u8>, MsgpackError)> = vec![
        ("nothing", vec![], Short),
        ("an array", b"\x93\x02\xa1/\x90".to_vec(), Map),
        ("a text", b"\xa12".to_vec(), Map),
        ("an empty map", b"\x80".to_vec(), kind),
        ("a map that claims more than there is", b"\xdf\xff\xff\xff\xff".to_vec(), Map),
        ("too many keys", many, Map),
        ("a packet cut short", good[..good.len() - 1].to_vec(), Short),
        ("a byte behind the packet", [&good[..], b"\xc0"].concat(), Trailing),
        ("a second packet behind the first", [&good[..], &good[..]].concat(), Trailing),
        ("the byte that is no type", event_with(b"\xa1x", b"\xc1"), Marker),
        ("the kind twice", event_with(TYPE, b"\x00"), Key),
        ("the namespace twice", event_with(NSP, b"\xa6/admin"), Key),
        ("the data twice", event_with(DATA, ADD), Key),
        ("an unknown key twice", map(&[(TYPE, b"\x01"), (NSP, MAIN), (b"\xa1x", b"\x01"), (b"\xa1x", b"\x01")]), Key),
        ("the key twice in other widths", event_with(b"\xd9\x04type", b"\x00"), Key),
        ("a key as bytes", event_with(b"\xc4\x04type", b"\x00"), Key),
        ("a key that turns into a text", event_with(b"\x91\xa4type", b"\x00"), Key),
        ("a key that is a number", event_with(b"\x01", b"\x00"), Key),
        ("a key that is not UTF-8 and turns into another", event_with(b"\xa2\xc1\xa9", b"\x00"), NotUtf8),
        ("a prototype", map(&[(TYPE, b"\x00"), (NSP, MAIN), (b"\xa9__proto__", b"\x81\xa4data\x81\xa5token\xa1x")]), Key),
        ("a prototype in the data", connect(b"\x81\xa9__proto__\x81\xa5token\xa1x"), Key),
        ("a prototype deep in the data", event_of(b"\x92\xa3add\x81\xa1a\x81\xa9__proto__\x80"), Key),
        ("a key in the data that is a number", connect(b"\x81\x01\x02"), Key),
        ("a text that is not UTF-8", event_of(b"\x92\xa3add\xa1\xff"), NotUtf8),
        ("an overlong name", event_of(b"\x91\xa2\xc1\xa1"), NotUtf8),
        ("half a surrogate pair", event_of(b"\x91\xa3\xed\xa0\x80"), NotUtf8),
        ("no kind", map(&[(NSP, MAIN), (DATA, ADD)]), kind),
        ("the kind of a binary event", map(&[(TYPE, b"\x05"), (NSP, MAIN), (DATA, ADD)]), kind),
        ("a kind that is not known", map(&[(TYPE, b"\x07"), (NSP, MAIN)]), kind),
        ("a kind below zero", map(&[(TYPE, b"\xff"), (NSP, MAIN)]), kind),
        ("a kind of 2^64 - 1", map(&[(TYPE, b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), (NSP, MAIN)]), kind),
        ("a kind with a fraction's type", map(&[(TYPE, b"\xca\x40\x00\x00\x00"), (NSP, MAIN), (DATA, ADD)]), kind),
        ("a kind that is a text", map(&[(TYPE, b"\xa12"), (NSP, MAIN), (DATA, ADD)]), kind),
        ("a kind that is true", map(&[(TYPE, b"\xc3"), (NSP, MAIN)]), kind),
        ("no namespace", map(&[(TYPE, b"\x01")]), namespace),
        ("a namespace that is nil", with_namespace(b"\xc0"), namespace),
        ("a namespace as bytes", with_namespace(b"\xc4\x01/"), namespace),
        ("an empty namespace", with_namespace(b"\xa0"), namespace),
        ("a namespace without its slash", with_namespace(b"\xa4chat"), namespace),
        ("a namespace with a query", with_namespace(b"\xa8/admin?x"), namespace),
        ("a namespace with a comma", with_namespace(b"\xa4/a,b"), namespace),
        ("a namespace with a newline", with_namespace(b"\xa4/a\nb"), namespace),
        ("a namespace of 129 bytes", with_namespace(&long), namespace),
        ("an id below zero", event_with(ID, b"\xff"), id),
        ("an id of 2^53", event_with(ID, b"\xcf\x00\x20\x00\x00\x00\x00\x00\x00"), id),
        ("an id that is a text", event_with(ID, b"\xa17"), id),
        ("an id with a fraction's type", event_with(ID, b"\xca\x40\x00\x00\x00"), id),
        ("an id that is nearly undefined", event_with(ID, b"\xd4\x00\x01"), id),
        ("an ack without an id", map(&[(TYPE, b"\x03"), (DATA, b"\x90"), (NSP, MAIN)]), id),
        ("an ack whose id is nil", map(&[(TYPE, b"\x03"), (DATA, b"\x90"), (ID, b"\xc0"), (NSP, MAIN)]), id),
        ("a connect with an id", map(&[(TYPE, b"\x00"), (ID, b"\x01"), (NSP, MAIN)]), id),
        ("an event without data", map(&[(TYPE, b"\x02"), (NSP, MAIN)]), data),
        ("an event whose data is nil", event_of(b"\xc0"), data),
        ("an event whose data is a map", event_of(b"\x80"), data),
        ("an event whose data is a text", event_of(b"\xa3add"), data),
        ("an ack whose data is a map", map(&[(TYPE, b"\x03"), (DATA, b"\x80"), (ID, b"\x01"), (NSP, MAIN)]), data),
        ("a connect whose data is a text", connect(b"\xa1x"), data),
        ("a connect whose data is an array", connect(b"\x90"), data),
        ("a disconnect with data", map(&[(TYPE, b"\x01"), (DATA, b"\x80"), (NSP, MAIN)]), data),
        ("a connect_error that is an array", map(&[(TYPE, b"\x04"), (DATA, b"\x90"), (NSP, MAIN)]), data),
        ("an event without a name", event_of(b"\x90"), name),
        ("a name that is nil", event_of(b"\x91\xc0"), name),
        ("a name as bytes", event_of(b"\x91\xc4\x03add"), name),
        ("a name that is an array", event_of(b"\x91\x91\xa3add"), name),
        ("a name with a fraction's type", event_of(b"\x91\xca\x40\x00\x00\x00"), name),
        ("an empty name", event_of(b"\x91\xa0"), name),
        ("a name of 129 bytes", event_of(&long_name), name),
        ("a name of 2^53", event_of(b"\x91\xcf\x00\x20\x00\x00\x00\x00\x00\x00"), name),
        ("a reserved name", event_of(b"\x91\xa7connect"), reserved),
        ("a reserved name in another width", event_of(b"\x91\xd9\x0adisconnect"), reserved),
        ("arrays in arrays", event_of(&[&b"\x92\xa3add"[..], &[0x91; 50_000], b"\xc0"].concat()), TooDeep),
        ("maps in maps", connect(&[&b"\x81\xa1a".repeat(50_000)[..], b"\xc0"].concat()), TooDeep),
        // It takes the rest of the map for its values.
        ("an array of 2^32 - 1", event_of(b"\xdd\xff\xff\xff\xff\xa3add"), Short),
        ("a text of 2^32 - 1 bytes", event_of(b"\x92\xa3add\xdb\xff\xff\xff\xffx"), Short),
        ("an extension of 2^32 - 1 bytes", event_of(b"\x92\xa3add\xc9\xff\xff\xff\xffx"), Short),
    ];
    for (what, message, error) in cases {
        assert_eq!(read(&message), Err(error), "{what}: {message:x?}");
    }
}

#[test]
fn depth_has_its_bound() {
    let nested = |depth: usize| event_of(&[&b"\x92\xa3add"[..], &vec![0x91; depth - 2], b"\x90"].concat());
    assert!(read(&nested(32)).is_ok());
    assert_eq!(read(&nested(33)), Err(MsgpackError::TooDeep));
}

#[test]
fn every_type_is_passed_over() {
    let all = "c0 c2 c3 00 7f ff e0 cc01 cd0001 ce00000001 cf0000000000000001 d001 d10001 d200000001 d30000000000000001 ca00000000
        cb0000000000000000 a0 a161 d90161 da000161 db0000000161 c40101 c5000101 c60000000101 c7010001 c800010001 c90000000100 01
        d40000 d4ff01 d5000102 d60001020304 d7000000000000000000 d80000000000000000000000000000000000 90 9101 dc000101 dd0000000101
        80 81a16101 de0001a16101 df00000001a16101";
    let arguments = bytes(all);
    // 42 values and the name.
    let message = event_of(&[&b"\xdc\x00\x2b\xa3add"[..], &arguments].concat());
    assert_eq!(read(&message).unwrap().name.as_deref(), Some("add"));
    let message = event_of(&[&b"\xdc\x00\x2c\xa3add"[..], &arguments].concat());
    assert!(read(&message).is_err());
}

#[test]
fn the_token_is_found_by_its_path() {
    let flat = b"\x82\xa1x\xc0\xa5token\xa3abc";
    let deep = b"\x81\xa4auth\x82\xa5other\x91\xa5token\xa5token\xa3abc";
    assert_eq!(token(flat, ["token"]), Ok(Some("abc")));
    assert_eq!(token(deep, ["auth", "token"]), Ok(Some("abc")));
    assert_eq!(token(deep, ["token"]), Ok(None));
    assert_eq!(token(flat, ["absent"]), Ok(None));
    assert_eq!(token(b"", ["token"]), Ok(None));
    assert_eq!(token(b"\x81\xa5token\xd4\x00\x00", ["token"]), Ok(None));
    assert_eq!(token(b"\x81\xa4auth\xd4\x00\x00", ["auth", "token"]), Ok(None));
    for wrong in
        [&b"\x81\xa5token\xc0"[..], b"\x81\xa5token\x01", b"\x81\xa5token\xc4\x03abc", b"\x81\xa5token\x91\xa3abc", b"\x90"]
    {
        assert_eq!(token(wrong, ["token"]), Err(TokenError::NotText), "{wrong:x?}");
    }
    assert_eq!(token(flat, ["token", "deeper"]), Err(TokenError::NotText));
    assert_eq!(token(b"\x82\xa5token\xa1a\xa5token\xa1b", ["token"]), Err(TokenError::Twice));
    assert_eq!(token(b"\x82\xa4auth\x80\xa4auth\x81\xa5token\xa1b", ["auth", "token"]), Err(TokenError::Twice));
    assert_eq!(token(b"\x82\xa5token\xa1a", ["token"]), Err(TokenError::Malformed(MsgpackError::Short)));
}

#[test]
fn the_gate_writes_what_the_parsers_write() {
    assert_eq!(msgpack::disconnect("/"), bytes("82a47479706501a36e7370a12f"));
    assert_eq!(
        msgpack::connect("/", Some(&json!({"token": "abc"}))),
        bytes("83a47479706500a46461746181a5746f6b656ea3616263a36e7370a12f")
    );
    assert_eq!(msgpack::connect("/chat", None), b"\x82\xa4type\x00\xa3nsp\xa5/chat");
    assert_eq!(msgpack::event("/", "add", &[json!(1), json!(2)]), event_of(ADD));
    assert_eq!(msgpack::ack("/", 300, &[]), b"\x84\xa4type\x03\xa4data\x90\xa2id\xcd\x01\x2c\xa3nsp\xa1/");
    assert_eq!(
        msgpack::connect_error("/", "no", Some(&json!({"code": "x"}))),
        b"\x83\xa4type\x04\xa4data\x82\xa7message\xa2no\xa4data\x81\xa4code\xa1x\xa3nsp\xa1/"
    );
    assert_eq!(msgpack::connect_error("/", "no", None), b"\x83\xa4type\x04\xa4data\x81\xa7message\xa2no\xa3nsp\xa1/");
}

#[test]
fn numbers_are_written_in_their_shortest_form() {
    for (number, written) in [
        (json!(0), "00"),
        (json!(127), "7f"),
        (json!(128), "cc80"),
        (json!(256), "cd0100"),
        (json!(65_536), "ce00010000"),
        (json!(4_294_967_296_u64), "cf0000000100000000"),
        (json!(-1), "ff"),
        (json!(-32), "e0"),
        (json!(-33), "d0df"),
        (json!(-128), "d080"),
        (json!(-129), "d1ff7f"),
        (json!(-32_769), "d2ffff7fff"),
        (json!(-2_147_483_649_i64), "d3ffffffff7fffffff"),
        (json!(1.5), "cb3ff8000000000000"),
    ] {
        assert_eq!(msgpack::event("/", "n", &[number]), event_of(&[&b"\x92\xa1n"[..], &bytes(written)].concat()));
    }
}

#[test]
fn identity_takes_the_place_of_what_the_client_claims() {
    let identity = json!({"sub": "ann", "roles": ["a", {"b": null}], "admin": true});
    let expected = |members: Value| msgpack::connect("/chat", Some(&members));
    let sent = msgpack::connect("/chat", Some(&json!({"token": "abc", "user": {"sub": "root"}, "pid": "p"})));
    let packet = read(&sent).unwrap();
    assert_eq!(
        msgpack::merge("/chat", &sent[packet.data], "user", &identity),
        Ok(expected(json!({"token": "abc", "pid": "p", "user": identity})))
    );
    assert_eq!(msgpack::merge("/chat", b"", "user", &identity), Ok(expected(json!({"user": identity}))));
    for wrong in
        [&b"\x82\xa4user\x01\xa4user\x02"[..], b"\x82\xa1a\x01\xa1a\x02", b"\x81\xc4\x04user\x01", b"\x81\xa9__proto__\x80"]
    {
        assert_eq!(msgpack::merge("/chat", wrong, "user", &identity), Err(MsgpackError::Key), "{wrong:x?}");
    }
    assert_eq!(msgpack::merge("/", b"\x90", "user", &identity), Err(MsgpackError::Packet(PacketError::Data)));
    assert_eq!(msgpack::merge("/", b"\x80\x80", "user", &identity), Err(MsgpackError::Trailing));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,300}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            prop::collection::vec((".{0,6}", inner), 0..20).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn data_is_the_json_it_stands_for() {
    for (hex, expected) in [
        ("c0", Ok(json!(null))),
        ("d40000", Ok(json!(null))),
        ("c2", Ok(json!(false))),
        ("c3", Ok(json!(true))),
        ("ff", Ok(json!(-1))),
        ("cfffffffffffffffff", Ok(json!(u64::MAX))),
        ("d38000000000000000", Ok(json!(i64::MIN))),
        ("ca3fc00000", Ok(json!(1.5))),
        ("cb3ff8000000000000", Ok(json!(1.5))),
        ("a161", Ok(json!("a"))),
        ("90", Ok(json!([]))),
        ("80", Ok(json!({}))),
        ("93 90 80 91 81 a161 92 01 c0", Ok(json!([[], {}, [{ "a": [1, null] }]]))),
        ("82 a161 01 a162 80", Ok(json!({ "a": 1, "b": {} }))),
        // Bytes and extensions, in their order.
        ("92 c403616263 d4050a", Ok(json!([{ "_placeholder": true, "num": 0 }, { "_placeholder": true, "num": 1 }]))),
        // No JSON: infinity, nothing there, too much there.
        ("cb7ff0000000000000", Err(MsgpackError::Marker)),
        ("ca7fc00000", Err(MsgpackError::Marker)),
        ("", Err(MsgpackError::Short)),
        ("92 01", Err(MsgpackError::Short)),
        ("81 a161", Err(MsgpackError::Short)),
        ("ddffffffff", Err(MsgpackError::Short)),
        ("01 01", Err(MsgpackError::Trailing)),
        ("90 90", Err(MsgpackError::Trailing)),
        ("82 a161 01 a161 02", Err(MsgpackError::Key)),
        ("81 01 01", Err(MsgpackError::Key)),
        ("81 a95f5f70726f746f5f5f 01", Err(MsgpackError::Key)),
        ("81 ac5f706c616365686f6c646572 c3", Err(MsgpackError::Key)),
    ] {
        assert_eq!(msgpack::value(&bytes(hex)), expected, "{hex}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(namespace in "/[a-z]{0,9}", name in "[a-z]{1,7}", id in 0..1_u64 << 53, value in values()) {
        let object = json!({ "value": value });
        let written = [
            (Kind::Connect, msgpack::connect(&namespace, Some(&object))),
            (Kind::ConnectError, msgpack::connect_error(&namespace, &name, Some(&object))),
            (Kind::Disconnect, msgpack::disconnect(&namespace)),
            (Kind::Event, msgpack::event(&namespace, &name, std::slice::from_ref(&value))),
            (Kind::Ack, msgpack::ack(&namespace, id, std::slice::from_ref(&value))),
        ];
        for (kind, message) in written {
            let packet = read(&message).unwrap();
            prop_assert_eq!((packet.kind, &*packet.namespace), (kind, namespace.as_str()));
            prop_assert_eq!(packet.id, (kind == Kind::Ack).then_some(id));
            prop_assert_eq!(packet.name.as_deref(), (kind == Kind::Event).then_some(name.as_str()));
        }
    }

    #[test]
    fn what_is_written_is_read_again(arguments in prop::collection::vec(values(), 0..4)) {
        let message = msgpack::event("/", "add", &arguments);
        let data = read(&message).unwrap().data;
        let whole: Vec<Value> = [json!("add")].into_iter().chain(arguments).collect();
        prop_assert_eq!(msgpack::value(&message[data]), Ok(Value::Array(whole)));
    }

    #[test]
    fn a_message_that_is_cut_is_refused(value in values(), at: prop::sample::Index) {
        let message = msgpack::event("/", "add", &[value]);
        prop_assert_eq!(read(&message[..at.index(message.len())]), Err(MsgpackError::Short));
    }

    #[test]
    fn hostile_bytes_never_panic(message: Vec<u8>, value in values(), at: prop::sample::Index, byte: u8) {
        let _ = read(&message);
        let _ = token(&message, ["token", "x"]);
        let _ = msgpack::merge("/", &message, "user", &Value::Null);
        let _ = msgpack::value(&message);
        let mut message = msgpack::connect("/", Some(&json!({"token": value})));
        let at = at.index(message.len());
        message[at] = byte;
        if let Ok(packet) = read(&message) {
            let data = &message[packet.data];
            let _ = token(data, ["token"]);
            if let Ok(merged) = msgpack::merge("/", data, "user", &json!("ann")) {
                let merged_data = read(&merged).unwrap().data;
                prop_assert_eq!(token(&merged[merged_data], ["user"]), Ok(Some("ann")));
            }
        }
    }
}
