//! Polling bodies as servers and clients send them, and as nobody should.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use sockgate::codec::{
    engine::Kind,
    payload::{self, Packet, PayloadError},
};

#[test]
fn the_first_packet_leaves_its_separator_with_the_rest() {
    assert_eq!(payload::split_first(b"0{}\x1e40\x1e2"), (&b"0{}"[..], &b"\x1e40\x1e2"[..]));
    assert_eq!(payload::split_first(b"0{}"), (&b"0{}"[..], &b""[..]));
    assert_eq!(payload::split_first(b""), (&b""[..], &b""[..]));
    assert_eq!(payload::split_first(b"\x1e"), (&b""[..], &b"\x1e"[..]));
}

#[test]
fn packets_of_a_real_body_are_read_in_order() {
    let body = b"451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA==\x1e6";
    let packets: Result<Vec<Packet>, PayloadError> = payload::packets(body).collect();
    assert_eq!(
        packets.unwrap(),
        [
            Packet { kind: Kind::Message, text: r#"51-["echo",{"_placeholder":true,"num":0}]"# },
            Packet { kind: Kind::Binary, text: "AQIDBA==" },
            Packet { kind: Kind::Noop, text: "" },
        ]
    );
}

#[test]
fn hostile_bodies_are_refused() {
    let cases: [(&[u8], PayloadError); 16] = [
        (b"", PayloadError::Empty),
        (b"\x1e", PayloadError::Empty),
        (b"40\x1e", PayloadError::Empty),
        (b"\x1e40", PayloadError::Empty),
        (b"9", PayloadError::Kind),
        (b" 40", PayloadError::Kind),
        (b"40\x1exx", PayloadError::Kind),
        ("４27[\"add\"]".as_bytes(), PayloadError::Kind),
        (b"4\xff", PayloadError::NotUtf8),
        (b"4\xc0\xae", PayloadError::NotUtf8),
        (b"4ok\x1e4\xed\xa0\x80", PayloadError::NotUtf8),
        (b"bAQIDBA=", PayloadError::Base64),
        (b"bAQ-_", PayloadError::Base64),
        (b"bA===", PayloadError::Base64),
        (b"bAQJ=", PayloadError::Base64),
        (b"bAQ==AQ==", PayloadError::Base64),
    ];
    for (body, error) in cases {
        assert_eq!(payload::judge(body, 256), Err(error), "{:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_body_of_separators_costs_no_more_than_its_allowed_packets() {
    let body = ["2"; 200_000].join("\x1e");
    assert_eq!(payload::judge(body.as_bytes(), 256), Err(PayloadError::TooMany));
    assert_eq!(payload::judge(&[0x1e; 200_000], 256), Err(PayloadError::Empty));
}

#[test]
fn as_many_packets_as_allowed_pass() {
    let body = ["2"; 256].join("\x1e");
    assert_eq!(payload::judge(body.as_bytes(), 256), Ok(256));
    assert_eq!(payload::judge(body.as_bytes(), 255), Err(PayloadError::TooMany));
}

#[test]
fn bodies_have_no_more_packets_than_the_other_end_takes() {
    let packets: Vec<String> = (0..35).map(|number| format!("42[{number}]")).collect();
    let bodies: Vec<Vec<u8>> = payload::split(&packets, 16).collect();
    assert_eq!(bodies.iter().map(|body| payload::judge(body, 16).unwrap()).collect::<Vec<_>>(), [16, 16, 3]);
    assert_eq!(bodies.join(&0x1e), payload::join(&packets));
    assert_eq!(payload::join(&["0{}", "40", "2"]), b"0{}\x1e40\x1e2");
    assert_eq!(payload::join(&["2"]), b"2");
    assert_eq!(payload::split(&[""; 0], 16).count(), 0);
    // A bound that makes no sense loses nothing.
    assert_eq!(payload::split(&["2", "3"], 0).collect::<Vec<_>>(), [b"2", b"3"]);
}

#[test]
fn base64_has_one_spelling() {
    assert_eq!(payload::decode("AQIDBA=="), Some(vec![1, 2, 3, 4]));
    assert_eq!(payload::decode(""), Some(vec![]));
    assert_eq!(payload::encode(&[1, 2, 3, 4]), "bAQIDBA==");
    for text in ["AQIDBA", "AQIDBA=", "AQIDBB==", "AQ-_", "AQ==AQ==", "A===", " AQID", "AQID\n"] {
        assert_eq!(payload::decode(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_joined_is_split_again(packets in prop::collection::vec("[1-6][ -~é€]{0,20}", 1..40), most in 1..20_usize) {
        let bodies: Vec<Vec<u8>> = payload::split(&packets, most).collect();
        let read: Vec<String> = bodies
            .iter()
            .flat_map(|body| payload::packets(body))
            .map(|packet| packet.map(|packet| format!("{}{}", char::from(packet.kind.byte()), packet.text)).unwrap())
            .collect();
        prop_assert!(bodies.iter().all(|body| payload::judge(body, most).is_ok()));
        prop_assert_eq!(read, packets);
    }

    #[test]
    fn binary_messages_travel_as_text(bytes: Vec<u8>) {
        let packet = payload::encode(&bytes);
        prop_assert_eq!(payload::judge(packet.as_bytes(), 1), Ok(1));
        prop_assert_eq!(payload::decode(&packet[1..]), Some(bytes));
    }

    #[test]
    fn hostile_bytes_never_panic_and_never_get_lost(body: Vec<u8>) {
        let (first, rest) = payload::split_first(&body);
        prop_assert_eq!([first, rest].concat(), body.clone());
        prop_assert!(rest.is_empty() || rest[0] == 0x1e);
        let _ = payload::judge(&body, 16);
    }

    #[test]
    fn every_binary_message_passes(bytes: Vec<u8>) {
        let body = format!("b{}", STANDARD.encode(bytes));
        prop_assert_eq!(payload::judge(body.as_bytes(), 1), Ok(1));
    }

    #[test]
    fn base64_is_judged_as_a_strict_decoder_does(text in "[A-D+/=_-]{0,9}") {
        let body = format!("b{text}");
        prop_assert_eq!(payload::judge(body.as_bytes(), 1).is_ok(), STANDARD.decode(&text).is_ok());
        prop_assert_eq!(payload::decode(&text), STANDARD.decode(&text).ok());
    }
}
