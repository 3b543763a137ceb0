//! What a guard knows of its session, and the door of it.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use zeroize::Zeroizing;

use super::{
    Message, Out, Rules, Seen, Side, Verdict, Wire,
    asked::Asked,
    attachments::{Due, Fate},
    habit::Habits,
    say,
    seldom::Seldom,
    spaces::Spaces,
    spoken::Spoken,
};
use crate::{
    codec::{engine::Revision, json::JsonError, socket::Kind},
    config::socketio::Parser,
    policy::{
        Refusal, Refused,
        auth::{Identity, Person},
        limit::{Meter, Payer},
    },
    relay::reason::Reason,
    telemetry::record,
};

/// The judge of one session. In this order: what every message asks for stands together, in as few lines of a cache as can be.
#[repr(C)]
pub struct Guard {
    pub(super) rules: Arc<Rules>,
    /// When the client sent its last message.
    pub(super) heard: Instant,
    outs: Vec<Out>,
    pub(super) revision: Revision,
    /// How its messages are written, as long as it lasts.
    pub(super) parser: Parser,
    /// The client has said what nothing goes on after.
    is_broken: bool,
    is_ended: bool,
    /// Pings of the app that the client has not answered.
    pub(super) pings: u8,
    /// It was opened without anybody knowing whose it is.
    pub(super) by_connect: bool,
    /// Whether the app has been asked for a namespace. With `auth.when = "connect"` it has not heard of the session before.
    pub(super) has_asked: bool,
    /// When the app's first yes came.
    pub(super) has_joined: bool,
    /// Attachments that are on their way from the client, and from the app.
    pub(super) up: Due,
    pub(super) down: Due,
    pub(super) spaces: Spaces,
    /// How the last events of both sides began.
    pub(super) habits: Habits,
    pub(super) meter: Meter,
    /// Whose limits its messages count against.
    pub(super) payer: Payer,
    /// Answers that the app has asked for and not got.
    pub(super) owed: u32,
    pub(super) questions: u32,
    /// Who the session is, once anybody has been accepted.
    pub(super) identity: Option<Identity>,
    /// The token that the handshake showed, for every CONNECT that brings none.
    pub(super) shown: Option<Zeroizing<String>>,
    /// Whom that token named when it was accepted.
    pub(super) vouched: Option<Box<Identity>>,
    pub(super) seldom: Seldom,
    pub(super) opened: Instant,
    pub(super) address: IpAddr,
    pub(super) is_warned: bool,
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

impl Guard {
    pub fn new(start: Start, now: Instant) -> Self {
        let meter = Meter::new(&start.rules.limits);
        let payer = start.rules.limits.payer(start.identity.as_ref().and_then(Identity::person), start.address);
        let mut guard = Self {
            payer,
            revision: start.revision,
            vouched: None,
            parser: start.rules.parser,
            by_connect: start.rules.by_connect,
            owed: 0,
            pings: 0,
            is_broken: false,
            address: start.address,
            rules: start.rules,
            identity: start.identity,
            shown: start.shown,
            spaces: Spaces::default(),
            meter,
            habits: Habits::default(),
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
            seldom: Seldom::default(),
        };
        if guard.is_three() {
            guard.expect_main(now);
        }
        guard
    }

    /// Judges what has been seen of a message. Shown again with more of it after [`Verdict::More`].
    pub fn judge(&mut self, seen: &Seen<'_>, now: Instant) -> Verdict {
        // Who lends a message under its mask has asked before, and need not have unmasked anything.
        if seen.is_text
            && seen.wire.is_none()
            && let Some(verdict) = self.judge_known(seen.from, Wire::plain(seen.bytes), seen.extent, now)
        {
            return verdict;
        }
        if self.is_ended || (self.is_broken && seen.from == Side::Client) {
            return Verdict::Drop;
        }
        let mut verdict = match (seen.from, seen.is_text) {
            (Side::Client, true) => self.client_text(seen, now),
            (Side::Client, false) => self.client_binary(seen, now),
            (Side::App, true) => self.app_text(seen, now),
            (Side::App, false) => self.app_binary(seen, now),
        };
        let is_broken = matches!(verdict, Verdict::Break(_));
        self.is_broken |= is_broken;
        // A judgement may have ended the session: then its own message does not go on either.
        if self.is_ended && !is_broken {
            verdict = Verdict::Drop;
        }
        verdict
    }

    /// What is to be said and found out, in order. Drivers take it after every call.
    pub fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.outs)
    }

    /// Whether something waits to be taken.
    pub fn has_news(&self) -> bool {
        !self.outs.is_empty()
    }

    /// Who the session is, as far as anyone has been accepted.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whom the handshake's token named when a CONNECT was accepted with it.
    pub fn vouched(&self) -> Option<&Identity> {
        self.vouched.as_deref()
    }

    /// The revision of Engine.IO that the session speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Bytes that a message of its client may have.
    pub fn max_payload(&self) -> u64 {
        self.rules.max_payload
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

    /// More has come of a client's message that was longer than anybody knew when it was judged: a fragmented one. Its user pays
    /// for it.
    pub fn grown(&mut self, bytes: u64, now: Instant) {
        self.rules.limits.owe(self.payer, bytes, now);
    }

    /// What was watched of a message of this side is wrong; what its session ends for.
    pub fn spoilt(&mut self, from: Side, error: JsonError) -> Reason {
        match from {
            Side::App => Reason::AppInvalid,
            Side::Client => {
                self.note_last(Refusal::PacketMalformed, &error.to_string());
                self.is_broken = true;
                Reason::MalformedPacket
            }
        }
    }

    /// Bytes it keeps of what its client has said: names, what waits for an answer, and what nobody has taken. Bounded, whoever the
    /// client is.
    pub fn kept(&self) -> usize {
        let outs = self.outs.iter().map(|out| match out {
            Out::ToClient(message) | Out::ToApp(message) => message.len(),
            Out::Ask(question) => question.token.len(),
            Out::End(_) => 0,
        });
        self.spaces.kept() + self.seldom.asked.iter().map(Asked::len).sum::<usize>() + outs.sum::<usize>()
    }

    /// Whether its client may not be listened to any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended || self.is_broken
    }

    pub(super) fn person(&self) -> Option<Person<'_>> {
        self.identity.as_ref().and_then(Identity::person)
    }

    pub(super) fn tell_client(&mut self, message: Message) {
        self.want(Out::ToClient(message));
    }

    pub(super) fn tell_app(&mut self, message: Message) {
        self.want(Out::ToApp(message));
    }

    /// Nothing is said after the end.
    pub(super) fn want(&mut self, out: Out) {
        if !self.is_ended {
            self.outs.push(out);
        }
    }

    pub(super) fn set_ended(&mut self) {
        self.is_ended = true;
    }

    /// A message that is not what it must be: nothing can be trusted any more.
    pub(super) fn malformed(&self, detail: &str) -> Verdict {
        self.note_last(Refusal::PacketMalformed, detail);
        Verdict::Break(Reason::MalformedPacket)
    }

    /// A packet that may not go on: an answer is given when one was asked for, and too many of them end the session.
    pub(super) fn deny(&mut self, spoken: &Spoken<'_>, refused: &Refused, now: Instant) -> Verdict {
        self.expect_client(spoken, Fate::Drop, 0);
        self.note(refused.refusal, refused.detail.as_deref().unwrap_or(spoken.namespace), false, now);
        if let (Kind::Event | Kind::BinaryEvent, Some(id)) = (spoken.kind, spoken.id) {
            self.tell_client(say::ack(self.parser, spoken.namespace, id, &say::error(refused)));
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

    /// Counts a refusal and leaves a line about it, unless there has just been one like it. `shadow`: it was let through.
    pub(super) fn note(&mut self, refusal: Refusal, detail: &str, shadow: bool, now: Instant) {
        self.rules.tally.refused(refusal, shadow);
        if let Some(left_out) = self.seldom.notes.admit(refusal, shadow, detail, now) {
            record::packet(&self.record_of(refusal, detail, shadow), left_out);
        }
    }

    /// The same for what ends the session.
    pub(super) fn note_last(&self, refusal: Refusal, detail: &str) {
        self.rules.tally.refused(refusal, false);
        record::packet(&self.record_of(refusal, detail, false), 0);
    }

    fn record_of<'a>(&'a self, refusal: Refusal, detail: &'a str, shadow: bool) -> record::Packet<'a> {
        let subject = self.identity.as_ref().and_then(Identity::subject);
        record::Packet { session: &self.name, subject, refusal: refusal.name(), detail, shadow }
    }
}

impl Drop for Guard {
    /// Nothing is left out without a word.
    fn drop(&mut self) {
        self.pause();
        for kind in self.seldom.notes.left_out() {
            record::packets_left_out(&self.record_of(kind.refusal, &kind.rule, kind.shadow), kind.left_out);
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Guard").field("session", &self.name).field("spaces", &self.spaces).finish_non_exhaustive()
    }
}
