//! What a guard is shown, and what it answers.

use zeroize::Zeroizing;

use crate::{
    codec::{
        frame,
        json::{JsonError, Scanner},
    },
    relay::reason::Reason,
};

/// Who says something.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    Client,
    App,
}

/// What has been seen of a message.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who says it.
    pub from: Side,
    /// A text message, which is one engine packet; else a binary message.
    pub is_text: bool,
    /// Its first bytes, unmasked and decoded; all of them when `extent` is `Whole`.
    pub bytes: &'a [u8],
    pub extent: Extent,
    /// All of it, where that is here but only its first bytes were unmasked. [`Guard::judge_known`](super::Guard::judge_known) is
    /// asked about it before.
    pub wire: Option<Wire<'a>>,
}

/// A message as it came, under its WebSocket's mask (RFC 6455 section 5.3), which falls on its first byte.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a> {
    pub bytes: &'a [u8],
    /// Nothing but zeros where there is no mask.
    pub key: [u8; 4],
}

impl<'a> Wire<'a> {
    /// A message without a mask.
    pub fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, key: [0; 4] }
    }

    /// Whether it begins with these bytes, once unmasked.
    pub(super) fn starts_with(self, beginning: &[u8]) -> bool {
        let Some(start) = self.bytes.get(..beginning.len()) else { return false };
        let (words, rest) = start.as_chunks();
        let (wanted, wanted_rest) = beginning.as_chunks();
        let word = |bytes: &[u8; 4]| u32::from_ne_bytes(*bytes);
        words.iter().zip(wanted).all(|(is, wanted)| word(is) ^ word(wanted) == word(&self.key))
            && rest.iter().zip(wanted_rest).zip(self.key).all(|((is, wanted), key)| is ^ wanted == key)
    }

    /// Feeds all but its first bytes, of which so many have been seen.
    pub(super) fn feed(self, scanner: &mut Scanner, seen: usize) -> Result<(), JsonError> {
        scanner.feed_masked(&self.bytes[seen..], frame::turned(self.key, seen as u64))
    }
}

/// How much of a message is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    Whole,
    /// More follows. Its length in all, where it is known (an unfragmented WebSocket message).
    Begun(Option<u64>),
}

/// What becomes of a message. Two words, so that it is handed on in registers.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing can be said yet: show it again with more bytes. Never for a whole message. The guard bounds how much.
    More,
    /// It goes on as it is, with all that still comes of it.
    Pass,
    /// It goes on as it is; what still comes of it is fed to this before it goes on, and `finish` asked at its end. When that
    /// fails the message must not be completed, and the guard is told (`Guard::spoilt`).
    Watch(Box<Scanner>),
    /// Nothing of it goes on, now or later.
    Drop,
    /// This goes on in its place. Only for a whole message.
    Replace(Box<Message>),
    /// Nothing of it goes on, and the session ends at once.
    Break(Reason),
}

const _: () = assert!(size_of::<Verdict>() <= 2 * size_of::<usize>());

/// A whole message in words of ours: text is an engine packet (`42[…]`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    Text(String),
    Binary(Vec<u8>),
}

impl Message {
    /// Its bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a guard wants done.
#[derive(Debug)]
pub enum Out {
    ToClient(Message),
    ToApp(Message),
    /// Whom a token names is to be found out, and told with `Guard::answered`.
    Ask(Question),
    /// The session ends, after what was said before this has been delivered as well as it can be.
    End(Reason),
}

/// A token to be judged.
#[derive(Debug)]
pub struct Question {
    pub number: u32,
    pub token: Zeroizing<String>,
    pub purpose: Purpose,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    Connect,
    Refresh,
}
