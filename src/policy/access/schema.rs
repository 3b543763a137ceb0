//! Makes a judge of a JSON Schema (2020-12) that an operator wrote. It fails closed: a schema that is not all understood is
//! refused with a reason, for a word that means nothing would let everything pass. Nothing is fetched and no file is opened for
//! a reference, and patterns are those of linear time.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::{
    circles,
    keywords::{self, FORMATS, Unknown},
};
use crate::codec::strict::{self, StrictError};

/// A schema, ready to judge.
pub(super) struct Schema {
    validator: Validator,
    /// Its references lead around.
    is_circular: bool,
}

/// What is wrong with a schema.
pub(super) struct Flaw {
    pub what: String,
    pub instead: String,
}

impl Schema {
    pub fn compile(text: &str) -> Result<Self, Vec<Flaw>> {
        let schema = read(text).map_err(|flaw| vec![flaw])?;
        let validator = validator(&schema)?;
        Ok(Self { validator, is_circular: circles::leads_around(&schema) })
    }

    /// Each part of the data is judged by each part of the schema once.
    pub fn is_met(&self, data: &Value) -> bool {
        self.validator.is_valid(data)
    }

    /// What is wrong with data that is, where that can be found in good time.
    pub fn first_error<'d>(&self, data: &'d Value) -> Option<ValidationError<'d>> {
        if self.is_circular { None } else { self.validator.validate(data).err() }
    }
}

fn validator(schema: &Value) -> Result<Validator, Vec<Flaw>> {
    let unknown = keywords::unknown(schema);
    if !unknown.is_empty() {
        return Err(unknown.into_iter().map(Flaw::from).collect());
    }
    let patterns = PatternOptions::regex().size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE);
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(patterns)
        .should_validate_formats(true)
        .offline();
    options.build(schema).map_err(|error| {
        let place = at(error.instance_path().as_str());
        let (what, instead) = match error.kind() {
            ValidationErrorKind::Referencing(error) => (
                format!("a reference leads nowhere: {}", brief(&error.to_string())),
                "Write what it means under $defs of the same schema; nothing is fetched",
            ),
            ValidationErrorKind::Format { format } if format == "regex" => (
                format!("{place} has a pattern that cannot be used: {}", brief(&error.to_string())),
                "Write it without look-around and references back, and smaller; it must take linear time",
            ),
            _ => (
                format!("{place} is not what JSON Schema has there: {}", brief(&error.to_string())),
                "See https://json-schema.org/draft/2020-12",
            ),
        };
        vec![Flaw { what, instead: instead.into() }]
    })
}

impl From<Unknown<'_>> for Flaw {
    fn from(unknown: Unknown<'_>) -> Self {
        match unknown {
            Unknown::Word(word) => Self {
                what: format!("JSON Schema has no word {:?}", brief(word)),
                instead: "Mend the word, or begin it with x- when it is yours".into(),
            },
            Unknown::Format(format) => Self {
                what: format!("the format {:?} is none that is judged", brief(format)),
                instead: format!("Write a pattern, or one of {}", FORMATS.join(", ")),
            },
        }
    }
}

fn read(text: &str) -> Result<Value, Flaw> {
    let schema = strict::value(text.as_bytes()).map_err(|error| {
        let what = match error {
            StrictError::Malformed | StrictError::TooDeep => match serde_json::from_str::<Value>(text) {
                Err(error) => format!("it is not JSON: {error}"),
                Ok(_) => "it is not JSON".into(),
            },
            StrictError::DuplicateKey => "a key is there twice".into(),
        };
        Flaw { what, instead: "Write one JSON document, the schema of the list of an event's arguments".into() }
    })?;
    match schema.get("$schema") {
        None => Ok(schema),
        Some(Value::String(draft)) if draft.trim_end_matches('#') == DRAFT => Ok(schema),
        Some(_) => Err(Flaw {
            what: "it is written for another version of JSON Schema".into(),
            instead: format!("Write it for {DRAFT}, or leave $schema out"),
        }),
    }
}

/// A place in the schema, in words.
fn at(pointer: &str) -> String {
    if pointer.is_empty() { "the schema".into() } else { brief(pointer) }
}

/// Errors repeat what was written, which may be long.
fn brief(text: &str) -> String {
    match text.char_indices().nth(BRIEF) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_string(),
    }
}

const BRIEF: usize = 160;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Bytes of a compiled pattern, and of what is kept while one is looked for. Real ones take some kilobytes.
const PATTERN_SIZE: usize = 1 << 20;
