//! Paths: HARDENING's spellings, each refused for its own reason, and everything honest that must pass.

use proptest::prelude::*;
use sockgate::http::path::{self, PathError};

#[test]
fn honest_paths_pass() {
    let cases = [
        "/",
        "/socket.io/",
        "/socket.io",
        "/a/b/c.html",
        "/...",
        "/..a",
        "/a..",
        "/.well-known/x",
        "/a;v=1/b",
        "/caf%C3%A9",
        "/caf%c3%a9",
        "/a%20b",
        "/50%25",
        "/a%2520b",
        "/%5Bid%5D",
        "/[id]|x^y",
        "/~user/@me/a:b,c=d&e+f$g!h'(i)*",
        "/%2Cx",
        "/%F0%9F%92%A9",
    ];
    for path in cases {
        assert_eq!(path::judge(path), Ok(()), "{path}");
    }
}

#[test]
fn other_spellings_are_refused() {
    let cases = [
        ("", PathError::NotAbsolute),
        ("*", PathError::NotAbsolute),
        ("socket.io/", PathError::NotAbsolute),
        ("/..", PathError::Dots),
        ("/.", PathError::Dots),
        ("/a/../b", PathError::Dots),
        ("/a/./b", PathError::Dots),
        ("/a/..", PathError::Dots),
        ("/a/..;/b", PathError::Dots),
        ("/a/..;x=1/b", PathError::Dots),
        ("/a/.;/b", PathError::Dots),
        ("/%2e%2e/b", PathError::Dots),
        ("/%2E%2e/b", PathError::Dots),
        ("/.%2e/b", PathError::Dots),
        ("/%2e/b", PathError::Dots),
        ("/..%3b/b", PathError::Dots),
        ("/a/..%2fb", PathError::Dots),
        ("/a%2f..%2fb", PathError::Dots),
        ("/%252e%252e/b", PathError::NestedEncoding),
        ("/%25252e%25252e/b", PathError::NestedEncoding),
        ("/a%252fb", PathError::NestedEncoding),
        ("/a%255cb", PathError::NestedEncoding),
        ("/a%2500b", PathError::NestedEncoding),
        ("/%25c0%25ae%25c0%25ae/", PathError::NestedEncoding),
        ("/a%2525252520b", PathError::NestedEncoding),
        ("/a\\b", PathError::Backslash),
        ("/..\\b", PathError::Backslash),
        ("/a%5cb", PathError::Backslash),
        ("/a%5C..%5Cb", PathError::Backslash),
        ("//socket.io/", PathError::EmptySegment),
        ("/a//b", PathError::EmptySegment),
        ("/a//", PathError::EmptySegment),
        ("/a%2fb", PathError::EncodedSlash),
        ("/socket.io%2F", PathError::EncodedSlash),
        ("/a\0b", PathError::Control),
        ("/a%00b", PathError::Control),
        ("/a%0d%0aX: y", PathError::Character),
        ("/a%0d%0ab", PathError::Control),
        ("/a%7f", PathError::Control),
        ("/a%C2%85b", PathError::Control),
        ("/%c0%ae%c0%ae/", PathError::NotUtf8),
        ("/%e0%80%af", PathError::NotUtf8),
        ("/%ff", PathError::NotUtf8),
        ("/%E9", PathError::NotUtf8),
        ("/socket%2Eio/", PathError::NeedlessEncoding),
        ("/%73ocket.io/", PathError::NeedlessEncoding),
        ("/a%5f", PathError::NeedlessEncoding),
        ("/a%", PathError::BrokenEncoding),
        ("/a%2", PathError::BrokenEncoding),
        ("/a%zz", PathError::BrokenEncoding),
        ("/a%u002e", PathError::BrokenEncoding),
        ("/a%+1", PathError::BrokenEncoding),
        ("/a#b", PathError::Character),
        ("/a?b", PathError::Character),
        ("/a b", PathError::Character),
        ("/<script>", PathError::Character),
        ("/caf\u{e9}", PathError::Character),
        ("/\u{ff0e}\u{ff0e}/", PathError::Character),
    ];
    for (path, error) in cases {
        assert_eq!(path::judge(path), Err(error), "{path:?}");
    }
}

proptest! {
    #[test]
    fn hostile_paths_never_panic(path in "\\PC*") {
        let _ = path::judge(&path);
    }

    /// Whatever decodes a passed path, once or twice, cannot climb or split it.
    #[test]
    fn a_passed_path_stays_below_itself_however_often_it_is_decoded(path in "/([a./;]|%[0-9a-f]{2}|%25[0-9a-f]{2}|%2525|%2[0ef5]){0,6}") {
        let segments = path.split('/').count();
        let times = if path::judge(&path).is_ok() { 3 } else { 0 };
        let mut text = path.into_bytes();
        for _ in 0..times {
            text = decode(&text);
            let decoded = String::from_utf8(text.clone()).expect("a passed path decodes to UTF-8");
            prop_assert_eq!(decoded.split('/').count(), segments);
            prop_assert!(!decoded.contains(['\\', '\0', '\r', '\n']));
            prop_assert!(!decoded.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | ".."))));
        }
    }
}

/// Another decoder than the one under test: splits at the percent signs.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut pieces = text.split(|byte| *byte == b'%');
    let mut decoded = pieces.next().unwrap_or_default().to_vec();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => decoded.extend([&[byte], &piece[2..]].concat()),
            None => decoded.extend([b"%", piece].concat()),
        }
    }
    decoded
}
