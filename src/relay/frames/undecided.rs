//! A message that cannot be decided when it begins: it came in parts, or its judge wants to see more of it.

use std::cell::RefCell;

use super::{
    judge::Judge,
    output::Output,
    shown::{Content, FIRST_LOOK, Payloads, content, malformed_by},
};
use crate::{
    codec::{
        engine::Revision,
        frame::{Header, Opcode},
    },
    relay::guard::{Extent, Seen, Side, Verdict},
};

/// A message that is not decided yet.
#[derive(Debug)]
pub(super) struct Case {
    is_text: bool,
    /// Its raw frames of earlier reads, control frames left out.
    kept: Vec<u8>,
    /// Where the rest of them begins in this read.
    from: usize,
    /// Payload bytes that are here.
    pub here: u64,
    /// Payload bytes in all, once its last frame has begun; until then of the frames begun.
    length: u64,
    pub has_last: bool,
    /// Shown again when so many are here.
    due: u64,
    /// At most so many are unmasked to be shown.
    reach: u64,
}

/// Messages up to this size that came in parts are shown whole once they are.
const READ_AT_ONCE: u64 = SCRATCH_KEPT as u64;
/// Each further look reaches so many times further, so that all of them together cost no more than a few passes.
const FURTHER: u64 = 4;
/// What a thread keeps for unmasking between two messages.
const SCRATCH_KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends a thread's place for unmasking.
pub(super) fn with_scratch<T>(act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        let done = act(scratch);
        if scratch.capacity() > SCRATCH_KEPT {
            *scratch = Vec::new();
        }
        done
    })
}

impl Case {
    /// A message whose first frame has this header, which stands there in the read.
    pub fn new(header: &Header, at: usize) -> Self {
        Self {
            is_text: header.opcode == Opcode::Text,
            kept: Vec::new(),
            from: at,
            here: 0,
            length: 0,
            has_last: false,
            due: 1,
            reach: FIRST_LOOK as u64,
        }
    }

    /// One of its frames has begun.
    pub fn begin(&mut self, header: &Header) {
        self.length = self.length.saturating_add(header.length);
        self.has_last = header.last;
    }

    /// Whether enough is here for the next look.
    pub fn is_due(&self) -> bool {
        self.here >= self.due
    }

    /// It stays undecided after this much was shown.
    pub fn wait(&mut self, shown: u64) {
        self.due = shown.saturating_mul(2).max(self.here + 1);
        self.reach = self.reach.max(shown.saturating_mul(FURTHER));
    }

    /// Keeps what stands in the read, which goes on behind `next` or ends there.
    pub fn keep(&mut self, bytes: &[u8], upto: usize, next: usize) {
        self.kept.extend_from_slice(&bytes[self.from..upto]);
        self.from = next;
    }

    /// Shows what is here, up to `end` in the read: verdict, and how much was seen for that.
    pub fn judge(
        &mut self,
        (from, revision): (Side, Revision),
        bytes: &[u8],
        end: usize,
        is_end: bool,
        judge: &mut impl Judge,
    ) -> (Verdict, u64) {
        if !self.kept.is_empty() {
            self.keep(bytes, end, end);
        }
        let raw = if self.kept.is_empty() { &bytes[self.from..end] } else { &self.kept[..] };
        let payloads = Payloads::of(raw, from);
        match with_scratch(|scratch| self.show((from, revision), &payloads, is_end, scratch, judge)) {
            // What is here and was not shown is watched before any of it goes on.
            (Verdict::Watch(mut scanner), shown) => {
                let watched = payloads.feed(&mut scanner, shown).and_then(|()| if is_end { scanner.finish() } else { Ok(()) });
                match watched {
                    Ok(()) => (Verdict::Watch(scanner), shown),
                    Err(error) => (Verdict::Break(judge.spoilt(from, error)), shown),
                }
            }
            other => other,
        }
    }

    /// Shows as little as the judge is content with.
    fn show(
        &self,
        (from, revision): (Side, Revision),
        payloads: &Payloads<'_>,
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
            let bytes = payloads.clone().unmasked(reach, scratch);
            let verdict = match content(Seen { from, is_text: self.is_text, bytes, extent, wire: None }, revision) {
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
    pub fn let_go(&self, end: usize, out: &mut Output<'_>) {
        if self.kept.is_empty() {
            out.pass(self.from..end);
        } else {
            out.put(&self.kept);
        }
    }

    /// Bytes of headers that are kept back.
    pub fn overhead(&self, end: usize) -> u64 {
        (self.kept.len() + end - self.from) as u64 - self.here
    }
}
