//! Every YAML file of the examples, also those that come later: well-formed, either a Compose file or manifests of Kubernetes,
//! and held to the rules of its kind ([`super::compose`], [`super::kubernetes`]).

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{compose, kubernetes, top};

/// Folders of other people's files.
const FOREIGN: [&str; 2] = ["node_modules", "__pycache__"];

#[test]
fn every_manifest_of_the_examples_would_be_taken() {
    let files = files(&top().join("examples"));
    assert!(files.len() >= 2, "{files:?}");
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("a file of ours");
            let name = file.strip_prefix(top()).expect("it is below").display().to_string();
            problems(file.parent().expect("a folder"), &text).into_iter().map(move |problem| format!("{name}: {problem}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_no_manifest_is_told() {
    for (text, said) in [
        ("a: [1", "YAML"),
        ("a: 1\na: 2\n", "YAML"),
        ("services:\n\tapp: {}\n", "YAML"),
        ("", "nothing"),
        ("just text", "neither"),
        ("apiVersion: v1\n", "neither"),
        ("kind: Pod\n", "neither"),
    ] {
        let found = problems(top(), text);
        assert!(found.iter().any(|problem| problem.contains(said)), "{text:?}: {found:?}");
    }
}

/// What is wrong with a file that would lie in this folder.
pub fn problems(folder: &Path, text: &str) -> Vec<String> {
    let documents = match documents(text) {
        Ok(documents) => documents,
        Err(error) => return vec![format!("it is no YAML: {error}")],
    };
    match documents.as_slice() {
        [] => vec!["there is nothing in it".into()],
        [one] if one.get("services").is_some() => compose::problems(folder, one),
        all if all.iter().all(|one| one.get("apiVersion").is_some() && one.get("kind").is_some()) => {
            kubernetes::problems(folder, all)
        }
        _ => vec!["it is neither a Compose file nor manifests of Kubernetes".into()],
    }
}

/// As Compose and Kubernetes read numbers: with a 0 before them they are octal. Keys must not be there twice.
fn documents(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || FOREIGN.contains(&name.as_str()) {
                continue;
            }
            if entry.is_dir() {
                open.push(entry);
            } else if name.ends_with(".yaml") || name.ends_with(".yml") {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}
