//! Whom messages are shown to.

use crate::{
    codec::json::JsonError,
    relay::{
        guard::{Seen, Side, Verdict, Wire},
        session::Reason,
    },
};

/// Whoever judges what a sieve shows.
pub trait Judge {
    /// Judges a whole text message of this side as it came, if that can be told by how it begins. `None`: it is to be shown.
    fn judge_known(&mut self, from: Side, message: Wire<'_>) -> Option<Verdict>;

    fn judge(&mut self, seen: &Seen<'_>) -> Verdict;

    /// So many payload bytes go on of a message whose length nobody knew when it was judged, beyond those that were shown.
    fn grown(&mut self, bytes: u64);

    /// Whether a whole control frame goes on.
    fn lets(&mut self, _control: &[u8]) -> bool {
        true
    }

    /// What was watched of a message of this side is wrong: what its session ends for.
    fn spoilt(&mut self, from: Side, error: JsonError) -> Reason;

    /// A frame of ours that goes out here, between two messages of this direction.
    fn speak(&mut self) -> Option<Vec<u8>>;
}
