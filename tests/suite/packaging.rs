//! What stands around the program: the pages people read first, the image, and what we depend on. Nobody runs these when
//! they change the code, so they are held to it here.

mod compose;
mod dependencies;
mod image;
mod kubernetes;
mod manifests;
mod nonsense;
mod pages;
mod pods;
mod stand;
mod units;

use std::{
    fs,
    path::{Path, PathBuf},
};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    let path = top().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table(name: &str) -> toml::Table {
    page(name).parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect()
}

/// The folders of `examples/` that have a configuration.
fn examples() -> Vec<PathBuf> {
    let examples = top().join("examples");
    let folders = names_in(&examples).into_iter().map(|name| examples.join(name));
    folders.filter(|folder| folder.join("sockgate.toml").exists()).collect()
}

#[test]
fn the_top_level_holds_only_what_the_house_allows() {
    const ALLOWED: [&str; 14] = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "examples",
        "config",
        "certs",
        "tests",
        "benches",
        "Dockerfile",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "SECURITY.md",
        "deny.toml",
    ];
    let there = names_in(top());
    for name in there.iter().filter(|name| !name.starts_with('.') && *name != "target") {
        assert!(ALLOWED.contains(&name.as_str()), "{name} has no place at the top");
    }
    for name in ALLOWED {
        assert!(there.iter().any(|there| there == name), "{name} is missing");
    }
}

#[test]
fn the_licence_is_the_one_that_is_named() {
    let license = page("LICENSE");
    assert!(license.contains("Apache License\n                           Version 2.0, January 2004"));
    assert!(license.contains("END OF TERMS AND CONDITIONS") && license.contains("APPENDIX"));
    assert_eq!(table("Cargo.toml")["package"]["license"].as_str(), Some("Apache-2.0"));
}
