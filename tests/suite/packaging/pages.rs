//! README, examples and the other pages: what they tell people to write is accepted, and what they name exists.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use sockgate::{
    config::{env, keys},
    net::tls::generate,
    policy::Refusal,
};
use tempfile::TempDir;
use time::OffsetDateTime;

use super::{examples, names_in, page, top};

const PAGES: [&str; 5] = ["README.md", "SECURITY.md", "CHANGELOG.md", "certs/README.md", "config/reference/debugging.md"];

/// Words in capitals that pages use and the gate does not read: what belongs to others, and what the examples misspell to show it.
const NOT_OURS: [&str; 8] = [
    "CERTIFICATE_VERIFY_FAILED",
    "ERR_CERT_AUTHORITY_INVALID",
    "NODE_EXTRA_CA_CERTS",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "SSL_CERT_FILE",
    "SOCKGATE_BIN",
    "SOCKGATE_LIMIT__SESION_IDLE",
    "TOKEN_IN",
];

/// Those, and the page of each example.
fn pages() -> Vec<String> {
    let of_examples = names_in(&top().join("examples")).into_iter().map(|name| format!("examples/{name}/README.md"));
    let of_examples = of_examples.filter(|page| top().join(page).exists());
    PAGES.iter().map(|name| (*name).to_string()).chain(of_examples).collect()
}

#[test]
fn every_configuration_of_the_readme_would_start_the_gate() {
    let snippets = fenced(&page("README.md"), "toml");
    assert!(snippets.len() >= 3, "{}", snippets.len());
    for snippet in snippets {
        let desk = desk();
        fs::write(desk.path().join("sockgate.toml"), snippet.replace("/run/secrets/", "secrets/")).expect("written");
        assert_starts(&check(&desk, &[]), &snippet);
    }
}

#[test]
fn the_first_set_up_has_less_than_twenty_lines() {
    let first = fenced(&page("README.md"), "toml").remove(0);
    assert!(first.lines().count() < 20, "{first}");
}

#[test]
fn the_environment_of_the_readme_says_the_same_as_its_file() {
    let readme = page("README.md");
    let snippet = fenced(&readme, "sh").remove(0);
    let exported = snippet.lines().filter_map(|line| line.strip_prefix("export ")).filter_map(|line| line.split_once('='));
    let variables: Vec<(&str, &str)> = exported.collect();
    assert_eq!(variables.len(), 5);
    let from_environment = check(&desk(), &variables);
    assert_starts(&from_environment, &snippet);

    let desk = desk();
    fs::write(desk.path().join("sockgate.toml"), fenced(&readme, "toml").remove(0)).expect("written");
    let from_file = check(&desk, &[]);
    assert_eq!(values(&from_environment), values(&from_file));
}

#[test]
fn every_example_would_start_the_gate() {
    let examples = examples();
    assert!(examples.len() >= 2);
    for example in examples {
        let text = fs::read_to_string(example.join("sockgate.toml")).expect("it is there");
        let desk = desk();
        // Where systemd puts what a service is given.
        let here = text.replace("/run/credentials/sockgate.service/", "secrets/");
        fs::write(desk.path().join("sockgate.toml"), here).expect("written");
        assert_starts(&check(&desk, &[]), &text);
    }
}

#[test]
fn every_key_that_is_named_exists() {
    let tables: BTreeSet<&str> = keys::all().children().map(|(name, _)| name).collect();
    for name in pages() {
        let page = page(&name);
        for span in spans(&page) {
            let key = span.split_once(" = ").map_or(span, |(key, _)| key);
            let path: Vec<&str> = key.split('.').collect();
            let is_key =
                path.len() > 1 && tables.contains(path[0]) && ![".toml", ".crt", ".key"].iter().any(|end| key.ends_with(end));
            assert!(!is_key || exists(&path), "{name} names {key}");
        }
        for word in words_in_capitals(&page) {
            assert!(NOT_OURS.contains(&word) || is_read(word), "{name} names {word}");
        }
    }
}

#[test]
fn the_readme_names_every_refusal_with_its_status() {
    let readme = page("README.md");
    let (_, section) = readme.split_once("## Refusals").expect("the heading");
    let (section, _) = section.split_once("\n## ").expect("the next heading");
    let mut named = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let (statuses, names) = row.trim_matches('|').split_once('|').expect("two columns");
        for name in spans(names) {
            let refusal = Refusal::ALL.iter().find(|refusal| refusal.name() == name);
            let refusal = refusal.unwrap_or_else(|| panic!("there is no refusal {name}"));
            let status = refusal.status().as_str().to_string();
            assert!(statuses.contains(&status), "{name} is a {status}");
            named.insert(refusal.name());
        }
    }
    for refusal in Refusal::ALL {
        assert!(named.contains(refusal.name()), "{} is not in the README", refusal.name());
    }
}

#[test]
fn links_lead_somewhere() {
    for name in pages() {
        let page = page(&name);
        let folder = top().join(&name);
        let folder = folder.parent().expect("a page is in a folder");
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().expect("there is a first part");
            assert!(link.starts_with("http") || folder.join(file).exists(), "{name} links to {link}");
        }
    }
}

/// A directory with every file that the pages' configurations name.
fn desk() -> TempDir {
    let desk = TempDir::new().expect("a directory for one test");
    for secret in ["jwt.secret", "secrets/jwt", "secrets/seal", "secrets/admin"] {
        let path = desk.path().join(secret);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
        fs::write(&path, format!("{secret:.<44}")).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
    // `gate.crt` and `gate.key`, where the pages expect the operator's own.
    let certs = desk.path().join("certs");
    fs::create_dir_all(&certs).expect("it can be made");
    generate::ensure(&certs, OffsetDateTime::now_utc()).expect("a certificate");
    for (from, to) in [("gate.crt", "tls.crt"), ("gate.key", "tls.key")] {
        fs::copy(certs.join(from), desk.path().join("secrets").join(to)).expect("it can be copied");
    }
    desk
}

fn check(desk: &TempDir, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockgate"));
    command.args(["check", "--strict"]).current_dir(desk.path()).env_clear();
    if Path::exists(&desk.path().join("sockgate.toml")) {
        command.args(["--config", "sockgate.toml"]);
    }
    command.envs(variables.iter().copied()).output().expect("the program starts")
}

fn assert_starts(output: &Output, text: &str) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.ends_with("The gate would start.\n"), "{text}\n{said}");
}

/// Key and value of each line that `check` prints, without the source.
fn values(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stdout);
    let pairs = said.lines().filter(|line| line.contains("  ")).map(|line| {
        let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
        format!("{} {}", columns.next().unwrap_or_default(), columns.next().unwrap_or_default())
    });
    pairs.collect()
}

/// The code blocks of a language.
fn fenced(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let blocks = page.split(&opening).skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).map(str::to_string).collect()
}

/// What stands between single backticks, code blocks left out.
fn spans(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

fn words_in_capitals(page: &str) -> BTreeSet<&str> {
    let words = page.split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'));
    let names = words.filter(|word| word.contains('_') && word.starts_with(|letter: char| letter.is_ascii_uppercase()));
    names.filter(|word| !word.ends_with('_')).collect()
}

pub(super) fn is_read(variable: &str) -> bool {
    if variable == env::PROFILE || env::LEGACY.iter().any(|legacy| legacy.name == variable) {
        return true;
    }
    let Some(key) = variable.strip_prefix(env::PREFIX) else { return false };
    let key = key.to_ascii_lowercase();
    exists(&key.split("__").collect::<Vec<_>>())
}

/// Whether there is such a key; people write `upstream.members` for a key of every upstream.
fn exists(path: &[&str]) -> bool {
    let tables = |name: &str| matches!(name, "upstream" | "route" | "also") || name == "keys" && path[0] == "auth";
    let mut whole = Vec::new();
    for (index, name) in path.iter().enumerate() {
        whole.push(*name);
        let next = path.get(index + 1);
        if tables(name) && next.is_some_and(|next| next.parse::<usize>().is_err()) {
            whole.push("0");
        }
    }
    keys::all().find(&whole).is_some()
}
