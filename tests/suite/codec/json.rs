//! The scanner against tables, against serde_json, and against every way to cut a text.

use std::str;

use proptest::prelude::*;
use serde::de::IgnoredAny;
use sockgate::codec::json::{self, JsonError, MOST_DEPTH, Scanner, Top};

fn scan_in(pieces: &[&[u8]], depth: u8, top: Top) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(depth, top);
    let bare = pieces.iter().try_for_each(|piece| scanner.feed(piece)).and_then(|()| scanner.finish());
    assert_eq!(scan_masked(pieces, depth, top), bare, "under a mask");
    bare
}

/// The same with each piece under the mask that falls on it.
fn scan_masked(pieces: &[&[u8]], depth: u8, top: Top) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(depth, top);
    let mut key = [0x20, 0x5c, 0x02, 0xff];
    for piece in pieces {
        let masked: Vec<u8> = piece.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        scanner.feed_masked(&masked, key)?;
        key.rotate_left(piece.len() % 4);
    }
    scanner.finish()
}

fn scan(text: impl AsRef<[u8]>) -> Result<(), JsonError> {
    scan_in(&[text.as_ref()], MOST_DEPTH, Top::Any)
}

/// What serde_json says, which ignores what half a surrogate pair means as we do.
fn is_json(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn brackets(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn every_value_is_read() {
    let texts = [
        "0",
        "-0",
        "10",
        "-1.5",
        "1e5",
        "1E+5",
        "0.0e-0",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a""#,
        "[]",
        "{}",
        " [ ] ",
        "[1,2]",
        r#"{"a":1,"b":[{}]}"#,
        "\t{ \"a\" :\r\n1 } ",
        r#""\"\\\/\b\f\n\r\t\u00e9""#,
        r#""\ud83d\ude00""#,
        r#""\ud800""#,
        r#""\udc00x""#,
        "\"\u{7f}\"",
        "\"\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}\"",
        r#"{"a":1,"a":2}"#,
        "[[],[[]],{}]",
    ];
    for text in texts {
        assert_eq!(scan(text), Ok(()), "{text}");
        assert!(is_json(text.as_bytes()), "{text}");
    }
}

#[test]
fn everything_else_is_refused() {
    use JsonError::{Control, Escape, NotUtf8, Number, Short, Syntax, Trailing};
    let cases: [(&[u8], JsonError); 51] = [
        (b"", Short),
        (b" ", Short),
        (b"-", Short),
        (b"1.", Short),
        (b"1e", Short),
        (b"1e+", Short),
        (b"tru", Short),
        (b"[", Short),
        (b"[1", Short),
        (b"{\"a\":", Short),
        (b"\"", Short),
        (b"\"\\", Short),
        (b"\"\\u12", Short),
        (b"\"\xe2\x82", Short),
        (b"01", Number),
        (b"-01", Number),
        (b"-a", Number),
        (b"1.e5", Number),
        (b"1ee5", Number),
        (b"[1e]", Number),
        (b".5", Syntax),
        (b"+1", Syntax),
        (b"NaN", Syntax),
        (b"nan", Syntax),
        (b"Infinity", Syntax),
        (b"[,]", Syntax),
        (b"[1,]", Syntax),
        (b"[1 2]", Syntax),
        (b"{,}", Syntax),
        (b"{\"a\":1,}", Syntax),
        (b"{\"a\" 1}", Syntax),
        (b"{\"a\"}", Syntax),
        (b"{1:2}", Syntax),
        (b"[}", Syntax),
        (b"{]", Syntax),
        (b"[1}", Syntax),
        (b"]", Syntax),
        (b"\xef\xbb\xbf1", Syntax),
        (b"'a'", Syntax),
        (b"1 2", Trailing),
        (b"[]]", Trailing),
        (b"[]x", Trailing),
        (b"[]\0", Trailing),
        (b"\"\\x\"", Escape),
        (b"\"\\u12g4\"", Escape),
        (b"\"\\U0041\"", Escape),
        (b"\"\n\"", Control),
        (b"\"\x1e\"", Control),
        (b"\"\x80\"", NotUtf8),
        (b"\"\xc0\xae\"", NotUtf8),
        (b"\"\xe2\x28\xa1\"", NotUtf8),
    ];
    for (text, error) in cases {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(scan(text), Err(error), "{shown:?}");
        assert!(!is_json(text), "{shown:?}");
    }
}

#[test]
fn every_sequence_of_bytes_is_utf_8_for_us_when_it_is_for_the_language() {
    let edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    for lead in 0x80..=0xff {
        for second in edges {
            for third in edges {
                for fourth in edges {
                    for length in 1..=4 {
                        let character = &[lead, second, third, fourth][..length];
                        let text = [b"\"", character, b"\""].concat();
                        assert_eq!(scan(&text).is_ok(), is_json(&text), "{text:x?}");
                        let pieces: Vec<&[u8]> = text.chunks(1).collect();
                        assert_eq!(scan_in(&pieces, 1, Top::Any), scan(&text), "{text:x?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_text_is_of_the_kind_that_was_asked_for() {
    for (text, top, is_wanted) in [
        ("[]", Top::Array, true),
        ("{}", Top::Array, false),
        ("[]", Top::Object, false),
        (" {}", Top::Object, true),
        ("1", Top::Object, false),
        ("\"a\"", Top::Array, false),
        ("\"a\"", Top::Any, true),
        ("[{}]", Top::Array, true),
        ("{\"a\":[]}", Top::Object, true),
    ] {
        let expected = if is_wanted { Ok(()) } else { Err(JsonError::Top) };
        assert_eq!(scan_in(&[text.as_bytes()], 8, top), expected, "{text} as {top:?}");
    }
}

#[test]
fn depth_has_its_bound_and_costs_no_stack() {
    for depth in [1, 32, 127, 128] {
        let allowed = u8::try_from(depth).unwrap();
        assert_eq!(scan_in(&[brackets(depth).as_bytes()], allowed, Top::Any), Ok(()));
        assert_eq!(scan_in(&[brackets(depth + 1).as_bytes()], allowed, Top::Any), Err(JsonError::TooDeep));
    }
    assert_eq!(scan_in(&[brackets(129).as_bytes()], 255, Top::Any), Err(JsonError::TooDeep));
    assert_eq!(scan(brackets(50_000)), Err(JsonError::TooDeep));
    assert_eq!(scan("{\"a\":".repeat(50_000)), Err(JsonError::TooDeep));
    assert_eq!(scan_in(&[b"[]"], 0, Top::Any), Err(JsonError::TooDeep));
    // Only what is open counts.
    assert_eq!(scan_in(&[format!("[{}[]]", "[],".repeat(50_000)).as_bytes()], 2, Top::Any), Ok(()));
}

#[test]
fn what_is_wrong_once_stays_wrong() {
    let mut scanner = Scanner::new(8, Top::Any);
    assert_eq!(scanner.feed(b"[NaN"), Err(JsonError::Syntax));
    assert_eq!(scanner.feed(b"]"), Err(JsonError::Syntax));
    assert_eq!(scanner.feed(b""), Ok(()));
    assert_eq!(scanner.finish(), Err(JsonError::Syntax));
}

#[test]
fn special_bytes_are_seen_wherever_they_stand_in_long_text() {
    for length in (0..100).chain([255, 256, 263, 264, 327, 336, 600]) {
        for at in 0..=length {
            let (before, after) = ("a".repeat(at), "b".repeat(length - at));
            assert_eq!(scan(format!("[\"{before}\\\"{after}\"]")), Ok(()));
            assert_eq!(scan(format!("[\"{before}\u{1e}{after}\"]")), Err(JsonError::Control));
            assert_eq!(scan(format!("[\"{before}€{after}\"]")), Ok(()));
            assert_eq!(scan(format!("[\"{before}\\q{after}\"]")), Err(JsonError::Escape));
            assert_ne!(scan(format!("[\"{before}\"{after}\"]")), Ok(()));
            let text = [b"[\"", before.as_bytes(), b"\xff", after.as_bytes(), b"\"]"].concat();
            assert_eq!(scan(text), Err(JsonError::NotUtf8));
        }
    }
}

#[test]
fn every_byte_is_itself_beside_every_other() {
    for filler in [b' ', b'!', b'#', b'[', b']', 0x7f] {
        for length in [0, 7, 8, 9, 16, 23, 64, 79] {
            for at in 0..=length {
                for byte in 0..=u8::MAX {
                    let mut text = [b"[\"", vec![filler; length].as_slice(), b"\"]"].concat();
                    text.insert(2 + at, byte);
                    assert_eq!(scan(&text).is_ok(), is_json(&text), "{:?}", String::from_utf8_lossy(&text));
                }
            }
        }
    }
}

#[test]
fn text_is_quoted() {
    assert_eq!(json::text("a\"\u{1e}é"), "\"a\\\"\\u001eé\"");
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,60}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Bytes that are nearly JSON.
fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => prop::sample::select(
            [
                "[", "]", "{", "}", ",", ":", "\"", "\"a\"", "\"a\":", "0", "1", "-", ".", "e", "E", "+", "true", "null", "fals", " ", "\n", "\\",
                "\\\"", "\\u", "00e9", "\\ud800", "é", "€", "😀", "\u{1e}", "NaN", "abcdefghijklmnopqrstuvwxyz0123456789",
            ]
            .map(str::as_bytes)
            .map(<[u8]>::to_vec)
            .to_vec()
        ),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

/// A text in pieces of the given lengths, over and over.
fn cut<'a>(text: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    for length in lengths.iter().cycle() {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

#[test]
fn behind_the_first_element_it_goes_on() {
    let behind = |depth: u8, rest: &str| {
        let mut scanner = Scanner::behind_first(depth);
        scanner.feed(rest.as_bytes()).and_then(|()| scanner.finish())
    };
    for (depth, rest, came) in [
        (1, "]", Ok(())),
        (1, ",1]", Ok(())),
        (1, " ] ", Ok(())),
        (1, ",[]]", Err(JsonError::TooDeep)),
        (2, ",[]]", Ok(())),
        (2, ",[[]]]", Err(JsonError::TooDeep)),
        (32, "1]", Err(JsonError::Syntax)),
        (32, ",]", Err(JsonError::Syntax)),
        (32, "}", Err(JsonError::Syntax)),
        (32, "]]", Err(JsonError::Trailing)),
        (32, "", Err(JsonError::Short)),
        (0, "]", Err(JsonError::TooDeep)),
        (0, "", Err(JsonError::TooDeep)),
    ] {
        assert_eq!(behind(depth, rest), came, "{depth} {rest}");
    }
    let deep = format!(",{}", "[".repeat(300));
    for depth in [0, 1, 127, 128, 255] {
        assert_eq!(behind(depth, &deep), Err(JsonError::TooDeep));
    }
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_json(value in values(), lengths in prop::collection::vec(1..70_usize, 1..5)) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(scan(&text), Ok(()));
            prop_assert_eq!(scan_in(&cut(text.as_bytes(), &lengths), MOST_DEPTH, Top::Any), Ok(()));
        }
    }

    #[test]
    fn a_text_that_is_cut_is_not_whole(value in values(), at: prop::sample::Index) {
        let text = format!("[{value}]");
        prop_assert_eq!(scan(&text.as_bytes()[..at.index(text.len())]), Err(JsonError::Short));
    }

    #[test]
    fn validity_is_what_serde_json_says_however_it_is_cut(text in tokens(), lengths in prop::collection::vec(1..40_usize, 1..5)) {
        let whole = scan(&text);
        prop_assert_eq!(whole.is_ok(), is_json(&text), "{:?}", String::from_utf8_lossy(&text));
        prop_assert_eq!(scan_in(&cut(&text, &lengths), MOST_DEPTH, Top::Any), whole);
    }

    #[test]
    fn a_changed_byte_is_judged_as_serde_json_does(value in values(), at: prop::sample::Index, byte: u8) {
        let mut text = format!("[{value}]").into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        prop_assert_eq!(scan(&text).is_ok(), is_json(&text), "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn hostile_bytes_are_judged_alike_in_any_cut(text: Vec<u8>, length in 1..9_usize) {
        let whole = scan(&text);
        prop_assert_eq!(whole.is_ok(), is_json(&text));
        prop_assert_eq!(scan_in(&cut(&text, &[length]), MOST_DEPTH, Top::Any), whole);
    }
}
