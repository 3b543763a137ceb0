//! What clients may send once they have joined: by name, by number, by size.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    Extent, Guard, Side, Verdict,
    asked::{About, Refresh},
    attachments::Fate,
    clients::{LARGEST_CONNECT, length},
    say,
    spaces::Standing,
    spoken::{Spoken, Words},
};
use crate::{
    codec::{
        msgpack,
        socket::{self, Kind},
    },
    config::limit::Over,
    policy::{
        Refusal, Refused,
        access::Decision,
        auth::Identity,
        limit::{Bounds, Excess},
    },
    relay::reason::Reason,
};

/// A message by its namespace, and an event by its name and the limits that are about it.
pub(super) type What<'a> = (&'a str, Option<(&'a str, Bounds)>);

/// A message above a limit.
pub(super) struct TooMuch {
    pub refused: Refused,
    /// The session is to end for it.
    pub is_last: bool,
}

impl Guard {
    pub(super) fn event(&mut self, spoken: &Spoken<'_>, message: &[u8], extent: Extent, now: Instant) -> Verdict {
        let (name, named) = match spoken.name() {
            Ok(Some(read)) => read,
            Ok(None) => return Verdict::More,
            Err(error) => return self.malformed(&error.to_string()),
        };
        // No client of Socket.IO 2 sends the last: it ended apps of that time that did not expect it (CVE-2024-38355).
        if socket::is_reserved(&name) || (self.is_three() && name == "error") {
            return self.malformed("an event of a reserved name");
        }
        let namespace = spoken.namespace;
        match self.spaces.standing(namespace) {
            Some(Standing::Joined) => {}
            Some(Standing::Asking | Standing::Sent) => return self.hold(spoken, message, now),
            None => return self.deny(spoken, &Refused::because(Refusal::NotConnected, namespace), now),
        }
        if self.rules.refresh_event.as_deref() == Some(&*name) && self.identity.is_some() {
            return self.refresh(spoken, message, now);
        }
        let shadowed = match self.rules.access.may_send(self.identity.as_ref(), namespace, &name) {
            Decision::Allow => None,
            Decision::Shadow(rule) => Some(rule),
            Decision::Deny(rule) => {
                return self.deny(spoken, &Refused::because(Refusal::EventRefused, format!("{namespace} {name}: {rule}")), now);
            }
        };
        let length = length(message.len() as u64, extent);
        let bounds = self.rules.limits.bounds(namespace, &name);
        if let Err(too_much) = self.weigh(bounds, namespace, &name, length) {
            return self.deny_over(spoken, &too_much, now);
        }
        let payload = match self.schema_of(spoken, &name, length, now) {
            Ok(payload) => payload,
            Err(verdict) => return verdict,
        };
        let has_schema = payload.is_some();
        let size = self.rules.limits.size_of(bounds);
        // How large a fragmented one becomes shows when it is whole. Attachments are put into a packet by the app, which trusts
        // the numbers in it.
        if !spoken.is_whole() && (spoken.attachments > 0 || (extent == Extent::Begun(None) && size.is_some())) {
            return Verdict::More;
        }
        let verdict = match self.finish(spoken, Some(named)) {
            Ok(verdict) => verdict,
            Err(error) => return self.malformed(&error.to_string()),
        };
        if !self.has_fitting_placeholders(spoken) {
            return self.malformed("a placeholder for no attachment");
        }
        if let Some(verdict) = payload.and_then(|payload| self.misfit(&payload, spoken, &name, length, now)) {
            return verdict;
        }
        if let Err(too_much) = self.count((namespace, Some((&name, bounds))), length, now) {
            return self.deny_over(spoken, &too_much, now);
        }
        // Not before: a message is shown again and again until it is decided.
        match (shadowed, spoken.plain_event(named)) {
            (Some(rule), _) => self.note(Refusal::EventRefused, &format!("{namespace} {name}: {rule}"), true, now),
            (None, Some((text, upto))) if !has_schema => {
                self.learn(Side::Client, text, upto, Some(&name), namespace, bounds);
            }
            (None, _) => {}
        }
        self.rules.tally.event(Side::Client, &name);
        if let Some(id) = spoken.id {
            self.seldom.acks.asked(namespace, id, now);
        }
        let most = size.unwrap_or(u64::MAX).min(self.rules.max_payload);
        self.expect_client(spoken, Fate::Pass, most.saturating_sub(length));
        verdict
    }

    /// Whether an event is larger than it may be.
    fn weigh(&self, bounds: Bounds, namespace: &str, event: &str, bytes: u64) -> Result<(), TooMuch> {
        match self.rules.limits.oversize(bounds, bytes) {
            // A warning is told when it is counted.
            Err(excess) if excess.over != Over::Warn => Err(TooMuch {
                refused: Refused::because(Refusal::EventTooLarge, format!("{namespace} {event}: {}", excess.bound)),
                is_last: excess.over == Over::Close,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Counts a message of the client. `Err`: it is one too many, and is not to go on.
    pub(super) fn count(&mut self, (namespace, event): What<'_>, bytes: u64, now: Instant) -> Result<(), TooMuch> {
        let (_, bounds) = event.unwrap_or_default();
        match self.meter.take(&self.rules.limits, &self.payer, bounds, bytes, now) {
            Ok(()) => Ok(()),
            Err(excess) => self.exceeded((namespace, event), &excess, now),
        }
    }

    /// What becomes of a message that was one too many.
    pub(super) fn exceeded(&mut self, (namespace, event): What<'_>, excess: &Excess, now: Instant) -> Result<(), TooMuch> {
        let (name, _) = event.unwrap_or_default();
        let detail = format!("{namespace} {name}: {}", excess.bound);
        if excess.over == Over::Warn {
            self.note(Refusal::EventRate, &detail, true, now);
            return Ok(());
        }
        Err(TooMuch {
            refused: Refused { refusal: Refusal::EventRate, retry_after: Some(excess.retry_after), detail: Some(detail) },
            is_last: excess.over == Over::Close,
        })
    }

    pub(super) fn deny_over(&mut self, spoken: &Spoken<'_>, too_much: &TooMuch, now: Instant) -> Verdict {
        let verdict = self.deny(spoken, &too_much.refused, now);
        self.end_if(too_much.is_last, now);
        verdict
    }

    pub(super) fn end_if(&mut self, is_last: bool, now: Instant) {
        if is_last {
            self.end(Reason::Abuse, now);
        }
    }

    /// A new token of the same person. The app hears nothing of it.
    fn refresh(&mut self, spoken: &Spoken<'_>, message: &[u8], now: Instant) -> Verdict {
        if message.len() > LARGEST_CONNECT {
            return self.malformed("a token that is too large");
        }
        if !spoken.is_whole() {
            return Verdict::More;
        }
        if let Err(error) = self.finish(spoken, None) {
            return self.malformed(&error.to_string());
        }
        if spoken.kind != Kind::Event {
            return self.malformed("a refresh with attachments");
        }
        if let Err(too_much) = self.count((spoken.namespace, None), 0, now) {
            return self.deny_over(spoken, &too_much, now);
        }
        let is_asked = self.seldom.asked.iter().any(|asked| matches!(asked.about, About::Refresh(_)));
        let token = match &spoken.words {
            Words::Text { .. } => second_text(spoken.json().unwrap_or_default()),
            Words::Pack { packet, message } => match msgpack::argument(&message[packet.data.clone()], 1) {
                Ok(token) => token.map(|token| Zeroizing::new(token.to_string())),
                Err(_) => None,
            },
        };
        match token {
            Some(token) if !is_asked => {
                self.question(spoken.namespace, token, About::Refresh(Refresh { id: spoken.id }));
                Verdict::Drop
            }
            Some(_) => self.deny(spoken, &Refused::because(Refusal::EventRate, "one refresh at a time"), now),
            None => self.deny(spoken, &Refusal::TokenAbsent.into(), now),
        }
    }

    /// What became of a refresh.
    pub(super) fn refreshed(
        &mut self,
        namespace: &str,
        refresh: &Refresh,
        who: Result<Identity, Refused>,
        now: Instant,
        clock: SystemTime,
    ) {
        let answer = match who.and_then(|identity| self.is_later(identity)) {
            Ok(identity) => {
                let expires = identity.expires();
                self.adopt(identity);
                self.leave_forbidden(now);
                self.rules.tally.refreshed("accepted");
                json!({ "ok": true, "expires": expires, "expires_in_ms": self.left(clock).map(say::milliseconds) })
            }
            Err(refused) => {
                self.rules.tally.refreshed("refused");
                self.note(refused.refusal, refused.detail.as_deref().unwrap_or("a refresh"), false, now);
                if !refused.refusal.passes() {
                    self.violated(now);
                }
                say::error(&refused)
            }
        };
        // Meanwhile it may have been left.
        if let Some(id) = refresh.id.filter(|_| self.spaces.has_joined(namespace)) {
            self.tell_client(say::ack(self.parser, namespace, id, &answer));
        }
    }

    /// A refresh brings more time, or it is none: an old token must not take the place of a newer one.
    fn is_later(&self, identity: Identity) -> Result<Identity, Refused> {
        let before = self.identity.as_ref().and_then(Identity::expires);
        match (before, identity.expires()) {
            (Some(before), Some(after)) if after < before => {
                Err(Refused::because(Refusal::TokenExpired, "the token expires before the one it is to replace"))
            }
            _ => Ok(identity),
        }
    }

    /// How long the identity is still good, leeway not counted.
    pub(super) fn left(&self, clock: SystemTime) -> Option<Duration> {
        let expires = self.identity.as_ref()?.expires()?;
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(expires))?;
        Some(at.duration_since(clock).unwrap_or_default())
    }
}

/// The text that follows an event's name.
fn second_text(json: &str) -> Option<Zeroizing<String>> {
    let arguments: Vec<Value> = serde_json::from_str(json).ok()?;
    match arguments.into_iter().nth(1)? {
        Value::String(token) => Some(Zeroizing::new(token)),
        _ => None,
    }
}
