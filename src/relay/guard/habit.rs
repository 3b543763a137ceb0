//! What a session says again and again. Of each side an event that passed is remembered by its beginning, up to the end of its
//! name, with what was found out about that: which namespace it is, that it may pass, what it is counted by. The next one that
//! begins with the same bytes has only to be counted, and its rest to be checked. Rules, persons and namespaces that change take
//! the memory with them. Events that ask for an answer, bring attachments, have a schema or pass by a shadow rule alone are read
//! each time, and so are those of long names.

use std::time::Instant;

use super::{
    Extent, Guard, Side, Verdict, Wire,
    clients::length,
    events::What,
    spoken::Spoken,
    tally::{Came, Slots},
};
use crate::{
    codec::json::Scanner,
    policy::limit::{Bounds, Excess},
};

/// Of both sides.
#[derive(Debug, Default)]
pub(super) struct Habits {
    client: Habit,
    app: Habit,
}

/// How an event of a side began.
#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    /// With the engine's `4`.
    beginning: [u8; LONGEST],
    /// Nothing is remembered where there is none of it.
    length: u8,
    slots: Slots,
    /// How often namespaces had changed by then.
    changes: u32,
    bounds: Bounds,
    /// What has come since it was last added to what everybody counts.
    came: Came,
}

/// Longer ones are read anew each time.
const LONGEST: usize = 31;

impl Habit {
    /// Whether a message begins alike.
    fn fits(&self, message: Wire<'_>, changes: u32) -> bool {
        let beginning = &self.beginning[..usize::from(self.length)];
        !beginning.is_empty() && self.changes == changes && message.starts_with(beginning)
    }

    fn count(&mut self, bytes: u64, goes_on: bool) {
        self.came.messages += 1;
        self.came.events += u32::from(goes_on);
        self.came.bytes += bytes;
    }
}

impl Guard {
    /// Judges what is there of a text message, masked or not, if it is an event that begins as the remembered one of its side did:
    /// it is counted and done with. `None`: it is not, or needs a closer look, and nothing has come of it: [`Guard::judge`] is to be
    /// shown it, unmasked.
    pub fn judge_known(&mut self, from: Side, message: Wire<'_>, extent: Extent, now: Instant) -> Option<Verdict> {
        match from {
            Side::Client if self.is_over() || self.awaits_client() => None,
            Side::App if self.is_ended() || self.awaits_app() => None,
            Side::Client => self.judge_client_known(message, extent, now),
            Side::App => {
                let habit = &mut self.habits.app;
                if !habit.fits(message, self.spaces.changes()) {
                    return None;
                }
                habit.count(length_behind_kind(message, extent), true);
                Some(Verdict::Pass)
            }
        }
    }

    fn judge_client_known(&mut self, message: Wire<'_>, extent: Extent, now: Instant) -> Option<Verdict> {
        let habit = &self.habits.client;
        if !habit.fits(message, self.spaces.changes()) {
            return None;
        }
        let bounds = habit.bounds;
        let bytes = length_behind_kind(message, extent);
        let limits = &self.rules.limits;
        let is_unsized = extent == Extent::Begun(None) && limits.size_of(bounds).is_some();
        if is_unsized || limits.oversize(bounds, bytes).is_err() {
            return None;
        }
        let mut scanner = Scanner::behind_first(self.rules.json_depth);
        message.feed(&mut scanner, usize::from(habit.length)).ok()?;
        let verdict = match extent {
            Extent::Whole => {
                scanner.finish().ok()?;
                Verdict::Pass
            }
            Extent::Begun(_) => Verdict::Watch(Box::new(scanner)),
        };
        let verdict = match self.meter.take(limits, &self.payer, bounds, bytes, now) {
            Ok(()) => verdict,
            Err(excess) => self.exceed_known(bounds, &excess, verdict, now)?,
        };
        self.heard = now;
        self.habits.client.count(bytes, matches!(verdict, Verdict::Pass | Verdict::Watch(_)));
        Some(verdict)
    }

    /// One that would pass and is too much. What it is called is to be told.
    #[cold]
    fn exceed_known(&mut self, bounds: Bounds, excess: &Excess, verdict: Verdict, now: Instant) -> Option<Verdict> {
        let Habit { beginning, length, .. } = self.habits.client;
        let text = &beginning[1..usize::from(length)];
        let spoken = Spoken::of_text(text, false).ok()??;
        let (name, _) = spoken.name().ok()??;
        let what: What<'_> = (spoken.namespace, Some((&name, bounds)));
        Some(match self.exceeded(what, excess, now) {
            Ok(()) => verdict,
            Err(too_much) => self.deny_over(&spoken, &too_much, now),
        })
    }

    /// Remembers an event of this side that passes, up to there in its text. What cannot be remembered leaves what is.
    pub(super) fn learn(&mut self, from: Side, text: &[u8], upto: usize, name: Option<&str>, namespace: &str, bounds: Bounds) {
        let mut beginning = [b'4'; LONGEST];
        let Some((room, read)) = beginning.get_mut(1..=upto).zip(text.get(..upto)) else { return };
        // A number may go on behind its beginning.
        if !read.ends_with(b"\"") && !read.ends_with(b"[") {
            return;
        }
        room.copy_from_slice(read);
        self.pause();
        let habit = match from {
            Side::Client => &mut self.habits.client,
            Side::App => &mut self.habits.app,
        };
        *habit = Habit {
            beginning,
            length: 1 + upto as u8,
            slots: self.rules.tally.slots(namespace, name),
            changes: self.spaces.changes(),
            bounds,
            came: Came::default(),
        };
    }

    /// There will be other rules, or is another person: everything is judged anew.
    pub(super) fn unlearn(&mut self) {
        self.pause();
        self.habits = Habits::default();
    }

    /// For a while nothing more is shown: what has come until now is counted where everybody sees it.
    pub fn pause(&mut self) {
        let Habits { client, app } = &mut self.habits;
        for (from, habit) in [(Side::Client, client), (Side::App, app)] {
            if habit.came.messages > 0 {
                self.rules.tally.add(from, habit.slots, std::mem::take(&mut habit.came));
            }
        }
    }
}

/// The length of a message in all, as packets are counted: without the engine's `4`.
fn length_behind_kind(message: Wire<'_>, extent: Extent) -> u64 {
    length(message.bytes.len() as u64, extent) - 1
}
