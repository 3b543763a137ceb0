use std::{fs, path::Path};

use sockgate::config::{
    Config,
    keys::{self, Key, Shape},
    reference::{json_schema, markdown, sample_toml},
};

use super::workshop::{SECRET, Workshop};

fn committed(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn committed_pages_are_what_the_code_says() {
    for (path, form, text) in [
        ("config/reference/options.md", "markdown", markdown()),
        ("config/reference/sockgate.schema.json", "schema", json_schema()),
        ("config/sockgate.toml", "toml", sample_toml()),
    ] {
        assert!(committed(path) == text, "{path} is stale; run: cargo run -- reference --format {form} > {path}");
    }
}

#[test]
fn the_sample_changes_nothing() {
    let bare = |workshop: Workshop| workshop.env("JWT_SECRET", SECRET).env("SOCKGATE_UPSTREAM", "http://app:3001").config();
    let with = bare(Workshop::new().file("sockgate.toml", &sample_toml()));
    assert_eq!(as_json(&with), as_json(&bare(Workshop::new())));
}

#[test]
fn the_sample_with_every_option_switched_on_says_the_defaults() {
    let sample = sample_toml();
    let (_, all) = sample.split_once("# ---- All options ----").expect("the heading");
    let tables = all.split("#[[").next().expect("tables stand before lists of tables");
    let loaded = Workshop::new()
        .file("all.toml", &uncommented(tables))
        .env("JWT_SECRET", SECRET)
        .env("SOCKGATE_UPSTREAM", "http://app:3001")
        .load();
    assert_eq!(loaded.problems, []);
    let plain = Workshop::new().env("JWT_SECRET", SECRET).env("SOCKGATE_UPSTREAM", "http://app:3001").config();
    assert_eq!(as_json(&loaded.config.expect("good")), as_json(&plain));
}

#[test]
fn the_small_set_up_on_top_of_the_sample_works() {
    let sample = sample_toml();
    let (small, _) = sample.split_once("# ---- All options ----").expect("the heading");
    let workshop = Workshop::new().file("small.toml", &uncommented(small)).beside("jwt", SECRET).set("auth.secret_file", "jwt");
    let loaded = workshop.load();
    assert!(loaded.problems.iter().all(|problem| !problem.is_refusal()), "{:?}", workshop.paragraphs());
    assert_eq!(loaded.config.expect("good").route[0].upstream, "app");
    assert!(uncommented(small).lines().filter(|line| !line.trim().is_empty()).count() < 20);
}

#[test]
fn every_key_is_documented() {
    fn visit(path: &str, key: Key<'_>) {
        assert!(!key.doc().is_empty(), "{path} has no text");
        let below = key.items().unwrap_or(key);
        if below.shape() == Shape::Table {
            for (name, child) in below.children() {
                visit(&format!("{path}.{name}"), child);
            }
        }
    }
    for (name, key) in keys::all().children() {
        visit(name, key);
    }
    for name in ["FLASK_HOST", "SOCKGATE_AUTH__SECRET_FILE", "SOCKGATE_ROUTE__0__PATH", "SOCKGATE_LIMIT__KEYS"] {
        assert!(markdown().contains(name), "{name}");
    }
}

/// Lines that can be written, without their `#`.
fn uncommented(text: &str) -> String {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with(|first: char| first == '[' || first.is_ascii_lowercase()));
    lines.collect::<Vec<_>>().join("\n")
}

fn as_json(config: &Config) -> serde_json::Value {
    serde_json::to_value(config).expect("a configuration is plain values")
}
