//! The effective configuration as an operator reads it: every key with its value and where that came from. Secrets print as
//! `***`: values are printed from the typed configuration, whose secrets know no other form, and keys that are marked so are
//! hidden besides.

use figment::value::Value;

use super::{
    Config,
    inherit::TABLES,
    keys::{self, Key, Shape},
    problem::Source,
    stack::{Places, printed},
};

/// Where every value in effect came from.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    entries: Vec<Entry>,
    places: Places,
}

/// One key in effect.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    /// As an operator would write it.
    pub value: String,
    pub source: Source,
    /// A route's value that is the top table's.
    pub is_inherited: bool,
}

impl Provenance {
    /// Of values that have not become a configuration.
    pub fn of_places(places: Places) -> Self {
        Self { entries: Vec::new(), places }
    }

    pub fn new(config: &Config, places: Places) -> Self {
        let mut entries = Vec::new();
        if let Ok(Value::Dict(_, values)) = Value::serialize(config) {
            // In the order of the manual, which is the order of the types, not of the alphabet.
            for (name, key) in keys::all().children() {
                if let Some(value) = values.get(name) {
                    list(name, value, key, &places, &mut entries);
                }
            }
        }
        Self { entries, places }
    }

    /// Every key in effect with its value and source, without what routes inherit.
    pub fn list(&self) -> Vec<(String, String, Source)> {
        let own = self.entries.iter().filter(|entry| !entry.is_inherited);
        own.map(|entry| (entry.key.clone(), entry.value.clone(), entry.source.clone())).collect()
    }

    /// A key, or all keys of a table.
    pub fn find(&self, key: &str) -> Vec<&Entry> {
        let below = format!("{key}.");
        self.entries.iter().filter(|entry| entry.key == key || entry.key.starts_with(&below)).collect()
    }

    /// The key and source to name when something is wrong with a value: where it was written, else the table it is missing
    /// from. What a route inherited is named where it was inherited from.
    pub fn blame(&self, key: &str) -> (String, Source) {
        if is_inherited(key, &self.places) {
            let top = key.splitn(3, '.').nth(2).unwrap_or(key);
            return (top.to_string(), self.places.find(top));
        }
        (key.to_string(), self.places.find(key))
    }

    /// Where the value of this key came from.
    pub fn source(&self, key: &str) -> Source {
        self.blame(key).1
    }
}

/// Whether a route's value is the one of the top table.
fn is_inherited(key: &str, places: &Places) -> bool {
    let Some((table, rest)) = inherited_from(key) else { return false };
    let top = table.rsplit('.').next().unwrap_or_default();
    // No two values are written at the same place, so one place means that one was taken from the other.
    let own = places.nearest_below(&table, &rest);
    own.is_none() || own == places.nearest_below(top, &rest)
}

/// `route.0.auth.when` into `route.0.auth` and `when`, for tables that routes inherit.
fn inherited_from(key: &str) -> Option<(String, String)> {
    let steps: Vec<&str> = key.splitn(4, '.').collect();
    match steps.as_slice() {
        ["route", index, table, rest] if TABLES.contains(table) => Some((format!("route.{index}.{table}"), (*rest).to_string())),
        _ => None,
    }
}

fn list(key: &str, value: &Value, known: Key<'_>, places: &Places, entries: &mut Vec<Entry>) {
    match (known.shape(), value) {
        (Shape::Table, Value::Dict(_, values)) => {
            for (name, below) in known.children() {
                if let Some(value) = values.get(name) {
                    list(&format!("{key}.{name}"), value, below, places, entries);
                }
            }
        }
        (Shape::Tables, Value::Array(_, tables)) if !tables.is_empty() => {
            let Some(items) = known.items() else { return };
            for (index, table) in tables.iter().enumerate() {
                list(&format!("{key}.{index}"), table, items, places, entries);
            }
        }
        _ => entries.push(Entry {
            key: key.to_string(),
            value: if known.is_secret() && !matches!(value, Value::Empty(..)) { hidden(value) } else { printed(value) },
            source: source_of(key, places),
            is_inherited: is_inherited(key, places),
        }),
    }
}

/// Of a value printed as one: where it was written, or where its first part was.
fn source_of(key: &str, places: &Places) -> Source {
    match places.exactly(key) {
        Source::Default => places.below(key).into_iter().next().map(|(_, source)| source).unwrap_or_default(),
        source => source,
    }
}

/// A secret, or so many of them.
fn hidden(value: &Value) -> String {
    match value {
        Value::Array(_, list) => format!("[{}]", list.iter().map(hidden).collect::<Vec<_>>().join(", ")),
        _ => "***".into(),
    }
}
