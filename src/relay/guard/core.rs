//! What a guard knows of its session, and the door of it.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use zeroize::Zeroizing;

use super::{Extent, Message, Out, Rules, Seen, Side, Verdict, acks::Acks, connect::Asked, say, spaces::Spaces, spoken::Spoken};
use crate::{
    codec::{engine::Revision, socket::Kind},
    config::socketio::Parser,
    policy::{
        Refusal, Refused,
        auth::{Identity, Person},
        limit::{Meter, Payer},
    },
    relay::reason::Reason,
    telemetry::record,
};

/// The judge of one session.
pub struct Guard {
    pub(super) rules: Arc<Rules>,
    pub(super) revision: Revision,
    /// Who the session is, once anybody has been accepted.
    pub(super) identity: Option<Identity>,
    /// The token that the handshake showed, for a CONNECT that brings none.
    pub(super) shown: Option<Zeroizing<String>>,
    pub(super) spaces: Spaces,
    pub(super) asked: Vec<Asked>,
    pub(super) meter: Meter,
    /// Whose limits its messages count against.
    pub(super) payer: Payer,
    pub(super) address: IpAddr,
    pub(super) acks: Acks,
    /// Attachments that are on their way from the client, and from the app.
    up: Due,
    down: Due,
    outs: Vec<Out>,
    pub(super) questions: u32,
    pub(super) opened: Instant,
    /// When the client sent its last message.
    pub(super) heard: Instant,
    /// Whether the app has been asked for a namespace. With `auth.when = "connect"` it has not heard of the session before.
    pub(super) has_asked: bool,
    /// When the app's first yes came.
    pub(super) has_joined: bool,
    pub(super) is_warned: bool,
    is_ended: bool,
    /// As logs name the session.
    name: Box<str>,
}

/// What a session begins with.
pub struct Start {
    pub rules: Arc<Rules>,
    /// The revision of Engine.IO that it speaks.
    pub revision: Revision,
    pub identity: Option<Identity>,
    pub shown: Option<Zeroizing<String>>,
    pub address: IpAddr,
    /// As logs name the session.
    pub name: String,
}

/// Attachments that a binary event or answer has announced.
#[derive(Debug, Default)]
struct Due {
    left: u8,
    fate: Fate,
    /// Bytes the rest of them may have.
    bytes: u64,
}

/// What becomes of attachments: what became of their header.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Fate {
    Pass,
    #[default]
    Drop,
    /// They wait for this namespace's yes.
    Hold(Box<str>),
}

impl Guard {
    pub fn new(start: Start, now: Instant) -> Self {
        let meter = Meter::new(&start.rules.limits);
        let payer = start.rules.limits.payer(start.identity.as_ref().and_then(Identity::person), start.address);
        let mut guard = Self {
            payer,
            revision: start.revision,
            address: start.address,
            rules: start.rules,
            identity: start.identity,
            shown: start.shown,
            spaces: Spaces::default(),
            asked: Vec::new(),
            meter,
            acks: Acks::default(),
            up: Due::default(),
            down: Due::default(),
            outs: Vec::new(),
            questions: 0,
            opened: now,
            heard: now,
            has_asked: false,
            has_joined: false,
            is_warned: false,
            is_ended: false,
            name: start.name.into(),
        };
        if guard.is_three() {
            guard.expect_main();
        }
        guard
    }

    /// Judges what has been seen of a message. Shown again with more of it after [`Verdict::More`].
    pub fn judge(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        if self.is_ended {
            return Verdict::Drop;
        }
        let verdict = match (seen.from, seen.is_text) {
            (Side::Client, true) => self.client_text(seen, now),
            (Side::Client, false) => self.client_binary(seen, now),
            (Side::App, true) => self.app_text(seen, now),
            (Side::App, false) => self.app_binary(seen),
        };
        // A judgement may have ended the session: then its own message does not go on either.
        if self.is_ended && !matches!(verdict, Verdict::Break(_)) { Verdict::Drop } else { verdict }
    }

    /// What is to be said and found out, in order. Drivers take it after every call.
    pub fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.outs)
    }

    /// Whether something waits to be taken.
    pub fn has_news(&self) -> bool {
        !self.outs.is_empty()
    }

    /// Whether a message of ours may stand here on the way to this side: not between a binary event and its attachments.
    pub fn may_inject(&self, to: Side) -> bool {
        match to {
            Side::Client => self.down.left == 0,
            Side::App => self.up.left == 0,
        }
    }

    /// Who the session is, as far as anyone has been accepted.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The revision of Engine.IO that the session speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether the app is to hear of the session: before, not even a good bye reaches it.
    pub fn may_open(&self) -> bool {
        self.has_asked || !self.rules.by_connect
    }

    /// Whether it has been ended.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Namespaces that the app has let it join.
    pub fn namespaces(&self) -> Vec<String> {
        self.spaces.joined().map(str::to_string).collect()
    }

    /// When its identity is no longer good, leeway included.
    pub fn expires(&self) -> Option<SystemTime> {
        let expires = self.identity.as_ref()?.expires()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(expires))?.checked_add(self.rules.leeway)
    }

    pub(super) fn parser(&self) -> Parser {
        self.rules.parser
    }

    pub(super) fn person(&self) -> Option<Person<'_>> {
        self.identity.as_ref().and_then(Identity::person)
    }

    pub(super) fn tell_client(&mut self, message: Message) {
        self.outs.push(Out::ToClient(message));
    }

    pub(super) fn tell_app(&mut self, message: Message) {
        self.outs.push(Out::ToApp(message));
    }

    pub(super) fn want(&mut self, out: Out) {
        self.outs.push(out);
    }

    pub(super) fn set_ended(&mut self) {
        self.is_ended = true;
    }

    /// A message that is not what it must be: nothing can be trusted any more.
    pub(super) fn malformed(&self, detail: &str) -> Verdict {
        self.note(Refusal::PacketMalformed, detail, false);
        Verdict::Break(Reason::MalformedPacket)
    }

    /// A packet that may not go on: an answer is given when one was asked for, and too many of them end the session.
    pub(super) fn deny(&mut self, spoken: &Spoken<'_>, refused: &Refused, now: Instant) -> Verdict {
        self.expect_client(spoken, Fate::Drop);
        self.note(refused.refusal, refused.detail.as_deref().unwrap_or(spoken.namespace), false);
        if let (Kind::Event | Kind::BinaryEvent, Some(id)) = (spoken.kind, spoken.id) {
            self.tell_client(say::ack(self.parser(), spoken.namespace, id, &say::error(refused)));
        }
        self.violated(now);
        Verdict::Drop
    }

    /// One more packet that was refused.
    pub(super) fn violated(&mut self, now: Instant) {
        if self.meter.violated(now) {
            self.end(Reason::Abuse, now);
        }
    }

    /// Counts a refusal and leaves a line about it. `shadow`: it was let through.
    pub(super) fn note(&self, refusal: Refusal, detail: &str, shadow: bool) {
        self.rules.tally.refused(refusal, shadow);
        let subject = self.identity.as_ref().and_then(Identity::subject);
        record::packet(&record::Packet { session: &self.name, subject, refusal: refusal.name(), detail, shadow });
    }

    /// The attachments that a packet of the client announces share its fate.
    pub(super) fn expect_client(&mut self, spoken: &Spoken<'_>, fate: Fate) {
        self.up = Due { left: spoken.attachments, fate, bytes: self.rules.max_payload };
    }

    pub(super) fn expect_app(&mut self, spoken: &Spoken<'_>, fate: Fate) {
        self.down = Due { left: spoken.attachments, fate, bytes: u64::MAX };
    }

    /// Whether attachments of the client are due: then it may send nothing else.
    pub(super) fn awaits_client(&self) -> bool {
        self.up.left > 0
    }

    pub(super) fn awaits_app(&self) -> bool {
        self.down.left > 0
    }

    /// The app's attachment that is due goes where its header went.
    pub(super) fn take_app_attachment(&mut self) -> Verdict {
        self.down.left -= 1;
        if self.down.fate == Fate::Pass { Verdict::Pass } else { Verdict::Drop }
    }

    /// The client's attachment that is due. Its size is judged first; held ones must be whole.
    pub(super) fn take_client_attachment(&mut self, bytes: &[u8], extent: Extent, now: Instant) -> Verdict {
        let length = match extent {
            Extent::Whole => Some(bytes.len() as u64),
            Extent::Begun(length) => length,
        };
        if length.is_some_and(|length| length > self.up.bytes) {
            return self.malformed("attachments are larger than a message may be");
        }
        if matches!(self.up.fate, Fate::Hold(_)) && extent != Extent::Whole {
            return Verdict::More;
        }
        // Of one that is fragmented only its beginning is known; the limit of a message holds for it whatever it becomes.
        let length = length.unwrap_or(bytes.len() as u64);
        self.up.bytes = self.up.bytes.saturating_sub(length);
        self.up.left -= 1;
        match &self.up.fate {
            Fate::Drop => Verdict::Drop,
            Fate::Hold(name) => match self.spaces.hold(name, Message::Binary(bytes.to_vec())) {
                true => Verdict::Drop,
                // Half an event is held already.
                false => Verdict::Break(Reason::Flooded),
            },
            Fate::Pass => {
                self.rules.limits.owe(self.payer, length, now);
                Verdict::Pass
            }
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Guard").field("session", &self.name).field("spaces", &self.spaces).finish_non_exhaustive()
    }
}
