//! Joining namespaces: who may, with which token, and what the app is told of it.

use std::{
    borrow::Cow,
    time::{Instant, SystemTime},
};

use zeroize::Zeroizing;

use super::{
    Guard, Message, Out, Purpose, Question, Verdict,
    asked::{About, Asked},
    say,
    spaces::{self, Standing},
    spoken::{Spoken, Words},
};
use crate::{
    codec::{
        msgpack::{self, MsgpackError},
        socket,
    },
    policy::{
        Refusal, Refused,
        access::Decision,
        auth::{self, Identity, Merge},
    },
    relay::reason::Reason,
};

/// What a CONNECT packet needs before the rules decide about it.
enum Need {
    Nothing,
    /// A token of its own, or the handshake's.
    Token,
    /// Somebody who has been accepted, with whichever token.
    Somebody,
}

/// Where a token was.
enum Shown {
    InPacket(Zeroizing<String>),
    AtHandshake,
}

impl Guard {
    /// A CONNECT packet, whole and well-formed.
    pub(super) fn connect(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let namespace = spoken.namespace;
        if self.spaces.is_known(namespace) {
            // Client libraries do not; an app would end the session.
            self.note(Refusal::PacketMalformed, "a namespace that is asked for twice", false, now);
            self.violated(now);
            return Verdict::Drop;
        }
        if self.spaces.len() >= self.rules.limits.namespaces() {
            return self.refuse(namespace, &Refusal::TooManyNamespaces.into(), now);
        }
        if let Err(too_much) = self.count((namespace, None), 0, now) {
            let verdict = self.refuse(namespace, &too_much.refused, now);
            self.end_if(too_much.is_last, now);
            return verdict;
        }
        match self.need_of(namespace) {
            Need::Nothing => self.let_in(spoken, now),
            Need::Token => self.ask(spoken, now),
            Need::Somebody => self.wait_for_others(spoken, now),
        }
    }

    /// A session that was opened without a token stays one that needs it, whatever the rules say later.
    fn need_of(&self, namespace: &str) -> Need {
        let is_known = self.identity.is_some();
        if !self.rules.by_connect && (is_known || !self.by_connect) {
            return Need::Nothing;
        }
        match self.is_the_apps(namespace) {
            true if is_known => Need::Nothing,
            // The app is not to be reached by somebody nobody knows.
            true => Need::Somebody,
            false => Need::Token,
        }
    }

    /// Whether its CONNECT is for the app to judge.
    fn is_the_apps(&self, namespace: &str) -> bool {
        self.rules.by_connect && self.rules.by_app.iter().any(|name| name == namespace)
    }

    fn ask(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let token = match self.token_of(spoken) {
            // Each time anew, for it may have been taken back since.
            Ok(Some(Shown::AtHandshake)) => self.shown.clone().map(|token| (token, true)),
            Ok(Some(Shown::InPacket(token))) => Some((token, false)),
            Ok(None) => None,
            Err(refused) => return self.refuse(spoken.namespace, &refused, now),
        };
        let Some((token, is_shown)) = token else {
            let refused = Refused::absent(&self.rules.places).about(spoken.namespace);
            return self.refuse(spoken.namespace, &refused, now);
        };
        match self.to_wait(spoken) {
            Some(packet) => {
                self.spaces.set(spoken.namespace, Standing::Asking);
                self.question(spoken.namespace, token, About::Connect { packet, is_shown });
                Verdict::Drop
            }
            None => self.refuse(spoken.namespace, &Refused::because(Refusal::TooManyNamespaces, "too much waits"), now),
        }
    }

    /// Several namespaces may be asked for at once, and this one has nobody to go by before another is accepted.
    fn wait_for_others(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let packet = self.to_wait(spoken).filter(|_| self.awaits_somebody());
        let Some(packet) = packet else {
            let detail = "the namespace is the app's, but nobody has been accepted yet";
            return self.refuse(spoken.namespace, &Refused::because(Refusal::TokenAbsent, detail), now);
        };
        self.spaces.set(spoken.namespace, Standing::Asking);
        self.seldom.asked.push(Asked { number: 0, namespace: spoken.namespace.into(), about: About::Others(packet) });
        Verdict::Drop
    }

    fn awaits_somebody(&self) -> bool {
        self.seldom.asked.iter().any(|asked| matches!(asked.about, About::Connect { .. }))
    }

    /// A CONNECT packet that waits, unless too many bytes do.
    fn to_wait(&self, spoken: &Spoken<'_>) -> Option<Message> {
        let packet = match &spoken.words {
            Words::Text { .. } => Message::Text(socket::connect(spoken.namespace, spoken.json().filter(|json| !json.is_empty()))),
            Words::Pack { message, .. } => Message::Binary(message.to_vec()),
        };
        let waiting: usize = self.seldom.asked.iter().map(Asked::len).sum();
        (waiting + packet.len() <= spaces::HELD_BYTES).then_some(packet)
    }

    pub(super) fn question(&mut self, namespace: &str, token: Zeroizing<String>, about: About) {
        // 0 is nobody's.
        self.questions = self.questions.wrapping_add(1).max(1);
        let number = self.questions;
        let purpose = match about {
            About::Connect { .. } | About::Others(_) => Purpose::Connect,
            About::Refresh(_) => Purpose::Refresh,
        };
        self.seldom.asked.push(Asked { number, namespace: namespace.into(), about });
        self.want(Out::Ask(Question { number, token, purpose }));
    }

    /// The token of the payload or of the handshake, whichever is looked for first.
    fn token_of(&self, spoken: &Spoken<'_>) -> Result<Option<Shown>, Refused> {
        let in_payload = match (self.rules.places.connect_field(), &spoken.words) {
            (None, _) => None,
            (Some(field), Words::Text { .. }) => auth::connect::token(spoken.json().unwrap_or_default(), field)?,
            (Some(field), Words::Pack { packet, message }) => {
                let token = msgpack::token(&message[packet.data.clone()], field.split('.')).map_err(|_| Refusal::TokenInvalid)?;
                token.map(auth::connect::plain).transpose()?.flatten()
            }
        };
        let at_handshake = self.shown.is_some().then_some(Shown::AtHandshake);
        Ok(self.rules.places.preferred(in_payload.map(Shown::InPacket), at_handshake))
    }

    /// Whom the token of a question names, or why nobody.
    pub fn answered(&mut self, number: u32, who: Result<Identity, Refused>, now: Instant, clock: SystemTime) {
        let Some(at) = self.seldom.asked.iter().position(|asked| asked.number == number && number != 0) else { return };
        let asked = self.seldom.asked.remove(at);
        if self.is_over() {
            return;
        }
        let who = who.and_then(|identity| self.same_person(identity));
        match asked.about {
            About::Connect { packet, is_shown } => {
                let who = if is_shown { self.vouches(who, clock) } else { who };
                self.connect_answered(&asked.namespace, &packet, is_shown, who, now)
            }
            About::Others(_) => {}
            About::Refresh(refresh) => self.refreshed(&asked.namespace, &refresh, who, now, clock),
        }
        self.settle_others(now);
    }

    /// What the handshake's token is worth when it is judged again: a refresh may have followed it, which lasts longer and whose
    /// claims are newer. Then the token's own end counts no more, but that it was taken back does.
    fn vouches(&self, who: Result<Identity, Refused>, clock: SystemTime) -> Result<Identity, Refused> {
        let refreshed = || self.identity.clone().filter(|_| self.vouched.is_some() && self.expires().is_none_or(|at| at > clock));
        match who {
            Ok(identity) if self.identity.as_ref().is_some_and(|own| is_later(own.expires(), identity.expires())) => {
                Ok(refreshed().unwrap_or(identity))
            }
            Err(refused) if refused.refusal == Refusal::TokenExpired => refreshed().ok_or(refused),
            who => who,
        }
    }

    fn connect_answered(
        &mut self,
        namespace: &str,
        packet: &Message,
        is_shown: bool,
        who: Result<Identity, Refused>,
        now: Instant,
    ) {
        if self.spaces.is_left(namespace) {
            // Nobody waits for it any more, and the app has not heard of it.
            return self.spaces.remove(namespace);
        }
        match who {
            Ok(identity) => {
                let named = is_shown.then(|| Box::new(identity.clone()));
                if self.accepted(packet, identity, now) && self.vouched.is_none() {
                    self.vouched = named;
                }
            }
            // Client libraries do not try again after a CONNECT_ERROR; they do when their transport is closed. Who has joined
            // something would lose that with it.
            Err(refused) if refused.refusal.passes() && self.identity.is_none() => {
                self.note(refused.refusal, refused.detail.as_deref().unwrap_or(namespace), false, now);
                self.end(Reason::TokensUnchecked, now);
            }
            Err(refused) => {
                self.spaces.remove(namespace);
                self.refuse(namespace, &refused, now);
            }
        }
    }

    /// Those who wait for somebody to be accepted: once that is so, or cannot be any more.
    fn settle_others(&mut self, now: Instant) {
        if self.identity.is_none() && self.awaits_somebody() {
            return;
        }
        while let Some(at) = self.seldom.asked.iter().position(|asked| matches!(asked.about, About::Others(_))) {
            let asked = self.seldom.asked.remove(at);
            let About::Others(packet) = asked.about else { return };
            if self.spaces.is_left(&asked.namespace) {
                self.spaces.remove(&asked.namespace);
            } else if self.identity.is_some() {
                self.go_in(&packet, now);
            } else {
                self.spaces.remove(&asked.namespace);
                self.refuse(&asked.namespace, &Refusal::TokenAbsent.into(), now);
            }
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

    /// Somebody whose token is good. Who may not join with it has not become the one this session belongs to.
    fn accepted(&mut self, packet: &Message, identity: Identity, now: Instant) -> bool {
        let before = (self.identity.clone(), self.payer, self.is_warned);
        self.adopt(identity);
        let is_in = self.go_in(packet, now);
        if !is_in {
            (self.identity, self.payer, self.is_warned) = before;
        }
        is_in
    }

    /// A CONNECT packet that has waited. Whether the app is asked.
    fn go_in(&mut self, packet: &Message, now: Instant) -> bool {
        let verdict = match packet {
            Message::Text(text) => match Spoken::of_text(&text.as_bytes()[1..], true) {
                Ok(Some(spoken)) => self.let_in(&spoken, now),
                Ok(None) | Err(_) => Verdict::Drop,
            },
            Message::Binary(bytes) => match msgpack::Packet::read(bytes, self.rules.json_depth) {
                Ok(read) => self.let_in(&Spoken::of_pack(&read, bytes), now),
                Err(_) => Verdict::Drop,
            },
        };
        match verdict {
            Verdict::Pass => self.tell_app(packet.clone()),
            Verdict::Replace(message) => self.tell_app(*message),
            Verdict::Drop | Verdict::More | Verdict::Watch(_) | Verdict::Break(_) => return false,
        }
        true
    }

    /// The newest claims count, for the whole session.
    pub(super) fn adopt(&mut self, identity: Identity) {
        self.is_warned = false;
        self.payer = self.rules.limits.payer(identity.person(), self.address);
        self.identity = Some(identity);
        self.unlearn();
    }

    /// Whoever asks is known as well as need be: the rules decide, and the app is asked.
    fn let_in(&mut self, spoken: &Spoken<'_>, now: Instant) -> Verdict {
        let namespace = spoken.namespace;
        match self.rules.access.may_join(self.identity.as_ref(), namespace) {
            Decision::Allow => {}
            Decision::Shadow(rule) => self.note(Refusal::NamespaceRefused, &format!("{namespace}: {rule}"), true, now),
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
        self.spaces.set(namespace, Standing::Sent);
        changed.map_or(Verdict::Pass, |message| Verdict::Replace(message.into()))
    }

    /// The packet as the app is to see it, where that differs: with the identity in it, without the token.
    fn told_who(&self, spoken: &Spoken<'_>) -> Result<Option<Message>, Refused> {
        // What is the app's to judge keeps its token, but nobody says there who they are.
        let merge = if self.is_the_apps(spoken.namespace) { &self.rules.merge_of_apps } else { &self.rules.merge };
        if merge.is_idle() {
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
                let data = &message[packet.data.clone()];
                Message::Binary(self.told_packed(merge, spoken.namespace, data).map_err(|error| malformed(error.to_string()))?)
            }
        }))
    }

    /// The same as MessagePack.
    fn told_packed(&self, merge: &Merge, namespace: &str, data: &[u8]) -> Result<Vec<u8>, MsgpackError> {
        let without_token = match merge.token().and_then(<[String]>::split_last) {
            Some((last, way)) => msgpack::retain(data, way.iter().map(String::as_str), |key| key != last)?,
            None => Cow::Borrowed(data),
        };
        let Some(field) = merge.field() else { return Ok(msgpack::connect_with(namespace, &without_token)) };
        let data = msgpack::retain(&without_token, [], |key| !key.eq_ignore_ascii_case(field))?;
        match self.identity.as_ref().and_then(|identity| merge.told(identity)) {
            Some(told) => msgpack::merge(namespace, &data, field, &told),
            None => Ok(msgpack::connect_with(namespace, &data)),
        }
    }

    pub(super) fn refuse(&mut self, namespace: &str, refused: &Refused, now: Instant) -> Verdict {
        self.note(refused.refusal, refused.detail.as_deref().unwrap_or(namespace), false, now);
        self.tell_client(match self.is_three() {
            true => say::connect_error_of_three(namespace, refused),
            false => say::connect_error(self.parser, namespace, refused),
        });
        if !refused.refusal.passes() {
            self.violated(now);
        }
        Verdict::Drop
    }
}

/// Whether one end comes after another; none never comes.
fn is_later(one: Option<u64>, other: Option<u64>) -> bool {
    match (one, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(other)) => one > other,
    }
}
