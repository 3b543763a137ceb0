//! `sockgate check`: judges a configuration without binding anything. Prints every problem at once, then every value in
//! effect with its source, then the verdict.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use serde_json::json;

use super::args::Check;
use crate::{
    app::rehearse,
    config::{self, Loaded, Severity, Sources},
};

/// Loads, judges, prints.
pub fn check(sources: &Sources, how: &Check) -> ExitCode {
    let loaded = rehearse::start(config::load(sources));
    let text = if how.json { to_json(&loaded) } else { to_text(&loaded) };
    // A pager that is closed early is no failure; the verdict stands in the exit code.
    let _ = io::stdout().write_all(text.as_bytes());
    verdict(&loaded)
}

/// Whether the gate would start.
pub fn verdict(loaded: &Loaded) -> ExitCode {
    if loaded.config.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// For people.
pub fn to_text(loaded: &Loaded) -> String {
    let mut out = String::new();
    for problem in &loaded.problems {
        out.push_str(&format!("{problem}\n"));
    }
    let listed = loaded.provenance.list();
    if !listed.is_empty() {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&columns(&listed));
    }
    let count = |severity| loaded.problems.iter().filter(|problem| problem.severity == severity).count();
    let (refusals, warnings) = (count(Severity::Refusal), count(Severity::Warning));
    let verdict = match (refusals, warnings) {
        (0, 0) => "The gate would start.".to_string(),
        (0, warnings) => format!("The gate would start, with {}.", counted(warnings, "warning")),
        (refusals, 0) => format!("The gate would not start: {}.", counted(refusals, "refusal")),
        (refusals, warnings) => {
            format!("The gate would not start: {} and {}.", counted(refusals, "refusal"), counted(warnings, "warning"))
        }
    };
    out.push_str(&format!("\n{verdict}\n"));
    out
}

/// For programs.
pub fn to_json(loaded: &Loaded) -> String {
    let effective =
        loaded.provenance.list().into_iter().map(|(key, value, source)| json!({ "key": key, "value": value, "source": source }));
    let whole = json!({
        "starts": loaded.config.is_some(),
        "problems": loaded.problems,
        "effective": effective.collect::<Vec<_>>(),
        "files": loaded.files,
    });
    format!("{whole:#}\n")
}

/// Key, value and source in columns. A long value does not push the sources of all others away.
fn columns(listed: &[(String, String, config::Source)]) -> String {
    let width = |texts: &mut dyn Iterator<Item = usize>, most: usize| texts.filter(|length| *length <= most).max().unwrap_or(0);
    let keys = width(&mut listed.iter().map(|(key, ..)| key.chars().count()), 48);
    let values = width(&mut listed.iter().map(|(_, value, _)| value.chars().count()), 44);
    let mut out = String::new();
    for (key, value, source) in listed {
        let value = config::problem::escaped(value);
        out.push_str(&format!("{key:<keys$}  {value:<values$}  {source}\n"));
    }
    out
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
