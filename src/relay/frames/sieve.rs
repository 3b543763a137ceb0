//! The sieve of one direction of a judged session: bytes go in, and out comes what may go on. It follows the frames by the
//! direction's [`Walker`], shows each data message's first bytes to the judge, unmasked, and does as that says. While everything
//! of a read passes nothing is copied; a message that is not decided yet is kept back in its raw frames, control frames go ahead
//! of it. Pure: the way that owns it reads and writes.
//!
//! What comes out does not depend on how the bytes were cut into reads, but for where a control frame stands beside a message that
//! had to wait; and it never ends in the middle of a frame but where the
//! reader's own bytes do, or where a watched message turned out wrong.

use std::{cell::RefCell, ops::Range};

use crate::{
    codec::{
        engine::Revision,
        frame::{self, Header, Opcode, Scan, Step, Walker},
        json::Scanner,
    },
    relay::{
        guard::{Extent, Message, Seen, Side, Verdict},
        session::Reason,
    },
};

/// Whoever judges what a sieve shows.
pub trait Judge {
    fn judge(&mut self, seen: &Seen<'_>) -> Verdict;

    /// So many payload bytes go on of a message whose length nobody knew when it was judged, beyond those that were shown.
    fn grown(&mut self, bytes: u64);

    /// Whether a whole control frame goes on.
    fn lets(&mut self, _control: &[u8]) -> bool {
        true
    }

    /// A frame of ours that goes out here, between two messages of this direction.
    fn speak(&mut self) -> Option<Vec<u8>>;
}

/// What one read came to.
#[derive(Debug)]
pub struct Sifted {
    /// How far it was looked at. What stands behind `upto` is to be presented again with what follows it.
    pub scan: Scan,
    pub pass: Pass,
    /// The session ends for this; nothing of this side goes on any more.
    pub broken: Option<Reason>,
}

/// What goes on.
#[derive(Debug, Eq, PartialEq)]
pub enum Pass {
    /// So many of the read's first bytes, as they are.
    First(usize),
    Composed(Vec<u8>),
}

/// One direction's sieve.
#[derive(Debug)]
pub struct Sieve {
    from: Side,
    revision: Revision,
    /// The mask of frames of ours, which only an app needs.
    mask: Option<[u8; 4]>,
    course: Course,
    /// The message under way was judged before its length was known.
    grows: bool,
    frame: Place,
}

/// What is done with the message under way.
#[derive(Debug)]
enum Course {
    /// None is under way.
    Between,
    /// Nothing of it has gone on yet.
    Judging(Case),
    Passing,
    Watching(Box<Scanner>),
    Dropping,
    /// Nothing goes on any more. What has gone on may have ended inside a message, or even inside a frame.
    Halted {
        in_message: bool,
        in_frame: bool,
    },
}

/// A message that is not decided yet.
#[derive(Debug)]
struct Case {
    is_text: bool,
    /// Its raw frames of earlier reads, control frames left out.
    kept: Vec<u8>,
    /// Where the rest of them begins in this read.
    from: usize,
    /// Payload bytes that are here.
    here: u64,
    /// Payload bytes in all, once its last frame has begun; until then of the frames begun.
    length: u64,
    has_last: bool,
    /// Shown again when so many are here.
    due: u64,
    /// At most so many are unmasked to be shown.
    reach: u64,
}

/// Where in a data frame's payload the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: Option<[u8; 4]>,
    offset: u64,
}

/// What goes on of a read: its beginning, as long as that is all of it.
struct Output<'a> {
    bytes: &'a [u8],
    first: usize,
    composed: Option<Vec<u8>>,
}

/// Unmasked for the first look: what a packet needs to be known by, and small packets whole.
const FIRST_LOOK: u64 = 1024;
/// Messages up to this size are shown whole when they are.
const READ_AT_ONCE: u64 = SCRATCH_KEPT as u64;
/// Each further look reaches so many times further, so that all of them together cost no more than a few passes.
const FURTHER: u64 = 4;
/// Headers of empty and tiny fragments that may be kept back with a message. Clients are bounded by their number already.
const MOST_OVERHEAD: u64 = 16 * 1024;
/// Watched payloads are unmasked in pieces of this size.
const PIECE: usize = 16 * 1024;
/// What a thread keeps for unmasking between two messages.
const SCRATCH_KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Sieve {
    /// `mask` is for frames of ours.
    pub fn new(from: Side, revision: Revision, mask: Option<[u8; 4]>) -> Self {
        Self { from, revision, mask, course: Course::Between, grows: false, frame: Place::default() }
    }

    /// Whose messages go through it.
    pub fn from(&self) -> Side {
        self.from
    }

    /// Looks at a read that begins where the last one's `upto` ended.
    pub fn sift(&mut self, walker: &mut Walker, bytes: &[u8], judge: &mut impl Judge) -> Sifted {
        if matches!(self.course, Course::Halted { .. }) {
            // Followed for its goodbye alone.
            return Sifted { scan: walker.scan(bytes), pass: Pass::First(0), broken: None };
        }
        let mut scan = Scan::default();
        let mut out = Output { bytes, first: 0, composed: None };
        let mut broken = None;
        while scan.upto < bytes.len() && !walker.is_closed() && broken.is_none() {
            let at = scan.upto;
            let step = match walker.step(&bytes[at..]) {
                Ok(Some(step)) => step,
                Ok(None) => break,
                Err(error) => {
                    scan.fault = Some(error);
                    break;
                }
            };
            scan.count(&step);
            let here = at..scan.upto;
            let is_end = walker.is_between_messages();
            broken = match step {
                Step::Control { .. } => self.let_control(here, &mut out, judge),
                Step::Header(header) => {
                    self.begin(&header, at);
                    self.go_on(0, here, is_end, &mut out, judge)
                }
                Step::Payload(length) => self.go_on(length as u64, here, is_end, &mut out, judge),
            }
            .err();
        }
        match broken {
            // Followed for its goodbye alone.
            Some(_) => scan.go_on(walker.scan(&bytes[scan.upto..])),
            None => self.keep_back(scan.upto, &out),
        }
        Sifted { scan, pass: out.into_pass(), broken }
    }

    /// Whether what has gone on ends with a whole frame.
    pub fn is_at_boundary(&self, walker: &Walker) -> bool {
        match self.course {
            Course::Between | Course::Judging(_) | Course::Dropping => true,
            Course::Passing | Course::Watching(_) => walker.is_at_boundary(),
            Course::Halted { in_frame, .. } => !in_frame,
        }
    }

    /// Whether what has gone on ends with a whole message: the only place for a message of ours.
    pub fn is_between_messages(&self) -> bool {
        match self.course {
            Course::Between | Course::Judging(_) | Course::Dropping => true,
            Course::Passing | Course::Watching(_) => false,
            Course::Halted { in_message, .. } => !in_message,
        }
    }

    /// Control frames go on whatever becomes of the message they stand in.
    fn let_control(&mut self, here: Range<usize>, out: &mut Output<'_>, judge: &mut impl Judge) -> Result<(), Reason> {
        if let Course::Judging(case) = &mut self.course {
            case.kept.extend_from_slice(&out.bytes[case.from..here.start]);
            case.from = here.end;
        }
        if judge.lets(&out.bytes[here.clone()]) {
            out.pass(here);
        }
        Ok(())
    }

    fn begin(&mut self, header: &Header, at: usize) {
        self.frame = Place { key: header.mask, offset: 0 };
        if header.opcode != Opcode::Continuation {
            self.course = Course::Judging(Case {
                is_text: header.opcode == Opcode::Text,
                kept: Vec::new(),
                from: at,
                here: 0,
                length: 0,
                has_last: false,
                due: 1,
                reach: FIRST_LOOK,
            });
        }
        if let Course::Judging(case) = &mut self.course {
            case.length = case.length.saturating_add(header.length);
            case.has_last = header.last;
        }
    }

    /// A header, or a piece of a payload of this length, stands `here` in the read. `is_end`: the message ends with it.
    fn go_on(
        &mut self,
        payload: u64,
        here: Range<usize>,
        is_end: bool,
        out: &mut Output<'_>,
        judge: &mut impl Judge,
    ) -> Result<(), Reason> {
        match &mut self.course {
            Course::Judging(case) => {
                case.here += payload;
                if is_end || (case.here >= case.due && payload > 0) {
                    self.decide(here.end, is_end, out, judge)?;
                } else if case.overhead(here.end) > MOST_OVERHEAD {
                    return Err(self.halt(malformed_by(self.from)));
                }
            }
            Course::Passing => {
                out.pass(here);
                if self.grows && payload > 0 {
                    judge.grown(payload);
                }
            }
            Course::Watching(scanner) => {
                let place = self.frame;
                if watch(scanner, &out.bytes[here.clone()], payload > 0, place, is_end) {
                    out.pass(here);
                    if self.grows && payload > 0 {
                        judge.grown(payload);
                    }
                } else {
                    self.course = Course::Halted { in_message: true, in_frame: payload > 0 };
                    return Err(malformed_by(self.from));
                }
            }
            Course::Dropping | Course::Between | Course::Halted { .. } => {}
        }
        self.frame.offset += payload;
        if is_end {
            self.course = Course::Between;
        }
        if self.is_between_messages() && !matches!(self.course, Course::Judging(_)) {
            while let Some(frame) = judge.speak() {
                out.put(&frame);
            }
        }
        Ok(())
    }

    /// Shows what is here of the message, up to `end` in this read, and does as the judge says.
    fn decide(&mut self, end: usize, is_end: bool, out: &mut Output<'_>, judge: &mut impl Judge) -> Result<(), Reason> {
        let Course::Judging(mut case) = std::mem::replace(&mut self.course, Course::Between) else { return Ok(()) };
        if !case.kept.is_empty() {
            case.kept.extend_from_slice(&out.bytes[case.from..end]);
            case.from = end;
        }
        let raw = if case.kept.is_empty() { &out.bytes[case.from..end] } else { &case.kept[..] };
        let (verdict, shown) = SCRATCH.with_borrow_mut(|scratch| {
            let answer = case.show((self.from, self.revision), raw, is_end, scratch, judge);
            let answer = match answer {
                // What is here and was not shown is watched before any of it goes on.
                (Verdict::Watch(mut scanner), shown) => {
                    let rest = &plain(raw, self.from, case.here, scratch)[shown as usize..];
                    let is_right = scanner.feed(rest).is_ok() && (!is_end || scanner.finish().is_ok());
                    (if is_right { Verdict::Watch(scanner) } else { Verdict::Break(malformed_by(self.from)) }, shown)
                }
                answer => answer,
            };
            if scratch.capacity() > SCRATCH_KEPT {
                *scratch = Vec::new();
            }
            answer
        });
        self.grows = !case.has_last;
        if self.grows && matches!(verdict, Verdict::Pass | Verdict::Watch(_)) && case.here > shown {
            judge.grown(case.here - shown);
        }
        self.course = match verdict {
            Verdict::More if is_end => return Err(self.halt(malformed_by(self.from))),
            Verdict::More => {
                case.due = shown.saturating_mul(2).max(case.here + 1);
                case.reach = case.reach.max(shown.saturating_mul(FURTHER));
                Course::Judging(case)
            }
            Verdict::Pass => {
                case.let_go(end, out);
                Course::Passing
            }
            Verdict::Watch(scanner) => {
                case.let_go(end, out);
                Course::Watching(scanner)
            }
            Verdict::Drop => Course::Dropping,
            Verdict::Replace(message) => {
                out.put(&write(&message, self.revision, self.mask));
                Course::Dropping
            }
            Verdict::Break(reason) => return Err(self.halt(reason)),
        };
        Ok(())
    }

    /// The read is over: what is not decided is kept for the next one.
    fn keep_back(&mut self, end: usize, out: &Output<'_>) {
        if let Course::Judging(case) = &mut self.course {
            case.kept.extend_from_slice(&out.bytes[case.from..end]);
            case.from = 0;
        }
    }

    /// Nothing goes on any more, and nothing of the last message has.
    fn halt(&mut self, reason: Reason) -> Reason {
        self.course = Course::Halted { in_message: false, in_frame: false };
        reason
    }
}

impl Case {
    /// Shows as little as the judge is content with: verdict, and how much it has seen for that.
    fn show(
        &self,
        (from, revision): (Side, Revision),
        raw: &[u8],
        is_end: bool,
        scratch: &mut Vec<u8>,
        judge: &mut impl Judge,
    ) -> (Verdict, u64) {
        // An app's bytes are shown as they stand: nothing is saved by showing fewer.
        // And a message of a usual size that is whole is read once.
        let is_at_once = from == Side::App || (is_end && self.here <= READ_AT_ONCE);
        let mut reach = if is_at_once { self.here } else { self.reach.min(self.here) };
        loop {
            let extent = match self.has_last {
                true if is_end && reach == self.here => Extent::Whole,
                has_last => Extent::Begun(has_last.then_some(self.length)),
            };
            let bytes = plain(raw, from, reach, scratch);
            let verdict = match content(Seen { from, is_text: self.is_text, bytes, extent }, revision) {
                Content::Seen(seen) => judge.judge(&seen),
                Content::Hidden => Verdict::More,
                Content::None => Verdict::Break(malformed_by(from)),
            };
            if !matches!(verdict, Verdict::More) || reach == self.here {
                return (verdict, reach);
            }
            reach = reach.saturating_mul(FURTHER).min(self.here);
        }
    }

    /// It goes on as it came.
    fn let_go(&self, end: usize, out: &mut Output<'_>) {
        if self.kept.is_empty() {
            out.pass(self.from..end);
        } else {
            out.put(&self.kept);
        }
    }

    /// Bytes of headers that are kept back.
    fn overhead(&self, end: usize) -> u64 {
        (self.kept.len() + end - self.from) as u64 - self.here
    }
}

impl<'a> Output<'a> {
    /// These bytes of the read go on.
    fn pass(&mut self, range: Range<usize>) {
        match &mut self.composed {
            None if range.start == self.first => self.first = range.end,
            None => self.put(&self.bytes[range]),
            Some(composed) => composed.extend_from_slice(&self.bytes[range]),
        }
    }

    /// Something else goes on.
    fn put(&mut self, bytes: &[u8]) {
        let first = &self.bytes[..self.first];
        self.composed.get_or_insert_with(|| first.to_vec()).extend_from_slice(bytes);
    }

    fn into_pass(self) -> Pass {
        self.composed.map_or(Pass::First(self.first), Pass::Composed)
    }
}

/// A message of ours in its frame.
pub fn write(message: &Message, revision: Revision, mask: Option<[u8; 4]>) -> Vec<u8> {
    match message {
        Message::Text(text) => frame::write(Opcode::Text, text.as_bytes(), mask),
        Message::Binary(bytes) if revision == Revision::Three => {
            frame::write(Opcode::Binary, &[&[MESSAGE], bytes.as_slice()].concat(), mask)
        }
        Message::Binary(bytes) => frame::write(Opcode::Binary, bytes, mask),
    }
}

/// What a judge is shown of a message.
enum Content<'a> {
    Seen(Seen<'a>),
    /// Nothing of it is here yet.
    Hidden,
    /// It is no message.
    None,
}

/// In Engine.IO 3 the kind of a binary packet stands in front of it, and only messages are binary.
fn content(seen: Seen<'_>, revision: Revision) -> Content<'_> {
    if seen.is_text || revision == Revision::Four {
        return Content::Seen(seen);
    }
    match seen.bytes {
        [MESSAGE, bytes @ ..] => {
            let extent = match seen.extent {
                Extent::Whole => Extent::Whole,
                Extent::Begun(length) => Extent::Begun(length.map(|length| length.saturating_sub(1))),
            };
            Content::Seen(Seen { bytes, extent, ..seen })
        }
        [] if seen.extent != Extent::Whole => Content::Hidden,
        _ => Content::None,
    }
}

/// The first `most` payload bytes of raw data frames whose headers have been followed already. Lent from `raw` where they stand
/// there unmasked and together.
fn plain<'a>(raw: &'a [u8], from: Side, most: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let sender = sender(from);
    let most = most as usize;
    scratch.clear();
    let mut rest = raw;
    while scratch.len() < most
        && let Ok(Some(header)) = Header::read(rest, sender)
    {
        let (payload, after) = rest[header.size..].split_at(header.length.min((rest.len() - header.size) as u64) as usize);
        let wanted = &payload[..payload.len().min(most - scratch.len())];
        if header.mask.is_none() && wanted.len() == most {
            return wanted;
        }
        match header.mask {
            Some(key) => frame::unmask_into(scratch, wanted, key, 0),
            None => scratch.extend_from_slice(wanted),
        }
        rest = after;
    }
    scratch
}

/// Feeds a piece of a watched message's frame, which is its header or of its payload.
fn watch(scanner: &mut Scanner, bytes: &[u8], is_payload: bool, place: Place, is_end: bool) -> bool {
    let is_right = match place.key {
        _ if !is_payload => true,
        None => scanner.feed(bytes).is_ok(),
        Some(key) => SCRATCH.with_borrow_mut(|scratch| {
            let mut offset = place.offset;
            bytes.chunks(PIECE).all(|piece| {
                scratch.clear();
                frame::unmask_into(scratch, piece, key, offset);
                offset += piece.len() as u64;
                scanner.feed(scratch).is_ok()
            })
        }),
    };
    is_right && (!is_end || scanner.finish().is_ok())
}

fn sender(side: Side) -> frame::Sender {
    match side {
        Side::Client => frame::Sender::Client,
        Side::App => frame::Sender::Server,
    }
}

/// The kind of a message in a binary packet of Engine.IO 3: the number, not the digit.
const MESSAGE: u8 = 4;

/// Whose fault a wrong message is.
fn malformed_by(side: Side) -> Reason {
    match side {
        Side::Client => Reason::MalformedPacket,
        Side::App => Reason::AppInvalid,
    }
}
