//! The namespaces of one session: which are joined, which are on their way, and what waits for them.

use super::Message;

/// One namespace that was asked for and not refused or left.
#[derive(Debug)]
struct Space {
    name: Box<str>,
    standing: Standing,
    /// The client has left it, or may not have it any more, before the answer to its CONNECT came. It stays until then: apps end a
    /// session that leaves what it has not joined.
    is_left: bool,
    /// What the client sent before the app's own yes. Client libraries wait for that by themselves, so this is nearly always
    /// empty.
    held: Vec<Message>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Its token is being judged.
    Asking,
    /// The app has been asked.
    Sent,
    /// The app has said yes.
    Joined,
}

/// What leaving a namespace came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Left {
    /// It was joined, and is not any more.
    Joined,
    /// An answer is still to come.
    Early,
    /// There was nothing to leave.
    Unknown,
}

/// All of a session. A handful at most, so they are looked through.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    all: Vec<Space>,
    /// How often any of them has come or gone or come further.
    changes: u32,
    /// Bytes and messages held in all of them.
    held_bytes: u32,
    held_messages: u32,
}

/// What a session may have waiting for the app's yes.
pub(super) const HELD_BYTES: usize = 64 * 1024;
const HELD_MESSAGES: u32 = 64;

impl Spaces {
    /// How far the client has come in one; `None`: it has not asked, or has left.
    pub fn standing(&self, name: &str) -> Option<Standing> {
        self.find(name).filter(|space| !space.is_left).map(|space| space.standing)
    }

    /// Whether it was asked for, and the answer to that has not come yet or was yes.
    pub fn is_known(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether the app's answer to a CONNECT is due, though nobody waits for it any more.
    pub fn is_left(&self, name: &str) -> bool {
        self.find(name).is_some_and(|space| space.is_left)
    }

    /// Whether its token is being judged still.
    pub fn is_asking(&self, name: &str) -> bool {
        self.find(name).is_some_and(|space| space.standing == Standing::Asking)
    }

    pub fn has_joined(&self, name: &str) -> bool {
        self.standing(name) == Some(Standing::Joined)
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Counts up with everything that happens to any of them: while it stays the same they do.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    pub fn set(&mut self, name: &str, standing: Standing) {
        self.changes = self.changes.wrapping_add(1);
        match self.find_mut(name) {
            Some(space) => space.standing = standing,
            None => {
                // Mostly there is one and no other.
                self.all.reserve_exact(1);
                self.all.push(Space { name: name.into(), standing, is_left: false, held: Vec::new() });
            }
        }
    }

    /// It is gone, and what was held for it with it.
    pub fn remove(&mut self, name: &str) {
        self.changes = self.changes.wrapping_add(1);
        self.take_held(name);
        self.all.retain(|space| *space.name != *name);
    }

    /// The client is in it no longer.
    pub fn leave(&mut self, name: &str) -> Left {
        match self.standing(name) {
            None => Left::Unknown,
            Some(Standing::Joined) => {
                self.remove(name);
                Left::Joined
            }
            Some(Standing::Asking | Standing::Sent) => {
                self.take_held(name);
                self.changes = self.changes.wrapping_add(1);
                if let Some(space) = self.find_mut(name) {
                    space.is_left = true;
                }
                Left::Early
            }
        }
    }

    /// Keeps a message until the app's yes. `false`: there is no room for it.
    pub fn hold(&mut self, name: &str, message: Message) -> bool {
        let bytes = message.len();
        if self.held_messages >= HELD_MESSAGES || self.held_bytes() + bytes > HELD_BYTES {
            return false;
        }
        let Some(space) = self.find_mut(name).filter(|space| !space.is_left) else { return false };
        space.held.push(message);
        self.held_messages += 1;
        // At most `HELD_BYTES`.
        self.held_bytes += bytes as u32;
        true
    }

    /// What was held for a namespace, in its order.
    pub fn take_held(&mut self, name: &str) -> Vec<Message> {
        let held = self.find_mut(name).map(|space| std::mem::take(&mut space.held)).unwrap_or_default();
        held.iter().for_each(|message| self.count_out(message));
        held
    }

    /// Takes back the last packet that was held and its attachments; the packet.
    pub fn forget_unit(&mut self, name: &str) -> Option<Message> {
        loop {
            let message = self.find_mut(name)?.held.pop()?;
            self.count_out(&message);
            if matches!(message, Message::Text(_)) {
                return Some(message);
            }
        }
    }

    /// Bytes of names and of what is held.
    pub fn kept(&self) -> usize {
        self.held_bytes() + self.all.iter().map(|space| space.name.len()).sum::<usize>()
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes as usize
    }

    /// Those the app has said yes to.
    pub fn joined(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|space| space.standing == Standing::Joined).map(|space| &*space.name)
    }

    /// Those the client is in or waits for.
    pub fn wanted(&self) -> Vec<(Box<str>, Standing)> {
        self.all.iter().filter(|space| !space.is_left).map(|space| (space.name.clone(), space.standing)).collect()
    }

    fn count_out(&mut self, message: &Message) {
        self.held_messages -= 1;
        self.held_bytes -= message.len() as u32;
    }

    fn find(&self, name: &str) -> Option<&Space> {
        self.all.iter().find(|space| *space.name == *name)
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Space> {
        self.all.iter_mut().find(|space| *space.name == *name)
    }
}
