//! The layers of a configuration, laid on one another: dictionaries merge key by key, lists are replaced whole, and beside
//! every value stands where it came from. A layer that does not fit the types leaves the stack as it was and says at which
//! path, so the loader can name the culprit and go on looking. Merging and typed extraction are figment's; the line numbers
//! are ours, because figment knows one source for a whole layer.

use std::collections::BTreeMap;

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    value::{Dict, Empty, Map, Tag, Value},
};

use super::{
    Config,
    keys::{self, Shape},
    problem::{Source, without_password},
};

/// A path of keys and list indexes.
pub type Path = Vec<String>;

/// What one source says.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub values: Dict,
    /// Where each value stands, by path; the paths of lists before those of their elements.
    pub places: Vec<(Path, Source)>,
}

/// Layers merged so far.
#[derive(Clone)]
pub struct Stack {
    figment: Figment,
    places: Places,
}

/// Where every value came from. A path that is not in it is built in, or came with the nearest path above it.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<String, Source>);

impl Layer {
    /// Where a value was written, or the nearest thing around it.
    pub fn place_of(&self, path: &[String]) -> Source {
        let around = self.places.iter().filter(|(known, _)| path.starts_with(known));
        around.max_by_key(|(known, _)| known.len()).map(|(_, source)| source.clone()).unwrap_or_default()
    }

    /// Takes a value out, or the nearest thing around it that is there. `false`: there is nothing of it.
    pub fn remove(&mut self, path: &[String]) -> bool {
        remove(&mut self.values, path)
    }
}

impl Stack {
    /// The defaults alone.
    pub fn new() -> Self {
        let defaults = Value::serialize(Config::default()).ok().and_then(Value::into_dict);
        let defaults = defaults.expect("a configuration serialises to a table of plain values");
        Self { figment: Figment::from(Values(defaults)), places: Places::default() }
    }

    /// Lays a layer on top. An error names the path that does not fit; then nothing has changed.
    pub fn put(&mut self, layer: &Layer) -> Result<(), Box<Error>> {
        let mut values = layer.values.clone();
        settle_alternatives(&mut values, &mut Path::new());
        let figment = self.figment.clone().merge(Values(values));
        figment.extract_lossy::<Config>()?;
        self.figment = figment;
        for (path, source) in &layer.places {
            self.places.put(path, source.clone());
        }
        Ok(())
    }

    /// Makes a layer that sets one value. List indexes on the way edit the list below, or add to its end.
    pub fn change(&self, path: &[String], value: Value, source: Source) -> Option<Layer> {
        let root = Value::from(self.values());
        let (first, rest) = path.split_first()?;
        let below = root.as_dict()?.get(first);
        let edited =
            if path.iter().any(|step| step.parse::<usize>().is_ok()) { edit(below, rest, value)? } else { nest(rest, value) };
        Some(Layer { values: Dict::from([(first.clone(), edited)]), places: vec![(path.to_vec(), source)] })
    }

    /// The value at a path now.
    pub fn value(&self, path: &[impl AsRef<str>]) -> Option<Value> {
        let mut value = Value::from(self.values());
        for step in path {
            value = match value {
                Value::Dict(_, mut dict) => dict.remove(step.as_ref())?,
                Value::Array(_, mut list) => {
                    let index = step.as_ref().parse::<usize>().ok().filter(|index| *index < list.len())?;
                    list.swap_remove(index)
                }
                _ => return None,
            };
        }
        Some(value)
    }

    /// Everything merged, and where it came from.
    pub fn into_parts(self) -> (Dict, Places) {
        (self.values(), self.places)
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    fn values(&self) -> Dict {
        let mut profiles = self.figment.data().expect("layers that cannot be read are refused by put");
        profiles.remove(&Profile::Default).unwrap_or_default()
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl Places {
    /// The value at this path, with all below it, now comes from there.
    pub fn put(&mut self, path: &[String], source: Source) {
        let key = path.join(".");
        let below = format!("{key}.");
        self.0.retain(|known, _| !known.starts_with(&below));
        self.0.insert(key, source);
    }

    /// Where the value of this key came from.
    pub fn find(&self, key: &str) -> Source {
        let mut key = key;
        loop {
            if let Some(source) = self.0.get(key) {
                return source.clone();
            }
            match key.rsplit_once('.') {
                Some((above, _)) => key = above,
                None => return Source::Default,
            }
        }
    }

    /// Notes where a value came from without touching what is known below it.
    pub fn inherit(&mut self, key: String, source: Source) {
        self.0.insert(key, source);
    }

    /// Where exactly this value came from: the default unless somebody wrote this key.
    pub fn exactly(&self, key: &str) -> Source {
        self.0.get(key).cloned().unwrap_or_default()
    }

    /// Everything written below a key, as paths relative to it.
    pub fn below(&self, key: &str) -> Vec<(String, Source)> {
        let prefix = format!("{key}.");
        self.0.iter().filter_map(|(known, source)| Some((known.strip_prefix(&prefix)?.to_string(), source.clone()))).collect()
    }

    /// Where a key of a table, or what it is a part of, was written. `None`: nowhere below that table.
    pub fn nearest_below(&self, table: &str, rest: &str) -> Option<Source> {
        let mut rest = rest;
        loop {
            if let Some(source) = self.0.get(&format!("{table}.{rest}")) {
                return Some(source.clone());
            }
            rest = rest.rsplit_once('.')?.0;
        }
    }
}

/// Reads a merged dictionary as a configuration. Texts of variables become numbers and truths where the types ask for it.
pub fn to_config(values: &Dict) -> Result<Config, Box<Error>> {
    Figment::from(Values(values.clone())).extract_lossy().map_err(Box::new)
}

/// Lays `over` on `base`: tables merge, everything else is replaced.
pub fn overlay(base: &Dict, over: &Dict) -> Dict {
    let figment = Figment::from(Values(base.clone())).merge(Values(over.clone()));
    let mut profiles = figment.data().expect("two dictionaries always merge");
    profiles.remove(&Profile::Default).unwrap_or_default()
}

/// `secret` and `secret_file` are two ways to say one thing, so whoever says one takes back the other of the layers below.
pub fn settle_alternatives(values: &mut Dict, path: &mut Path) {
    let Some(table) = keys::all().find(path.as_slice()).filter(|key| key.shape() == Shape::Table) else { return };
    let names: Vec<String> = values.keys().cloned().collect();
    for name in names {
        let other = name.strip_suffix("_file").map_or_else(|| format!("{name}_file"), str::to_string);
        if table.child(&other).is_some() && !values.contains_key(&other) {
            values.insert(other, Value::Empty(Tag::Default, Empty::None));
        }
        if let Some(Value::Dict(_, below)) = values.get_mut(&name) {
            path.push(name);
            settle_alternatives(below, path);
            path.pop();
        }
    }
}

/// A value as an operator would write it. Secrets are for the caller to hide.
pub fn printed(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{:?}", without_password(text)),
        Value::Char(_, letter) => format!("{:?}", letter.to_string()),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, number) => match (number.to_i128(), number.to_u128_lossy(), number.to_f64()) {
            (Some(whole), ..) => whole.to_string(),
            (None, Some(whole), _) => whole.to_string(),
            (None, None, Some(real)) => real.to_string(),
            (None, None, None) => String::new(),
        },
        Value::Empty(..) => "(not set)".into(),
        Value::Array(_, list) => format!("[{}]", list.iter().map(printed).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, dict) => {
            let pairs = dict.iter().map(|(key, value)| format!("{key} = {}", printed(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A copy of what is below with one value changed. `None`: an index beyond the end of its list, or a step into a value.
fn edit(below: Option<&Value>, path: &[String], value: Value) -> Option<Value> {
    let Some((step, rest)) = path.split_first() else { return Some(value) };
    match (below, step.parse::<usize>()) {
        (Some(Value::Array(_, list)), Ok(index)) if index <= list.len() => {
            let mut list = list.clone();
            let edited = edit(list.get(index), rest, value)?;
            match list.get_mut(index) {
                Some(place) => *place = edited,
                None => list.push(edited),
            }
            Some(Value::from(list))
        }
        (Some(Value::Array(..)), _) => None,
        (Some(Value::Dict(_, dict)), _) => {
            let mut dict = dict.clone();
            let edited = edit(dict.get(step), rest, value)?;
            dict.insert(step.clone(), edited);
            Some(Value::from(dict))
        }
        (None | Some(Value::Empty(..)), Ok(0)) => Some(Value::from(vec![edit(None, rest, value)?])),
        (None | Some(Value::Empty(..)), Err(_)) => Some(Value::from(Dict::from([(step.clone(), edit(None, rest, value)?)]))),
        _ => None,
    }
}

fn remove(values: &mut Dict, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    let is_gone = values.get_mut(first).is_some_and(|value| remove_below(value, rest));
    is_gone || values.remove(first).is_some()
}

fn remove_below(value: &mut Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match value {
        Value::Dict(_, dict) => remove(dict, path),
        Value::Array(_, list) => {
            let Some(index) = first.parse::<usize>().ok().filter(|index| *index < list.len()) else { return false };
            if !remove_below(&mut list[index], rest) {
                list.remove(index);
            }
            true
        }
        _ => false,
    }
}

/// The value under the tables that lead to it.
fn nest(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, step| Value::from(Dict::from([(step.clone(), inner)])))
}

/// A dictionary as figment wants a layer.
struct Values(Dict);

impl Provider for Values {
    fn metadata(&self) -> Metadata {
        Metadata::named("a layer")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, self.0.clone())]))
    }
}
