//! The manual of the configuration, made from the code that reads it: the page of all options, the sample file, and the JSON
//! Schema for editors. They are committed under `config/`; a test compares them with these functions.

mod markdown;
mod sample;
mod schema;

pub use markdown::markdown;
pub use sample::sample_toml;
pub use schema::json_schema;
