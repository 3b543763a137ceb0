//! What the gate itself has to say on one direction: messages that a guard wants said, in order, and one control frame behind them.
//! It is short; whoever does not take it is cut off. When a session comes over from polling, what others have said and nobody has
//! taken goes first: that is as long as polling let it become.

use std::collections::VecDeque;

/// Frames of ours that wait for their place.
#[derive(Debug, Default)]
pub(super) struct Words {
    messages: VecDeque<Frame>,
    /// Bytes of those that are our own.
    size: usize,
    control: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    is_ours: bool,
}

/// Bytes of ours that may wait.
const MOST: usize = 256 * 1024;

impl Words {
    /// A message's frame, behind those that wait already.
    pub(super) fn say(&mut self, frame: Vec<u8>) {
        self.size += frame.len();
        self.messages.push_back(Frame { bytes: frame, is_ours: true });
    }

    /// A message's frame that was somebody else's to say, in its place among ours.
    pub(super) fn pass_on(&mut self, frame: Vec<u8>) {
        self.messages.push_back(Frame { bytes: frame, is_ours: false });
    }

    /// A control frame, behind all messages and in place of the one before. Behind a close nothing else is said.
    pub(super) fn signal(&mut self, frame: Vec<u8>) {
        self.control = Some(frame);
    }

    pub(super) fn next_message(&mut self) -> Option<Vec<u8>> {
        let Frame { bytes, is_ours } = self.messages.pop_front()?;
        if is_ours {
            self.size -= bytes.len();
        }
        Some(bytes)
    }

    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.next_message().or_else(|| self.control.take())
    }

    /// They would stand where no message may.
    pub(super) fn forget_messages(&mut self) {
        self.messages = VecDeque::new();
        self.size = 0;
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.control.is_none()
    }

    pub(super) fn is_too_much(&self) -> bool {
        self.size > MOST
    }
}
