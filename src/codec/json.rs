//! Stand-in until the real one comes.

/// Checks JSON as it comes.
#[derive(Debug)]
pub struct Scanner;

/// Not JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JsonError;

impl Scanner {
    pub fn feed(&mut self, _bytes: &[u8]) -> Result<(), JsonError> {
        Ok(())
    }

    pub fn finish(&self) -> Result<(), JsonError> {
        Ok(())
    }
}
