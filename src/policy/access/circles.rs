//! Whether the references of a JSON Schema lead around in a circle, as those of trees and of lists in lists do. Judging such data
//! takes time that grows with it; saying where it is wrong may take time that doubles with every level, so it is not said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// `true` also where that cannot be told from `$ref` alone: anchors, dynamic references, schemas with a name of their own.
pub(super) fn leads_around(schema: &Value) -> bool {
    let mut root = schema.clone();
    let defined = root.as_object_mut().and_then(|words| {
        words.shift_remove("$id");
        words.shift_remove("$defs")
    });
    let defined = defined.as_ref().and_then(Value::as_object).into_iter().flatten();
    let parts = defined.map(|(name, part)| (Part::Defined(name), part)).chain([(Part::Root, &root)]);
    let leads: Option<BTreeMap<Part<'_>, BTreeSet<Part<'_>>>> =
        parts.map(|(part, value)| Some((part, targets(value)?))).collect();
    let Some(mut leads) = leads else { return true };
    // Parts that lead nowhere are taken away until none is left, or only those in a circle and before one.
    while let Some(end) = leads.iter().find(|(_, targets)| targets.is_empty()).map(|(part, _)| *part) {
        leads.remove(&end);
        for targets in leads.values_mut() {
            targets.remove(&end);
        }
    }
    !leads.is_empty()
}

/// What a reference can lead to: the whole, or one of its definitions.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Part<'a> {
    Root,
    Defined(&'a str),
}

/// Everything that is referred to from here. `None`: that is not plain.
fn targets(value: &Value) -> Option<BTreeSet<Part<'_>>> {
    let mut found = BTreeSet::new();
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(words) => {
                if ["$id", "$dynamicRef", "$anchor", "$dynamicAnchor"].iter().any(|word| words.contains_key(*word)) {
                    return None;
                }
                if let Some(reference) = words.get("$ref") {
                    found.insert(target(reference)?);
                }
                left.extend(words.values());
            }
            _ => {}
        }
    }
    Some(found)
}

fn target(reference: &Value) -> Option<Part<'_>> {
    match reference.as_str()?.strip_prefix('#')? {
        "" => Some(Part::Root),
        pointer => match pointer.strip_prefix("/$defs/")?.split('/').next()? {
            // Written with escapes, it may be any.
            name if name.contains(['~', '%']) => None,
            name => Some(Part::Defined(name)),
        },
    }
}
