//! Time and ends: what is said before a session is over, and how it stays over.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{Guard, Out, Rules, say, spaces::Standing};
use crate::{
    config::{auth::OnEnd, socketio::Parser},
    policy::{Refusal, Refused, access::Decision, auth::Identity},
    relay::reason::Reason,
};

/// Where the app itself has no deadline for a client that joins nothing (Python servers): Node's.
const NOTHING_JOINED: Duration = Duration::from_secs(45);
/// A clock that was set is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

impl Guard {
    /// Looks at the clocks: warns, ends what is over. When to look again; `None` when it has ended.
    pub fn tick(&mut self, now: Instant, clock: SystemTime) -> Option<Duration> {
        if self.is_ended() {
            return None;
        }
        if self.expires().is_some_and(|at| at <= clock) {
            self.end(Reason::Expired, now);
            return None;
        }
        if let Some(at) = self.join_by()
            && at <= now
        {
            self.end(Reason::ConnectTimeout, now);
            return None;
        }
        if let Some(at) = self.idle_at()
            && at <= now
        {
            self.end(Reason::Idle, now);
            return None;
        }
        self.warn(clock);
        Some(self.next_look(now, clock))
    }

    /// By when something must be joined.
    fn join_by(&self) -> Option<Instant> {
        let patience = if self.rules.by_connect { self.rules.connect_deadline } else { NOTHING_JOINED };
        // Where nobody can read the packets, nobody knows.
        if self.has_joined || self.parser == Parser::Custom {
            return None;
        }
        self.opened.checked_add(patience)
    }

    fn idle_at(&self) -> Option<Instant> {
        if self.rules.idle.is_zero() { None } else { self.heard.checked_add(self.rules.idle) }
    }

    fn warns_at(&self) -> Option<SystemTime> {
        let lead = self.rules.expiry_warning;
        if self.is_warned || lead.is_zero() || self.rules.expiry_event.is_none() {
            return None;
        }
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.identity.as_ref()?.expires()?))?.checked_sub(lead)
    }

    fn warn(&mut self, clock: SystemTime) {
        if self.warns_at().is_none_or(|at| at > clock) || self.spaces.joined().next().is_none() {
            return;
        }
        self.is_warned = true;
        let Some(name) = self.rules.expiry_event.clone() else { return };
        let mut argument = say::reason(Refusal::TokenExpired);
        argument["expires_in_ms"] = self.left(clock).map(say::milliseconds).into();
        argument["refresh_event"] = self.rules.refresh_event.clone().into();
        self.say_everywhere(&name, &argument);
    }

    fn next_look(&self, now: Instant, clock: SystemTime) -> Duration {
        let until = |at: Instant| at.saturating_duration_since(now);
        let by_clock = |at: SystemTime| at.duration_since(clock).unwrap_or_default();
        let looks = [
            self.join_by().map(until),
            self.idle_at().map(until),
            self.expires().map(by_clock),
            // Who has joined nothing cannot be warned yet.
            self.warns_at().filter(|_| self.spaces.joined().next().is_some()).map(by_clock),
        ];
        looks.into_iter().flatten().min().unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }

    /// The session is to end for this reason: what is said first, and how, is in the queue afterwards; its last entry is
    /// [`Out::End`]. Nothing goes on from here.
    pub fn end(&mut self, reason: Reason, _now: Instant) {
        if self.is_ended() {
            return;
        }
        if let (Some(name), Some(refusal)) = (self.rules.end_event.clone(), told(reason)) {
            self.say_everywhere(&name, &say::reason(refusal));
        }
        if self.rules.on_end(reason) == OnEnd::StayClosed {
            let refused = Refused::from(told(reason).unwrap_or(Refusal::Abuse));
            for (namespace, standing) in self.spaces.wanted() {
                self.shut(&namespace, standing, &refused);
            }
        }
        self.want(Out::End(reason));
        self.set_ended();
    }

    fn say_everywhere(&mut self, name: &str, argument: &serde_json::Value) {
        let joined: Vec<String> = self.spaces.joined().map(str::to_string).collect();
        for namespace in joined {
            self.tell_client(say::event(self.parser, &namespace, name, argument));
        }
    }

    /// New rules for a session that is open. What was counted stays counted; namespaces that are forbidden now are left. Whether
    /// there is something to be said of it.
    pub fn renew(&mut self, rules: &Arc<Rules>, now: Instant) -> bool {
        if self.is_ended() || Arc::ptr_eq(&self.rules, rules) {
            return false;
        }
        self.meter.renew(&rules.limits);
        self.payer = rules.limits.payer(self.identity.as_ref().and_then(Identity::person), self.address);
        self.unlearn();
        self.rules = rules.clone();
        self.leave_forbidden(now);
        // Deadlines may be others too.
        true
    }

    /// Leaves every namespace that the rules do not allow any more, and that one alone.
    pub(super) fn leave_forbidden(&mut self, now: Instant) {
        for (namespace, standing) in self.spaces.wanted() {
            // What is being judged meets these rules when that is done.
            if standing == Standing::Asking {
                continue;
            }
            let Decision::Deny(rule) = self.rules.access.may_join(self.identity.as_ref(), &namespace) else { continue };
            let refused = Refused::because(Refusal::NamespaceRefused, format!("{namespace}: {rule}"));
            self.note(refused.refusal, refused.detail.as_deref().unwrap_or_default(), false, now);
            self.shut(&namespace, standing, &refused);
        }
    }

    /// Takes a namespace from the client, in the one way for good: what is joined is left, what is not yet is refused. The app hears
    /// that it was left once it has let the client in.
    fn shut(&mut self, namespace: &str, standing: Standing, refused: &Refused) {
        let parser = self.parser;
        self.spaces.leave(namespace);
        match standing {
            Standing::Joined => {
                self.tell_client(say::disconnect(parser, namespace));
                self.tell_app(say::disconnect(parser, namespace));
            }
            Standing::Asking | Standing::Sent => self.tell_client(say::connect_error(parser, namespace, refused)),
        }
    }
}

/// What a client's developer is told of an end.
fn told(reason: Reason) -> Option<Refusal> {
    match reason {
        Reason::Expired => Some(Refusal::TokenExpired),
        Reason::Revoked => Some(Refusal::Revoked),
        Reason::Killed => Some(Refusal::Killed),
        Reason::Abuse => Some(Refusal::Abuse),
        _ => None,
    }
}
