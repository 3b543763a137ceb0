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
use crate::{codec::json::Scanner, policy::limit::Bounds};

/// Of both sides.
#[derive(Debug, Default)]
pub(super) struct Habits {
    client: Habit,
    app: Habit,
}

/// How an event of a side began.
#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    /// Behind the engine's `4`.
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
    /// What stands behind the beginning of an event that begins alike.
    fn behind<'a>(&self, text: &'a [u8], changes: u32) -> Option<&'a [u8]> {
        let beginning = &self.beginning[..usize::from(self.length)];
        if beginning.is_empty() || self.changes != changes {
            return None;
        }
        text.strip_prefix(beginning)
    }

    fn count(&mut self, bytes: u64, goes_on: bool) {
        self.came.messages += 1;
        self.came.events += u32::from(goes_on);
        self.came.bytes += bytes;
    }
}

impl Guard {
    /// Judges an event of the client that begins as the remembered one did. `None`: it does not, or needs a closer look.
    pub(super) fn judge_again(&mut self, text: &[u8], wire: Option<Wire<'_>>, extent: Extent, now: Instant) -> Option<Verdict> {
        let habit = &self.habits.client;
        let rest = habit.behind(text, self.spaces.changes())?;
        let bounds = habit.bounds;
        let bytes = length(text.len() as u64, extent);
        let limits = &self.rules.limits;
        let is_unsized = extent == Extent::Begun(None) && limits.size_of(bounds).is_some();
        if is_unsized || limits.oversize(bounds, bytes).is_err() {
            return None;
        }
        let mut scanner = Scanner::behind_first(self.rules.json_depth);
        let mut verdict = match (wire, extent) {
            // Behind the engine's `4` and the beginning.
            (Some(wire), _) => {
                wire.finish(&mut scanner, 1 + text.len() - rest.len()).ok()?;
                Verdict::Pass
            }
            (None, Extent::Whole) => {
                scanner.feed(rest).and_then(|()| scanner.finish()).ok()?;
                Verdict::Pass
            }
            (None, Extent::Begun(_)) => {
                scanner.feed(rest).ok()?;
                Verdict::Watch(Box::new(scanner))
            }
        };
        if let Err(excess) = self.meter.take(limits, &self.payer, bounds, bytes, now) {
            // What it is called is to be told.
            let spoken = Spoken::of_text(text, extent == Extent::Whole).ok()??;
            let (name, _) = spoken.name().ok()??;
            let what: What<'_> = (spoken.namespace, Some((&name, bounds)));
            if let Err(too_much) = self.exceeded(what, &excess, now) {
                verdict = self.deny_over(&spoken, &too_much, now);
            }
        }
        self.heard = now;
        self.habits.client.count(bytes, matches!(verdict, Verdict::Pass | Verdict::Watch(_)));
        Some(verdict)
    }

    /// The same for an event of the app.
    pub(super) fn judge_app_again(&mut self, text: &[u8], extent: Extent) -> Option<Verdict> {
        let is_due = self.awaits_app();
        let habit = &mut self.habits.app;
        habit.behind(text, self.spaces.changes()).filter(|_| !is_due)?;
        habit.count(length(text.len() as u64, extent), true);
        Some(Verdict::Pass)
    }

    /// Remembers an event of this side that passes, up to there in its text. What cannot be remembered leaves what is.
    pub(super) fn learn(&mut self, from: Side, text: &[u8], upto: usize, name: Option<&str>, namespace: &str, bounds: Bounds) {
        let mut beginning = [0; LONGEST];
        let Some((room, read)) = beginning.get_mut(..upto).zip(text.get(..upto)) else { return };
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
            length: upto as u8,
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
