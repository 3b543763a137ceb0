//! Whether a name is one that a pattern of `access` or `limit` means. Each text between two stars is looked for once, from left to right, so that
//! no name can make the comparison cost more than its length times the pattern's.

use crate::config::names::{NamePattern, Realm, Starred};

/// Compares a name as clients or apps wrote it, decoded; a path as [`plain`](crate::config::names::plain) writes it.
pub fn matches(pattern: &NamePattern, name: &str) -> bool {
    match pattern {
        NamePattern::Exact(exact) => exact == name,
        NamePattern::Starred(starred) => is_meant(starred, name),
    }
}

/// Whether a namespace is one of these; of none every one is.
pub fn is_within(namespaces: &[NamePattern], namespace: &str) -> bool {
    namespaces.is_empty() || namespaces.iter().any(|pattern| matches(pattern, namespace))
}

fn is_meant(starred: &Starred, name: &str) -> bool {
    let mut wanted = starred.segments.iter();
    if starred.realm == Realm::Event {
        return wanted.next().is_some_and(|pieces| has_pieces(pieces, name));
    }
    let Some(name) = name.strip_prefix('/') else { return false };
    let mut segments = name.split('/');
    for pieces in wanted {
        match segments.next() {
            Some(segment) if has_pieces(pieces, segment) => {}
            Some(_) | None => return false,
        }
    }
    starred.is_open || segments.next().is_none()
}

/// The first piece begins the text, the last ends it, and the others stand between them in this order, none overlapping.
fn has_pieces(pieces: &[String], text: &str) -> bool {
    let [first, between @ .., last] = pieces else {
        return pieces.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in between {
        match rest.split_once(piece.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}
