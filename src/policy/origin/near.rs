//! What a refused page nearly was: the allowed entry it just misses and the one thing in between. The category of a
//! refusal and the advice to the operator both come from here; nobody is let in by it.

use super::{
    list::{Entry, List, is_label_count_right, is_port_open},
    page::Page,
};
use crate::config::pattern::{HostPattern, Pattern, PortPattern, Scheme};

/// An entry that nearly matches, and what stands between.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Near<'a> {
    pub entry: &'a Entry,
    pub difference: Difference,
}

/// What a refused page and a near entry differ in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Difference {
    Port,
    Scheme,
    SchemeAndPort,
    /// `a.b.example.com` and a wildcard for one label.
    Labels,
    /// `example.com` and a wildcard below it.
    Apex,
    /// A host that looks alike.
    Host,
}

impl List {
    /// The entry that a refused page just misses, found by its host and its parents alone.
    pub fn near(&self, page: &Page) -> Option<Near<'_>> {
        let same_host = self.hosts_named(page.host());
        let wildcards = self.below(page.host());
        let apex = self.wildcards_of(page.host());
        same_host
            .take(MOST_COMPARED)
            .chain(wildcards.take(MOST_COMPARED))
            .chain(apex.take(1))
            .filter_map(|entry| Some(Near { entry, difference: difference(entry, page)? }))
            .min_by_key(|near| near.difference.distance())
    }

    /// The entry whose host looks most like the page's. For an operator who asks: it reads entries one by one.
    pub fn alike(&self, page: &Page) -> Option<Near<'_>> {
        self.entries()
            .iter()
            .take(MOST_READ)
            .filter_map(|entry| Some((entry, edits(named_host(&entry.pattern)?, page.host())?)))
            .min_by_key(|(_, edits)| *edits)
            .map(|(entry, _)| Near { entry, difference: Difference::Host })
    }
}

impl Difference {
    /// Fewer is nearer.
    fn distance(self) -> u8 {
        match self {
            Self::Port => 0,
            Self::Scheme => 1,
            Self::SchemeAndPort => 2,
            Self::Labels => 3,
            Self::Apex => 4,
            Self::Host => 5,
        }
    }
}

fn difference(entry: &Entry, page: &Page) -> Option<Difference> {
    let Pattern::Matching { scheme, host, port } = &entry.pattern else { return None };
    if let HostPattern::OneLabel(suffix) | HostPattern::ManyLabels(suffix) = host
        && suffix == page.host()
    {
        return Some(Difference::Apex);
    }
    if !is_label_count_right(host, page.host()) {
        return Some(Difference::Labels);
    }
    let is_usual = |port: PortPattern, scheme: Scheme| port == PortPattern::Exact(scheme.default_port());
    let is_usual_port = is_usual(*port, *scheme) && is_usual(PortPattern::Exact(page.port()), page.scheme());
    match (*scheme == page.scheme(), is_port_open(*port, page.port()) || is_usual_port) {
        (true, true) => None,
        (true, false) => Some(Difference::Port),
        (false, true) => Some(Difference::Scheme),
        (false, false) => Some(Difference::SchemeAndPort),
    }
}

fn named_host(pattern: &Pattern) -> Option<&str> {
    match pattern {
        Pattern::Matching { host: HostPattern::Exact(host), .. } => Some(host),
        Pattern::Matching { .. } | Pattern::Any | Pattern::Null => None,
    }
}

/// How many letters must change to make one host the other; `None` beyond what somebody mistypes.
fn edits(left: &str, right: &str) -> Option<usize> {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > MOST_EDITS {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
        if row.iter().all(|edits| *edits > MOST_EDITS) {
            return None;
        }
    }
    row.last().copied().filter(|edits| *edits <= MOST_EDITS)
}

/// Entries compared with a refused page: refusing must stay cheap even if one host has a thousand ports.
const MOST_COMPARED: usize = 64;

/// Entries read for a host that looks alike; a suggestion, so it need not be complete.
const MOST_READ: usize = 1_000;

const MOST_EDITS: usize = 3;
