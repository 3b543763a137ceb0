//! Why a value does not fit its type, in an operator's words. What stood there is repeated only where no secret can stand.

use figment::error::{Actual, Error, Kind};

use super::{
    keys::{self, Key, Shape},
    problem::without_password,
};

/// Why a value does not fit, and what to write. Texts of secrets, and of tables that might hold some, are never repeated.
pub fn explain(error: &Error, path: &[String]) -> (String, String) {
    let known = keys::all().find(path);
    let is_shown = known.is_some_and(|key| !key.is_secret() && matches!(key.shape(), Shape::Value | Shape::List));
    let found = |actual: &Actual| match actual {
        Actual::Str(text) if is_shown => format!("found {:?}", without_password(text)),
        Actual::Str(_) => "found a text".into(),
        Actual::Unsigned(number) if is_shown => format!("found {number}"),
        Actual::Signed(number) if is_shown => format!("found {number}"),
        Actual::Float(number) if is_shown => format!("found {number}"),
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "found a number".into(),
        Actual::Bool(_) => "found true or false".into(),
        Actual::Seq => "found a list".into(),
        Actual::Map => "found a table".into(),
        _ => "found something else".into(),
    };
    match &error.kind {
        Kind::UnknownVariant(text, choices) => (format!("{text:?} is not known here"), format!("Write {}", choices.join(" or "))),
        Kind::UnknownField(_, fields) => ("unknown key".into(), format!("Known here: {}", fields.join(", "))),
        Kind::MissingField(name) => (format!("{name} is missing"), format!("Add {name} = \u{2026}")),
        Kind::Message(text) if text.contains("untagged enum Member") => (
            "it is no member of an upstream".into(),
            "Write \"http://app-1:3001\" or { url = \"http://app-1:3001\", weight = 2 }".into(),
        ),
        Kind::Message(text) if is_shown => (text.clone(), String::new()),
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            let expected = known.map_or_else(|| expected.clone(), |key| expected_of(key, expected));
            (format!("{}, expected {expected}", found(actual)), String::new())
        }
        _ => ("its value does not fit".into(), known.map_or_else(String::new, |key| format!("Expected {}", key.kind()))),
    }
}

/// What a key takes, in an operator's words where the type itself has no good ones.
fn expected_of(key: Key<'_>, expected: &str) -> String {
    match expected {
        _ if key.is_secret() => "a text in quotes".into(),
        "a string" | "string" | "a boolean" | "a bool" => key.kind(),
        "u16" => "a number from 0 to 65535".into(),
        "u32" | "u64" | "usize" => "a whole number, 0 or more".into(),
        _ => expected.to_string(),
    }
}
