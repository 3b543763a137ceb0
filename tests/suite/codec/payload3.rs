//! Engine.IO 3 polling bodies, as text and as bytes: what Socket.IO 2 sends, and what nobody should.

use std::borrow::Cow;

use proptest::prelude::*;
use sockgate::codec::{
    engine::Kind,
    payload::PayloadError,
    payload3::{self, Follower, Form, Packet, packets, packets_of_bytes, split_first},
};

fn text(kind: Kind, text: &str) -> Packet<'_> {
    Packet::Text { kind, text }
}

fn binary(bytes: &[u8]) -> Packet<'_> {
    Packet::Binary(Cow::Borrowed(bytes))
}

fn read(body: &[u8]) -> Result<Vec<Packet<'_>>, PayloadError> {
    packets(body).collect()
}

fn read_bytes(body: &[u8]) -> Result<Vec<Packet<'_>>, PayloadError> {
    packets_of_bytes(body).collect()
}

#[test]
fn bodies_of_real_programs_are_read() {
    let body = b"14:0{\"sid\":\"abc\"}2:4014:42[\"hello\",{}]2:40";
    let expected = [
        text(Kind::Open, "{\"sid\":\"abc\"}"),
        text(Kind::Message, "0"),
        text(Kind::Message, "2[\"hello\",{}]"),
        text(Kind::Message, "0"),
    ];
    assert_eq!(read(body).unwrap(), expected);
    assert_eq!(
        read(b"42:451-[\"echo\",{\"_placeholder\":true,\"num\":0}]6:b4AQID1:2").unwrap()[1..],
        [binary(&[1, 2, 3]), text(Kind::Ping, "")]
    );
    let (first, rest) = split_first(body).unwrap();
    assert_eq!((first, rest), (expected[0].clone(), &b"2:4014:42[\"hello\",{}]2:40"[..]));
}

#[test]
fn lengths_count_as_javascript_counts() {
    assert_eq!(read("7:42[\"é\"]7:42[\"€\"]8:42[\"😀\"]1:2".as_bytes()).unwrap().len(), 4);
    // The bytes, the characters, and half of a character.
    for body in ["8:42[\"é\"]", "7:42[\"😀\"]", "10:42[\"😀\"]", "6:42[\"😀\"]"] {
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
    assert_eq!(read("5:42[\"😀\"]".as_bytes()), Err(PayloadError::Length));
    assert_eq!(payload3::join(&[text(Kind::Message, "2[\"😀\"]")]), "8:42[\"😀\"]");
}

#[test]
fn hostile_bodies_of_text_are_refused() {
    let cases: [(&[u8], PayloadError); 24] = [
        (b"", PayloadError::Empty),
        (b":", PayloadError::Length),
        (b":2", PayloadError::Length),
        (b"1", PayloadError::Length),
        (b"1:", PayloadError::Length),
        (b"2:2", PayloadError::Length),
        (b"0:", PayloadError::Length),
        (b"0:1:2", PayloadError::Length),
        (b"01:2", PayloadError::Length),
        (b"+1:2", PayloadError::Length),
        (b"-1:2", PayloadError::Length),
        (b" 1:2", PayloadError::Length),
        (b"1 :2", PayloadError::Length),
        (b"1e0:2", PayloadError::Length),
        (b"999999999:2", PayloadError::Length),
        (b"1000000000:2", PayloadError::Length),
        ("１:2".as_bytes(), PayloadError::Length),
        (b"1:2x", PayloadError::Length),
        (b"1:9", PayloadError::Kind),
        (b"3:bAQ", PayloadError::Kind),
        (b"6:b2AQID", PayloadError::Kind),
        (b"5:b4AQI", PayloadError::Base64),
        (b"2:4\xff", PayloadError::NotUtf8),
        (b"2:4\xed\xa0\x80", PayloadError::NotUtf8),
    ];
    for (body, error) in cases {
        assert_eq!(read(body), Err(error), "{:?}", String::from_utf8_lossy(body));
    }
    assert_eq!(read(&[b'1'; 400]), Err(PayloadError::Length));
    // What was read before is not lost.
    assert_eq!(packets(b"1:21:x1:2").collect::<Vec<_>>(), [Ok(text(Kind::Ping, "")), Err(PayloadError::Kind)]);
}

#[test]
fn bodies_of_bytes_are_read() {
    let body = b"\x00\x02\xff40\x01\x04\xff\x04\x01\x02\x03\x00\x01\x01\xff42[\"\xc3\xa9abc\"]";
    assert_eq!(read_bytes(body).unwrap(), [text(Kind::Message, "0"), binary(&[1, 2, 3]), text(Kind::Message, "2[\"éabc\"]")]);
    assert_eq!(read_bytes(b"\x01\x01\xff\x04").unwrap(), [binary(&[])]);
}

#[test]
fn hostile_bodies_of_bytes_are_refused() {
    let cases: [(&[u8], PayloadError); 17] = [
        (b"", PayloadError::Empty),
        (b"\x00", PayloadError::Length),
        (b"\x00\x01", PayloadError::Length),
        (b"\x00\xff2", PayloadError::Length),
        (b"\x00\x00\xff", PayloadError::Length),
        (b"\x00\x00\x01\xff2", PayloadError::Length),
        (b"\x00\x0a\xff2", PayloadError::Length),
        (b"\x001\xff2", PayloadError::Length),
        (b"\x00\x02\xff2", PayloadError::Length),
        (b"\x00\x01\xff22", PayloadError::Kind),
        (b"\x02\x01\xff2", PayloadError::Kind),
        (b"\x00\x01\xff9", PayloadError::Kind),
        (b"\x00\x06\xffb4AQID", PayloadError::Kind),
        (b"\x01\x02\xff4a", PayloadError::Kind),
        (b"\x01\x02\xff\x02a", PayloadError::Kind),
        (b"\x00\x02\xff4\xff", PayloadError::NotUtf8),
        (b"1:2", PayloadError::Kind),
    ];
    for (body, error) in cases {
        assert_eq!(read_bytes(body), Err(error), "{body:x?}");
    }
    assert_eq!(read_bytes(&[1; 400]), Err(PayloadError::Length));
}

#[derive(Clone, Debug)]
enum Sent {
    Text(Kind, String),
    Binary(Vec<u8>),
}

impl Sent {
    fn packet(&self) -> Packet<'_> {
        match self {
            Self::Text(kind, sent) => text(*kind, sent),
            Self::Binary(bytes) => binary(bytes),
        }
    }
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let kind =
        prop::sample::select(vec![Kind::Open, Kind::Close, Kind::Ping, Kind::Pong, Kind::Message, Kind::Upgrade, Kind::Noop]);
    let packet =
        prop_oneof![(kind, ".{0,20}").prop_map(|(kind, text)| Sent::Text(kind, text)), any::<Vec<u8>>().prop_map(Sent::Binary)];
    prop::collection::vec(packet, 1..6)
}

proptest! {
    #[test]
    fn what_is_joined_is_read_again(sent in sent()) {
        let sent: Vec<Packet> = sent.iter().map(Sent::packet).collect();
        let (text, bytes) = (payload3::join(&sent), payload3::join_bytes(&sent));
        prop_assert_eq!(read(text.as_bytes()), Ok(sent.clone()));
        prop_assert_eq!(read_bytes(&bytes), Ok(sent));
    }

    #[test]
    fn what_is_read_has_one_spelling(body in "[0-9]{0,2}:?[0-7b4é😀:]{0,12}", bytes in prop::collection::vec(prop::sample::select(b"\x00\x01\x02\x04\xff24b".to_vec()), 0..12)) {
        if let Ok(packets) = read(body.as_bytes()) {
            prop_assert_eq!(payload3::join(&packets), body);
        }
        if let Ok(packets) = read_bytes(&bytes) {
            prop_assert_eq!(payload3::join_bytes(&packets), bytes);
        }
    }

    #[test]
    fn hostile_bytes_never_panic(body: Vec<u8>) {
        prop_assert!(packets(&body).count() <= body.len().max(1));
        prop_assert!(packets_of_bytes(&body).count() <= body.len().max(1));
    }
}

#[test]
fn a_body_that_ends_with_the_close_packet_is_told_however_it_is_cut() {
    let cases: [(&[u8], bool); 16] = [
        (b"1:1", true),
        (b"1:61:1", true),
        ("8:42[\"😀\"]1:1".as_bytes(), true),
        (b"\x00\x01\xff1", true),
        (b"\x01\x03\xff\x04\xfe\x01\x00\x01\xff1", true),
        (b"", false),
        (b"1:", false),
        (b"1:11:6", false),
        (b"10:44/chat1:1", false),
        (b"2:1:1", false),
        (b"2:11", false),
        (b"01:1", false),
        (b"1:11", false),
        (b"\x01\x01\xff1", false),
        (b"\x00\x01\xff11", false),
        (b"9999999999999999999999:1", false),
    ];
    for (body, closes) in cases {
        assert_eq!(payload3::is_closing(body), closes, "{body:?}");
        for cut in 1..=body.len() {
            let mut follower = Follower::default();
            body.chunks(cut).for_each(|piece| follower.feed(piece));
            assert_eq!(follower.is_closing(), closes, "{body:?} in pieces of {cut}");
        }
    }
}

proptest! {
    #[test]
    fn following_says_what_reading_says(body in "([1-9]:[0-6]|1:1|3:4é😀|\\x00\\x01|[\\x00-\\x7f]){0,8}", bytes in any::<bool>()) {
        let form = if bytes { Form::Bytes } else { Form::Text };
        let body = body.into_bytes();
        if let Ok(packets) = form.packets(&body).collect::<Result<Vec<_>, _>>() {
            let closes = matches!(packets.last(), Some(Packet::Text { kind: Kind::Close, text: "" }));
            prop_assert_eq!(payload3::is_closing(&body), closes);
            prop_assert_eq!(Form::of(&body), form);
        }
    }
}
