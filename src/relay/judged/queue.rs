//! Packets of one direction that wait for their body. Bodies have at most 16 packets, for python-engineio drops longer ones in
//! silence and the JavaScript client gives up on them; a binary event and its attachments stay in one body; order is kept.
//! What the gate itself has to say waits aside while it may not stand between an event and its attachments. Pure.

use std::collections::VecDeque;

use super::{super::guard::Message, bodies};
use crate::codec::engine::Revision;

/// Packets that wait.
#[derive(Debug, Default)]
pub struct Queue {
    /// How bodies are written.
    revision: Revision,
    waiting: VecDeque<Message>,
    /// Ours, until one may stand here.
    aside: Vec<Message>,
    /// What both cost, in bytes.
    size: usize,
    /// What ours have cost since everything was last taken.
    ours: usize,
}

/// There are too many: whoever should take them does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

/// Packets a body may have.
pub const MOST: usize = 16;
/// Bytes that keeping a packet costs beside its own.
const A_PACKET: usize = 64;
/// Of a client that takes nothing while it makes the gate talk, so much is borne.
const MOST_OF_OURS: usize = 4 * 1024 * 1024;

impl Queue {
    pub fn new(revision: Revision) -> Self {
        Self { revision, ..Self::default() }
    }

    /// One that passes, where so many bytes may wait. One that is larger alone waits all the same: it was bounded where it was read.
    pub fn push(&mut self, message: Message, largest: usize) -> Result<(), Full> {
        let cost = cost(self.revision, &message);
        if self.size > 0 && self.size + cost > largest {
            return Err(Full);
        }
        self.size += cost;
        self.waiting.push_back(message);
        Ok(())
    }

    /// One of ours, which must not stand just anywhere: it waits for [`Queue::settle`].
    pub fn push_aside(&mut self, message: Message) -> Result<(), Full> {
        let cost = cost(self.revision, &message);
        if self.ours + cost > MOST_OF_OURS {
            return Err(Full);
        }
        self.size += cost;
        self.ours += cost;
        self.aside.push(message);
        Ok(())
    }

    /// What waits aside may stand here.
    pub fn settle(&mut self) {
        self.waiting.extend(self.aside.drain(..));
    }

    /// The next packets as one body of at most so many bytes, unless the first packet alone has more.
    pub fn next_body(&mut self, largest: usize) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        let mut count = 0;
        while let Some(first) = self.waiting.front() {
            let together = (1 + attachments(first)).min(self.waiting.len());
            let more: usize = self.waiting.iter().take(together).map(|message| 1 + bodies::size(self.revision, message)).sum();
            if count > 0 && (count + together > MOST || body.len() + more > largest) {
                break;
            }
            for message in self.waiting.drain(..together) {
                self.size -= cost(self.revision, &message);
                bodies::write(self.revision, &message, &mut body);
            }
            count += together;
            if count >= MOST {
                break;
            }
        }
        if self.waiting.is_empty() && self.aside.is_empty() {
            self.ours = 0;
        }
        (count > 0).then_some(body)
    }

    /// Everything, in order.
    pub fn take_all(&mut self) -> Vec<Message> {
        self.settle();
        (self.size, self.ours) = (0, 0);
        self.waiting.drain(..).collect()
    }

    /// Takes back what was put in behind so many packets, and what waits aside.
    pub fn truncate(&mut self, length: usize) {
        let behind = self.waiting.split_off(length.min(self.waiting.len()));
        for message in behind.into_iter().chain(self.aside.drain(..)) {
            self.size -= A_PACKET + bodies::size(self.revision, &message);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn cost(revision: Revision, message: &Message) -> usize {
    A_PACKET + bodies::size(revision, message)
}

/// How many binary messages follow this one and belong to it.
fn attachments(message: &Message) -> usize {
    let Message::Text(text) = message else { return 0 };
    let Some(rest) = text.strip_prefix("45").or_else(|| text.strip_prefix("46")) else { return 0 };
    // What the guard lets pass has one or two digits here.
    let count = rest.split_once('-').and_then(|(count, _)| count.parse().ok());
    count.unwrap_or(0).min(MOST - 1)
}
