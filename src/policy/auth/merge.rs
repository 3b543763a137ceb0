//! Tells an app in the CONNECT packet who is asking: `auth.identity.connect_field`. The app's library reads the payload after
//! us, so what a client put into that field is removed whoever it is, and everything else stays as it was written, `pid` and
//! `offset` of connection state recovery among it.

use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

use super::{
    Identity, Places,
    members::{self, Members},
    strict::StrictError,
};
use crate::config::auth::Auth;

/// What is changed in the payload of a CONNECT packet before it is passed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Merge {
    /// The field of the identity. None: it is not told here.
    field: Option<String>,
    /// Claims it tells, by path.
    claims: Vec<String>,
    /// Where the token is that is taken out, a name a level.
    token: Option<Vec<String>>,
}

/// Why a payload cannot be changed. The client is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MergeError {
    #[error("the payload of the CONNECT packet is not a JSON object")]
    NotAnObject,
    #[error("the payload of the CONNECT packet has a key twice")]
    DuplicateKey,
    #[error("the payload of the CONNECT packet is nested too deep")]
    TooDeep,
}

impl Merge {
    /// Of `auth.identity.connect_field`, the claims beside it, and `auth.pass_token`.
    pub fn new(auth: &Auth, places: &Places) -> Self {
        let path = places.connect_field().filter(|_| !auth.pass_token);
        let mut claims: Vec<String> = auth.identity.claims.values().cloned().collect();
        claims.sort();
        claims.dedup();
        Self {
            field: Some(auth.identity.connect_field.clone()).filter(|field| !field.is_empty()),
            claims,
            token: path.map(|path| path.split('.').map(str::to_owned).collect()),
        }
    }

    /// Whether a payload can go on as it came.
    pub fn is_idle(&self) -> bool {
        self.field.is_none() && self.token.is_none()
    }

    /// The payload with the identity in it, and without the token where the app is not to see it. An absent payload (empty)
    /// is an empty object. Of nobody nothing is told, and what the client said is removed all the same.
    pub fn apply(&self, payload: &str, identity: Option<&Identity>) -> Result<String, MergeError> {
        if self.is_idle() {
            return Ok(payload.to_owned());
        }
        let without_token = self.token.as_deref().map(|path| without(payload, path)).transpose()?.flatten();
        let payload = without_token.as_deref().map_or(payload, RawValue::get);
        let mut members = if payload.is_empty() { Members::none() } else { Members::read(members::shallow(payload)?)? };
        let told = identity.and_then(|identity| self.told(identity)).and_then(|told| to_raw_value(&told).ok());
        if let Some(field) = &self.field {
            // Some languages read keys without regard to case.
            members.retain(|key| !key.eq_ignore_ascii_case(field));
            if let Some(told) = &told {
                members.push(field, told);
            }
        }
        Ok(members.write()?.get().to_owned())
    }

    /// The field that is the gate's to write, whoever writes it and in whichever case.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Where the token is that the app is not to see, a name a level.
    pub fn token(&self) -> Option<&[String]> {
        self.token.as_deref()
    }

    /// What the field says of somebody. None: of nobody nothing is told.
    pub fn told(&self, identity: &Identity) -> Option<Value> {
        let subject = identity.subject()?;
        let claims: Map<String, Value> =
            self.claims.iter().filter_map(|path| Some((path.clone(), identity.claim(path)?.clone()))).collect();
        Some(json!({ "subject": subject, "roles": identity.roles(), "tenant": identity.tenant(), "claims": claims }))
    }
}

/// The payload without the member at a path. None: there is nothing to remove.
fn without(payload: &str, path: &[String]) -> Result<Option<Box<RawValue>>, MergeError> {
    let Some((last, way)) = path.split_last() else { return Ok(None) };
    if payload.is_empty() {
        return Ok(None);
    }
    // The objects on the way, outermost first.
    let mut levels = vec![Members::read(members::shallow(payload)?)?];
    for step in way {
        let Some(below) = levels.last().and_then(|level| level.find(step)) else { return Ok(None) };
        levels.push(match Members::read(below) {
            Ok(level) => level,
            // What stands there is no object, so there is no token in it.
            Err(StrictError::Malformed) => return Ok(None),
            Err(error) => return Err(error.into()),
        });
    }
    let Some(mut innermost) = levels.pop() else { return Ok(None) };
    innermost.retain(|key| key != last);
    let mut written = innermost.write()?;
    for (mut level, step) in levels.into_iter().zip(way).rev() {
        level.replace(step, &written);
        written = level.write()?;
    }
    Ok(Some(written))
}

impl From<StrictError> for MergeError {
    fn from(error: StrictError) -> Self {
        match error {
            StrictError::Malformed => Self::NotAnObject,
            StrictError::DuplicateKey => Self::DuplicateKey,
            StrictError::TooDeep => Self::TooDeep,
        }
    }
}
