//! Attachments: they and the packet that announces them are one unit. What becomes of it is decided once, when the packet comes,
//! and holds for all of it: it passes, is held or is dropped whole.

use std::time::Instant;

use super::{Extent, Guard, Message, Side, Verdict, spaces, spoken::Spoken};
use crate::{
    policy::{Refusal, Refused},
    relay::reason::Reason,
};

/// Attachments that are on their way.
#[derive(Debug, Default)]
pub(super) struct Due {
    left: u8,
    fate: Fate,
    /// Bytes the rest of them may have.
    room: u64,
}

/// What becomes of attachments: what became of their packet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Fate {
    Pass,
    #[default]
    Drop,
    /// They wait for this namespace's yes.
    Hold(Box<str>),
}

impl Due {
    /// Whether half of a unit has gone out, so that nothing else may.
    fn is_under_way(&self) -> bool {
        self.left > 0 && self.fate == Fate::Pass
    }

    /// Whether half of a unit is held for this namespace.
    pub fn is_held_for(&self, namespace: &str) -> bool {
        self.left > 0 && matches!(&self.fate, Fate::Hold(name) if **name == *namespace)
    }
}

impl Guard {
    /// Whether a message of ours may stand here on the way to this side: not between a binary event and its attachments.
    pub fn may_inject(&self, to: Side) -> bool {
        match to {
            Side::Client => !self.down.is_under_way(),
            Side::App => !self.up.is_under_way(),
        }
    }

    /// The attachments that a packet of the client announces share its fate, and have so many bytes together at most.
    pub(super) fn expect_client(&mut self, spoken: &Spoken<'_>, fate: Fate, room: u64) {
        self.up = Due { left: spoken.attachments, fate, room };
    }

    /// The same of the app. When it breaks its own event off with something that is dropped, the client waits for the rest still.
    pub(super) fn expect_app(&mut self, spoken: &Spoken<'_>, fate: Fate) {
        if fate == Fate::Drop && self.down.is_under_way() {
            return;
        }
        self.down = Due { left: spoken.attachments, fate, room: u64::MAX };
    }

    /// Whether attachments of the client are due: then it may send nothing else.
    pub(super) fn awaits_client(&self) -> bool {
        self.up.left > 0
    }

    pub(super) fn awaits_app(&self) -> bool {
        self.down.left > 0
    }

    /// The app's attachment that is due goes where its packet went.
    pub(super) fn take_app_attachment(&mut self) -> Verdict {
        self.down.left -= 1;
        if self.down.fate == Fate::Pass { Verdict::Pass } else { Verdict::Drop }
    }

    /// The client's attachment that is due. `bytes` is what is there of it.
    pub(super) fn take_client_attachment(&mut self, bytes: &[u8], extent: Extent, now: Instant) -> Verdict {
        let here = bytes.len() as u64;
        let length = match extent {
            Extent::Whole => here,
            Extent::Begun(length) => length.unwrap_or(here),
        };
        // One that comes in fragments is as large as it is once it is whole; a large one is not waited for.
        let waits = match (&self.up.fate, extent) {
            (_, Extent::Whole) | (Fate::Drop, _) => false,
            (Fate::Pass, Extent::Begun(length)) => length.is_none() && here <= spaces::HELD_BYTES as u64,
            (Fate::Hold(_), Extent::Begun(_)) => length <= spaces::HELD_BYTES as u64,
        };
        if self.up.fate == Fate::Pass && length > self.up.room {
            // Half of it is with the app already.
            self.note_last(Refusal::EventTooLarge, "the attachments of an event");
            return Verdict::Break(Reason::TooLarge);
        }
        if waits {
            return Verdict::More;
        }
        self.up.room = self.up.room.saturating_sub(length);
        self.up.left -= 1;
        match self.up.fate.clone() {
            Fate::Drop => Verdict::Drop,
            Fate::Hold(namespace) => self.hold_attachment(&namespace, bytes, extent, now),
            Fate::Pass => {
                self.rules.limits.owe(self.payer, length, now);
                Verdict::Pass
            }
        }
    }

    fn hold_attachment(&mut self, namespace: &str, bytes: &[u8], extent: Extent, now: Instant) -> Verdict {
        if extent == Extent::Whole && self.spaces.hold(namespace, Message::Binary(bytes.to_vec())) {
            // The app may have said yes while it was on its way.
            if self.up.left == 0 && self.spaces.has_joined(namespace) {
                self.release(namespace, now);
            }
            return Verdict::Drop;
        }
        // No room for all of it: then nothing of it is held.
        self.up.fate = Fate::Drop;
        if let Some(Message::Text(packet)) = self.spaces.forget_unit(namespace)
            && let Ok(Some(spoken)) = Spoken::of_text(&packet.as_bytes()[1..], true)
        {
            let left = self.up.left;
            let refused = Refused::because(Refusal::NotConnected, "too much before the namespace was joined");
            self.deny(&spoken, &refused, now);
            self.up.left = left;
        }
        Verdict::Drop
    }
}
