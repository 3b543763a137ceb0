//! What goes on of a read.

use std::ops::Range;

/// What goes on.
#[derive(Debug, Eq, PartialEq)]
pub enum Pass {
    /// So many of the read's first bytes, as they are.
    First(usize),
    Composed(Vec<u8>),
}

/// What goes on of a read: its beginning, as long as that is all of it.
pub(super) struct Output<'a> {
    pub bytes: &'a [u8],
    first: usize,
    composed: Option<Vec<u8>>,
}

impl<'a> Output<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, first: 0, composed: None }
    }

    /// These bytes of the read go on.
    pub fn pass(&mut self, range: Range<usize>) {
        match &mut self.composed {
            None if range.start == self.first => self.first = range.end,
            None => self.put(&self.bytes[range]),
            Some(composed) => composed.extend_from_slice(&self.bytes[range]),
        }
    }

    /// Something else goes on.
    pub fn put(&mut self, bytes: &[u8]) {
        let first = &self.bytes[..self.first];
        self.composed.get_or_insert_with(|| first.to_vec()).extend_from_slice(bytes);
    }

    pub fn into_pass(self) -> Pass {
        self.composed.map_or(Pass::First(self.first), Pass::Composed)
    }
}
