//! The sample file: every table and key with its text and default, all commented out, so that the file as it stands changes
//! nothing. Text is behind `# `, what can be written behind `#`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::config::{
    inherit::TABLES,
    keys::{self, Key, Shape},
};

const WIDTH: usize = 118;

/// The shortest set-up in front of an existing app.
const MINIMAL: &str = "\
#[listen]
#address = \"0.0.0.0:8443\"
#[tls]
#certificate = \"certs/gate.crt\"
#key = \"certs/gate.key\"
#[origin]
#allow = [\"https://app.example.com\"]
#[auth]
#secret_file = \"/run/secrets/jwt\"
#[limit]
#handshakes_per_address = \"100/1m\"
#[[upstream]]
#name = \"app\"
#members = [\"http://app-1:3001\", \"http://app-2:3001\"]
#[[route]]
#path = \"/socket.io/\"
";

/// The file as text.
pub fn sample_toml() -> String {
    let mut out = String::from(
        "#:schema reference/sockgate.schema.json\n\
         # Every option of sockgate with its default. Made by `sockgate reference --format toml`.\n\
         # Everything here is commented out, so this file changes nothing; the defaults need a key for tokens\n\
         # and an app server before the gate starts.\n\
         #\n\
         # The smallest set-up before an existing app. Remove the # in front of these lines:\n\
         #\n",
    );
    out.push_str(MINIMAL);
    out.push_str(
        "#\n\
         # The same for a try-out from the environment alone:\n\
         #   JWT_SECRET=\u{2026} SOCKGATE_UPSTREAM=http://127.0.0.1:3001 FRONTEND_URL=http://localhost:5173 sockgate run\n\n\
         # ---- All options ----\n\n",
    );
    let plain = keys::all().children().filter(|(_, key)| matches!(key.shape(), Shape::Value | Shape::List));
    for (name, key) in plain {
        option(&mut out, name, key);
    }
    for (name, key) in keys::all().children().filter(|(_, key)| key.shape() == Shape::Table) {
        table(&mut out, name, key);
    }
    // Lists of tables end the file: everything behind their heading belongs to them.
    lists(&mut out, "", keys::all());
    out
}

fn table(out: &mut String, name: &str, key: Key<'_>) {
    comment(out, &key.doc());
    let _ = writeln!(out, "#[{name}]\n");
    for (child, key) in key.children().filter(|(_, key)| is_option(*key)) {
        option(out, child, key);
    }
    for (child, key) in key.children().filter(|(_, key)| key.shape() == Shape::Table) {
        table(out, &format!("{name}.{child}"), key);
    }
}

fn lists(out: &mut String, above: &str, key: Key<'_>) {
    for (name, child) in key.children() {
        let path = if above.is_empty() { name.to_string() } else { format!("{above}.{name}") };
        match (child.shape(), child.items()) {
            (Shape::Tables, Some(items)) => list(out, &path, child, items),
            (Shape::Table, _) => lists(out, &path, child),
            _ => {}
        }
    }
}

fn list(out: &mut String, name: &str, key: Key<'_>, items: Key<'_>) {
    comment(out, &key.doc());
    let _ = writeln!(out, "#[[{name}]]\n");
    for (child, key) in items.children() {
        if name == "route" && TABLES.contains(&child) {
            comment(out, &format!("{} Keys as in [{child}], under [route.{child}].", key.doc()));
            out.push('\n');
        } else if is_option(key) {
            option(out, child, key);
        }
    }
}

fn option(out: &mut String, name: &str, key: Key<'_>) {
    comment(out, &key.doc());
    match key.default() {
        Some(value) => {
            let _ = writeln!(out, "#{name} = {}\n", toml(value));
        }
        None => {
            let _ = writeln!(out, "# {name} is not set.\n");
        }
    }
}

fn is_option(key: Key<'_>) -> bool {
    matches!(key.shape(), Shape::Value | Shape::List | Shape::Map)
}

/// Text behind `# `, broken between words.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line != "#" {
        let _ = writeln!(out, "{line}");
    }
}

/// A default as TOML.
pub fn toml(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) if table.is_empty() => "{}".into(),
        Value::Object(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key:?} = {}", toml(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Null => "\"\"".into(),
        plain => plain.to_string(),
    }
}
