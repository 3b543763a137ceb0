//! One revocation: its target, which of the target's tokens it means, and how long it holds. Also the form in which the file
//! and the admin door write it.

use serde::{Deserialize, Serialize};

use super::target::{Named, Target, TargetError};
use crate::policy::auth::Identity;

/// One revocation. Times are seconds since 1970.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    pub target: Target,
    /// Only tokens issued in this second or earlier are meant, and those that do not say when (`iat`). None: every token.
    pub issued_until: Option<u64>,
    /// When it was made.
    pub since: u64,
    /// It holds before this second.
    pub until: u64,
    /// The operator's words.
    pub reason: String,
}

/// The same as it is written: in the file, one a line, and in answers.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_until: Option<u64>,
    pub since: u64,
    pub until: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Revocation {
    /// Whether it is about this identity's token.
    pub fn strikes(&self, identity: &Identity) -> bool {
        let is_meant = match (self.issued_until, identity.issued()) {
            (Some(until), Some(issued)) => issued <= until,
            // A token that does not say when it was issued may be an old one.
            (Some(_), None) | (None, _) => true,
        };
        is_meant && self.target.names(identity)
    }

    pub fn holds(&self, now: u64) -> bool {
        now < self.until
    }

    /// What holds when the same target is revoked once more: nothing of the one before is taken back by the one after.
    pub fn and(&self, next: &Self) -> Self {
        let issued_until = self.issued_until.zip(next.issued_until).map(|(one, other)| one.max(other));
        let reason = if next.reason.is_empty() { self.reason.clone() } else { next.reason.clone() };
        Self { target: self.target.clone(), issued_until, since: next.since, until: self.until.max(next.until), reason }
    }
}

impl From<&Revocation> for Written {
    fn from(revocation: &Revocation) -> Self {
        let Named { subject, tenant, issuer, token_id, session } = revocation.target.to_named();
        let Revocation { issued_until, since, until, reason, .. } = revocation.clone();
        Self { subject, tenant, issuer, token_id, session, issued_until, since, until, reason }
    }
}

impl TryFrom<Written> for Revocation {
    type Error = TargetError;

    fn try_from(written: Written) -> Result<Self, TargetError> {
        let Written { subject, tenant, issuer, token_id, session, issued_until, since, until, reason } = written;
        let target = Named { subject, tenant, issuer, token_id, session }.try_into()?;
        Ok(Self { target, issued_until, since, until, reason })
    }
}

/// The end of a revocation that does not end: the last second of the year 9999.
pub const FOREVER: u64 = 253_402_300_799;
