//! Whom or what a revocation is about, parsed once from what an operator or the file says.

use std::fmt;

use crate::{
    config::log::is_session_name,
    policy::auth::{Identity, token_id},
};

/// Whom or what a revocation is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Somebody's tokens. Without tenant or issuer: in every tenant, of every issuer.
    Subject { subject: String, tenant: Option<String>, issuer: Option<String> },
    /// One token by its `jti`, as `token_id` keeps it. Without issuer: of every issuer.
    TokenId { id: String, issuer: Option<String> },
    /// One session.
    Session(SessionName),
}

/// The name of a session as records write it: sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionName(pub u64);

/// What is written about a target, not yet judged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Named {
    pub subject: Option<String>,
    pub tenant: Option<String>,
    pub issuer: Option<String>,
    pub token_id: Option<String>,
    pub session: Option<String>,
}

/// Why nothing can be revoked by what is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    #[error("name one of subject, token_id and session")]
    Nothing,
    #[error("name only one of subject, token_id and session")]
    Several,
    #[error("tenant goes with subject alone")]
    Tenant,
    #[error("issuer goes with subject or token_id")]
    Issuer,
    #[error("no token that is accepted here has such a {0}")]
    Impossible(&'static str),
    #[error("a session is named by the sixteen hexadecimal digits that records and /sessions give it")]
    Session,
}

impl TryFrom<Named> for Target {
    type Error = TargetError;

    fn try_from(named: Named) -> Result<Self, TargetError> {
        let Named { subject, tenant, issuer, token_id: jti, session } = named;
        let is_text = |text: &Option<String>, most| text.as_ref().is_none_or(|text| (1..=most).contains(&text.len()));
        if !is_text(&issuer, LONGEST_ISSUER) {
            return Err(TargetError::Impossible("issuer"));
        }
        match (subject, jti, session) {
            (Some(_), None, None) if !is_text(&tenant, LONGEST_LABEL) => Err(TargetError::Impossible("tenant")),
            (Some(subject), None, None) if (1..=LONGEST_LABEL).contains(&subject.len()) => {
                Ok(Self::Subject { subject, tenant, issuer })
            }
            (Some(_), None, None) => Err(TargetError::Impossible("subject")),
            (None, Some(_), None) | (None, None, Some(_)) if tenant.is_some() => Err(TargetError::Tenant),
            (None, Some(jti), None) => Ok(Self::TokenId { id: token_id(&jti), issuer }),
            (None, None, Some(_)) if issuer.is_some() => Err(TargetError::Issuer),
            (None, None, Some(session)) => SessionName::read(&session).map(Self::Session).ok_or(TargetError::Session),
            (None, None, None) => Err(TargetError::Nothing),
            _ => Err(TargetError::Several),
        }
    }
}

impl Target {
    /// Whether it is this identity's, whenever its token was issued. Sessions have no identity.
    pub fn names(&self, identity: &Identity) -> bool {
        let is = |wanted: &Option<String>, there: Option<&str>| wanted.is_none() || wanted.as_deref() == there;
        match self {
            Self::Subject { subject, tenant, issuer } => {
                identity.subject() == Some(subject) && is(tenant, identity.tenant()) && is(issuer, identity.issuer())
            }
            Self::TokenId { id, issuer } => identity.token_id() == Some(id) && is(issuer, identity.issuer()),
            Self::Session(_) => false,
        }
    }

    /// As it is written.
    pub fn to_named(&self) -> Named {
        match self.clone() {
            Self::Subject { subject, tenant, issuer } => Named { subject: Some(subject), tenant, issuer, ..Named::default() },
            Self::TokenId { id, issuer } => Named { token_id: Some(id), issuer, ..Named::default() },
            Self::Session(name) => Named { session: Some(name.to_string()), ..Named::default() },
        }
    }
}

impl SessionName {
    /// As records write it, and in no other way.
    pub fn read(text: &str) -> Option<Self> {
        is_session_name(text).then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// For records: `subject ana`, `token 7d3f…`, `session 5f1c…`.
impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject { subject, .. } => write!(out, "subject {subject}")?,
            Self::TokenId { id, .. } => write!(out, "token {id}")?,
            Self::Session(name) => write!(out, "session {name}")?,
        }
        let Named { tenant, issuer, .. } = self.to_named();
        tenant.map_or(Ok(()), |tenant| write!(out, ", tenant {tenant}"))?;
        issuer.map_or(Ok(()), |issuer| write!(out, ", issuer {issuer}"))
    }
}

/// What `auth/rules` takes of a subject, a tenant and an issuer.
const LONGEST_LABEL: usize = 256;
const LONGEST_ISSUER: usize = 512;
