//! Where the rules report to: finds who is to blame for a value, and tells each problem once.

use crate::config::{
    Period,
    problem::{Problem, Source},
    provenance::Provenance,
};

/// A key or secret shorter than this can be guessed (RFC 7518, 3.2).
pub const SECRET_SIZE: usize = 32;

/// Where problems are reported to.
pub struct Bench<'a> {
    provenance: &'a Provenance,
    problems: &'a mut Vec<Problem>,
    pub is_production: bool,
}

impl<'a> Bench<'a> {
    pub fn new(provenance: &'a Provenance, problems: &'a mut Vec<Problem>, is_production: bool) -> Self {
        Self { provenance, problems, is_production }
    }

    pub fn refuse(&mut self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        let (key, source) = self.provenance.blame(key);
        self.report(Problem::refusal(key, source, what, instead));
    }

    pub fn warn(&mut self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        let (key, source) = self.provenance.blame(key);
        self.report(Problem::warning(key, source, what, instead));
    }

    /// Whether a value is written under this very key; a route's may be inherited.
    pub fn is_written_at(&self, key: &str) -> bool {
        let (blamed, source) = self.provenance.blame(key);
        blamed == key && source != Source::Default
    }

    /// Lengths of time that end everything at once when they are zero.
    pub fn refuse_zero(&mut self, table: &str, periods: &[(&str, Period)]) {
        for (name, period) in periods {
            if period.0.is_zero() {
                self.refuse(&format!("{table}.{name}"), "no time at all lets nothing through", "Write for example \"10s\"");
            }
        }
    }

    /// Several routes inherit one wrong value; it is told once.
    fn report(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Whether a text is a header, method or cookie name (RFC 9110, 5.6.2).
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
