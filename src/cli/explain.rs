//! `sockgate explain`: why something is as it is. A key is explained from its value in effect, its source and its page in the
//! manual.

use std::process::ExitCode;

use crate::config::{
    self, Sources,
    keys::{self, Key},
    problem::escaped,
};

/// A key, or every key of a table.
pub fn key(sources: &Sources, name: &str) -> ExitCode {
    let path: Vec<String> = name.trim_matches(['[', ']']).split('.').map(str::to_string).collect();
    let Some(known) = keys::all().find(&path) else {
        eprintln!("{}", unknown(name, &path));
        return ExitCode::FAILURE;
    };
    let loaded = config::load(sources);
    print!("{}", to_text(&path.join("."), known, &loaded.provenance));
    for problem in loaded.problems.iter().filter(|problem| problem.key == path.join(".")) {
        println!("{problem}");
    }
    ExitCode::SUCCESS
}

/// What is to be read about a key.
pub fn to_text(name: &str, known: Key<'_>, provenance: &config::Provenance) -> String {
    let mut out = String::new();
    let entries = provenance.find(name);
    for entry in &entries {
        let inherited = if entry.is_inherited { ", as in the table it inherits" } else { "" };
        out.push_str(&format!("{} = {}  ({}{inherited})\n", entry.key, escaped(&entry.value), entry.source));
    }
    if entries.is_empty() {
        out.push_str(&format!("{name} is not set.\n"));
    }
    out.push_str(&format!("\n{}\n{}\n", known.doc(), known.kind()));
    if let Some(default) = known.default().filter(|_| entries.len() == 1) {
        out.push_str(&format!("default {default}\n"));
    }
    if let Some(variable) = config::env::name_of(name).filter(|_| entries.len() <= 1) {
        out.push_str(&format!("variable {variable}\n"));
    }
    out
}

fn unknown(name: &str, path: &[String]) -> String {
    match keys::nearest(path) {
        Some(nearest) => format!("There is no key {}. Did you mean {nearest}?", escaped(name)),
        None => format!("There is no key {}. All of them: sockgate reference", escaped(name)),
    }
}
