//! `explain access`: may somebody join, send, receive or request something, and which rule says so. Reads nothing and prints
//! nothing; the book is the one that requests and packets meet.

use std::fmt::Write;

use crate::{
    config::{
        access::{Access, Subject},
        problem::escaped,
    },
    policy::{
        access::{Book, Decision, RuleId},
        auth::Identity,
    },
};

/// What somebody wants.
pub struct Wish<'a> {
    pub subject: Subject,
    /// Of an event.
    pub namespace: &'a str,
    pub name: &'a str,
}

/// The report on one wish.
pub fn report(access: &Access, book: &Book, wish: &Wish<'_>, identity: Option<&Identity>) -> String {
    let Wish { subject, namespace, name } = wish;
    let decision = match subject {
        Subject::Join => book.may_join(identity, name),
        Subject::Send => book.may_send(identity, namespace, name),
        Subject::Receive => book.may_receive(identity, namespace, name),
        Subject::Request => book.may_request(identity, name),
    };
    let place = match subject {
        Subject::Send | Subject::Receive => format!(" in {namespace}"),
        Subject::Join | Subject::Request => String::new(),
    };
    let what = escaped(&format!("{} {name:?}{place}", subject.name()));
    let mut report = String::new();
    // Writing into a String does not fail.
    let _ = match decision {
        Decision::Allow => writeln!(report, "allowed: {what}"),
        Decision::Deny(rule) => writeln!(report, "refused: {what}\n  by {rule}{}", asked_by(access, rule)),
        Decision::Shadow(rule) => {
            writeln!(report, "allowed, and would be refused without access.shadow: {what}\n  by {rule}{}", asked_by(access, rule))
        }
    };
    let _ = match identity.map(Identity::person) {
        Some(Some(person)) => writeln!(report, "  for {}", escaped(&person.to_string())),
        Some(None) | None => writeln!(report, "  for nobody known; --token asks for whom a token names"),
    };
    report
}

/// What the rule wants of whoever asks.
fn asked_by(access: &Access, rule: RuleId) -> String {
    let RuleId::Listed(index) = rule else { return ", since no rule names it".into() };
    match access.rule.get(index) {
        Some(rule) if !rule.deny => {
            let needs = rule.needs.iter().map(|(claim, value)| format!("{claim:?} = {value}")).collect::<Vec<_>>().join(", ");
            format!(", which needs {}", escaped(&needs))
        }
        Some(_) | None => ", which lets nobody pass".into(),
    }
}
