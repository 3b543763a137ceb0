//! Judged WebSocket frames: what goes on does not depend on how the bytes are cut (but for where a control frame stands beside a
//! message that had to wait), and nothing of what is refused does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockgate::{
    codec::{
        engine::Revision,
        frame::{Header, LONGEST_HELD, Limits, Opcode, Sender, Walker},
        json::{JsonError, Scanner, Top},
    },
    relay::{
        frames::sieve::{Judge, Pass, Sieve},
        guard::{Extent, Message, Seen, Side, Verdict, Wire},
        session::Reason,
    },
};

/// Goes by a message's first byte.
struct ByLetter;

impl Judge for ByLetter {
    fn judge_known(&mut self, from: Side, message: Wire<'_>) -> Option<Verdict> {
        let bytes: Vec<u8> = message.bytes.iter().zip(message.key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        let is_known = bytes.first().is_some_and(|letter| letter % 2 == 0);
        let seen = Seen { from, is_text: true, bytes: &bytes, extent: Extent::Whole, wire: None };
        is_known.then(|| self.judge(&seen))
    }

    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        let is_whole = seen.extent == Extent::Whole;
        match seen.bytes.first().map(|letter| letter % 8) {
            None if is_whole => Verdict::Pass,
            None => Verdict::More,
            Some(0) => Verdict::Pass,
            Some(1) => {
                let mut scanner = Scanner::new(8, Top::Any);
                match scanner.feed(&seen.bytes[1..]).and_then(|()| if is_whole { scanner.finish() } else { Ok(()) }) {
                    Ok(()) if is_whole => Verdict::Pass,
                    Ok(()) => Verdict::Watch(scanner.into()),
                    Err(_) => Verdict::Break(Reason::MalformedPacket),
                }
            }
            Some(2) => Verdict::Drop,
            Some(3) if seen.bytes.len() >= 10 || is_whole => Verdict::Pass,
            Some(4) if is_whole => Verdict::Replace(Message::Text("replaced".to_string()).into()),
            Some(5) if is_whole => Verdict::Drop,
            Some(3..=5) => Verdict::More,
            Some(_) => Verdict::Break(Reason::Flooded),
        }
    }

    fn grown(&mut self, _bytes: u64) {}

    fn spoilt(&mut self, _from: Side, _error: JsonError) -> Reason {
        Reason::MalformedPacket
    }

    fn speak(&mut self) -> Option<Vec<u8>> {
        None
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Come {
    /// Data frames, and control frames, which go ahead of a message that waits.
    data: Vec<u8>,
    control: Vec<u8>,
    broken: Option<Reason>,
    /// The bytes end, or make no sense any more, within a message that is not refused: how often it was shown until then is a
    /// matter of the cuts.
    is_open: bool,
}

impl Come {
    fn new(sender: Sender, passed: &[u8], broken: Option<Reason>, is_open: bool) -> Self {
        let (mut data, mut control) = (Vec::new(), Vec::new());
        let mut rest = passed;
        while let Ok(Some(header)) = Header::read(rest, sender) {
            let length = usize::try_from(header.length).unwrap_or(usize::MAX).saturating_add(header.size).min(rest.len());
            let (frame, after) = rest.split_at(length);
            let is_control = matches!(header.opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
            if is_control { &mut control } else { &mut data }.extend_from_slice(frame);
            rest = after;
        }
        data.extend_from_slice(rest);
        Self { data, control, broken, is_open }
    }

    fn begins_like(&self, other: &Self) -> bool {
        let is_alike = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
        is_alike(&self.data, &other.data) && is_alike(&self.control, &other.control)
    }
}

fn sift(revision: Revision, from: Side, bytes: &[u8], cut: usize) -> Come {
    let (sender, mask) = match from {
        Side::Client => (Sender::Client, Some([1, 2, 3, 4])),
        Side::App => (Sender::Server, None),
    };
    let mut walker = Walker::new(sender, Limits { message: 4096, fragments: 16 });
    let mut sieve = Sieve::new(from, revision, mask);
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(cut) {
        held.extend_from_slice(piece);
        let sifted = sieve.sift(&mut walker, &held, &mut ByLetter);
        match sifted.pass {
            Pass::First(first) => passed.extend_from_slice(&held[..first]),
            Pass::Composed(composed) => passed.extend(composed),
        }
        if sifted.broken.is_some() || sifted.scan.fault.is_some() || walker.is_closed() {
            let is_open = sifted.broken.is_none() && !walker.is_between_messages();
            return Come::new(sender, &passed, sifted.broken, is_open);
        }
        held.drain(..sifted.scan.upto);
        assert!(held.len() <= LONGEST_HELD);
    }
    Come::new(sender, &passed, None, !walker.is_between_messages())
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (from_client, cut, bytes) = input;
    let from = if from_client { Side::Client } else { Side::App };
    for revision in [Revision::Three, Revision::Four] {
        let whole = sift(revision, from, bytes, bytes.len().max(1));
        let pieces = sift(revision, from, bytes, usize::from(cut).max(1));
        let is_spoilt = pieces.broken == Some(Reason::MalformedPacket) && whole.broken == pieces.broken;
        if pieces.is_open || whole.is_open || is_spoilt {
            // Of a watched message that turns out wrong the first pieces have gone on.
            assert!(pieces.begins_like(&whole), "{pieces:?} and {whole:?}");
        } else {
            assert_eq!(pieces, whole);
        }
    }
});
