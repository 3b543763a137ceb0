//! What goes on of a judged direction: nothing of what is refused, everything else as it came, and the same however the bytes
//! were cut.

use proptest::prelude::*;
use sockgate::{
    codec::{
        engine::Revision,
        frame::{self, Header, LONGEST_HELD, Limits, Opcode, Sender, Walker},
        json::{JsonError, Scanner, Top},
    },
    relay::{
        frames::sieve::{Judge, Pass, Sieve, write},
        guard::{Extent, Message, Seen, Side, Verdict, Wire},
        session::Reason,
    },
};

const MASK: [u8; 4] = [0x51, 0x07, 0xf3, 0x2a];
const OURS: [u8; 4] = [1, 2, 3, 4];

/// A judge who goes by a message's first byte: `p`ass, `w`atch as JSON from there, `d`rop, `s`ay something in its place, `r`eplace,
/// pass when ten bytes were seen (`m`), drop when all was seen (`x`), `b`reak. Empty messages pass.
#[derive(Default)]
struct ByLetter {
    words: Vec<Vec<u8>>,
    shown: Vec<(usize, Extent)>,
    mask: Option<[u8; 4]>,
    grown: u64,
    lent: usize,
    /// Whole messages of some letters need not be shown, and so many were not.
    remembers: bool,
    again: usize,
}

impl Judge for ByLetter {
    fn judge_known(&mut self, from: Side, message: Wire<'_>) -> Option<Verdict> {
        let bytes: Vec<u8> = message.bytes.iter().zip(message.key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        if !self.remembers || !matches!(bytes.first(), Some(b'p' | b'd' | b's' | b'r' | b'b')) {
            return None;
        }
        self.again += 1;
        Some(self.judge(&Seen { from, is_text: true, bytes: &bytes, extent: Extent::Whole, wire: None }))
    }

    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        self.shown.push((seen.bytes.len(), seen.extent));
        if let Some(Wire { bytes, key }) = seen.wire {
            let all: Vec<u8> = bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            assert!(all.starts_with(seen.bytes), "what is shown and what is lent are two messages");
            assert_eq!(seen.extent, Extent::Begun(Some(all.len() as u64)));
            self.lent += 1;
        }
        let is_whole = seen.extent == Extent::Whole;
        match seen.bytes.first() {
            None if is_whole => Verdict::Pass,
            None => Verdict::More,
            Some(b'p') => Verdict::Pass,
            Some(b'w') => {
                let mut scanner = Scanner::new(8, Top::Any);
                match scanner.feed(&seen.bytes[1..]) {
                    Ok(()) => Verdict::Watch(scanner.into()),
                    Err(_) => Verdict::Break(Reason::Malformed),
                }
            }
            Some(b'd') => Verdict::Drop,
            Some(b's') => {
                self.words.push(frame::write(Opcode::Text, b"said", self.mask));
                Verdict::Drop
            }
            Some(b'm') if seen.bytes.len() >= 10 || is_whole => Verdict::Pass,
            Some(b'r') if is_whole => Verdict::Replace(Message::Text(format!("of {}", seen.bytes.len())).into()),
            Some(b'x') if is_whole => Verdict::Drop,
            Some(b'm' | b'r' | b'x') => Verdict::More,
            _ => Verdict::Break(Reason::Flooded),
        }
    }

    fn grown(&mut self, bytes: u64) {
        self.grown += bytes;
    }

    fn spoilt(&mut self, from: Side, _error: JsonError) -> Reason {
        match from {
            Side::Client => Reason::MalformedPacket,
            Side::App => Reason::AppInvalid,
        }
    }

    fn speak(&mut self) -> Option<Vec<u8>> {
        (!self.words.is_empty()).then(|| self.words.remove(0))
    }
}

/// One direction under test.
struct Line {
    sieve: Sieve,
    walker: Walker,
    judge: ByLetter,
    held: Vec<u8>,
    passed: Vec<u8>,
    broken: Option<Reason>,
    composed: usize,
    /// It lost its framing: a way listens no more.
    lost: bool,
}

impl Line {
    fn new(from: Side) -> Self {
        Self::speaking(Revision::Four, from)
    }

    fn speaking(revision: Revision, from: Side) -> Self {
        let (sender, mask) = match from {
            Side::Client => (Sender::Client, Some(OURS)),
            Side::App => (Sender::Server, None),
        };
        Self {
            sieve: Sieve::new(from, revision, mask),
            walker: Walker::new(sender, Limits { message: 1 << 20, fragments: 128 }),
            judge: ByLetter { mask, ..ByLetter::default() },
            held: Vec::new(),
            passed: Vec::new(),
            broken: None,
            composed: 0,
            lost: false,
        }
    }

    fn remembering(mut self) -> Self {
        self.judge.remembers = true;
        self
    }

    fn read(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.held);
        let sifted = self.sieve.sift(&mut self.walker, &bytes, &mut self.judge);
        match sifted.pass {
            Pass::First(first) => self.passed.extend_from_slice(&bytes[..first]),
            Pass::Composed(composed) => {
                self.composed += 1;
                self.passed.extend(composed);
            }
        }
        self.lost = sifted.scan.fault.is_some();
        if sifted.scan.closing.is_none() && sifted.scan.fault.is_none() {
            self.held = bytes[sifted.scan.upto..].to_vec();
        }
        self.broken = self.broken.or(sifted.broken);
    }

    fn read_in(mut self, bytes: &[u8], cuts: &[usize]) -> Self {
        let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
        while !rest.is_empty() && !self.lost {
            let cut = (*cuts.next().expect("it cycles")).clamp(1, rest.len());
            self.read(&rest[..cut]);
            assert!(self.held.len() <= LONGEST_HELD, "{} bytes are held back", self.held.len());
            rest = &rest[cut..];
        }
        self
    }
}

/// A message in so many frames of these sizes, pings between them where wanted.
fn message(from: Side, payload: &[u8], frames: usize, ping: bool) -> Vec<u8> {
    let mask = (from == Side::Client).then_some(MASK);
    let size = payload.len().div_ceil(frames).max(1);
    let mut pieces: Vec<&[u8]> = payload.chunks(size).collect();
    pieces.resize(frames, b"");
    let mut bytes = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut frame = frame::write(if index == 0 { Opcode::Text } else { Opcode::Continuation }, piece, mask);
        if index + 1 < frames {
            frame[0] &= 0x7f;
        }
        bytes.extend(frame);
        if ping && index + 1 < frames {
            bytes.extend(frame::write(Opcode::Ping, &[index as u8], mask));
        }
    }
    bytes
}

fn whole(from: Side, payload: &[u8]) -> Vec<u8> {
    message(from, payload, 1, false)
}

/// The messages and the pings in a stream of frames; panics when a frame or a message is torn.
fn read_back(from: Side, mut bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let sender = if from == Side::Client { Sender::Client } else { Sender::Server };
    let (mut messages, mut open, mut pings) = (Vec::new(), None::<Vec<u8>>, 0);
    while !bytes.is_empty() {
        let header = Header::read(bytes, sender).expect("a right header").expect("a whole header");
        let mut payload = bytes[header.size..][..header.length as usize].to_vec();
        header.unmask(&mut payload);
        bytes = &bytes[header.size + payload.len()..];
        match header.opcode {
            Opcode::Ping => pings += 1,
            Opcode::Continuation => open.as_mut().expect("a message is open").extend(payload),
            _ => assert!(open.replace(payload).is_none(), "a message inside another"),
        }
        if header.last && !header.opcode.is_control() {
            messages.extend(open.take());
        }
    }
    assert!(open.is_none(), "a message is torn");
    (messages, pings)
}

/// The same as a binary message.
fn binary(from: Side, payload: &[u8], frames: usize) -> Vec<u8> {
    let mut bytes = message(from, payload, frames, false);
    bytes[0] += 1;
    bytes
}

#[test]
fn the_kind_before_a_binary_message_is_seen_through_in_engine_io_3() {
    for from in [Side::Client, Side::App] {
        for frames in [1, 2, 3] {
            let bytes =
                [binary(from, b"\x04pass", frames), binary(from, b"\x04drop", frames), binary(from, b"\x04", frames)].concat();
            for cut in 1..=bytes.len() {
                let line = Line::speaking(Revision::Three, from).read_in(&bytes, &[cut]);
                let (messages, _) = read_back(from, &line.passed);
                assert_eq!(
                    (messages, line.broken),
                    (vec![b"\x04pass".to_vec(), b"\x04".to_vec()], None),
                    "{from:?} {frames} {cut}"
                );
                let whole = line.judge.shown.iter().filter(|(_, extent)| *extent == Extent::Whole).map(|(bytes, _)| *bytes);
                assert!(whole.into_iter().all(|bytes| bytes <= 4), "without the kind");
            }
        }
        for wrong in [&b""[..], b"\x02", b"4pass", b"\x00pass"] {
            let bytes = binary(from, wrong, 1);
            let line = Line::speaking(Revision::Three, from).read_in(&bytes, &[bytes.len()]);
            assert!(line.passed.is_empty(), "{wrong:?}");
            assert_eq!(line.broken, Some(if from == Side::Client { Reason::MalformedPacket } else { Reason::AppInvalid }));
        }
        // Text has no other kind than its own.
        let line = Line::speaking(Revision::Three, from).read_in(&whole(from, b"pass"), &[100]);
        assert_eq!(read_back(from, &line.passed).0, [b"pass"]);
    }
    let said = Message::Binary(vec![1, 2]);
    assert_eq!(write(&said, Revision::Three, None), frame::write(Opcode::Binary, &[4, 1, 2], None));
    assert_eq!(write(&said, Revision::Four, None), frame::write(Opcode::Binary, &[1, 2], None));
}

#[test]
fn every_verdict_does_what_it_says() {
    let long = [b"m".as_slice(), &[b'.'; 3000]].concat();
    let json = format!("w[\"{}\"]", "j".repeat(5000));
    let cases: &[(&[u8], &[&[u8]])] = &[
        (b"pass", &[b"pass"]),
        (b"", &[b""]),
        (b"w{\"a\":[1,2]}", &[b"w{\"a\":[1,2]}"]),
        (json.as_bytes(), &[json.as_bytes()]),
        (b"mine", &[b"mine"]),
        (&long, &[&long]),
        (b"drop", &[]),
        (b"x then drop", &[]),
        (b"say", &[b"said"]),
        (b"replace", &[b"of 7"]),
    ];
    for from in [Side::Client, Side::App] {
        for (payload, expected) in cases {
            for frames in [1, 2, 5] {
                let bytes = [whole(from, b"p1"), message(from, payload, frames, true), whole(from, b"p2")].concat();
                let line = Line::new(from).read_in(&bytes, &[bytes.len()]);
                let (messages, pings) = read_back(from, &line.passed);
                let wanted: Vec<&[u8]> = [&[b"p1".as_slice()], *expected, &[b"p2"]].concat();
                assert_eq!(messages, wanted, "{from:?}, {} bytes in {frames} frames", payload.len());
                assert_eq!((pings, line.broken), (frames - 1, None));
                let again = Line::new(from).remembering().read_in(&bytes, &[bytes.len()]);
                let is_known = frames == 1 && matches!(payload.first(), Some(b'p' | b'd' | b's' | b'r'));
                assert_eq!((again.judge.again, &again.passed), (2 + usize::from(is_known), &line.passed));
            }
        }
    }
}

#[test]
fn what_passes_whole_is_the_read_itself() {
    for from in [Side::Client, Side::App] {
        let bytes = [whole(from, b"p1"), whole(from, b"w[1]"), whole(from, b""), message(from, b"p in three", 3, true)].concat();
        let mut line = Line::new(from);
        line.read(&bytes);
        assert_eq!((line.passed, line.composed), (bytes, 0));
    }
}

#[test]
fn what_stands_before_an_undecided_message_goes_on_uncopied() {
    let first = whole(Side::Client, b"p1");
    let mut line = Line::new(Side::Client);
    let undecided = whole(Side::Client, b"r1234567");
    line.read(&[&first[..], &undecided[..9]].concat());
    assert_eq!((&line.passed, line.composed), (&first, 0));
    assert!(line.sieve.is_between_messages() && line.sieve.is_at_boundary(&line.walker));
    line.read(&undecided[9..]);
    assert_eq!(read_back(Side::Client, &line.passed).0, [b"p1".to_vec(), b"of 8".to_vec()]);
}

#[test]
fn a_message_of_ours_may_stand_only_between_two() {
    let mut line = Line::new(Side::App);
    let bytes = message(Side::App, b"p234567890", 2, false);
    line.read(&bytes[..4]);
    assert!(!line.sieve.is_between_messages() && !line.sieve.is_at_boundary(&line.walker));
    line.read(&bytes[4..7]);
    assert!(!line.sieve.is_between_messages() && line.sieve.is_at_boundary(&line.walker), "between fragments");
    line.read(&bytes[7..]);
    assert!(line.sieve.is_between_messages() && line.sieve.is_at_boundary(&line.walker));
}

#[test]
fn little_is_shown_of_what_is_large() {
    let shown = |payload: &[u8]| {
        let mut line = Line::new(Side::Client);
        line.read(&whole(Side::Client, payload));
        line.judge.shown
    };
    let begun = Extent::Begun(Some(100_000));
    assert_eq!(shown(&[b'p'; 100_000]), [(128, begun)]);
    let mut line = Line::new(Side::Client);
    line.read(&[whole(Side::Client, &[b'p'; 128]), whole(Side::Client, &[b'p'; 129]), whole(Side::Client, b"p")].concat());
    assert_eq!(line.judge.lent, 1, "one was larger than the first look");
    let wanted = [b"r".as_slice(), &[0; 99_999]].concat();
    assert_eq!(shown(&wanted), [(128, begun), (100_000, Extent::Whole)]);
    // In two reads there is time for more looks, and each reaches further.
    let mut line = Line::new(Side::Client);
    let bytes = whole(Side::Client, &wanted);
    line.read(&bytes[..50_000]);
    line.read(&bytes[50_000..]);
    let seen: Vec<usize> = line.judge.shown.iter().map(|(bytes, _)| *bytes).collect();
    assert_eq!(seen, [128, 512, 2048, 8192, 32_768, 49_986, 100_000]);
}

#[test]
fn what_comes_after_a_judgement_without_a_length_is_told_once() {
    let payload = [b"w[\"".as_slice(), &[b'x'; 5_000], b"\"]"].concat();
    for payload in [payload, [b'p'; 5_004].to_vec()] {
        for frames in [1, 2, 3, 7] {
            let bytes = message(Side::Client, &payload, frames, true);
            for cut in [1, 100, 3_000, bytes.len()] {
                let judge = Line::new(Side::Client).read_in(&bytes, &[cut]).judge;
                let expected = match judge.shown.last() {
                    Some((shown, Extent::Begun(None))) => payload.len() - shown,
                    _ => 0,
                };
                assert_eq!(judge.grown, expected as u64, "{frames} frames in reads of {cut}");
                assert_eq!(judge.grown > 0, frames > 1);
            }
        }
    }
}

#[test]
fn a_message_that_trickles_in_is_not_shown_with_every_byte() {
    let payload = [b"r".as_slice(), &[0; 9_999]].concat();
    let line = Line::new(Side::Client).read_in(&whole(Side::Client, &payload), &[1]);
    assert_eq!(read_back(Side::Client, &line.passed).0, [b"of 10000"]);
    assert!(line.judge.shown.len() < 40, "{} times", line.judge.shown.len());
}

#[test]
fn a_hundred_megabytes_pass_without_being_kept() {
    let size = 100 * 1024 * 1024_u64;
    let mut line = Line::new(Side::App);
    line.walker = Walker::new(Sender::Server, Limits::NONE);
    line.read(&[&[0x82, 127][..], &size.to_be_bytes()].concat());
    assert!(line.passed.is_empty(), "nothing of it can be judged yet");
    let piece = vec![b'p'; 64 * 1024];
    for _ in 0..size / piece.len() as u64 {
        line.read(&piece);
        assert!(line.passed.len() >= piece.len());
        line.passed.clear();
    }
    assert!(line.composed <= 1 && line.sieve.is_between_messages());
}

#[test]
fn a_watched_message_that_turns_out_wrong_is_never_finished() {
    for (right, wrong) in [("w[1,2,", "3"), ("w[\"a", "\u{1}\"]"), ("w[1]", " x"), ("w[1,", "]"), ("w[{\"", "a\":tru}]")] {
        for from in [Side::Client, Side::App] {
            let payload = [right, wrong].concat();
            for frames in [1, 3] {
                let bytes = [message(from, payload.as_bytes(), frames, false), whole(from, b"p late")].concat();
                for cut in 1..=bytes.len() {
                    let line = Line::new(from).read_in(&bytes, &[cut]);
                    let reason = if from == Side::Client { Reason::MalformedPacket } else { Reason::AppInvalid };
                    assert!(line.broken.is_some_and(|broken| broken == reason || broken == Reason::Malformed), "{payload}");
                    let unfinished = message(from, payload.as_bytes(), frames, false);
                    assert!(
                        line.passed.len() < unfinished.len() && unfinished.starts_with(&line.passed),
                        "{payload} cut by {cut}"
                    );
                    if !line.passed.is_empty() {
                        assert!(!line.sieve.is_between_messages(), "no message of ours may finish it");
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_goes_on_after_a_break_but_the_goodbye_is_heard() {
    let close = frame::write(Opcode::Close, &1000_u16.to_be_bytes(), Some(MASK));
    let before = whole(Side::Client, b"p1");
    let bytes = [&before[..], &whole(Side::Client, b"break"), &whole(Side::Client, b"p2"), &close].concat();
    for cut in 1..=bytes.len() {
        for line in [Line::new(Side::Client), Line::new(Side::Client).remembering()] {
            let line = line.read_in(&bytes, &[cut]);
            assert_eq!((&line.passed, line.broken), (&before, Some(Reason::Flooded)));
            assert!(line.walker.is_closed());
            assert!(line.sieve.is_between_messages() && line.sieve.is_at_boundary(&line.walker));
        }
    }
}

#[test]
fn a_close_inside_a_message_that_waits_goes_on_and_the_message_does_not() {
    let close = frame::write(Opcode::Close, &1000_u16.to_be_bytes(), Some(MASK));
    let mut open = whole(Side::Client, b"r begun");
    open[0] &= 0x7f;
    let bytes = [&open[..], &close].concat();
    for cut in 1..=bytes.len() {
        assert_eq!(Line::new(Side::Client).read_in(&bytes, &[cut]).passed, close);
    }
}

#[test]
fn empty_fragments_of_an_app_are_not_kept_for_ever() {
    let mut line = Line::new(Side::App);
    line.walker = Walker::new(Sender::Server, Limits::NONE);
    line.read(&[0x01, 0]);
    line.read(&[0x00, 0].repeat(10_000));
    assert_eq!((line.passed.len(), line.broken), (0, Some(Reason::AppInvalid)));
}

fn messages(from: Side) -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let letter = prop_oneof![Just("p"), Just("d"), Just("s"), Just("m"), Just("r"), Just("x"), Just("w"), Just("")];
    let message = (letter, 0_usize..3_000, 1_usize..5, any::<bool>(), prop_oneof![Just(1), Just(10), Just(3_000)]);
    let message = message.prop_map(move |(letter, size, frames, ping, scale)| {
        let size = size % scale;
        let payload = match letter {
            "" => Vec::new(),
            "w" => format!("w[\"{}\"]", "x".repeat(size)).into_bytes(),
            letter => [letter.as_bytes(), &(0..size).map(|index| index as u8).collect::<Vec<u8>>()].concat(),
        };
        (self::message(from, &payload, frames, ping), payload)
    });
    proptest::collection::vec(message, 1..8)
}

/// What must arrive of a message: itself, something of ours, or nothing.
fn due(payload: &[u8]) -> Option<Vec<u8>> {
    match payload.first() {
        None | Some(b'p' | b'm' | b'w') => Some(payload.to_vec()),
        Some(b's') => Some(b"said".to_vec()),
        Some(b'r') => Some(format!("of {}", payload.len()).into_bytes()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn cutting_changes_nothing(
        (from, messages) in prop_oneof![Just(Side::Client), Just(Side::App)].prop_flat_map(|from| (Just(from), messages(from))),
        cuts in proptest::collection::vec(1_usize..400, 1..10),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let whole = Line::new(from).read_in(&bytes, &[bytes.len()]);
        prop_assert_eq!(whole.broken, None);
        for cuts in [&cuts[..], &[1], &[2, 1000]] {
            let line = Line::new(from).read_in(&bytes, cuts);
            // A control frame goes ahead of a message that waits, and how long it waits depends on the cuts.
            prop_assert!(read_back(from, &line.passed) == read_back(from, &whole.passed), "cut into {:?}", cuts);
            if messages.iter().all(|(_, payload)| payload.first() != Some(&b'm')) {
                prop_assert!(line.passed == whole.passed, "cut into {:?}", cuts);
            }
            prop_assert!(line.sieve.is_between_messages());
        }
        let again = Line::new(from).remembering().read_in(&bytes, &[bytes.len()]);
        prop_assert!((again.passed, again.broken, again.composed) == (whole.passed.clone(), None, whole.composed));
        let (arrived, pings) = read_back(from, &whole.passed);
        prop_assert!(arrived == messages.iter().filter_map(|(_, payload)| due(payload)).collect::<Vec<_>>());
        prop_assert_eq!(pings, read_back(from, &bytes).1);
        if messages.iter().all(|(_, payload)| matches!(payload.first(), Some(b'p'))) {
            prop_assert!(whole.passed == bytes && whole.composed == 0);
        }
    }

    #[test]
    fn hostile_bytes_come_to_the_same_however_they_are_cut(
        from in prop_oneof![Just(Side::Client), Just(Side::App)],
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x01), Just(0x80), Just(0x84), Just(b'p' ^ MASK[0])], 0..300),
        cut in 1_usize..20,
    ) {
        let whole = Line::new(from).read_in(&bytes, &[bytes.len().max(1)]);
        let pieces = Line::new(from).read_in(&bytes, &[cut]);
        prop_assert_eq!(whole.broken, pieces.broken);
        if whole.broken.is_none() {
            prop_assert_eq!(whole.passed, pieces.passed);
        }
    }
}
