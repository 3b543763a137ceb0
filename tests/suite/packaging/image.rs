//! The Dockerfile, on machines where no engine can build it: what it copies is there, and its base has what the binary needs.

use std::process::Command;

use clap::Parser;
use sockgate::cli::args::{Cli, Verb};

use super::{page, table, top};

/// What `gcr.io/distroless/cc-debian12` holds of what a program of ours could link to.
const BASE_HAS: [&str; 5] = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];

/// The instructions, continued lines joined, comments left out.
fn instructions() -> Vec<(String, String)> {
    let joined = page("Dockerfile")
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| line.split_once(' ').map(|(word, rest)| (word.into(), rest.trim().into())).expect("an instruction"))
        .collect()
}

fn all(word: &str) -> Vec<String> {
    instructions().into_iter().filter(|(found, _)| found == word).map(|(_, rest)| rest).collect()
}

fn only(word: &str) -> String {
    let mut found = all(word);
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    found.remove(0)
}

#[test]
fn what_the_image_copies_is_there_and_in_its_context() {
    let ignored = page(".dockerignore");
    let rules: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(rules.first(), Some(&"*"), "everything is left out first");
    let mut copied = Vec::new();
    for copy in all("COPY").iter().filter(|copy| !copy.starts_with("--from")) {
        let mut sources: Vec<String> = copy.split_whitespace().map(str::to_string).collect();
        sources.pop();
        copied.extend(sources);
    }
    assert!(copied.len() >= 3, "{copied:?}");
    for source in &copied {
        assert!(top().join(source).exists(), "{source} is copied and not there");
        assert!(rules.contains(&&*format!("!{source}")), "{source} is copied and ignored");
    }
    assert_eq!(rules.len(), copied.len() + 1, "the context holds what is not copied: {rules:?}");
}

#[test]
fn the_build_needs_nothing_that_is_not_copied() {
    let manifest = table("Cargo.toml");
    assert!(manifest["package"].get("build").is_none() && !top().join("build.rs").exists());
    assert!(manifest.get("workspace").is_none() && manifest.get("patch").is_none());
    let built: Vec<String> = all("RUN").into_iter().filter(|run| run.contains("cargo build")).collect();
    assert_eq!(built.len(), 2);
    for run in built {
        assert!(run.contains("--locked --profile dist --bin sockgate"), "{run}");
    }
    assert!(manifest["profile"]["dist"].is_table());
}

#[test]
fn the_base_is_the_debian_that_was_built_on_and_runs_as_nobody() {
    let stages = all("FROM");
    let [builder, last] = stages.as_slice() else { panic!("two stages: {stages:?}") };
    let version = builder.strip_prefix("rust:").and_then(|rest| rest.strip_suffix("-bookworm AS builder"));
    let version = version.unwrap_or_else(|| panic!("{builder} is not Rust on Debian 12"));
    let number = |text: &str| text.split('.').map(|part| part.parse::<u32>().expect("a number")).collect::<Vec<_>>();
    let least = table("Cargo.toml")["package"]["rust-version"].as_str().expect("named").to_string();
    assert!(number(version) >= number(&least), "rust {version} is older than {least}");
    assert_eq!(last, "gcr.io/distroless/cc-debian12:nonroot");
    assert!(all("USER").is_empty(), "the base runs as nobody already");
}

#[test]
fn the_binary_links_to_nothing_that_the_base_lacks() {
    let output = Command::new("readelf").args(["-d", env!("CARGO_BIN_EXE_sockgate")]).output();
    let output = output.expect("readelf is there: it comes with the C compiler's linker (binutils)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let needed: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')))
        .collect();
    assert!(needed.contains(&"libc.so.6"), "{said}");
    for library in needed {
        assert!(BASE_HAS.contains(&library), "{library} is not in the base image");
    }
}

#[test]
fn the_image_runs_and_asks_what_the_program_offers() {
    let words = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap_or_else(|_| panic!("{text} is no list"));
    let entry = words(&only("ENTRYPOINT"));
    assert_eq!(entry, ["/usr/local/bin/sockgate"]);
    assert!(only("CMD").starts_with('['), "there is no shell");
    let run = Cli::try_parse_from(entry.iter().cloned().chain(words(&only("CMD")))).expect("a verb");
    assert!(matches!(run.verb, Verb::Run));
    let health = only("HEALTHCHECK");
    let (_, asked) = health.split_once(" CMD ").expect("a command");
    assert!(matches!(Cli::try_parse_from(words(asked)).expect("a verb").verb, Verb::Health(_)));
    assert!(all("COPY").contains(&format!("--from=builder /build/target/dist/sockgate {}", entry[0])));
    assert_eq!(only("EXPOSE"), "8443");
    assert_eq!(only("STOPSIGNAL"), "SIGTERM", "what the gate leaves at in good order");
    let license = table("Cargo.toml")["package"]["license"].as_str().expect("named").to_string();
    assert!(only("LABEL").contains(&format!("licenses=\"{license}\"")));
    assert_eq!(all("WORKDIR"), ["/build", "/etc/sockgate"], "where the configuration is looked for");
}
