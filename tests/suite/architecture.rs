//! The house as DESIGN draws it, held by reading the sources: rooms use what is declared above them in `lib.rs` and nothing
//! below, files of a folder use each other without a circle, and a few words do not occur at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Rooms side by side on one stair: neither may use the other.
const APART: [(&str, &str); 1] = [("policy", "upstream")];

/// What a room must not know: pure parts need no runtime.
const UNKNOWN: [(&str, &[&str]); 1] = [("codec", &["tokio", "hyper", "http"])];

#[test]
fn rooms_use_only_what_is_declared_above_them() {
    let stairs = rooms();
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some(place) = stairs.iter().position(|room| *room == source.room) else { continue };
        for used in source.rooms_used() {
            let above = stairs.iter().position(|room| *room == used);
            match above {
                Some(above) if above <= place => {}
                Some(_) => wrong.push(format!("{}: `{}` uses `{used}`, which is declared below it", source.name(), source.room)),
                // A macro or a function of the crate itself is nobody's room.
                None => wrong.push(format!("{}: `crate::{used}` is no room", source.name())),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn rooms_that_stand_apart_do_not_see_each_other() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let used = source.rooms_used();
        for (one, other) in APART {
            for (room, forbidden) in [(one, other), (other, one)] {
                if source.room == room && used.contains(forbidden) {
                    wrong.push(format!("{}: `{room}` uses `{forbidden}`", source.name()));
                }
            }
        }
        for (room, forbidden) in UNKNOWN {
            for word in forbidden.iter().filter(|word| source.room == room && source.mentions_crate(word)) {
                wrong.push(format!("{}: `{room}` knows `{word}`", source.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_of_a_folder_use_each_other_without_a_circle() {
    let all = sources("src");
    let folders: BTreeSet<PathBuf> = all.iter().filter_map(|source| source.path.parent().map(Path::to_path_buf)).collect();
    let mut wrong = Vec::new();
    for folder in folders {
        let arrows = arrows_within(&folder, &all);
        if let Some(circle) = circle_in(&arrows) {
            wrong.push(format!("{}: {}", folder.display(), circle.join(" -> ")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_unsafe_and_nothing_is_unwrapped() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (number, line) in source.code.lines().enumerate() {
            let place = format!("{}:{}: {}", source.name(), number + 1, line.trim());
            let is_unsafe = has_word(line, "unsafe") && !line.contains("forbid(unsafe_code)");
            let is_unfinished = ["todo", "unimplemented", "dbg"].iter().any(|word| has_word(line, word));
            if is_unsafe || is_unfinished || line.contains(".unwrap()") {
                wrong.push(place);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_first_what_it_is() {
    for source in sources("src").into_iter().chain(sources("tests/suite/support")) {
        let text = fs::read_to_string(&source.path).expect("a source");
        assert!(text.starts_with("//! "), "{} has no header", source.name());
    }
}

#[test]
fn every_file_of_the_suite_is_run() {
    let mut wrong = Vec::new();
    for source in sources("tests/suite").into_iter().chain(sources("src")) {
        let stem = source.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
        let folder = source.path.parent().expect("a folder");
        let (module, homes) = match stem.as_str() {
            "main" | "lib" => continue,
            "mod" => {
                let module = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_string();
                (module, faces_of(folder.parent().expect("a folder")))
            }
            _ => (stem, faces_of(folder)),
        };
        let is_declared = homes.iter().filter_map(|home| fs::read_to_string(home).ok()).any(|face| {
            bare(&face)
                .lines()
                .any(|line| line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ") == format!("mod {module};"))
        });
        if !is_declared {
            wrong.push(format!("{} is in no `mod`", source.name()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn circles_are_found_where_there_are_any() {
    let arrows = |pairs: &[(&str, &str)]| {
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            arrows.entry((*from).into()).or_default().insert((*to).into());
        }
        arrows
    };
    assert_eq!(circle_in(&arrows(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert!(circle_in(&arrows(&[("a", "b"), ("b", "c"), ("c", "a")])).is_some());
    assert_eq!(
        uses_of("use crate::{a::X, b::{Y, Z}, c};\nfn f() { crate::d::g() }", "crate::"),
        ["a", "b", "c", "d"].map(String::from).into()
    );
    assert_eq!(bare("a // crate::x\nb \"crate::y\" c /* crate::z */ d 'e'"), "a \nb \"\" c  d 'e'");
}

/// One file, and its code without comments and texts.
struct Source {
    path: PathBuf,
    room: String,
    code: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&self.path).display().to_string()
    }

    fn rooms_used(&self) -> BTreeSet<String> {
        uses_of(&self.code, "crate::")
    }

    /// Whether a crate is named as one, not as our room of the same name.
    fn mentions_crate(&self, name: &str) -> bool {
        let start = format!("{name}::");
        self.code.match_indices(&start).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != ':')
        })
    }
}

/// The modules of `lib.rs` in their order.
fn rooms() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("the library");
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_string).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source below a folder.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                open.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(entry));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn read(path: PathBuf) -> Source {
    let inside = path.strip_prefix(root().join("src")).unwrap_or(&path);
    let room = inside.components().next().map(|first| first.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
    let room = room.trim_end_matches(".rs").to_string();
    let code = bare(&fs::read_to_string(&path).expect("a source"));
    Source { path, room, code }
}

/// The files that may declare the modules of a folder.
fn faces_of(folder: &Path) -> [PathBuf; 4] {
    [folder.join("mod.rs"), folder.join("lib.rs"), folder.join("main.rs"), folder.with_extension("rs")]
}

/// Which modules of this folder use which others.
fn arrows_within(folder: &Path, all: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let module_of = |path: &Path| -> Option<String> {
        let inside = path.strip_prefix(folder).ok()?;
        let first = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_string();
        // The face of the folder re-exports what is in it.
        (!matches!(first.as_str(), "mod" | "lib" | "main")).then_some(first)
    };
    let modules: BTreeSet<String> = all.iter().filter_map(|source| module_of(&source.path)).collect();
    let prefix: String = folder
        .strip_prefix(root().join("src"))
        .unwrap_or(folder)
        .components()
        .map(|part| format!("{}::", part.as_os_str().to_string_lossy()))
        .collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in all {
        let Some(from) = module_of(&source.path) else { continue };
        let depth = source.path.strip_prefix(folder).map_or(0, |inside| inside.components().count());
        let is_face = source.path.file_name().is_some_and(|name| name == "mod.rs");
        let ups = if is_face { depth - 1 } else { depth };
        let mut used = uses_of(&source.code, &format!("crate::{prefix}"));
        if ups > 0 {
            used.extend(uses_of(&source.code, &"super::".repeat(ups)));
        }
        let others = used.into_iter().filter(|used| *used != from && modules.contains(used));
        arrows.entry(from.clone()).or_default().extend(others.collect::<Vec<_>>());
    }
    arrows
}

/// The first names behind every `start` in this code: `crate::{a::X, b}` uses a and b.
fn uses_of(code: &str, start: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices(start) {
        // `super::super::x` is no use of `super` two levels below.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':' || letter == '$') {
            continue;
        }
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            None => used.extend(name_at(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut is_first = true;
                for (at, letter) in group.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => is_first = true,
                        letter if is_first && !letter.is_whitespace() => {
                            is_first = false;
                            used.extend(name_at(&group[at..]));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    used
}

fn name_at(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let name = &text[..end];
    // Modules are in lower case; `crate::Type` would be a re-export of the crate itself.
    (name.starts_with(|letter: char| letter.is_ascii_lowercase()) && !matches!(name, "self" | "super")).then(|| name.to_string())
}

/// Depth first; the way around, when there is one.
fn circle_in(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk<'a>(
        at: &'a str,
        arrows: &'a BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> bool {
        if way.contains(&at) {
            way.push(at);
            return true;
        }
        if !done.insert(at) {
            return false;
        }
        way.push(at);
        for next in arrows.get(at).into_iter().flatten() {
            if walk(next, arrows, way, done) {
                return true;
            }
        }
        way.pop();
        false
    }
    let mut done = BTreeSet::new();
    for start in arrows.keys() {
        let mut way = Vec::new();
        if walk(start, arrows, &mut way, &mut done) {
            return Some(way.into_iter().map(str::to_string).collect());
        }
    }
    None
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Code without comments, and with its texts emptied; lines stay where they are.
fn bare(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let (letter, next) = (letters[at], letters.get(at + 1).copied());
        match (letter, next) {
            ('/', Some('/')) => {
                while at < letters.len() && letters[at] != '\n' {
                    at += 1;
                }
            }
            ('/', Some('*')) => {
                at += 2;
                while at < letters.len() && !(letters[at] == '*' && letters.get(at + 1) == Some(&'/')) {
                    keep_line(letters[at], &mut code);
                    at += 1;
                }
                at += 2;
            }
            ('r', Some('"' | '#')) if !code.ends_with(|before: char| before.is_alphanumeric() || before == '_') => {
                let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
                if letters.get(at + 1 + hashes) != Some(&'"') {
                    code.push(letter);
                    at += 1;
                    continue;
                }
                code.push_str("\"\"");
                at += 2 + hashes;
                let is_end = |at: usize| {
                    letters[at] == '"' && letters[at + 1..].iter().take(hashes).filter(|letter| **letter == '#').count() == hashes
                };
                while at < letters.len() && !is_end(at) {
                    keep_line(letters[at], &mut code);
                    at += 1;
                }
                at += 1 + hashes;
            }
            ('"', _) => {
                code.push_str("\"\"");
                at += 1;
                while at < letters.len() && letters[at] != '"' {
                    at += if letters[at] == '\\' { 1 } else { 0 };
                    keep_line(letters.get(at).copied().unwrap_or(' '), &mut code);
                    at += 1;
                }
                at += 1;
            }
            // A letter in quotes may be a quote itself; a lifetime has no second quote.
            ('\'', Some('\\')) => {
                let end =
                    letters[at + 2..].iter().skip(1).position(|letter| *letter == '\'').map_or(letters.len(), |end| at + 3 + end);
                code.push_str("' '");
                at = end + 1;
            }
            ('\'', Some('"')) if letters.get(at + 2) == Some(&'\'') => {
                code.push_str("' '");
                at += 3;
            }
            _ => {
                code.push(letter);
                at += 1;
            }
        }
    }
    code
}

fn keep_line(letter: char, code: &mut String) {
    if letter == '\n' {
        code.push('\n');
    }
}
