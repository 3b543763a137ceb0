//! `[access]`: who may do what, by claims: join namespaces, send events, receive them, ask for the paths of plain routes. What an
//! operator writes is read here into rules that cannot be wrong, or into everything that is wrong with it; `check` tells
//! the problems, `policy::access` judges by the rules.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    names::{NamePattern, Realm},
    payload::{LARGEST_PAYLOAD, Payload},
};

/// Who may do what, by the claims of tokens. Rules are read in order, and the first that names a thing decides; what no rule
/// names is decided by the four keys of this table. They hold for requests and packets alike, on every transport. A route
/// that writes `[[route.access.rule]]` has these rules alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Namespaces that no rule names: `allow` or `deny`. The main one is `/`, and clients join it first.
    pub join: Standing,
    /// Events of clients that no rule names.
    pub send: Standing,
    /// Events of the app that no rule names. What a client may not receive is left out, without a word to either side.
    pub receive: Standing,
    /// Paths of plain HTTP and WebSocket routes that no rule names.
    pub request: Standing,
    /// Only log what would be refused (`sockgate::security`), and refuse nothing: for trying new rules.
    pub shadow: bool,
    /// The rules, in order. Each is about exactly one of `join`, `send`, `receive` and `request`. Whoever meets its `needs` may,
    /// and nobody else; without `needs` everybody may; with `deny = true` nobody. In names `*` stands for any run of
    /// characters, also for none: of events any characters, of namespaces and paths those of one segment (so `/*` is also
    /// `/`). There are no regular expressions.
    pub rule: Vec<Rule>,
    /// What the data of events must be, by schema. The first that names an event judges it, after the rules and before the limits. An
    /// event that does not fit is kept from the app (`event_invalid`), answered when an acknowledgement was asked for, and
    /// counts for `limit.abuse`. Events of the app are not judged.
    pub payload: Vec<Payload>,
}

/// What happens to what no rule names.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    #[default]
    Allow,
    Deny,
}

/// One rule: what it is about, and who may.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Namespaces: `"/admin"`, `"/chat-*"`; `"/"` is the main one.
    pub join: Option<Vec<String>>,
    /// Events that clients send: `"admin:*"`.
    pub send: Option<Vec<String>>,
    /// Events that the app sends.
    pub receive: Option<Vec<String>>,
    /// Paths of plain HTTP and WebSocket routes, as clients ask for them and decoded: `"/api/users/*"`; `/**` at the end
    /// stands for what is before it and all below. Case, a slash at the end and parameters after a semicolon make no
    /// difference, since apps disagree about them.
    pub request: Option<Vec<String>>,
    /// The namespaces whose events `send` and `receive` mean. Not set: all.
    #[serde(rename = "in")]
    pub within: Option<Vec<String>>,
    /// What the token must say, by claim: `needs = { roles = ["admin", "ops"], "user.plan" = "pro" }`. Of a list one value is
    /// enough, and a claim that is a list needs to hold one of them; all claims must be met. `sub`, `roles` and `tenant` are
    /// those that `[auth]` found. The other claims travel in session ids, so keep them small.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub needs: BTreeMap<String, Value>,
    /// Nobody may.
    pub deny: bool,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Subject {
    Join,
    Send,
    Receive,
    Request,
}

/// A rule that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub subject: Subject,
    pub names: Vec<NamePattern>,
    /// Namespaces; none: all.
    pub within: Vec<NamePattern>,
    pub whom: Whom,
}

/// An entry about the data of events that was understood, but for its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct PayloadReading {
    pub events: Vec<NamePattern>,
    /// Namespaces; none: all.
    pub within: Vec<NamePattern>,
    /// Bytes.
    pub size: u64,
    pub schema: String,
}

/// Who may.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom {
    Everybody,
    Nobody,
    /// Whoever meets all of these.
    Meeting(Vec<Need>),
}

/// A claim, and the values of which one is enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    pub claim: String,
    pub values: Vec<Value>,
}

/// What is wrong with `[access]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessProblem {
    /// The option, as in `access.rule.2.join.0`.
    pub key: String,
    pub what: String,
    pub instead: String,
}

impl Access {
    /// The rules in their order, or everything that is wrong with any of them.
    pub fn read(&self) -> Result<Vec<Reading>, Vec<AccessProblem>> {
        let mut problems = Vec::new();
        let read = self.rule.iter().enumerate().filter_map(|(index, rule)| rule.read(index, &mut problems)).collect();
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    /// The entries about data in their order, or everything that is wrong with any of them.
    pub fn read_payloads(&self) -> Result<Vec<PayloadReading>, Vec<AccessProblem>> {
        let mut problems = Vec::new();
        let read = self.payload.iter().enumerate().filter_map(|(index, payload)| read_payload(payload, index, &mut problems));
        let read = read.collect();
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    /// Where the schema of an entry is written.
    pub fn key_of_schema(&self, index: usize) -> String {
        let has_file = self.payload.get(index).is_some_and(|payload| payload.schema_file.is_some());
        format!("access.payload.{index}.{}", if has_file { "schema_file" } else { "schema" })
    }

    /// What is done about what no rule names.
    pub fn standing(&self, subject: Subject) -> Standing {
        match subject {
            Subject::Join => self.join,
            Subject::Send => self.send,
            Subject::Receive => self.receive,
            Subject::Request => self.request,
        }
    }
}

impl Rule {
    /// What it is about: one subject, when it is right.
    pub fn subjects(&self) -> Vec<(Subject, &[String])> {
        let named = [
            (Subject::Join, &self.join),
            (Subject::Send, &self.send),
            (Subject::Receive, &self.receive),
            (Subject::Request, &self.request),
        ];
        named.into_iter().filter_map(|(subject, names)| Some((subject, names.as_deref()?))).collect()
    }

    fn read(&self, index: usize, problems: &mut Vec<AccessProblem>) -> Option<Reading> {
        let mut desk = Desk { rule: format!("access.rule.{index}"), problems };
        let subjects = self.subjects();
        let before = desk.problems.len();
        if subjects.len() != 1 {
            let what = if subjects.is_empty() { "it is about nothing" } else { "it is about more than one thing" };
            desk.note("", what, "Write exactly one of join, send, receive and request, and a rule for each");
        }
        let names: Vec<Vec<NamePattern>> =
            subjects.iter().map(|(subject, names)| desk.names(subject.name(), subject.realm(), names)).collect();
        let within = desk.within(self, &subjects);
        let whom = desk.whom(self);
        let is_right = desk.problems.len() == before;
        let (subject, names) = subjects.into_iter().map(|(subject, _)| subject).zip(names).next().filter(|_| is_right)?;
        Some(Reading { subject, names, within, whom })
    }
}

impl Subject {
    /// Its key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Request => "request",
        }
    }

    fn realm(self) -> Realm {
        match self {
            Self::Join => Realm::Namespace,
            Self::Send | Self::Receive => Realm::Event,
            Self::Request => Realm::Path,
        }
    }
}

/// `None` where something is wrong, and where a file could not be read, which has been told.
fn read_payload(payload: &Payload, index: usize, problems: &mut Vec<AccessProblem>) -> Option<PayloadReading> {
    let mut desk = Desk { rule: format!("access.payload.{index}"), problems };
    let before = desk.problems.len();
    let events = desk.names("events", Realm::Event, &payload.events);
    let within = payload.within.iter().flat_map(|within| desk.names("in", Realm::Namespace, within)).collect();
    if payload.schema.is_none() && payload.schema_file.is_none() {
        desk.note("schema", "there is no schema to judge by", "Write the schema, or name its file with schema_file");
    }
    if payload.size.0 == 0 {
        desk.note("size", "no message is that small", "Write for example \"16 KiB\"");
    } else if payload.size > LARGEST_PAYLOAD {
        desk.note("size", format!("more than {LARGEST_PAYLOAD} is too much to be judged"), "Write less, for example \"64 KiB\"");
    }
    let is_right = desk.problems.len() == before;
    let schema = payload.schema.clone().filter(|_| is_right)?;
    Some(PayloadReading { events, within, size: payload.size.0, schema })
}

/// Where one rule is read.
struct Desk<'a> {
    rule: String,
    problems: &'a mut Vec<AccessProblem>,
}

impl Desk<'_> {
    fn note(&mut self, under: &str, what: impl Into<String>, instead: impl Into<String>) {
        let key = if under.is_empty() { self.rule.clone() } else { format!("{}.{under}", self.rule) };
        self.problems.push(AccessProblem { key, what: what.into(), instead: instead.into() });
    }

    fn names(&mut self, key: &str, realm: Realm, names: &[String]) -> Vec<NamePattern> {
        if names.is_empty() {
            self.note(key, "the list is empty, so the rule says nothing", "Name at least one, or remove the key");
        }
        let mut read = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match NamePattern::parse(realm, name) {
                Ok(pattern) => read.push(pattern),
                Err(error) => self.note(&format!("{key}.{index}"), error.to_string(), error.instead()),
            }
        }
        read
    }

    fn within(&mut self, rule: &Rule, subjects: &[(Subject, &[String])]) -> Vec<NamePattern> {
        let Some(within) = &rule.within else { return Vec::new() };
        let has_events = |(subject, _): &(Subject, &[String])| matches!(subject, Subject::Send | Subject::Receive);
        if !subjects.is_empty() && !subjects.iter().all(has_events) {
            self.note("in", "only events are in a namespace", "Remove it; join names namespaces itself");
        }
        self.names("in", Realm::Namespace, within)
    }

    fn whom(&mut self, rule: &Rule) -> Whom {
        if rule.deny && !rule.needs.is_empty() {
            self.note(
                "deny",
                "nobody may, and yet there are needs",
                "Keep one of the two; who does not meet needs is refused anyway",
            );
        }
        let needs: Vec<Need> = rule.needs.iter().map(|(claim, value)| self.need(claim, value)).collect();
        match (rule.deny, needs.is_empty()) {
            (true, _) => Whom::Nobody,
            (false, true) => Whom::Everybody,
            (false, false) => Whom::Meeting(needs),
        }
    }

    fn need(&mut self, claim: &str, value: &Value) -> Need {
        let key = format!("needs.{claim}");
        let values = match value {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        if claim.is_empty() {
            self.note("needs", "a claim without a name", "Write for example needs = { roles = \"admin\" }");
        } else if values.is_empty() {
            self.note(&key, "no value is enough, so nobody could meet it", "List the values, or write deny = true");
        } else if value.is_object() {
            self.note(&key, "a table is no value of a claim", format!("Write the path as one name: \"{claim}.NAME\" = \u{2026}"));
        } else if values.iter().any(|value| !(value.is_string() || value.is_number() || value.is_boolean())) {
            self.note(&key, "only texts, numbers, true and false are compared", "List plain values");
        }
        Need { claim: claim.into(), values }
    }
}
