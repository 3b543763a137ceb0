//! A TOML file as a layer: its values, and the line and column of each. Keys that nobody knows and tables of the wrong shape
//! are reported here, all of them; whether a value fits its type is found when the layer is laid on the stack.

use std::path::Path as FilePath;

use figment::value::{Dict, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    keys::{self, Key, Shape},
    problem::{Problem, Source},
    stack::{Layer, Path},
};

/// Reads the text of a file. `None`: it is no TOML, and the problems say where.
pub fn read(path: &FilePath, text: &str, problems: &mut Vec<Problem>) -> Option<Layer> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let lines = Lines { path, text };
    if !errors.is_empty() {
        for error in errors {
            let at = lines.source(error.span().map_or(0, |span| span.start));
            problems.push(Problem::refusal("", at, format!("no TOML: {}", error.message()), ""));
        }
        return None;
    }
    let mut reading = Reading { lines, layer: Layer::default(), problems, path: Path::new() };
    let values = reading.table(document.get_ref(), Some(keys::all()));
    reading.layer.values = values;
    Some(reading.layer)
}

struct Reading<'a> {
    lines: Lines<'a>,
    layer: Layer,
    problems: &'a mut Vec<Problem>,
    path: Path,
}

impl Reading<'_> {
    /// A table, whose keys are known where `known` says which.
    fn table(&mut self, table: &DeTable<'_>, known: Option<Key<'static>>) -> Dict {
        let mut values = Dict::new();
        for (name, value) in table {
            self.path.push(name.get_ref().to_string());
            if let Some(value) = self.entry(name.span().start, value, known) {
                values.insert(name.get_ref().to_string(), value);
            }
            self.path.pop();
        }
        self.refuse_both_ways(&values);
        values
    }

    /// One key of a table with its value, unless there is something wrong with it.
    fn entry(&mut self, start: usize, value: &Spanned<DeValue<'_>>, table: Option<Key<'static>>) -> Option<Value> {
        let Some(table) = table.filter(|table| table.shape() == Shape::Table) else {
            return Some(self.value(start, value, None));
        };
        let source = self.lines.source(start);
        let name = self.path.last().map(String::as_str).unwrap_or_default();
        let Some(key) = table.child(name) else {
            let nearest = keys::nearest(&self.path);
            let listed = table.children().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            let instead = if nearest.is_some() { String::new() } else { format!("Known here: {listed}") };
            self.problems.push(Problem::refusal(self.key(), source, "unknown key", instead).near(nearest));
            return None;
        };
        let instead = match (key.shape(), value.get_ref()) {
            (Shape::Table | Shape::Map, DeValue::Table(_)) | (Shape::Value, _) => None,
            (Shape::Tables | Shape::List, DeValue::Array(_)) => None,
            // One text stands for a list of one, as in `issuer = "https://id.example.com"`.
            (Shape::List, DeValue::String(text)) => {
                self.layer.places.push((self.path.clone(), source));
                return Some(Value::from(vec![text.to_string()]));
            }
            (Shape::Table | Shape::Map, _) => Some(format!("It is a table: write [{}] and its keys below", self.key())),
            (Shape::Tables, _) => Some(format!("It is a list of tables: write [[{}]], once for each", self.key())),
            (Shape::List, _) => Some(format!("It is a list: write {} = [\u{2026}]", self.key())),
        };
        match instead {
            None => Some(self.value(start, value, Some(key))),
            Some(instead) => {
                let what = format!("found {}", kind_of(value.get_ref()));
                self.problems.push(Problem::refusal(self.key(), source, what, instead));
                None
            }
        }
    }

    fn value(&mut self, start: usize, value: &Spanned<DeValue<'_>>, key: Option<Key<'static>>) -> Value {
        // Tables are not values: several files may share one. Those in lists belong to the file that wrote the list.
        let is_element = self.path.last().is_some_and(|step| step.parse::<usize>().is_ok());
        if is_element || !matches!(value.get_ref(), DeValue::Table(_)) {
            self.layer.places.push((self.path.clone(), self.lines.source(start)));
        }
        match value.get_ref() {
            DeValue::String(text) => Value::from(text.to_string()),
            DeValue::Boolean(truth) => Value::from(*truth),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(digits.as_str()),
            },
            DeValue::Float(digits) => match digits.as_str().parse::<f64>() {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(digits.as_str()),
            },
            DeValue::Datetime(moment) => Value::from(moment.to_string()),
            DeValue::Table(table) => Value::from(self.table(table, key)),
            DeValue::Array(list) => {
                let mut values = Vec::new();
                for (index, element) in list.iter().enumerate() {
                    self.path.push(index.to_string());
                    values.push(self.value(element.span().start, element, key.and_then(Key::items)));
                    self.path.pop();
                }
                Value::from(values)
            }
        }
    }

    /// `secret` and `secret_file` in one table: nobody can know which is meant.
    fn refuse_both_ways(&mut self, values: &Dict) {
        for name in values.keys().filter(|name| name.ends_with("_file")) {
            let Some(inline) = name.strip_suffix("_file").filter(|inline| values.contains_key(*inline)) else { continue };
            let key = self.path.iter().map(String::as_str).chain([name.as_str()]).collect::<Vec<_>>().join(".");
            let place = self.layer.places.iter().find(|(path, _)| path.join(".") == key);
            let source = place.map_or_else(|| Source::file(self.lines.path), |(_, source)| source.clone());
            let what = format!("given together with {inline}");
            self.problems.push(Problem::refusal(key, source, what, "Keep one of the two"));
        }
    }

    fn key(&self) -> String {
        self.path.join(".")
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Byte offsets into lines and columns.
struct Lines<'a> {
    path: &'a FilePath,
    text: &'a str,
}

impl Lines<'_> {
    fn source(&self, offset: usize) -> Source {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let column = 1 + String::from_utf8_lossy(&before[start..]).chars().count();
        Source::File { path: self.path.to_path_buf(), at: Some((line, column)) }
    }
}
