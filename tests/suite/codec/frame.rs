//! WebSocket frames as the gate follows them: every rule of a header, boundaries however the bytes are cut, and what a
//! frame of our own looks like.

use proptest::prelude::*;
use sockgate::codec::{
    close::CloseError,
    frame::{self, FrameError, Header, LONGEST_HELD, Limits, Opcode, Scan, Sender, Walker},
};

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

fn scan_all(sender: Sender, limits: Limits, bytes: &[u8]) -> (usize, u64, Option<Option<u16>>, Option<FrameError>) {
    let mut walker = Walker::new(sender, limits);
    let scan = walker.scan(bytes);
    (scan.upto, scan.messages, scan.closing, scan.fault)
}

fn fault(sender: Sender, bytes: &[u8]) -> Option<FrameError> {
    scan_all(sender, Limits::NONE, bytes).3
}

#[test]
fn every_broken_header_has_its_name() {
    let masked = |first: u8, second: u8| [&[first, second][..], &MASK[..]].concat();
    let cases: &[(Sender, Vec<u8>, FrameError)] = &[
        (Sender::Client, masked(0xc1, 0x80), FrameError::Reserved),
        (Sender::Client, masked(0xa1, 0x80), FrameError::Reserved),
        (Sender::Client, masked(0x91, 0x80), FrameError::Reserved),
        (Sender::Client, masked(0x83, 0x80), FrameError::Opcode),
        (Sender::Client, masked(0x8b, 0x80), FrameError::Opcode),
        (Sender::Client, vec![0x81, 0x00], FrameError::Unmasked),
        (Sender::Server, masked(0x81, 0x80), FrameError::Masked),
        (Sender::Client, masked(0x09, 0x80), FrameError::Control),
        (Sender::Client, masked(0x89, 0xfe), FrameError::Control),
        (Sender::Server, vec![0x81, 126, 0, 125], FrameError::Length),
        (Sender::Server, vec![0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], FrameError::Length),
        (Sender::Server, vec![0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], FrameError::Length),
        (Sender::Server, vec![0x80, 0], FrameError::Order),
        (Sender::Server, vec![0x01, 0, 0x81, 0], FrameError::Order),
        (Sender::Server, vec![0x88, 1, 3], FrameError::Close(CloseError::Short)),
        (Sender::Server, b"HTTP/1.1 500 Oops".to_vec(), FrameError::Reserved),
    ];
    for (sender, bytes, error) in cases {
        assert_eq!(fault(*sender, bytes), Some(*error), "{bytes:02x?}");
    }
}

#[test]
fn codes_that_may_not_travel_are_refused() {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let frame = frame::write(Opcode::Close, &code.to_be_bytes(), None);
        assert_eq!(fault(Sender::Server, &frame), Some(FrameError::Close(CloseError::Code(code))), "{code}");
    }
    for code in [1000_u16, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4401, 4999] {
        let frame = frame::write(Opcode::Close, &code.to_be_bytes(), Some(MASK));
        assert_eq!(scan_all(Sender::Client, Limits::NONE, &frame), (frame.len(), 0, Some(Some(code)), None), "{code}");
    }
    let bad_text = [&1000_u16.to_be_bytes()[..], &[0xff, 0xfe]].concat();
    let frame = frame::write(Opcode::Close, &bad_text, None);
    let error = fault(Sender::Server, &frame).expect("bad UTF-8 is refused");
    assert_eq!((error, error.close_code()), (FrameError::Close(CloseError::NotUtf8), 1007));
}

#[test]
fn a_close_without_a_code_is_one() {
    assert_eq!(scan_all(Sender::Server, Limits::NONE, &[0x88, 0]), (2, 0, Some(None), None));
}

#[test]
fn nothing_passes_after_a_close() {
    let mut walker = Walker::new(Sender::Server, Limits::NONE);
    let bytes = [frame::write(Opcode::Close, &[], None), frame::write(Opcode::Text, b"late", None)].concat();
    assert_eq!(walker.scan(&bytes).upto, 2);
    assert!(walker.is_closed());
    assert_eq!(walker.scan(b"\x81\x00").upto, 0);
}

#[test]
fn messages_are_bounded_over_all_their_fragments() {
    let limits = Limits { message: 10, fragments: 3 };
    let piece = |first: u8, length: usize| [&[first, length as u8][..], &vec![b'x'; length][..]].concat();
    let fits = [piece(0x01, 4), piece(0x00, 3), piece(0x80, 3)].concat();
    assert_eq!(scan_all(Sender::Server, limits, &fits), (fits.len(), 1, None, None));
    let too_large = [piece(0x01, 4), piece(0x80, 7)].concat();
    assert_eq!(scan_all(Sender::Server, limits, &too_large), (6, 0, None, Some(FrameError::TooLarge)));
    let too_many = [piece(0x01, 1), piece(0x00, 1), piece(0x00, 1), piece(0x80, 1)].concat();
    assert_eq!(scan_all(Sender::Server, limits, &too_many).3, Some(FrameError::TooManyFragments));
    let declared = [&[0x82, 127][..], &(1_u64 << 62).to_be_bytes()].concat();
    assert_eq!(scan_all(Sender::Server, limits, &declared), (0, 0, None, Some(FrameError::TooLarge)));
    assert_eq!(FrameError::TooLarge.close_code(), 1009);
}

#[test]
fn empty_fragments_cannot_go_on_for_ever() {
    let mut bytes = vec![0x01, 0];
    bytes.extend([0x00, 0].repeat(100_000));
    let limits = Limits { message: 1_000_000, fragments: 128 };
    let (upto, _, _, fault) = scan_all(Sender::Server, limits, &bytes);
    assert_eq!((upto, fault), (256, Some(FrameError::TooManyFragments)));
}

#[test]
fn control_frames_may_stand_between_fragments_and_are_passed_whole() {
    let ping = frame::write(Opcode::Ping, &[7; 125], None);
    let bytes = [&[0x01, 1, b'a'][..], &ping, &[0x80, 1, b'b']].concat();
    let mut walker = Walker::new(Sender::Server, Limits::NONE);
    let scan = walker.scan(&bytes[..3 + ping.len() - 1]);
    assert_eq!((scan.upto, scan.controls), (3, 0), "an unfinished ping is held back");
    assert!(ping.len() - 1 <= LONGEST_HELD);
    let scan = walker.scan(&bytes[3..]);
    assert_eq!((scan.upto, scan.controls, scan.messages), (bytes.len() - 3, 1, 1));
}

#[test]
fn lengths_are_written_in_their_shortest_form() {
    for length in [0_usize, 1, 125, 126, 65_535, 65_536, 100_000] {
        for mask in [None, Some(MASK)] {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let frame = frame::write(Opcode::Binary, &payload, mask);
            let sender = if mask.is_some() { Sender::Client } else { Sender::Server };
            let header = Header::read(&frame, sender).expect("a frame of ours is well-formed").expect("all of it is there");
            assert_eq!((header.length, header.last, header.opcode), (length as u64, true, Opcode::Binary));
            let mut read = frame[header.size..].to_vec();
            header.unmask(&mut read);
            assert_eq!(read, payload);
        }
    }
}

/// A frame as a property makes it.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let message = proptest::collection::vec(0_usize..300, 1..4).prop_map(|sizes| {
        let last = sizes.len() - 1;
        let mut bytes = Vec::new();
        for (index, size) in sizes.into_iter().enumerate() {
            let mut frame =
                frame::write(if index == 0 { Opcode::Text } else { Opcode::Continuation }, &vec![b'm'; size], Some(MASK));
            if index != last {
                frame[0] &= 0x7f;
            }
            bytes.extend(frame);
        }
        bytes
    });
    let control = (0_usize..=125, any::<bool>())
        .prop_map(|(size, ping)| frame::write(if ping { Opcode::Ping } else { Opcode::Pong }, &vec![1; size], Some(MASK)));
    proptest::collection::vec(prop_oneof![message, control], 1..12).prop_map(|all| all.concat())
}

/// Feeds bytes in these pieces as a socket would, holding back what the walker holds back.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, u64, Option<FrameError>) {
    let mut walker = Walker::new(Sender::Client, Limits { message: 700, fragments: 8 });
    let (mut passed, mut held, mut messages) = (Vec::new(), Vec::new(), 0);
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let cut = (*cuts.next().expect("it cycles")).clamp(1, rest.len());
        held.extend_from_slice(&rest[..cut]);
        rest = &rest[cut..];
        let scan = walker.scan(&held);
        messages += scan.messages;
        passed.extend(held.drain(..scan.upto));
        if scan.fault.is_some() {
            return (passed, messages, scan.fault);
        }
        assert!(held.len() <= LONGEST_HELD, "{} bytes are held back", held.len());
    }
    (passed, messages, None)
}

/// The same at once, whole messages by themselves.
fn by_messages(bytes: &[u8]) -> (Vec<u8>, u64, Option<FrameError>) {
    let mut walker = Walker::new(Sender::Client, Limits { message: 700, fragments: 8 });
    let mut scan = Scan::default();
    while scan.upto < bytes.len() && !walker.is_closed() && scan.fault.is_none() {
        let rest = &bytes[scan.upto..];
        match walker.message(rest) {
            Some(header) => scan.pass_message(&header),
            None => match walker.step(rest) {
                Ok(Some(step)) => scan.count(&step),
                Ok(None) => break,
                Err(error) => scan.fault = Some(error),
            },
        }
    }
    (bytes[..scan.upto].to_vec(), scan.messages, scan.fault)
}

proptest! {
    #[test]
    fn a_message_at_once_is_its_steps(bytes in frames()) {
        prop_assert_eq!(by_messages(&bytes), in_pieces(&bytes, &[bytes.len()]));
    }

    #[test]
    fn hostile_bytes_at_once_are_their_steps(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(by_messages(&bytes), in_pieces(&bytes, &[bytes.len().max(1)]));
    }

    #[test]
    fn cutting_changes_nothing(bytes in frames(), cuts in proptest::collection::vec(1_usize..40, 1..10)) {
        let whole = in_pieces(&bytes, &[bytes.len()]);
        prop_assert_eq!(in_pieces(&bytes, &cuts), whole.clone());
        prop_assert_eq!(in_pieces(&bytes, &[1]), whole.clone());
        if whole.2.is_none() {
            prop_assert_eq!(whole.0, bytes);
        }
    }

    #[test]
    fn hostile_bytes_are_judged_the_same_however_they_are_cut(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1_usize..20) {
        prop_assert_eq!(in_pieces(&bytes, &[cut]), in_pieces(&bytes, &[bytes.len().max(1)]));
    }
}

#[test]
fn what_is_no_whole_message_is_not_stepped_over() {
    let limits = Limits { message: 700, fragments: 8 };
    let stepped = |bytes: &[u8]| Walker::new(Sender::Server, limits).message(bytes).map(|header| header.length);
    let frame = |length: usize| frame::write(Opcode::Text, &vec![b'x'; length], None);
    assert_eq!(stepped(&frame(700)), Some(700));
    assert_eq!(stepped(&frame(0)), Some(0));
    assert_eq!(stepped(&frame(701)), None, "too large");
    assert_eq!(stepped(&frame(700)[..703]), None, "not all of it is here");
    assert_eq!(stepped(&[0x01, 1, b'x']), None, "a fragment");
    assert_eq!(stepped(&[0x80, 1, b'x']), None, "the end of another message");
    assert_eq!(stepped(&[0x89, 0]), None, "a ping");
    assert_eq!(stepped(&[]), None);
    let mut walker = Walker::new(Sender::Server, limits);
    walker.scan(&[0x01, 1, b'x']);
    assert_eq!(walker.message(&frame(1)), None, "inside another");
    let mut walker = Walker::new(Sender::Server, limits);
    assert!(walker.message(&frame(1)).is_some() && !walker.take_said());
    assert!(walker.message(&frame(100)).is_some() && walker.take_said(), "more than a heartbeat was said");
}

#[test]
fn taking_a_mask_off_is_the_same_in_place_and_into_another() {
    let key = [7, 1, 0, 250];
    for length in [0, 1, 3, 63, 64, 65, 127, 200] {
        for offset in [0, 1, 2, 3, 5] {
            let bytes: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let mut in_place = bytes.clone();
            frame::mask(&mut in_place, key, offset);
            let mut other = b"before".to_vec();
            frame::unmask_into(&mut other, &bytes, key, offset);
            assert_eq!(other, [b"before", in_place.as_slice()].concat(), "{length} bytes at {offset}");
        }
    }
}
