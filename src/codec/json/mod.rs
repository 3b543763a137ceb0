//! JSON as RFC 8259 has it and nothing else, checked while it passes: the data of Socket.IO packets. What servers read
//! differently (NaN, what follows the value, bytes that are not UTF-8) is refused here, so that what was judged and what the
//! app parses cannot differ. Nothing is kept but the kinds of the open brackets, one bit each: a packet of any size costs no
//! memory, and depth costs no stack. Called by `relay` on the pieces of a message as they come.

mod scanner;
mod strings;

pub use scanner::{MOST_DEPTH, Scanner};

/// What the text must be.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Top {
    Array,
    Object,
    Any,
}

/// Why a text is not JSON, or not what was asked for. Its sender is to blame.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum JsonError {
    #[error("the JSON is of another kind than belongs here")]
    Top,
    #[error("the JSON is not well formed")]
    Syntax,
    #[error("a number is not written as JSON has it")]
    Number,
    #[error("a string has an escape that JSON does not know")]
    Escape,
    #[error("a string has a control character in it")]
    Control,
    #[error("a string is not UTF-8")]
    NotUtf8,
    #[error("the JSON is nested deeper than allowed")]
    TooDeep,
    #[error("something follows the JSON")]
    Trailing,
    #[error("the JSON ends before it is whole")]
    Short,
}

/// A text as a JSON string, quotes and all.
pub fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
