//! The rules of one route, by what they are about. The first rule that names a thing decides: exact names are found by hash,
//! patterns are gone through in their order, and whichever was written first counts.

use std::collections::HashMap;

use super::{
    AccessProblem,
    rule::{Rule, RuleId},
    wild,
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

    /// A path of a plain route as the client asked for it, without its query.
    pub fn may_request(&self, identity: Option<&Identity>, path: &str) -> Decision {
        if self.request.is_open() {
            return Decision::Allow;
        }
        self.decide(self.request.judge(identity, "", &path::plain(path)))
    }

    /// Whether packets must be read for these rules.
    pub fn looks_inside(&self) -> bool {
        !(self.join.is_open() && self.send.is_open() && self.receive.is_open())
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
    /// Places in `rules`, ascending, by exact name.
    exact: HashMap<String, Vec<usize>>,
    /// The same for each pattern, ascending.
    starred: Vec<(usize, NamePattern)>,
}

impl Chapter {
    fn new(subject: Subject, access: &Access, kind: Kind) -> Self {
        let standing = if kind.has(subject) { access.standing(subject) } else { Standing::Allow };
        Self { subject, standing, rules: Vec::new(), exact: HashMap::new(), starred: Vec::new() }
    }

    fn add(&mut self, rule: Rule, names: Vec<NamePattern>) {
        let place = self.rules.len();
        for name in names {
            match name {
                NamePattern::Exact(name) => self.exact.entry(name).or_default().push(place),
                NamePattern::Starred(_) => self.starred.push((place, name)),
            }
        }
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
        let holding = |place: usize| self.rules.get(place).filter(|rule| rule.holds_in(namespace));
        let exact = self.exact.get(name).and_then(|places| places.iter().copied().find(|place| holding(*place).is_some()));
        let before = self.starred.iter().take_while(|(place, _)| exact.is_none_or(|exact| *place < exact));
        let starred = before
            .filter(|(place, _)| holding(*place).is_some())
            .find(|(_, pattern)| wild::matches(pattern, name))
            .map(|(place, _)| *place);
        starred.or(exact).and_then(holding)
    }
}
