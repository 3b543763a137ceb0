//! Names with `*` in them, as rules write events and namespaces: `chat:*`, `/game-*`, `*`. No other character means anything
//! but itself, upper case is not lower case, and the whole name must match.

/// Whether `name` is what `pattern` describes; `*` stands for any run of characters, also for none. Looks at each character
/// of the name at most once for each one of the pattern.
pub fn matches(pattern: &str, name: &str) -> bool {
    // A `*` is one byte, and none of the bytes of another character.
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Behind the last `*`, and how much of the name it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, seen));
        } else if pattern.get(at) == Some(&name[seen]) {
            at += 1;
            seen += 1;
        } else if let Some((behind, upto)) = star {
            // It stands for one more.
            star = Some((behind, upto + 1));
            (at, seen) = (behind, upto + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
