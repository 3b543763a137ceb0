//! Rules of access, with lists of people and things. Matching is compared with a matcher that tries everything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sockgate::{
    config::{
        access::{Access, Rule, Standing, Subject},
        names::{NameError, NamePattern, Realm},
        route::Kind,
    },
    http::path,
    policy::{
        access::{Book, Decision, RuleId},
        auth::{Identity, SealedIdentity},
        wild::matches,
    },
};

fn access(value: Value) -> Access {
    serde_json::from_value(value).expect("a table")
}

fn book(value: Value) -> Book {
    Book::new(&access(value), Kind::Socketio).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn ana(roles: &[&str], claims: Value) -> Identity {
    let claims: Map<String, Value> = claims.as_object().cloned().expect("claims");
    Identity::sealed(SealedIdentity {
        subject: Some("ana".into()),
        roles: roles.iter().map(|role| (*role).to_string()).collect(),
        tenant: Some("7".into()),
        claims,
        ..SealedIdentity::default()
    })
}

fn denied(index: usize) -> Decision {
    Decision::Deny(RuleId::Listed(index))
}

#[test]
fn without_rules_everything_passes_unread() {
    for kind in [Kind::Socketio, Kind::Websocket, Kind::Http] {
        let book = Book::new(&Access::default(), kind).expect("nothing can be wrong");
        assert!(!book.looks_inside() && !book.filters_received() && book.claims().is_empty());
        assert_eq!(book.may_join(None, "/admin"), Decision::Allow);
        assert_eq!(book.may_send(None, "/", "x"), Decision::Allow);
        assert_eq!(book.may_receive(None, "/", "x"), Decision::Allow);
        assert_eq!(book.may_request(None, "/x"), Decision::Allow);
    }
}

#[test]
fn a_book_says_what_must_be_read_for_it() {
    for (rules, looks_inside, filters) in [
        (json!({ "join": "deny" }), true, false),
        (json!({ "send": "deny" }), true, false),
        (json!({ "receive": "deny" }), true, true),
        (json!({ "request": "deny" }), false, false),
        (json!({ "rule": [{ "join": ["/a"] }] }), true, false),
        (json!({ "rule": [{ "send": ["a"] }] }), true, false),
        (json!({ "rule": [{ "receive": ["a"] }] }), true, true),
        (json!({ "rule": [{ "request": ["/a"] }] }), false, false),
        (json!({ "shadow": true }), false, false),
    ] {
        let socketio = book(rules.clone());
        assert_eq!((socketio.looks_inside(), socketio.filters_received()), (looks_inside, filters), "{rules}");
        let plain = Book::new(&access(rules.clone()), Kind::Http).expect("good rules");
        assert!(!plain.looks_inside() && !plain.filters_received(), "{rules}");
    }
}

#[test]
fn the_first_rule_that_names_a_thing_decides() {
    let book = book(json!({ "join": "deny", "rule": [
        { "join": ["/admin"], "needs": { "roles": ["admin", "ops"] } },
        { "join": ["/admin", "/adm*"], "deny": true },
        { "join": ["/a*"] },
        { "join": ["/all"], "deny": true },
        { "join": ["/", "/late", "/late/*"] },
    ] }));
    let (admin, user) = (ana(&["ops"], json!({})), ana(&["user"], json!({})));
    for (namespace, of_admin, of_user) in [
        ("/admin", Decision::Allow, denied(0)),
        ("/adm", denied(1), denied(1)),
        ("/admins", denied(1), denied(1)),
        ("/all", Decision::Allow, Decision::Allow),
        ("/", Decision::Allow, Decision::Allow),
        ("/late", Decision::Allow, Decision::Allow),
        ("/late/x", Decision::Allow, Decision::Allow),
        ("/late/x/y", Decision::Deny(RuleId::Standing(Subject::Join)), Decision::Deny(RuleId::Standing(Subject::Join))),
        ("/Admin", Decision::Deny(RuleId::Standing(Subject::Join)), Decision::Deny(RuleId::Standing(Subject::Join))),
        ("/all/", Decision::Deny(RuleId::Standing(Subject::Join)), Decision::Deny(RuleId::Standing(Subject::Join))),
    ] {
        assert_eq!(book.may_join(Some(&admin), namespace), of_admin, "{namespace}");
        assert_eq!(book.may_join(Some(&user), namespace), of_user, "{namespace}");
    }
    assert_eq!(book.may_join(None, "/admin"), denied(0));
    assert_eq!(book.may_join(None, "/apple"), Decision::Allow);
}

#[test]
fn events_are_judged_in_their_namespace() {
    let book = book(json!({ "rule": [
        { "send": ["admin:*"], "in": ["/", "/chat-*"], "needs": { "roles": "admin" } },
        { "send": ["admin:*"], "in": ["/open"] },
        { "send": ["debug", "admin:*"], "deny": true },
        { "receive": ["admin:*"], "needs": { "roles": "admin" } },
    ] }));
    let (admin, user) = (ana(&["admin"], json!({})), ana(&[], json!({})));
    for (namespace, event, of_admin, of_user) in [
        ("/", "admin:kick", Decision::Allow, denied(0)),
        ("/chat-1", "admin:kick", Decision::Allow, denied(0)),
        ("/open", "admin:kick", Decision::Allow, Decision::Allow),
        ("/chat-1/x", "admin:kick", denied(2), denied(2)),
        ("/other", "admin:", denied(2), denied(2)),
        ("/other", "admin", Decision::Allow, Decision::Allow),
        ("/open", "debug", denied(2), denied(2)),
        ("/", "chat", Decision::Allow, Decision::Allow),
        ("/", "admin:\u{1f600}/\n*", Decision::Allow, denied(0)),
    ] {
        assert_eq!(book.may_send(Some(&admin), namespace, event), of_admin, "{namespace} {event:?}");
        assert_eq!(book.may_send(Some(&user), namespace, event), of_user, "{namespace} {event:?}");
    }
    assert_eq!(book.may_receive(Some(&user), "/anywhere", "admin:x"), denied(3));
    assert_eq!(book.may_receive(Some(&admin), "/anywhere", "admin:x"), Decision::Allow);
    assert_eq!(book.may_receive(Some(&user), "/", "debug"), Decision::Allow);
}

#[test]
fn all_needs_must_be_met_each_by_one_value() {
    let claims = json!({ "user.plan": "pro", "level": 3, "beta": true, "teams": ["red", 5], "share": 1.0, "nothing": null });
    for (needs, is_met) in [
        (json!({ "sub": "ana" }), true),
        (json!({ "sub": ["bob", "ana"] }), true),
        (json!({ "sub": "Ana" }), false),
        (json!({ "tenant": "7" }), true),
        (json!({ "tenant": 7 }), true),
        (json!({ "tenant": 8 }), false),
        (json!({ "roles": "admin" }), true),
        (json!({ "roles": ["ops", "user"] }), true),
        (json!({ "roles": "adm" }), false),
        (json!({ "roles": "admin", "user.plan": "pro" }), true),
        (json!({ "roles": "admin", "user.plan": "free" }), false),
        (json!({ "roles": "ops", "user.plan": "pro" }), false),
        (json!({ "level": 3 }), true),
        (json!({ "level": 3.0 }), true),
        (json!({ "level": "3" }), false),
        (json!({ "level": [1, 2, 3] }), true),
        (json!({ "share": 1 }), true),
        (json!({ "beta": true }), true),
        (json!({ "beta": "true" }), false),
        (json!({ "beta": 1 }), false),
        (json!({ "teams": "red" }), true),
        (json!({ "teams": 5 }), true),
        (json!({ "teams": ["blue", "green"] }), false),
        (json!({ "nothing": false }), false),
        (json!({ "missing": "x" }), false),
    ] {
        let book = book(json!({ "rule": [{ "join": ["/x"], "needs": needs }] }));
        let decision = book.may_join(Some(&ana(&["admin", "user"], claims.clone())), "/x");
        assert_eq!(decision, if is_met { Decision::Allow } else { denied(0) }, "{needs}");
        assert_eq!(book.may_join(None, "/x"), denied(0), "{needs}");
        // An identity without subject is nobody, whatever is asked.
        assert_eq!(book.may_join(Some(&Identity::sealed(SealedIdentity::default())), "/x"), denied(0), "{needs}");
    }
}

#[test]
fn claims_that_rules_name_are_kept_once_and_only_where_they_decide() {
    let rules = json!({ "rule": [
        { "join": ["/a"], "needs": { "user.plan": "pro", "roles": "admin" } },
        { "send": ["a"], "needs": { "user.plan": "pro", "level": 3, "sub": "ana" } },
        { "request": ["/a"], "needs": { "scope": "api", "tenant": "7" } },
    ] });
    assert_eq!(book(rules.clone()).claims(), ["level", "user.plan"]);
    assert_eq!(Book::new(&access(rules), Kind::Http).expect("good rules").claims(), ["scope"]);
}

#[test]
fn a_shadow_names_the_rule_and_lets_pass() {
    let book = book(json!({ "shadow": true, "send": "deny", "rule": [{ "join": ["/a"], "deny": true }] }));
    assert_eq!(book.may_join(None, "/a"), Decision::Shadow(RuleId::Listed(0)));
    assert_eq!(book.may_join(None, "/b"), Decision::Allow);
    assert_eq!(book.may_send(None, "/", "x"), Decision::Shadow(RuleId::Standing(Subject::Send)));
    assert_eq!(RuleId::Listed(2).to_string(), "access.rule[2]");
    let standing = [Subject::Join, Subject::Send, Subject::Receive, Subject::Request].map(|it| RuleId::Standing(it).to_string());
    assert_eq!(standing, ["access.join", "access.send", "access.receive", "access.request"]);
}

#[test]
fn no_spelling_of_a_path_leads_around_a_rule() {
    let rules = json!({ "rule": [
        { "request": ["/api/open", "/API/Caf\u{e9}/"] },
        { "request": ["/api/users/*/name"], "needs": { "roles": "admin" } },
        { "request": ["/admin/**", "/one/*"], "deny": true },
    ] });
    let book = Book::new(&access(rules), Kind::Http).expect("good rules");
    for (path, decision) in [
        ("/api/open", Decision::Allow),
        ("/api/users/7/name", denied(1)),
        ("/api/users/7/name/", denied(1)),
        ("/API/Users/7/NAME", denied(1)),
        ("/api/users/a%20b/name", denied(1)),
        ("/api/users/7;v=1/name;v=2", denied(1)),
        ("/api/users/7/8/name", Decision::Allow),
        ("/api/users/name", Decision::Allow),
        ("/admin", denied(2)),
        ("/admin/", denied(2)),
        ("/Admin/x/y", denied(2)),
        ("/admin%3Bx/y", denied(2)),
        ("/%2561dmin/x", denied(2)),
        ("/administrator", Decision::Allow),
        ("/one", Decision::Allow),
        ("/one/two", denied(2)),
        ("/one/two/three", Decision::Allow),
        ("/", Decision::Allow),
    ] {
        assert!(path::judge(path).is_ok(), "{path}");
        assert_eq!(book.may_request(None, path), decision, "{path}");
    }
    let closed = Book::new(&access(json!({ "request": "deny", "rule": [{ "request": ["/"] }] })), Kind::Http).expect("good");
    assert_eq!(closed.may_request(None, "/"), Decision::Allow);
    assert_eq!(closed.may_request(None, "/x"), Decision::Deny(RuleId::Standing(Subject::Request)));
    let open = Book::new(&access(json!({ "request": "deny", "rule": [{ "request": ["/**"] }] })), Kind::Http).expect("good");
    for path in ["/", "/x", "/x/y/"] {
        assert_eq!(open.may_request(None, path), Decision::Allow, "{path}");
    }
}

#[test]
fn what_is_wrong_with_rules_is_told_all_at_once() {
    let wrong = access(json!({ "rule": [
        {},
        { "join": ["/a"], "send": ["b"] },
        { "join": ["admin", ""], "in": ["/a"] },
        { "send": [], "needs": { "roles": [] } },
        { "request": ["/a/../b"], "deny": true, "needs": { "level": { "at": 3 } } },
    ] }));
    let problems = Book::new(&wrong, Kind::Socketio).err().expect("problems");
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "access.rule.0",
            "access.rule.1",
            "access.rule.2.join.0",
            "access.rule.2.join.1",
            "access.rule.2.in",
            "access.rule.3.send",
            "access.rule.3.needs.roles",
            "access.rule.4.request.0",
            "access.rule.4.deny",
            "access.rule.4.needs.level",
        ]
    );
    assert!(problems.iter().all(|problem| !problem.what.is_empty() && !problem.instead.is_empty()));
}

#[test]
fn texts_that_are_no_pattern_are_told_apart() {
    let long = "x".repeat(129);
    let of = |error: fn(String) -> NameError, text: &str| Some(error(text.to_string()));
    for (realm, text, error) in [
        (Realm::Event, "", Some(NameError::Empty)),
        (Realm::Event, "a.*", None),
        (Realm::Event, "user [x]?\u{e9}", None),
        (Realm::Event, "*", None),
        (Realm::Event, long.as_str(), of(NameError::Long, &long)),
        (Realm::Event, "^admin", of(NameError::Regular, "^admin")),
        (Realm::Event, "a**", Some(NameError::Stars("a**".into(), Realm::Event))),
        (Realm::Namespace, "/", None),
        (Realm::Namespace, "/a/b-*", None),
        (Realm::Namespace, "admin", of(NameError::NoSlash, "admin")),
        (Realm::Namespace, "*", of(NameError::NoSlash, "*")),
        (Realm::Namespace, r"/^\/dynamic-\d+$/", of(NameError::Regular, r"/^\/dynamic-\d+$/")),
        (Realm::Namespace, "/a?b", of(NameError::Namespace, "/a?b")),
        (Realm::Namespace, "/a,", of(NameError::Namespace, "/a,")),
        (Realm::Namespace, "/\u{e9}", of(NameError::Namespace, "/\u{e9}")),
        (Realm::Namespace, "/a/**", Some(NameError::Stars("/a/**".into(), Realm::Namespace))),
        (Realm::Path, "/**", None),
        (Realm::Path, "/a/*/b/**", None),
        (Realm::Path, "/a b/\u{e9}", None),
        (Realm::Path, "/a**", Some(NameError::Stars("/a**".into(), Realm::Path))),
        (Realm::Path, "/**/a", Some(NameError::Stars("/**/a".into(), Realm::Path))),
        (Realm::Path, "/a//b", of(NameError::Path, "/a//b")),
        (Realm::Path, "/a%20b", of(NameError::Path, "/a%20b")),
        (Realm::Path, "/a?x", of(NameError::Path, "/a?x")),
        (Realm::Path, "/a;x", of(NameError::Path, "/a;x")),
        (Realm::Path, "/./a", of(NameError::Path, "/./a")),
        (Realm::Path, "https://x/", of(NameError::NoSlash, "https://x/")),
    ] {
        assert_eq!(NamePattern::parse(realm, text).err(), error, "{text:?}");
    }
}

/// Tries every way the stars of a pattern could be filled.
fn naive(realm: Realm, pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => {
            let longest = name.iter().take_while(|letter| realm == Realm::Event || **letter != '/').count();
            (0..=longest).any(|taken| naive(realm, rest, &name[taken..]))
        }
        [first, rest @ ..] => name.first() == Some(first) && naive(realm, rest, &name[1..]),
    }
}

fn is_meant(realm: Realm, pattern: &str, name: &str) -> bool {
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    match pattern.strip_suffix("/**") {
        // What is before the stars, and everything below that.
        Some(above) if realm == Realm::Path => {
            let ends = name.char_indices().filter(|(_, letter)| *letter == '/').map(|(at, _)| at).chain([name.len()]);
            name.starts_with('/') && ends.into_iter().any(|end| naive(realm, &letters(above), &letters(&name[..end])))
        }
        _ => naive(realm, &letters(pattern), &letters(name)),
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_trying_everything(
        pattern in "[ab:]{0,3}(\\*[ab:]{0,2}){0,4}",
        name in "[ab:/]{0,12}",
    ) {
        if let Ok(parsed) = NamePattern::parse(Realm::Event, &pattern) {
            prop_assert_eq!(matches(&parsed, &name), is_meant(Realm::Event, &pattern, &name), "{} {}", pattern, name);
        }
    }

    #[test]
    fn matching_of_segments_agrees_with_trying_everything(
        pattern in "(/[ab*]{0,4}){1,4}(/\\*\\*)?",
        name in "(/[ab]{0,3}){1,4}",
    ) {
        if let Ok(parsed) = NamePattern::parse(Realm::Namespace, &pattern) {
            prop_assert_eq!(matches(&parsed, &name), is_meant(Realm::Namespace, &pattern, &name), "{} {}", pattern, name);
        }
        if let Ok(parsed) = NamePattern::parse(Realm::Path, &pattern) {
            let trimmed = |text: &str| text.trim_end_matches('/').to_string();
            let (pattern, name) = (trimmed(&pattern), trimmed(&name));
            let root = |text: &str| if text.is_empty() { "/".to_string() } else { text.to_string() };
            prop_assert_eq!(matches(&parsed, &root(&name)), is_meant(Realm::Path, &root(&pattern), &root(&name)), "{} {}", pattern, name);
        }
    }

    #[test]
    fn nothing_written_or_sent_makes_it_panic(pattern in "\\PC{0,40}", name in "\\PC{0,200}") {
        for realm in [Realm::Event, Realm::Namespace, Realm::Path] {
            for text in [pattern.clone(), format!("/{pattern}"), format!("/{pattern}/**")] {
                match NamePattern::parse(realm, &text) {
                    Ok(parsed) => { matches(&parsed, &name); matches(&parsed, &path::plain(&format!("/{name}"))); }
                    Err(error) => prop_assert!(!error.to_string().is_empty() && !error.instead().is_empty()),
                }
            }
        }
    }

    /// The book finds by hash and by pattern what going through all rules in order finds.
    #[test]
    fn a_book_decides_as_its_rules_read_from_the_top(
        rules in prop::collection::vec((prop::collection::vec("[ab*]{1,2}", 1..3), prop::option::of("/[ab*]{0,1}"), any::<bool>()), 0..6),
        is_open in any::<bool>(),
        namespace in "/[ab]{0,1}",
        event in "[ab]{1,2}",
    ) {
        let usable = |text: &String, realm| NamePattern::parse(realm, text).is_ok();
        let rules: Vec<_> = rules.into_iter().filter(|(names, within, _)| {
            names.iter().all(|name| usable(name, Realm::Event)) && within.iter().all(|name| usable(name, Realm::Namespace))
        }).collect();
        let first = rules.iter().position(|(names, within, _)| {
            names.iter().any(|name| is_meant(Realm::Event, name, &event))
                && within.as_ref().is_none_or(|within| is_meant(Realm::Namespace, within, &namespace))
        });
        let expected = match first {
            Some(index) if rules[index].2 => denied(index),
            Some(_) => Decision::Allow,
            None if is_open => Decision::Allow,
            None => Decision::Deny(RuleId::Standing(Subject::Send)),
        };
        let written = rules.iter().map(|(names, within, deny)| Rule {
            send: Some(names.clone()),
            within: within.clone().map(|within| vec![within]),
            deny: *deny,
            needs: BTreeMap::new(),
            ..Rule::default()
        });
        let standing = if is_open { Standing::Allow } else { Standing::Deny };
        let access = Access { send: standing, rule: written.collect(), ..Access::default() };
        let book = Book::new(&access, Kind::Socketio).map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
        prop_assert_eq!(book.may_send(None, &namespace, &event), expected);
    }
}
