//! What follows from a configuration without being written: a route takes what it does not say itself from the top tables
//! `[origin]`, `[auth]`, `[access]`, `[limit]` and `[socketio]`; where there is exactly one upstream, a route without one uses it, and
//! when there is no route at all, one on `/socket.io/` does. This happens on the merged dictionaries, before types fill in
//! defaults, so that "not written" is still known.

use figment::value::{Dict, Tag, Value};

use super::stack::{Places, overlay, settle_alternatives};

/// The tables a route inherits.
pub const TABLES: [&str; 5] = ["origin", "auth", "access", "limit", "socketio"];

/// The path of the route that an only upstream gets when no route is written.
pub const PATH: &str = "/socket.io/";

/// Completes merged values and says of each inherited one where it came from.
pub fn complete(mut values: Dict, mut places: Places) -> (Dict, Places) {
    let only = only_upstream(&values);
    let mut routes = match values.remove("route") {
        Some(Value::Array(_, routes)) => routes,
        _ => Vec::new(),
    };
    if let (Some(_), true) = (&only, routes.is_empty()) {
        routes.push(Value::from(Dict::from([("path".to_string(), Value::from(PATH))])));
    }
    for (index, route) in routes.iter_mut().enumerate() {
        let Value::Dict(_, route) = route else { continue };
        if let (Some(name), false) = (&only, route.contains_key("upstream")) {
            route.insert("upstream".into(), Value::from(name.as_str()));
        }
        for table in TABLES {
            inherit(route, index, table, &values, &mut places);
        }
    }
    values.insert("route".into(), Value::Array(Tag::Default, routes));
    (values, places)
}

fn inherit(route: &mut Dict, index: usize, table: &str, values: &Dict, places: &mut Places) {
    let Some(Value::Dict(_, top)) = values.get(table) else { return };
    let mut own = match route.remove(table) {
        Some(Value::Dict(_, own)) => own,
        _ => Dict::new(),
    };
    settle_alternatives(&mut own, &mut vec![table.to_string()]);
    route.insert(table.into(), Value::from(overlay(top, &own)));

    let here = format!("route.{index}.{table}");
    let inherited: Vec<_> =
        places.below(table).into_iter().filter(|(rest, _)| places.nearest_below(&here, rest).is_none()).collect();
    for (rest, source) in inherited {
        places.inherit(format!("{here}.{rest}"), source);
    }
}

/// The name of the upstream, when there is exactly one.
fn only_upstream(values: &Dict) -> Option<String> {
    match values.get("upstream")?.as_array()? {
        [only] => Some(only.as_dict()?.get("name")?.as_str()?.to_string()).filter(|name| !name.is_empty()),
        _ => None,
    }
}
