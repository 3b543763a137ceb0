//! The offline half of the licence and supply check: `deny.toml` is read here as cargo-deny reads it, so that its lists hold on
//! machines without that tool too.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use super::table;

const CRATES_IO: &str = "https://github.com/rust-lang/crates.io-index";

/// Below these versions there is a hole that matters to us; `deny.toml` must go on saying so.
const FLOORS: [(&str, [u64; 3]); 5] = [
    ("jsonwebtoken", [10, 3, 0]),
    ("h2", [0, 4, 16]),
    ("tokio", [1, 44, 2]),
    ("bytes", [1, 11, 1]),
    ("tracing-subscriber", [0, 3, 20]),
];

#[test]
fn every_licence_is_allowed() {
    let deny = table("deny.toml");
    let allowed: BTreeSet<&str> =
        deny["licenses"]["allow"].as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect();
    let packages = packages_of_this_machine();
    assert!(packages.len() > 100, "only {} packages", packages.len());
    for package in &packages {
        let license = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(license, &allowed), "{} is under {license:?}", package["name"]);
    }
}

#[test]
fn licence_expressions_are_read_as_meant() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 AND MIT", false),
        ("ISC AND (Apache-2.0 OR GPL-3.0)", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("MIT OR ISC AND GPL-3.0", true),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT OR", false),
        ("(MIT", false),
        ("MIT)", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn nothing_that_is_banned_is_locked() {
    let deny = table("deny.toml");
    let banned: Vec<(&str, Option<[u64; 3]>)> = deny["bans"]["deny"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let text = entry["crate"].as_str().expect("a crate");
            match text.split_once(":<") {
                Some((name, floor)) => (name, Some(version(floor))),
                None => (text, None),
            }
        })
        .collect();
    for (name, floor) in FLOORS {
        assert!(banned.contains(&(name, Some(floor))), "deny.toml must refuse {name} below {floor:?}");
    }
    for name in ["openssl", "openssl-sys", "native-tls", "rustls-pemfile", "serde_yml"] {
        assert!(banned.contains(&(name, None)), "deny.toml must refuse {name}");
    }
    for (name, locked) in locked() {
        let is_banned = banned.iter().any(|(banned, floor)| *banned == name && floor.is_none_or(|floor| locked < floor));
        assert!(!is_banned, "{name} {locked:?} is banned by deny.toml");
    }
}

#[test]
fn what_must_be_recent_is_there_at_all() {
    let locked = locked();
    for (name, floor) in FLOORS {
        assert!(locked.iter().any(|(locked, version)| locked == name && *version >= floor), "{name} {floor:?}");
    }
}

#[test]
fn everything_comes_from_crates_io_with_its_checksum() {
    let sources = table("deny.toml");
    assert_eq!(sources["sources"]["allow-registry"].as_array().expect("a list"), &[CRATES_IO.into()]);
    let lock = table("Cargo.lock");
    for package in lock["package"].as_array().expect("a list") {
        let name = package["name"].as_str().expect("a name");
        if name == "sockgate" {
            assert!(package.get("source").is_none());
            continue;
        }
        assert_eq!(package.get("source").and_then(toml::Value::as_str), Some(&*format!("registry+{CRATES_IO}")), "{name}");
        assert!(package.get("checksum").is_some(), "{name}");
    }
}

/// What is built on this machine, tests included. Crates of other systems are not there to be asked.
fn packages_of_this_machine() -> Vec<Value> {
    let host = cargo(&["-vV"]);
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo knows its host").to_string();
    let said = cargo(&["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &host]);
    let mut said: Value = serde_json::from_str(&said).expect("JSON");
    said["packages"].take().as_array().expect("a list").clone()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(super::top()).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn locked() -> Vec<(String, [u64; 3])> {
    let lock = table("Cargo.lock");
    let packages = lock["package"].as_array().expect("a list");
    let text = |package: &toml::Value, key: &str| package[key].as_str().expect("text").to_string();
    packages.iter().map(|package| (text(package, "name"), version(&text(package, "version")))).collect()
}

fn version(text: &str) -> [u64; 3] {
    let release = text.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or_else(|_| panic!("{text} is no version")));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// An SPDX expression: at least one of the `OR` parts must be allowed in all its `AND` parts. `AND` binds tighter. The old `/`
/// means `OR`. A licence with an exception is one of its own.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "-WITH-");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = any_of(&mut words, allowed);
    words.next().is_none() && verdict == Some(true)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut verdict = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        verdict |= all_of(words, allowed)?;
    }
    Some(verdict)
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut verdict = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words, allowed)?;
    }
    Some(verdict)
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    match words.next()? {
        "(" => {
            let verdict = any_of(words, allowed)?;
            words.next_if_eq(&")").map(|_| verdict)
        }
        ")" | "OR" | "AND" => None,
        name => Some(allowed.contains(name)),
    }
}
