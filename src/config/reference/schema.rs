//! The JSON Schema of `sockgate.toml`, for editors.

use crate::config::Config;

/// The schema as text.
pub fn json_schema() -> String {
    let mut schema = schemars::schema_for!(Config);
    schema.insert("title".into(), "sockgate.toml".into());
    let text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    format!("{text}\n")
}
