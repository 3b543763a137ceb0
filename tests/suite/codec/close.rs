//! Close payloads: what real ends send, and what may not be sent.

use proptest::prelude::*;
use sockgate::codec::close::{self, CloseError, Code};

#[test]
fn a_frame_without_payload_has_no_code() {
    assert_eq!(close::parse(b""), Ok(None));
}

#[test]
fn code_and_reason_are_read() {
    assert_eq!(close::parse(&[0x03, 0xe8]), Ok(Some((1000, ""))));
    assert_eq!(close::parse(b"\x11\x31token expired"), Ok(Some((4401, "token expired"))));
}

#[test]
fn malformed_payloads_are_refused() {
    let long = [&[0x03, 0xe8][..], &[b'a'; 124]].concat();
    let cases: [(&[u8], CloseError); 5] = [
        (&[0x03], CloseError::Short),
        (&long, CloseError::TooLarge),
        (&[0x03, 0xe8, 0xff, 0xfe], CloseError::NotUtf8),
        (&[0x03, 0xe8, 0xed, 0xa0, 0x80], CloseError::NotUtf8),
        // The garbled code a gevent server echoes.
        (&[0x62, 0x79], CloseError::Code(25209)),
    ];
    for (payload, error) in cases {
        assert_eq!(close::parse(payload), Err(error), "{payload:?}");
    }
}

#[test]
fn only_registered_library_and_application_codes_travel() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4401, 4999] {
        assert!(close::may_travel(code), "{code}");
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 25209, 65535] {
        assert!(!close::may_travel(code), "{code}");
        assert_eq!(close::parse(&u16::to_be_bytes(code)), Err(CloseError::Code(code)));
    }
}

#[test]
fn a_code_that_may_not_travel_is_said_without_payload() {
    assert_eq!(close::payload(1005_u16, "no status"), b"");
    assert_eq!(close::payload(1006_u16, "abnormal"), b"");
}

#[test]
fn the_sender_of_a_wrong_close_hears_why() {
    assert_eq!(close::parse(&[1]).map_err(CloseError::answer), Err(Code::ProtocolError));
    assert_eq!(close::parse(&[0x03, 0xe8, 0xff]).map_err(CloseError::answer), Err(Code::NotUtf8));
}

proptest! {
    #[test]
    fn hostile_payloads_never_panic(payload: Vec<u8>) {
        let _ = close::parse(&payload);
    }

    #[test]
    fn what_is_written_is_read_and_fits_a_control_frame(code in 3000_u16..5000, reason in ".{0,200}") {
        let payload = close::payload(code, &reason);
        prop_assert!(payload.len() <= 125);
        let (read, text) = close::parse(&payload).unwrap().unwrap();
        prop_assert_eq!(read, code);
        prop_assert!(reason.starts_with(text));
        prop_assert!(text.len() == reason.len() || text.len() > 119);
    }
}
