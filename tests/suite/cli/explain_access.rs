//! The page about one wish.

use serde_json::{Value, json};
use sockgate::{
    cli::explain_access::{Wish, report},
    config::{access::Subject, route::Kind},
    policy::{
        access::Book,
        auth::{Identity, SealedIdentity},
    },
};

fn page(rules: Value, subject: Subject, name: &str, roles: Option<&[&str]>) -> String {
    let access = serde_json::from_value(rules).expect("a table");
    let kind = if subject == Subject::Request { Kind::Http } else { Kind::Socketio };
    let book = Book::new(&access, kind).expect("good rules");
    let identity = roles.map(|roles| {
        Identity::sealed(SealedIdentity {
            subject: Some("ana".into()),
            roles: roles.iter().map(|role| (*role).to_string()).collect(),
            ..SealedIdentity::default()
        })
    });
    report(&access, &book, &Wish { subject, namespace: "/", name }, identity.as_ref())
}

#[test]
fn a_verdict_names_its_rule_and_what_it_needs() {
    let rules = json!({ "send": "deny", "rule": [{ "send": ["admin:*"], "needs": { "roles": "admin" } }, { "join": ["/x"], "deny": true }] });
    for (subject, name, roles, told) in [
        (Subject::Send, "admin:kick", Some(&["admin"][..]), "allowed: send \"admin:kick\" in /\n  for ana\n"),
        (
            Subject::Send,
            "admin:kick",
            Some(&[]),
            "refused: send \"admin:kick\" in /\n  by access.rule[0], which needs \"roles\" = \"admin\"\n  for ana\n",
        ),
        (Subject::Send, "x", Some(&[]), "refused: send \"x\" in /\n  by access.send, since no rule names it\n  for ana\n"),
        (
            Subject::Join,
            "/x",
            None,
            "refused: join \"/x\"\n  by access.rule[1], which lets nobody pass\n  for nobody known; --token asks for whom a token names\n",
        ),
        (Subject::Request, "/x", Some(&[]), "allowed: request \"/x\"\n  for ana\n"),
    ] {
        assert_eq!(page(rules.clone(), subject, name, roles), told);
    }
}

#[test]
fn rules_on_trial_are_said_to_be() {
    let told = page(json!({ "shadow": true, "join": "deny" }), Subject::Join, "/\u{1b}[2J", Some(&[]));
    assert!(told.starts_with("allowed, and would be refused without access.shadow: join "), "{told}");
    assert!(!told.contains('\u{1b}'), "{told:?}");
}
