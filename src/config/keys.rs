//! Every key an operator may write, with its type, text and default, read from the JSON Schema that the configuration types
//! derive. The loader asks it what is known and what a value should look like; the reference prints it. So a key exists in
//! one place, the struct that holds it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// All keys, as one tree.
pub fn all() -> Key<'static> {
    static TREE: LazyLock<Value> = LazyLock::new(|| {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        settings.into_generator().into_root_schema_for::<Config>().to_value()
    });
    Key { schema: &TREE }
}

/// A node of the tree: a table, or a key with a value.
#[derive(Clone, Copy, Debug)]
pub struct Key<'tree> {
    schema: &'tree Value,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// Named keys, each with its own type.
    Table,
    /// Names of the operator's choice.
    Map,
    /// A list of tables: `[[upstream]]`.
    Tables,
    /// A list of plain values.
    List,
    /// One value.
    Value,
}

impl<'tree> Key<'tree> {
    /// The key at a path below this one. Numbers pick from lists; below a map every name exists.
    pub fn find<S: AsRef<str>>(self, path: &[S]) -> Option<Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match self.shape() {
            Shape::Table => self.child(first.as_ref())?.find(rest),
            Shape::Map => Some(Self { schema: self.schema.get("additionalProperties")? }),
            Shape::Tables | Shape::List => {
                first.as_ref().parse::<usize>().ok()?;
                self.items()?.find(rest)
            }
            Shape::Value => self.alternative_table()?.child(first.as_ref())?.find(rest),
        }
    }

    /// The steps of a path as values are kept: what stands below a map is one name, dots and all.
    pub fn steps(self, path: &[String]) -> Vec<String> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        match (self.shape(), self.find(&[first])) {
            (Shape::Map, _) => vec![path.join(".")],
            (_, Some(below)) => std::iter::once(first.clone()).chain(below.steps(rest)).collect(),
            (_, None) => path.to_vec(),
        }
    }

    /// The key of that name in this table.
    pub fn child(self, name: &str) -> Option<Self> {
        self.schema.get("properties")?.get(name).map(|schema| Self { schema })
    }

    /// The keys of this table, in the order they are declared.
    pub fn children(self) -> impl Iterator<Item = (&'tree str, Self)> {
        let properties = self.schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), Self { schema }))
    }

    /// What the elements of this list look like.
    pub fn items(self) -> Option<Self> {
        self.schema.get("items").map(|schema| Self { schema })
    }

    pub fn shape(self) -> Shape {
        if self.schema.get("properties").is_some() {
            Shape::Table
        } else if self.schema.get("additionalProperties").is_some() {
            Shape::Map
        } else if let Some(items) = self.items() {
            if items.shape() == Shape::Table { Shape::Tables } else { Shape::List }
        } else {
            Shape::Value
        }
    }

    /// Whether its value must not be seen.
    pub fn is_secret(self) -> bool {
        self.schema.get("writeOnly").is_some() || self.items().is_some_and(Self::is_secret)
    }

    /// Whether it may be left out altogether.
    pub fn is_optional(self) -> bool {
        self.schema.get("type").and_then(Value::as_array).is_some_and(|types| types.iter().any(|kind| kind == "null"))
    }

    /// Its page in the manual.
    pub fn doc(self) -> String {
        self.schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
    }

    /// Its built-in value.
    pub fn default(self) -> Option<&'tree Value> {
        self.schema.get("default").filter(|value| !value.is_null())
    }

    /// The texts it may be, for a closed set.
    pub fn choices(self) -> Vec<&'tree str> {
        let listed = self.schema.get("enum").and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Its type in an operator's words.
    pub fn kind(self) -> String {
        let has = |name: &str| match self.schema.get("type") {
            Some(Value::Array(types)) => types.iter().any(|kind| kind == name),
            Some(kind) => kind == name,
            None => false,
        };
        match self.shape() {
            Shape::Table => "table".into(),
            Shape::Map => "table of your own names".into(),
            Shape::Tables => "list of tables".into(),
            Shape::List => format!("list of {}", self.items().map(Self::kind).unwrap_or_default()),
            Shape::Value if self.is_secret() => "secret".into(),
            Shape::Value if !self.choices().is_empty() => {
                self.choices().iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(" or ")
            }
            Shape::Value if self.alternative_table().is_some() => "text or table".into(),
            Shape::Value if has("boolean") => "true or false".into(),
            // Values with a unit take a bare number too.
            Shape::Value if has("string") && has("integer") => "text with unit".into(),
            Shape::Value if has("integer") => "number".into(),
            Shape::Value => "text".into(),
        }
    }

    /// The table among the forms a value may have, as in `members`.
    fn alternative_table(self) -> Option<Self> {
        let forms = self.schema.get("anyOf")?.as_array()?;
        forms.iter().map(|schema| Self { schema }).find(|form| form.shape() == Shape::Table)
    }
}

/// The known key that looks most like an unknown one: in its own table first, then the same name in another table.
pub fn nearest(path: &[String]) -> Option<String> {
    let (name, table) = path.split_last()?;
    let here = all().find(table).and_then(|table| {
        let named = table.children().map(|(known, _)| (distance(name, known), known));
        named.filter(|(far, known)| *far <= allowed(name, known)).min().map(|(_, known)| joined(table_path(path), known))
    });
    here.or_else(|| elsewhere(name))
}

fn table_path(path: &[String]) -> String {
    path[..path.len() - 1].join(".")
}

fn joined(table: String, name: &str) -> String {
    if table.is_empty() { name.to_string() } else { format!("{table}.{name}") }
}

/// The key of exactly this name, or nearly, in any top table.
fn elsewhere(name: &str) -> Option<String> {
    let tables = all().children().filter(|(_, key)| key.shape() == Shape::Table);
    let named = tables.flat_map(|(table, key)| key.children().map(move |(known, _)| (table, known)));
    let near = named.map(|(table, known)| (distance(name, known), table, known));
    near.filter(|(far, ..)| *far <= 1).min_by_key(|(far, ..)| *far).map(|(_, table, known)| format!("{table}.{known}"))
}

/// How different two names may be and still be meant as one.
fn allowed(one: &str, other: &str) -> usize {
    (one.len().max(other.len()) / 3).max(1)
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. Names are short; longer ones are
/// never near.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, against) in other.iter().enumerate() {
            let mut cost = (rows[i][j + 1] + 1).min(row[j] + 1).min(rows[i][j] + usize::from(letter != against));
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *against {
                cost = cost.min(rows[i - 1][j - 1] + 1);
            }
            row.push(cost);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}
