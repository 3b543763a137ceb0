//! One rule: in which namespaces it holds, and whether somebody meets it.

use std::fmt;

use serde_json::Value;

use crate::{
    config::{
        access::{Need, Reading, Subject, Whom},
        names::NamePattern,
    },
    policy::{
        auth::{Identity, is_same_claim},
        wild,
    },
};

/// What decided, for logs: `access.rule[2]`, or `access.send` where no rule names the thing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RuleId {
    /// Its place in `access.rule`, from 0.
    Listed(usize),
    Standing(Subject),
}

/// A rule, without the names it is found by.
pub(super) struct Rule {
    pub id: RuleId,
    within: Vec<NamePattern>,
    whom: Whom,
}

impl Rule {
    pub fn new(index: usize, reading: Reading) -> (Self, Vec<NamePattern>) {
        let Reading { subject: _, names, within, whom } = reading;
        (Self { id: RuleId::Listed(index), within, whom }, names)
    }

    /// Whether it is about things of this namespace.
    pub fn holds_in(&self, namespace: &str) -> bool {
        wild::is_within(&self.within, namespace)
    }

    /// Whether this is somebody who may. Nobody has no claims.
    pub fn admits(&self, identity: Option<&Identity>) -> bool {
        match (&self.whom, identity) {
            (Whom::Everybody, _) => true,
            (Whom::Nobody, _) | (Whom::Meeting(_), None) => false,
            (Whom::Meeting(needs), Some(identity)) => needs.iter().all(|need| is_met(need, identity)),
        }
    }

    /// Claims that an identity must have kept for this rule.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        let needs = match &self.whom {
            Whom::Meeting(needs) => needs.as_slice(),
            Whom::Everybody | Whom::Nobody => &[],
        };
        needs.iter().map(|need| need.claim.as_str()).filter(|claim| !matches!(*claim, SUBJECT | ROLES | TENANT))
    }
}

fn is_met(need: &Need, identity: &Identity) -> bool {
    need.values.iter().any(|value| match need.claim.as_str() {
        SUBJECT => is_label(value, identity.subject()),
        TENANT => is_label(value, identity.tenant()),
        ROLES => identity.roles().iter().any(|role| value == role.as_str()),
        claim => identity.claim(claim).is_some_and(|claim| has_value(claim, value)),
    })
}

/// Subjects and tenants that were whole numbers in the token are texts by now.
fn is_label(value: &Value, label: Option<&str>) -> bool {
    match (value, label) {
        (Value::String(text), Some(label)) => text == label,
        (Value::Number(number), Some(label)) => number.to_string() == label,
        _ => false,
    }
}

fn has_value(claim: &Value, value: &Value) -> bool {
    match claim {
        Value::Array(items) => items.iter().any(|item| is_same_claim(item, value)),
        one => is_same_claim(one, value),
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(index) => write!(out, "access.rule[{index}]"),
            Self::Standing(subject) => write!(out, "access.{}", subject.name()),
        }
    }
}

/// The identity's own parts.
const SUBJECT: &str = "sub";
const ROLES: &str = "roles";
const TENANT: &str = "tenant";
