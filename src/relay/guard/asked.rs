//! What waits for somebody's answer: CONNECT packets and refreshes.

use super::Message;

/// A question that is not answered yet.
pub(super) struct Asked {
    pub number: u32,
    pub namespace: Box<str>,
    pub about: About,
}

pub(super) enum About {
    /// The CONNECT packet that waits for the answer. `is_shown`: about the token of the handshake.
    Connect {
        packet: Message,
        is_shown: bool,
    },
    /// A CONNECT packet that needs no token of its own, but somebody who has been accepted: it waits for the others' answers.
    Others(Message),
    Refresh(Refresh),
}

/// A refresh that waits for its answer.
pub(super) struct Refresh {
    /// The answer is asked for.
    pub id: Option<u64>,
}

impl Asked {
    /// Bytes that are kept for it.
    pub fn len(&self) -> usize {
        match &self.about {
            About::Connect { packet, .. } | About::Others(packet) => packet.len(),
            About::Refresh(_) => 0,
        }
    }
}
