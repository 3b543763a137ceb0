//! What can be wrong with a configuration, and where a value came from. Every room that judges configuration reports with
//! this type, so that an operator reads all of it at once and in one form: where it stands, which key, what is wrong, what
//! to write. A message never holds the text of a secret; control characters of what was written are escaped.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// The key in question, as in `route.0.origin.allow`. Empty when no key is meant.
    pub key: String,
    pub source: Source,
    /// What is wrong, as the end of a sentence about the key.
    pub what: String,
    /// What to write, or what is used instead. A sentence without its full stop, or empty.
    pub instead: String,
    /// The known key that looks most like an unknown one.
    pub nearest: Option<String>,
}

/// Whether the gate may start.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It may not.
    Refusal,
    /// It may, unless `--strict` is given.
    Warning,
    /// It may in any case: there is nothing to mend.
    Note,
}

/// Where a value came from.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// Built in.
    #[default]
    Default,
    /// A file, as a whole or at a line and column (both from 1).
    File { path: PathBuf, at: Option<(usize, usize)> },
    /// An environment variable.
    Variable(String),
    /// The key of a `--set` on the command line.
    Flag(String),
}

impl Problem {
    pub fn refusal(key: impl Into<String>, source: Source, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::new(Severity::Refusal, key.into(), source, what.into(), instead.into())
    }

    pub fn warning(key: impl Into<String>, source: Source, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::new(Severity::Warning, key.into(), source, what.into(), instead.into())
    }

    pub fn note(key: impl Into<String>, source: Source, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::new(Severity::Note, key.into(), source, what.into(), instead.into())
    }

    /// Names the known key that was probably meant.
    pub fn near(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }

    pub fn is_refusal(&self) -> bool {
        self.severity == Severity::Refusal
    }

    fn new(severity: Severity, key: String, source: Source, what: String, instead: String) -> Self {
        Self { severity, key, source, what, instead, nearest: None }
    }
}

/// What `--strict` does: every warning becomes a refusal.
pub fn harden(problems: &mut [Problem]) {
    for problem in problems.iter_mut().filter(|problem| problem.severity == Severity::Warning) {
        problem.severity = Severity::Refusal;
    }
}

impl Source {
    /// A file as a whole.
    pub fn file(path: &Path) -> Self {
        Self::File { path: path.to_path_buf(), at: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Refusal => "refused",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(out, "{severity}: {}: ", self.source)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", escaped(&self.key))?;
        }
        write!(out, "{}.", escaped(&self.what))?;
        if let Some(nearest) = &self.nearest {
            write!(out, " Did you mean {nearest}?")?;
        }
        if !self.instead.is_empty() {
            write!(out, " {}.", escaped(&self.instead))?;
        }
        Ok(())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, at: None } => out.write_str(&escaped(&path.display().to_string())),
            Self::File { path, at: Some((line, column)) } => {
                write!(out, "{}:{line}:{column}", escaped(&path.display().to_string()))
            }
            Self::Variable(name) => out.write_str(&escaped(name)),
            Self::Flag(key) => write!(out, "--set {}", escaped(key)),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// The text without anything that could steer a terminal or start a new log line.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// The text with user name and password of a URL hidden: everything between `//` and an `@` in front of the path.
pub fn without_password(text: &str) -> String {
    let Some(start) = text.find("//").map(|slashes| slashes + 2) else { return text.to_string() };
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |length| start + length);
    match text[start..end].rfind('@') {
        Some(at) => format!("{}***{}", &text[..start], &text[start + at..]),
        None => text.to_string(),
    }
}
