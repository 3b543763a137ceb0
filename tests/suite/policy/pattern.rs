//! Names with `*` in them.

use proptest::prelude::*;
use sockgate::policy::pattern::matches;

#[test]
fn a_star_is_any_run_of_characters_and_nothing_else_means_anything() {
    let cases = [
        ("typing", "typing", true),
        ("typing", "typing2", false),
        ("typing", "Typing", false),
        ("typing", "", false),
        ("", "", true),
        ("", "x", false),
        ("*", "", true),
        ("*", "anything at all", true),
        ("**", "", true),
        ("chat:*", "chat:", true),
        ("chat:*", "chat:message", true),
        ("chat:*", "chat", false),
        ("chat:*", "my chat:x", false),
        ("*:done", "job:done", true),
        ("*:done", "job:done:done", true),
        ("*:done", "job:doner", false),
        ("a*b*c", "abc", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "acb", false),
        ("a.c", "abc", false),
        ("a?c", "abc", false),
        ("[a]", "a", false),
        ("caf\u{e9}*", "caf\u{e9}s", true),
        ("caf\u{e9}", "cafe\u{301}", false),
        ("*\u{1f600}", "x\u{1f600}", true),
        ("/game-*", "/game-7", true),
        ("/", "/", true),
        ("/", "/chat", false),
    ];
    for (pattern, name, is_match) in cases {
        assert_eq!(matches(pattern, name), is_match, "{pattern:?} and {name:?}");
    }
}

#[test]
fn many_stars_take_no_longer_than_a_few() {
    let pattern = "*a".repeat(64);
    assert!(matches(&pattern, &"a".repeat(128)));
    assert!(!matches(&format!("{pattern}b"), &"a".repeat(128)));
}

/// The same question by all the ways to cut the name: only for short ones.
fn slowly(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => (0..=name.len()).any(|at| name.is_char_boundary(at) && slowly(&pattern[1..], &name[at..])),
        Some(letter) => name.strip_prefix(letter).is_some_and(|rest| slowly(&pattern[letter.len_utf8()..], rest)),
    }
}

proptest! {
    #[test]
    fn it_agrees_with_all_the_ways_to_cut_a_name(pattern in "[ab\u{e9}*]{0,8}", name in "[ab\u{e9}]{0,10}") {
        prop_assert_eq!(matches(&pattern, &name), slowly(&pattern, &name));
    }

    #[test]
    fn a_name_matches_itself_and_what_it_begins_with(name in "[^*]{0,40}", more in "\\PC{0,20}") {
        prop_assert!(matches(&name, &name));
        let (begin, long) = (format!("{name}*"), format!("{name}{more}"));
        prop_assert!(matches(&begin, &long));
    }
}
