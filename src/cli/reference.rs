//! `sockgate reference`: the manual of the configuration, made from the code.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::config::reference::{json_schema, markdown, sample_toml};

use super::args::{Format, Reference};

/// Prints the reference in the form asked for.
pub fn reference(how: &Reference) -> ExitCode {
    let text = match how.format {
        Format::Markdown => markdown(),
        Format::Toml => sample_toml(),
        Format::Schema => json_schema(),
    };
    // A pager that is closed early is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
