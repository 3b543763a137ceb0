//! The words of JSON Schema 2020-12. The standard lets others pass without a meaning, and formats too; here a word that is
//! misspelt would be a rule that is not there, so it is told. Names that begin with `x-` are left to whoever wrote them.

use serde_json::Value;

/// What would mean nothing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Unknown<'s> {
    Word(&'s str),
    Format(&'s str),
}

/// What is written in a schema and would mean nothing, each once.
pub(super) fn unknown(schema: &Value) -> Vec<Unknown<'_>> {
    let mut found = Vec::new();
    let mut left = vec![schema];
    while let Some(schema) = left.pop() {
        let Value::Object(words) = schema else { continue };
        for (word, value) in words {
            match (word.as_str(), value) {
                (word, value) if ONE.contains(&word) => left.push(value),
                (word, Value::Array(items)) if SEVERAL.contains(&word) => left.extend(items),
                (word, Value::Object(members)) if NAMED.contains(&word) => left.extend(members.values()),
                ("format", Value::String(format)) if !FORMATS.contains(&format.as_str()) => found.push(Unknown::Format(format)),
                (word, _) if SEVERAL.contains(&word) || NAMED.contains(&word) || PLAIN.contains(&word) => {}
                (word, _) if word.starts_with("x-") => {}
                (word, _) => found.push(Unknown::Word(word)),
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Words with a schema.
const ONE: [&str; 11] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Words with a list of schemas.
const SEVERAL: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];

/// Words with schemas under names.
const NAMED: [&str; 4] = ["$defs", "dependentSchemas", "patternProperties", "properties"];

/// Words with something else.
const PLAIN: [&str; 37] = [
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "$vocabulary",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
];

/// Formats that are judged in time that grows with the text alone. Not `regex`: nobody compiles what a client wrote.
pub(super) const FORMATS: [&str; 16] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];
