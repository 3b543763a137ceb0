//! What can be wrong with JSON.

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
