//! Which route a request takes: the most specific host that has a matching path (exact before `*.example.com`, the longest such
//! suffix first, before routes for every host), and there the longest path. Pure; a hundred routes cost like one, and
//! an odd path costs no more than the routes are deep.

use std::collections::HashMap;

use crate::config::{self, route::Kind};

/// All routes of a generation, ready to be asked.
#[derive(Debug, Default)]
pub struct Routes {
    exact: HashMap<String, Paths>,
    /// By what follows the star, dot included: `.example.com`.
    suffixes: HashMap<String, Paths>,
    any: Paths,
}

/// The paths of one host.
#[derive(Debug, Default)]
struct Paths {
    /// Socket.IO is served at exactly its path.
    whole: HashMap<String, usize>,
    prefixes: Segment,
}

/// One segment of a path and what may follow.
#[derive(Debug, Default)]
struct Segment {
    /// The route whose path ends here without a slash: it takes this path and everything below.
    here: Option<usize>,
    /// The route whose path ends in a slash after this: it takes everything below.
    below: Option<usize>,
    next: HashMap<String, Segment>,
}

impl Routes {
    /// Of two routes for the same host and path the first one wins; `check` has complained about the second.
    pub fn new(routes: &[config::route::Route]) -> Self {
        let mut all = Self::default();
        for (index, route) in routes.iter().enumerate() {
            if route.hosts.is_empty() {
                all.any.add(route, index);
            }
            for host in &route.hosts {
                all.host(&host.to_ascii_lowercase()).add(route, index);
            }
        }
        all
    }

    /// The place of the route for this host (a name without port, in any case) and this canonical path.
    pub fn find(&self, host: &str, path: &str) -> Option<usize> {
        let lower;
        let host = if host.bytes().any(|letter| letter.is_ascii_uppercase()) {
            lower = host.to_ascii_lowercase();
            &lower
        } else {
            host
        };
        self.exact
            .get(host)
            .and_then(|paths| paths.find(path))
            .or_else(|| self.find_suffix(host, path))
            .or_else(|| self.any.find(path))
    }

    fn find_suffix(&self, host: &str, path: &str) -> Option<usize> {
        if self.suffixes.is_empty() {
            return None;
        }
        // A star stands for at least one letter, so a leading dot is no suffix of its own.
        let dots = host.bytes().enumerate().skip(1).filter(|(_, letter)| *letter == b'.');
        dots.filter_map(|(dot, _)| self.suffixes.get(&host[dot..])).find_map(|paths| paths.find(path))
    }

    fn host(&mut self, host: &str) -> &mut Paths {
        match host.strip_prefix('*') {
            Some(suffix) => self.suffixes.entry(suffix.to_owned()).or_default(),
            None => self.exact.entry(host.to_owned()).or_default(),
        }
    }
}

impl Paths {
    fn add(&mut self, route: &config::route::Route, index: usize) {
        match route.kind {
            Kind::Socketio => {
                self.whole.entry(route.path.clone()).or_insert(index);
            }
            Kind::Websocket | Kind::Http => self.prefixes.add(&route.path, index),
        }
    }

    fn find(&self, path: &str) -> Option<usize> {
        self.whole.get(path).copied().or_else(|| self.prefixes.find(path))
    }
}

impl Segment {
    fn add(&mut self, path: &str, index: usize) {
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.is_empty() {
            self.below.get_or_insert(index);
            return;
        }
        let (path, ends_in_slash) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
        let mut at = self;
        for name in path.split('/') {
            at = at.next.entry(name.to_owned()).or_default();
        }
        let place = if ends_in_slash { &mut at.below } else { &mut at.here };
        place.get_or_insert(index);
    }

    fn find(&self, path: &str) -> Option<usize> {
        let mut rest = path.strip_prefix('/')?;
        let mut at = self;
        let mut found = at.below;
        loop {
            let (name, after) = match rest.split_once('/') {
                Some((name, after)) => (name, Some(after)),
                None => (rest, None),
            };
            let Some(next) = at.next.get(name) else { return found };
            at = next;
            found = at.here.or(found);
            let Some(after) = after else { return found };
            found = at.below.or(found);
            rest = after;
        }
    }
}
