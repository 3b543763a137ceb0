//! The sieve of one direction of a judged session: bytes go in, and out comes what may go on. It follows the frames by the
//! direction's [`Walker`], shows each data message's first bytes to the judge, unmasked, and does as that says. Of one that stands
//! whole in a read the judge is asked first, as it came, whether it knows such messages; where not, its rest is lent under its mask.
//! While everything of a read passes nothing is copied; a message that is not
//! decided yet is kept back in its raw frames, control frames go ahead of it. Pure: the way that owns it reads and writes.
//!
//! What comes out does not depend on how the bytes were cut into reads, but for where a control frame stands beside a message that
//! had to wait; and it never ends in the middle of a frame but where the reader's own bytes do, or where a watched message turned
//! out wrong.

use std::ops::Range;

pub use super::{judge::Judge, output::Pass, shown::write};
use super::{
    output::Output,
    shown::{Content, FIRST_LOOK, content, malformed_by, watch},
    undecided::{Case, with_scratch},
};
use crate::{
    codec::{
        engine::Revision,
        frame::{self, Header, Opcode, Scan, Step, Walker},
        json::Scanner,
    },
    relay::{
        guard::{Extent, Seen, Side, Verdict, Wire},
        session::Reason,
    },
};

/// What one read came to.
#[derive(Debug)]
pub struct Sifted {
    /// How far it was looked at. What stands behind `upto` is to be presented again with what follows it.
    pub scan: Scan,
    pub pass: Pass,
    /// The session ends for this; nothing of this side goes on any more.
    pub broken: Option<Reason>,
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
    Judging(Box<Case>),
    Passing,
    Watching(Box<Scanner>),
    Dropping,
    /// Nothing goes on any more. What has gone on may have ended inside a message, or even inside a frame.
    Halted {
        in_message: bool,
        in_frame: bool,
    },
}

/// Where in a data frame's payload the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: Option<[u8; 4]>,
    offset: u64,
}

/// Headers of empty and tiny fragments that may be kept back with a message. Clients are bounded by their number already.
const MOST_OVERHEAD: u64 = 16 * 1024;

impl Sieve {
    /// `mask` is for frames of ours.
    pub fn new(from: Side, revision: Revision, mask: Option<[u8; 4]>) -> Self {
        Self { from, revision, mask, course: Course::Between, grows: false, frame: Place::default() }
    }

    /// Looks at a read that begins where the last one's `upto` ended.
    pub fn sift(&mut self, walker: &mut Walker, bytes: &[u8], judge: &mut impl Judge) -> Sifted {
        if matches!(self.course, Course::Halted { .. }) {
            // Followed for its goodbye alone.
            return Sifted { scan: walker.scan(bytes), pass: Pass::First(0), broken: None };
        }
        let mut scan = Scan::default();
        let mut out = Output::of(bytes);
        let mut broken = None;
        while scan.upto < bytes.len() && !walker.is_closed() && broken.is_none() {
            let at = scan.upto;
            if matches!(self.course, Course::Between)
                && let Some(header) = walker.message(&bytes[at..])
            {
                scan.pass_message(&header);
                broken = self.pass_whole(&header, at..scan.upto, &mut out, judge).err();
                continue;
            }
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

    /// Judges a message that stands `here` in one frame and whole, as nearly all do.
    fn pass_whole(
        &mut self,
        header: &Header,
        here: Range<usize>,
        out: &mut Output<'_>,
        judge: &mut impl Judge,
    ) -> Result<(), Reason> {
        let payload = &out.bytes[here.start + header.size..here.end];
        match self.judge_whole(header, payload, judge) {
            Verdict::Pass => out.pass(here),
            Verdict::Drop => {}
            Verdict::Replace(message) => out.put(&write(&message, self.revision, self.mask)),
            Verdict::Break(reason) => return Err(self.halt(reason)),
            // It was shown whole.
            Verdict::More | Verdict::Watch(_) => return Err(self.halt(malformed_by(self.from))),
        }
        self.speak(out, judge);
        Ok(())
    }

    fn judge_whole(&self, header: &Header, payload: &[u8], judge: &mut impl Judge) -> Verdict {
        if header.opcode == Opcode::Text
            && let Some(verdict) = judge.judge_known(self.from, Wire { bytes: payload, key: header.mask.unwrap_or_default() })
        {
            return verdict;
        }
        let mut room;
        let first = match header.mask {
            Some(key) => {
                room = [0; FIRST_LOOK];
                frame::unmasked(&mut room, payload, key)
            }
            None => payload,
        };
        let wire = header.mask.filter(|_| first.len() < payload.len()).map(|key| Wire { bytes: payload, key });
        let mut seen = first.len();
        let mut verdict = self.show(header, first, wire, judge);
        if let (Verdict::More, Some(Wire { bytes, key })) = (&verdict, wire) {
            seen = bytes.len();
            verdict = with_scratch(|scratch| {
                scratch.clear();
                frame::unmask_into(scratch, bytes, key, 0);
                self.show(header, scratch, None, judge)
            });
        }
        if let Verdict::Watch(scanner) = &mut verdict {
            let rest = watch(scanner, &payload[seen..], header.mask, seen as u64);
            verdict = match rest.and_then(|()| scanner.finish()) {
                Ok(()) => Verdict::Pass,
                Err(error) => Verdict::Break(judge.spoilt(self.from, error)),
            };
        }
        verdict
    }

    /// Shows a whole message, or the first bytes of one.
    fn show(&self, header: &Header, bytes: &[u8], wire: Option<Wire<'_>>, judge: &mut impl Judge) -> Verdict {
        let extent = if wire.is_none() { Extent::Whole } else { Extent::Begun(Some(header.length)) };
        let seen = Seen { from: self.from, is_text: header.opcode == Opcode::Text, bytes, extent, wire };
        match content(seen, self.revision) {
            Content::Seen(seen) => judge.judge(&seen),
            Content::Hidden => Verdict::More,
            Content::None => Verdict::Break(malformed_by(self.from)),
        }
    }

    /// What is to be said between two messages is said.
    fn speak(&self, out: &mut Output<'_>, judge: &mut impl Judge) {
        while let Some(frame) = judge.speak() {
            out.put(&frame);
        }
    }

    /// Control frames go on whatever becomes of the message they stand in.
    fn let_control(&mut self, here: Range<usize>, out: &mut Output<'_>, judge: &mut impl Judge) -> Result<(), Reason> {
        if let Course::Judging(case) = &mut self.course {
            case.keep(out.bytes, here.start, here.end);
        }
        if judge.lets(&out.bytes[here.clone()]) {
            out.pass(here);
        }
        Ok(())
    }

    fn begin(&mut self, header: &Header, at: usize) {
        self.frame = Place { key: header.mask, offset: 0 };
        if header.opcode != Opcode::Continuation {
            self.course = Course::Judging(Box::new(Case::new(header, at)));
        }
        if let Course::Judging(case) = &mut self.course {
            case.begin(header);
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
                if is_end || (case.is_due() && payload > 0) {
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
                let Place { key, offset } = self.frame;
                let watched = match payload {
                    0 => Ok(()),
                    _ => watch(scanner, &out.bytes[here.clone()], key, offset),
                };
                if let Err(error) = watched.and_then(|()| if is_end { scanner.finish() } else { Ok(()) }) {
                    self.course = Course::Halted { in_message: true, in_frame: payload > 0 };
                    return Err(judge.spoilt(self.from, error));
                }
                out.pass(here);
                if self.grows && payload > 0 {
                    judge.grown(payload);
                }
            }
            Course::Dropping | Course::Between | Course::Halted { .. } => {}
        }
        self.frame.offset += payload;
        if is_end {
            self.course = Course::Between;
        }
        if self.is_between_messages() && !matches!(self.course, Course::Judging(_)) {
            self.speak(out, judge);
        }
        Ok(())
    }

    /// Shows what is here of the message, up to `end` in this read, and does as the judge says.
    fn decide(&mut self, end: usize, is_end: bool, out: &mut Output<'_>, judge: &mut impl Judge) -> Result<(), Reason> {
        let Course::Judging(mut case) = std::mem::replace(&mut self.course, Course::Between) else { return Ok(()) };
        let (verdict, shown) = case.judge((self.from, self.revision), out.bytes, end, is_end, judge);
        self.grows = !case.has_last;
        if self.grows && matches!(verdict, Verdict::Pass | Verdict::Watch(_)) && case.here > shown {
            judge.grown(case.here - shown);
        }
        self.course = match verdict {
            Verdict::More if is_end => return Err(self.halt(malformed_by(self.from))),
            Verdict::More => {
                case.wait(shown);
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
            case.keep(out.bytes, end, 0);
        }
    }

    /// Nothing goes on any more, and nothing of the last message has.
    fn halt(&mut self, reason: Reason) -> Reason {
        self.course = Course::Halted { in_message: false, in_frame: false };
        reason
    }
}
