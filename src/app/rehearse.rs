//! What types and tables cannot find: whether the files are certificates, the patterns origins, the keys keys. `check`, `run`
//! and a refused reload build everything the configuration asks for, also of one that is refused already, and what stands
//! in the way becomes problems like any other: the operator reads all of them at once.

use std::time::{Instant, SystemTime};

use crate::{
    config::{Loaded, Problem},
    gate::{Generation, generation::Obstacle},
    policy::revoke::Revocations,
};

/// Adds what only building finds. With a refusal among it there is no configuration any more.
pub fn complete(mut loaded: Loaded) -> Loaded {
    let Some(config) = loaded.config.as_ref().or(loaded.draft.as_ref().map(|draft| &draft.0)) else { return loaded };
    let known: Vec<String> = loaded.problems.iter().filter(|problem| problem.is_refusal()).map(|it| it.key.clone()).collect();
    for obstacle in Generation::rehearse(config, Instant::now()) {
        let problem = problem(obstacle, &loaded);
        // Two routes that inherit the same mistake have one, and a rule may have told it before, in its own words.
        if !loaded.problems.contains(&problem) && !known.iter().any(|known| is_told_by(&problem.key, known)) {
            loaded.problems.push(problem);
            loaded.config = None;
        }
    }
    loaded
}

/// The same for a gate that is to start: what it has kept must be readable too. A running gate has it in memory.
pub fn start(loaded: Loaded) -> Loaded {
    let mut loaded = complete(loaded);
    let Some(config) = &loaded.config else { return loaded };
    if let Err(error) = Revocations::open(config.revocation.kept_in(), SystemTime::now()) {
        let instead = "Mend the file, or move it away, which lets everybody in again whom it names";
        let (key, source) = loaded.provenance.blame("revocation.file");
        loaded.problems.push(Problem::refusal(key, source, error.to_string(), instead));
        loaded.config = None;
    }
    loaded
}

pub(super) fn problem(obstacle: Obstacle, loaded: &Loaded) -> Problem {
    // Rooms write entries of lists as they are written in words, `auth.keys[0]`; places are known as `auth.keys.0`.
    let key = obstacle.key.replace('[', ".").replace(']', "");
    let (key, source) = loaded.provenance.blame(&key);
    Problem::refusal(key, source, obstacle.what, obstacle.instead)
}

/// Whether a refusal of `known` says what is wrong with `key`: it is the same key or a part of it. A file stands for what is
/// in it.
fn is_told_by(key: &str, known: &str) -> bool {
    let (key, known) = (key.trim_end_matches("_file"), known.trim_end_matches("_file"));
    known.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
