//! The namespaces of one session: which are joined, which are on their way, and what waits for them.

use super::Message;

/// One namespace that was asked for and not refused or left.
#[derive(Debug)]
pub(super) struct Space {
    pub name: Box<str>,
    pub standing: Standing,
    /// What the client sent before the app's own yes. Client libraries wait for that by themselves, so this is nearly always
    /// empty.
    pub held: Vec<Message>,
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

/// All of a session. A handful at most, so they are looked through.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    all: Vec<Space>,
    /// Bytes and messages held in all of them.
    held_bytes: usize,
    held_messages: usize,
}

/// What a session may have waiting for the app's yes.
const HELD_BYTES: usize = 64 * 1024;
const HELD_MESSAGES: usize = 64;

impl Spaces {
    pub fn standing(&self, name: &str) -> Option<Standing> {
        self.all.iter().find(|space| *space.name == *name).map(|space| space.standing)
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn add(&mut self, name: &str, standing: Standing) {
        self.all.push(Space { name: name.into(), standing, held: Vec::new() });
    }

    pub fn set(&mut self, name: &str, standing: Standing) {
        if let Some(space) = self.find(name) {
            space.standing = standing;
        }
    }

    /// It is gone, and what was held for it with it.
    pub fn remove(&mut self, name: &str) -> Option<Standing> {
        self.take_held(name);
        let at = self.all.iter().position(|space| *space.name == *name)?;
        Some(self.all.swap_remove(at).standing)
    }

    /// Keeps a message until the app's yes. `false`: there is no room for it.
    pub fn hold(&mut self, name: &str, message: Message) -> bool {
        let bytes = message.len();
        if self.held_messages >= HELD_MESSAGES || self.held_bytes + bytes > HELD_BYTES {
            return false;
        }
        let Some(space) = self.find(name) else { return false };
        space.held.push(message);
        self.held_messages += 1;
        self.held_bytes += bytes;
        true
    }

    /// What was held for a namespace, in its order.
    pub fn take_held(&mut self, name: &str) -> Vec<Message> {
        let held = self.find(name).map(|space| std::mem::take(&mut space.held)).unwrap_or_default();
        self.held_messages -= held.len();
        self.held_bytes -= held.iter().map(Message::len).sum::<usize>();
        held
    }

    /// Those the app has said yes to.
    pub fn joined(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|space| space.standing == Standing::Joined).map(|space| &*space.name)
    }

    pub fn has_joined(&self) -> bool {
        self.joined().next().is_some()
    }

    /// Those the app has heard of.
    pub fn told(&self) -> Vec<Box<str>> {
        self.all.iter().filter(|space| space.standing != Standing::Asking).map(|space| space.name.clone()).collect()
    }

    fn find(&mut self, name: &str) -> Option<&mut Space> {
        self.all.iter_mut().find(|space| *space.name == *name)
    }
}
