//! The rules of one route, by what they are about. The first rule that names a thing decides.

use std::sync::Arc;

use super::{
    AccessProblem, Payload, Payloads,
    index::Index,
    rule::{Rule, RuleId},
};
use crate::{
    config::{
        access::{Access, Standing, Subject},
        names::NamePattern,
        route::Kind,
    },
    http::path,
    policy::auth::Identity,
};

/// The access rules of one route in one version of the configuration.
pub struct Book {
    join: Chapter,
    send: Chapter,
    receive: Chapter,
    request: Chapter,
    payloads: Arc<Payloads>,
    shadow: bool,
}

/// What becomes of somebody's wish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Decision {
    Allow,
    Deny(RuleId),
    /// It would be denied; it passes, and is logged.
    Shadow(RuleId),
}

impl Book {
    /// The rules that mean anything on this kind of route: `request` on plain ones, the others on Socket.IO.
    pub fn new(access: &Access, kind: Kind) -> Result<Self, Vec<AccessProblem>> {
        let mut book = Self {
            join: Chapter::new(Subject::Join, access, kind),
            send: Chapter::new(Subject::Send, access, kind),
            receive: Chapter::new(Subject::Receive, access, kind),
            request: Chapter::new(Subject::Request, access, kind),
            payloads: Arc::default(),
            shadow: access.shadow,
        };
        for (index, reading) in access.read()?.into_iter().enumerate() {
            let chapter = match reading.subject {
                Subject::Join => &mut book.join,
                Subject::Send => &mut book.send,
                Subject::Receive => &mut book.receive,
                Subject::Request => &mut book.request,
            };
            if kind.has(reading.subject) {
                let (rule, names) = Rule::new(index, reading);
                chapter.add(rule, names);
            }
        }
        Ok(book)
    }

    /// With the schemas of events, which are made once for all routes that say the same.
    pub fn with(mut self, payloads: Arc<Payloads>) -> Self {
        self.payloads = payloads;
        self
    }

    /// A namespace as packets name it, `/` for the main one.
    pub fn may_join(&self, identity: Option<&Identity>, namespace: &str) -> Decision {
        self.decide(self.join.judge(identity, namespace, namespace))
    }

    /// An event of a client. Its name is decoded.
    pub fn may_send(&self, identity: Option<&Identity>, namespace: &str, event: &str) -> Decision {
        self.decide(self.send.judge(identity, namespace, event))
    }

    /// An event of the app, toward this client.
    pub fn may_receive(&self, identity: Option<&Identity>, namespace: &str, event: &str) -> Decision {
        self.decide(self.receive.judge(identity, namespace, event))
    }

    /// What the data of a client's event must be.
    pub fn payload(&self, namespace: &str, event: &str) -> Option<&Arc<Payload>> {
        self.payloads.of(namespace, event)
    }

    /// Whether what would be denied passes and is logged.
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// A path of a plain route as the client asked for it, without its query.
    pub fn may_request(&self, identity: Option<&Identity>, path: &str) -> Decision {
        if self.request.is_open() {
            return Decision::Allow;
        }
        self.decide(self.request.judge(identity, "", &path::plain(path)))
    }

    /// Whether packets must be read for these rules.
    pub fn looks_inside(&self) -> bool {
        !(self.join.is_open() && self.send.is_open() && self.receive.is_open() && self.payloads.is_empty())
    }

    /// Whether events of the app must be read for these rules.
    pub fn filters_received(&self) -> bool {
        !self.receive.is_open()
    }

    /// Claims that identities must keep so that these rules can be judged, each once.
    pub fn claims(&self) -> Vec<String> {
        let chapters = [&self.join, &self.send, &self.receive, &self.request];
        let mut claims: Vec<String> =
            chapters.iter().flat_map(|chapter| &chapter.rules).flat_map(Rule::claims).map(str::to_string).collect();
        claims.sort();
        claims.dedup();
        claims
    }

    fn decide(&self, judged: Result<(), RuleId>) -> Decision {
        match judged {
            Ok(()) => Decision::Allow,
            Err(rule) if self.shadow => Decision::Shadow(rule),
            Err(rule) => Decision::Deny(rule),
        }
    }
}

/// The rules about one subject, in order.
struct Chapter {
    subject: Subject,
    standing: Standing,
    rules: Vec<Rule>,
    /// Where each is named.
    index: Index,
}

impl Chapter {
    fn new(subject: Subject, access: &Access, kind: Kind) -> Self {
        let standing = if kind.has(subject) { access.standing(subject) } else { Standing::Allow };
        Self { subject, standing, rules: Vec::new(), index: Index::default() }
    }

    fn add(&mut self, rule: Rule, names: Vec<NamePattern>) {
        self.index.add(self.rules.len(), names);
        self.rules.push(rule);
    }

    /// Whether it lets everything pass unseen.
    fn is_open(&self) -> bool {
        self.rules.is_empty() && self.standing == Standing::Allow
    }

    fn judge(&self, identity: Option<&Identity>, namespace: &str, name: &str) -> Result<(), RuleId> {
        if self.is_open() {
            return Ok(());
        }
        match (self.first(namespace, name), self.standing) {
            (Some(rule), _) if rule.admits(identity) => Ok(()),
            (Some(rule), _) => Err(rule.id),
            (None, Standing::Allow) => Ok(()),
            (None, Standing::Deny) => Err(RuleId::Standing(self.subject)),
        }
    }

    /// The first rule that names it.
    fn first(&self, namespace: &str, name: &str) -> Option<&Rule> {
        let holds = |place: usize| self.rules.get(place).is_some_and(|rule| rule.holds_in(namespace));
        self.index.first(name, holds).and_then(|place| self.rules.get(place))
    }
}
