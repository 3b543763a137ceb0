//! What types and tables cannot find: whether the files are certificates, the patterns origins, the keys keys. `check` and
//! `run` build everything the configuration asks for, and what stands in the way becomes problems like any other.

use std::time::Instant;

use crate::{
    config::{Loaded, Problem},
    gate::{Generation, generation::Obstacle},
};

/// Adds what only building finds. With a refusal among it there is no configuration any more.
pub fn complete(mut loaded: Loaded) -> Loaded {
    let Some(config) = &loaded.config else { return loaded };
    let obstacles = Generation::rehearse(config, Instant::now());
    if obstacles.is_empty() {
        return loaded;
    }
    let found: Vec<Problem> = obstacles.into_iter().map(|obstacle| problem(obstacle, &loaded)).collect();
    for problem in found {
        // Two routes that inherit the same mistake have one.
        if !loaded.problems.contains(&problem) {
            loaded.problems.push(problem);
        }
    }
    loaded.config = None;
    loaded
}

fn problem(obstacle: Obstacle, loaded: &Loaded) -> Problem {
    let (key, source) = loaded.provenance.blame(&obstacle.key);
    Problem::refusal(key, source, obstacle.what, obstacle.instead)
}
