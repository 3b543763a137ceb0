//! The page of all options.

use std::fmt::Write as _;

use crate::config::{
    env::{self, LEGACY},
    inherit::TABLES,
    keys::{self, Key, Shape},
};

use super::sample::toml;

const INTRODUCTION: &str = "\
# Options of sockgate

Made by `sockgate reference`; a test compares this page with the code.

## Layers

Weakest first; a later layer wins, key by key. Tables merge, lists are replaced whole.

1. Built-in defaults.
2. TOML files: those of `--config FILE` in their order, or the first that exists of `config/sockgate.toml` and
   `/etc/sockgate/sockgate.toml`.
3. The profile's file beside each: `SOCKGATE_PROFILE=production` reads `sockgate.production.toml` beside `sockgate.toml`.
4. Names that existing apps already read (see the end of this page).
5. `SOCKGATE_` names: `SOCKGATE_ORIGIN__ALLOW` is `origin.allow`. Two underscores go one table down, a number picks from a
   list of tables (`SOCKGATE_ROUTE__0__PATH`), commas separate the entries of a list. `SOCKGATE_UPSTREAM=http://app-1:3001,http://app-2:3001`
   stands for the members of the only upstream, which is called `app` unless a file names it.
6. `--set KEY=VALUE` on the command line, as in `--set origin.allow=https://app.example.com`.

`secret` and `secret_file` (and every other such pair) are one value in two forms: a layer that sets one takes back the other.
Relative paths start in the working directory. `sockgate check` prints every value in effect and where it came from.

A route takes what it does not say itself from `[origin]`, `[auth]`, `[access]`, `[limit]` and `[socketio]`. With exactly one upstream,
a route without `upstream` uses it, and when there is no `[[route]]` at all, one on `/socket.io/` does.

## Mistakes

Unknown keys, wrong values and wrong TOML in a file, and wrong values on the command line, refuse the start; so does everything
that would open the gate further than you meant. A wrong value of an ordinary variable is a warning, and the value below stays.
An unknown `SOCKGATE_` name is a warning. A wrong origin in a variable is left out with a warning. `--strict` refuses at warnings too.

## Units

| what | how to write it | a bare number |
| --- | --- | --- |
| length of time | `\"250ms\"`, `\"25s\"`, `\"10m\"`, `\"1h\"`, `\"7d\"` | seconds |
| size | `\"500 B\"`, `\"16 KiB\"`, `\"1 MB\"`, `\"100 MiB\"` | bytes |
| rate | `\"100/1m\"`, `\"20/1s burst 60\"`, `\"off\"`; without burst as many at once as the count | not allowed |
| rate of sizes | `\"1 MiB/1s\"`, `\"64 KiB/1s burst 1 MiB\"`, `\"off\"`; without burst as much at once as the size | not allowed |
";

/// The page as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## Top level\n");
    for (name, key) in keys::all().children().filter(|(_, key)| is_option(*key)) {
        option(&mut out, name, name, key);
    }
    for (name, key) in keys::all().children().filter(|(_, key)| !is_option(*key)) {
        table(&mut out, name, key);
    }
    legacy(&mut out);
    out
}

fn table(out: &mut String, path: &str, key: Key<'_>) {
    let (heading, path, below) = match key.items() {
        Some(items) => (format!("[[{path}]]"), format!("{path}.0"), items),
        None => (format!("[{path}]"), path.to_string(), key),
    };
    let _ = write!(out, "\n## `{heading}`\n\n{}\n", key.doc());
    for (name, child) in below.children() {
        let path = format!("{path}.{name}");
        if heading == "[[route]]" && TABLES.contains(&name) {
            let _ = write!(
                out,
                "\n### `{name}`\n\nTable, written `[route.{name}]`. {} Keys as in [`[{name}]`](#{name}).\n",
                child.doc()
            );
        } else if is_option(child) {
            option(out, name, &path, child);
        }
    }
    for (name, child) in below.children().filter(|(_, child)| !is_option(*child)) {
        if heading != "[[route]]" {
            table(out, &heading_path(&heading, name), child);
        }
    }
}

fn heading_path(heading: &str, name: &str) -> String {
    format!("{}.{name}", heading.trim_matches(['[', ']']))
}

fn option(out: &mut String, name: &str, path: &str, key: Key<'_>) {
    let default = key.default().map_or_else(|| "not set".to_string(), |value| format!("default `{}`", toml(value)));
    let variable = match (key.shape(), env::name_of(path)) {
        (Shape::Value | Shape::List, Some(name)) => format!(" \u{b7} `{name}`"),
        _ => String::new(),
    };
    let _ = write!(out, "\n### `{name}`\n\n{} \u{b7} {default}{variable}\n\n{}\n", key.kind(), key.doc());
}

fn is_option(key: Key<'_>) -> bool {
    matches!(key.shape(), Shape::Value | Shape::List | Shape::Map)
}

fn legacy(out: &mut String) {
    out.push_str(
        "\n## Names that existing apps already read\n\n\
         Stronger than files, weaker than `SOCKGATE_` names; of two that set the same key the later row wins. Empty ones count as not set.\n\n\
         | name | sets | how it is read |\n| --- | --- | --- |\n",
    );
    for legacy in LEGACY {
        let keys = if legacy.keys.is_empty() { "nothing".to_string() } else { format!("`{}`", legacy.keys) };
        let _ = writeln!(out, "| `{}` | {keys} | {} |", legacy.name, legacy.note);
    }
    out.push_str(
        "\nKubernetes injects names such as `SOCKGATE_PORT=tcp://\u{2026}` and `SOCKGATE_SERVICE_HOST` for a service called `sockgate`; they are \
         passed over.\n",
    );
}
