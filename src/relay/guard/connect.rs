//! Joining namespaces: who may, with which token, and what the app is told of it.

use std::time::{Instant, SystemTime};

use zeroize::Zeroizing;

use super::{
    Guard, Message, Out, Purpose, Question, Verdict,
    events::Refresh,
    say,
    spaces::Standing,
    spoken::{Spoken, Words},
};
use crate::{
    codec::{msgpack, socket},
    policy::{
        Refusal, Refused,
        access::Decision,
        auth::{self, Identity},
    },
};

/// A question that is not answered yet.
pub(super) struct Asked {
    pub number: u32,
    pub namespace: Box<str>,
    pub about: About,
}

pub(super) enum About {
    /// The CONNECT packet that waits for the answer.
    Connect(Message),
    Refresh(Refresh),
}

impl Guard {
    /// A CONNECT packet, whole and well-formed.
    pub(super) fn connect(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let namespace = spoken.namespace;
        if self.spaces.standing(namespace).is_some() {
            // Client libraries do not; an app would end the session.
            self.note(Refusal::PacketMalformed, "a namespace that is asked for twice", false);
            self.violated(now);
            return Verdict::Drop;
        }
        if let Err(refused) = self.may_ask(namespace, now) {
            return self.refuse(namespace, &refused, now);
        }
        match self.needs_token(namespace) {
            Ok(false) => self.let_in(spoken, now),
            Ok(true) => self.ask(spoken, now),
            Err(refused) => self.refuse(namespace, &refused, now),
        }
    }

    fn may_ask(&mut self, namespace: &str, now: Instant) -> Result<(), Refused> {
        if self.spaces.len() >= self.rules.limits.namespaces() {
            return Err(Refusal::TooManyNamespaces.into());
        }
        self.count(namespace, None, 0, now)
    }

    /// Whether a token is to be shown for it.
    fn needs_token(&self, namespace: &str) -> Result<bool, Refused> {
        if !self.rules.by_connect {
            return Ok(false);
        }
        let is_the_apps = self.rules.by_app.iter().any(|name| name == namespace);
        match (is_the_apps, &self.identity) {
            (true, Some(_)) => Ok(false),
            // The app is not to be reached by somebody nobody knows.
            (true, None) => {
                Err(Refused::because(Refusal::TokenAbsent, "the namespace is the app's, but nobody has been accepted yet"))
            }
            (false, _) => Ok(true),
        }
    }

    fn ask(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let namespace = spoken.namespace;
        let token = match self.token_of(spoken) {
            Ok(Some(token)) => token,
            Ok(None) => return self.refuse(namespace, &Refusal::TokenAbsent.into(), now),
            Err(refused) => return self.refuse(namespace, &refused, now),
        };
        let packet = match &spoken.words {
            Words::Text { .. } => Message::Text(socket::connect(namespace, spoken.json().filter(|json| !json.is_empty()))),
            Words::Pack { message, .. } => Message::Binary(message.to_vec()),
        };
        self.spaces.add(namespace, Standing::Asking);
        self.question(namespace, token, About::Connect(packet));
        Verdict::Drop
    }

    pub(super) fn question(&mut self, namespace: &str, token: Zeroizing<String>, about: About) {
        self.questions = self.questions.wrapping_add(1);
        let number = self.questions;
        let purpose = match about {
            About::Connect(_) => Purpose::Connect,
            About::Refresh(_) => Purpose::Refresh,
        };
        self.asked.push(Asked { number, namespace: namespace.into(), about });
        self.want(Out::Ask(Question { number, token, purpose }));
    }

    /// The token of the payload or of the handshake, whichever is looked for first.
    fn token_of(&self, spoken: &Spoken<'_>) -> Result<Option<Zeroizing<String>>, Refused> {
        let in_payload = match (self.rules.places.connect_field(), &spoken.words) {
            (None, _) => None,
            (Some(field), Words::Text { .. }) => auth::connect::token(spoken.json().unwrap_or_default(), field)?,
            (Some(field), Words::Pack { packet, message }) => {
                msgpack::token(&message[packet.data.clone()], field).map_err(|_| Refusal::TokenInvalid)?.map(Zeroizing::new)
            }
        };
        Ok(self.rules.places.preferred(in_payload, self.shown.clone()))
    }

    /// Whom the token of a question names, or why nobody.
    pub fn answered(&mut self, number: u32, who: Result<Identity, Refused>, now: Instant, clock: SystemTime) {
        let Some(at) = self.asked.iter().position(|asked| asked.number == number) else { return };
        let asked = self.asked.swap_remove(at);
        if self.is_ended() {
            return;
        }
        let who = who.and_then(|identity| self.same_person(identity));
        match (asked.about, who) {
            (About::Connect(packet), Ok(identity)) => self.accepted(&packet, identity, now),
            (About::Connect(_), Err(refused)) => {
                self.spaces.remove(&asked.namespace);
                self.refuse(&asked.namespace, &refused, now);
            }
            (About::Refresh(refresh), who) => self.refreshed(&asked.namespace, &refresh, who, now, clock),
        }
    }

    /// A session belongs to one person, whatever namespaces it joins.
    fn same_person(&self, identity: Identity) -> Result<Identity, Refused> {
        match (self.person(), identity.person()) {
            (None, _) => Ok(identity),
            (Some(session), Some(token)) if session == token => Ok(identity),
            (Some(session), token) => {
                let token = token.map_or_else(|| "nobody".into(), |person| person.to_string());
                Err(Refused::because(Refusal::SessionSubject, format!("a session of {session} showed a token of {token}")))
            }
        }
    }

    fn accepted(&mut self, packet: &Message, identity: Identity, now: Instant) {
        self.adopt(identity);
        let verdict = match packet {
            Message::Text(text) => match Spoken::of_text(&text.as_bytes()[1..], true) {
                Ok(Some(spoken)) => self.let_in(&spoken, now),
                Ok(None) | Err(_) => return,
            },
            Message::Binary(bytes) => match msgpack::Packet::read(bytes, self.rules.json_depth) {
                Ok(read) => self.let_in(&Spoken::of_pack(&read, bytes), now),
                Err(_) => return,
            },
        };
        match verdict {
            Verdict::Pass => self.tell_app(packet.clone()),
            Verdict::Replace(message) => self.tell_app(message),
            _ => {}
        }
    }

    /// The newest claims count, for the whole session.
    pub(super) fn adopt(&mut self, identity: Identity) {
        self.is_warned = false;
        self.payer = self.rules.limits.payer(identity.person(), self.address);
        self.identity = Some(identity);
        // It has served.
        if self.has_joined {
            self.shown = None;
        }
    }

    /// Whoever asks is known as well as need be: the rules decide, and the app is asked.
    fn let_in(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let namespace = spoken.namespace;
        match self.rules.access.may_join(self.identity.as_ref(), namespace) {
            Decision::Allow => {}
            Decision::Shadow(rule) => self.note(Refusal::NamespaceRefused, &format!("{namespace}: {rule}"), true),
            Decision::Deny(rule) => {
                self.spaces.remove(namespace);
                let refused = Refused::because(Refusal::NamespaceRefused, format!("{namespace}: {rule}"));
                return self.refuse(namespace, &refused, now);
            }
        }
        let changed = match self.told_who(spoken) {
            Ok(changed) => changed,
            Err(refused) => {
                self.spaces.remove(namespace);
                return self.refuse(namespace, &refused, now);
            }
        };
        self.has_asked = true;
        match self.spaces.standing(namespace) {
            Some(_) => self.spaces.set(namespace, Standing::Sent),
            None => self.spaces.add(namespace, Standing::Sent),
        }
        changed.map_or(Verdict::Pass, Verdict::Replace)
    }

    /// The packet as the app is to see it, where that differs: with the identity in it, without the token.
    fn told_who(&self, spoken: &Spoken<'_>) -> Result<Option<Message>, Refused> {
        let merge = &self.rules.merge;
        let is_the_apps = self.rules.by_connect && self.rules.by_app.iter().any(|name| name == spoken.namespace);
        if merge.is_idle() || is_the_apps {
            return Ok(None);
        }
        let malformed = |detail: String| Refused::because(Refusal::PacketMalformed, detail);
        Ok(Some(match &spoken.words {
            Words::Text { .. } => {
                let payload = spoken.json().unwrap_or_default();
                let payload = merge.apply(payload, self.identity.as_ref()).map_err(|error| malformed(error.to_string()))?;
                Message::Text(socket::connect(spoken.namespace, Some(&payload)))
            }
            Words::Pack { packet, message } => {
                let payload = msgpack::to_json(&message[packet.data.clone()]).map_err(|error| malformed(error.to_string()))?;
                let payload = merge.apply(&payload, self.identity.as_ref()).map_err(|error| malformed(error.to_string()))?;
                Message::Binary(msgpack::connect(spoken.namespace, &payload))
            }
        }))
    }

    pub(super) fn refuse(&mut self, namespace: &str, refused: &Refused, now: Instant) -> Verdict {
        self.note(refused.refusal, refused.detail.as_deref().unwrap_or(namespace), false);
        self.tell_client(match self.is_three() {
            true => say::connect_error_of_three(namespace, refused),
            false => say::connect_error(self.parser(), namespace, refused),
        });
        self.violated(now);
        Verdict::Drop
    }
}
