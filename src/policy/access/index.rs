//! Finds the first of some entries that names a thing: exact names by hash, patterns in their order, and whichever was written
//! first counts.

use std::collections::HashMap;

use crate::{config::names::NamePattern, policy::wild};

/// Which names each entry has, by its place.
#[derive(Default)]
pub(super) struct Index {
    /// Places, ascending, by exact name.
    exact: HashMap<String, Vec<usize>>,
    /// The same for each pattern, ascending.
    starred: Vec<(usize, NamePattern)>,
}

impl Index {
    /// Adds the names of the next entry. Places must ascend.
    pub fn add(&mut self, place: usize, names: Vec<NamePattern>) {
        for name in names {
            match name {
                NamePattern::Exact(name) => self.exact.entry(name).or_default().push(place),
                NamePattern::Starred(_) => self.starred.push((place, name)),
            }
        }
    }

    /// The place of the first entry that has this name and holds.
    pub fn first(&self, name: &str, holds: impl Fn(usize) -> bool) -> Option<usize> {
        let exact = self.exact.get(name).and_then(|places| places.iter().copied().find(|place| holds(*place)));
        let before = self.starred.iter().take_while(|(place, _)| exact.is_none_or(|exact| *place < exact));
        let starred =
            before.filter(|(place, _)| holds(*place)).find(|(_, pattern)| wild::matches(pattern, name)).map(|(place, _)| *place);
        starred.or(exact)
    }
}
