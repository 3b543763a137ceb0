//! What many sessions never have anything of: kept apart, so that they have no room set aside for it.

use std::ops::{Deref, DerefMut};

use super::{acks::Acks, asked::Asked, notes::Notes};

/// Made when something of it is first written, and kept from then on.
#[derive(Default)]
pub(super) struct Seldom(Option<Box<Kept>>);

/// What is seldom kept.
#[derive(Default)]
pub(super) struct Kept {
    /// Tokens that are being judged.
    pub asked: Vec<Asked>,
    /// Answers of the app that are waited for.
    pub acks: Acks,
    pub notes: Notes,
}

impl Deref for Seldom {
    type Target = Kept;

    fn deref(&self) -> &Kept {
        static NOTHING: Kept = Kept { asked: Vec::new(), acks: Acks::NONE, notes: Notes::NONE };
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Seldom {
    fn deref_mut(&mut self) -> &mut Kept {
        self.0.get_or_insert_default()
    }
}
