//! What a demo prints while it goes: steps with a number and a name, what was sent and what came back in columns, and at the end
//! of each a check mark or a cross. Keeps count, because the exit code depends on it.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write as _},
};

/// The tour as it is printed.
pub struct Script {
    colours: bool,
    steps: usize,
    failed: Vec<&'static str>,
}

/// How something is set apart on a terminal.
#[derive(Clone, Copy)]
enum Tone {
    Bold,
    Faint,
    Good,
    Bad,
}

impl Script {
    /// On standard output; in colour only on a terminal whose owner did not ask for none (no-color.org).
    pub fn new() -> Self {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: io::stdout().is_terminal() && !is_plain, steps: 0, failed: Vec::new() }
    }

    /// One step: its name, whatever `act` prints, and whether it went as expected. `act` gives back what was seen.
    pub async fn step(&mut self, name: &'static str, act: impl AsyncFnOnce(&mut Self) -> anyhow::Result<String>) {
        self.steps += 1;
        let number = self.steps;
        self.line(&format!("\n{} {}", self.tint(Tone::Faint, &format!("{number:>2}")), self.tint(Tone::Bold, name)));
        match act(self).await {
            Ok(seen) => self.line(&format!("   {} {seen}", self.tint(Tone::Good, "✓"))),
            Err(error) => {
                self.failed.push(name);
                let words = short(&format!("{error:#}"));
                self.line(&format!("   {} {}", self.tint(Tone::Bad, "✗"), self.tint(Tone::Bad, &words)));
            }
        }
    }

    /// From a client to the gate.
    pub fn sent(&self, what: impl Display) {
        self.line(&format!("   {} {}", self.tint(Tone::Faint, "→"), short(&what.to_string())));
    }

    /// From the gate to a client.
    pub fn came(&self, what: impl Display) {
        self.line(&format!("   {} {}", self.tint(Tone::Faint, "←"), short(&what.to_string())));
    }

    /// Something beside the wire.
    pub fn note(&self, what: impl Display) {
        self.line(&format!("     {}", short(&what.to_string())));
    }

    /// A heading outside of the steps.
    pub fn heading(&self, what: &str) {
        self.line(&format!("\n{}", self.tint(Tone::Bold, what)));
    }

    /// Text as it is.
    pub fn text(&self, what: &str) {
        self.line(what);
    }

    /// The last line of the tour.
    pub fn verdict(&self) {
        let passed = self.steps - self.failed.len();
        let count = format!("{passed} of {} steps went as expected", self.steps);
        match self.failed[..] {
            [] => self.line(&format!("\n{} {count}", self.tint(Tone::Good, "✓"))),
            _ => self.line(&format!("\n{} {count}; not so: {}", self.tint(Tone::Bad, "✗"), self.failed.join(", "))),
        }
    }

    /// Whether every step went as expected.
    pub fn is_good(&self) -> bool {
        self.steps > 0 && self.failed.is_empty()
    }

    fn tint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colours => return text.to_string(),
            Tone::Bold => 1,
            Tone::Faint => 2,
            Tone::Good => 32,
            Tone::Bad => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A reader that has gone (`| head`) ends the printing, not the tour.
    fn line(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

/// The text for one line: session ids, tokens and keys keep their ends only, what steers a terminal is made visible, and the
/// whole is cut where it would wrap.
pub fn short(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '~' | '+') {
            word.push(letter);
            continue;
        }
        out.push_str(&without_middle(&word));
        word.clear();
        match letter {
            '\u{1e}' => out.push_str(" ␞ "),
            control if control.is_control() => out.extend(control.escape_default()),
            _ => out.push(letter),
        }
    }
    out.push_str(&without_middle(&word));
    match out.char_indices().nth(LONGEST_LINE) {
        Some((cut, _)) => format!("{}…", &out[..cut]),
        None => out,
    }
}

/// The word is ASCII.
fn without_middle(word: &str) -> String {
    if word.len() < LONGEST_WORD { word.to_string() } else { format!("{}…{}", &word[..6], &word[word.len() - 4..]) }
}

/// Shorter than any token or sealed session id, longer than any host name or address in a demo.
const LONGEST_WORD: usize = 48;
/// Suggestions are whole sentences and worth more than one line of a terminal.
const LONGEST_LINE: usize = 400;
