//! Where attachments go in a binary event: an app puts them in by number, and some have trusted any number.

use serde_json::Value;

/// Whether every placeholder names one of so many attachments. The text was found to be JSON of bounded depth before.
pub(super) fn fit(json: &str, attachments: u8) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(json) else { return false };
    let mut left = vec![&value];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(members) => {
                if members.get("_placeholder") == Some(&Value::Bool(true))
                    && !members.get("num").and_then(Value::as_u64).is_some_and(|number| number < u64::from(attachments))
                {
                    return false;
                }
                left.extend(members.values());
            }
            _ => {}
        }
    }
    true
}
