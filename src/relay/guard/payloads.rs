//! Whether the data of a client's event is what its schema wants (`[[access.payload]]`). Judged after the rules of access and
//! before the event is counted, so that what does not fit uses up nothing.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Guard, Verdict, placeholders,
    spoken::{Spoken, Words},
};
use crate::{
    codec::{
        msgpack,
        strict::{self, StrictError},
    },
    policy::{Refusal, Refused, access::Payload},
};

impl Guard {
    /// The schema of an event, once all of the message is there. `Err`: it is decided already, or more of it is needed.
    pub(super) fn schema_of(
        &mut self,
        spoken: &Spoken<'_>,
        event: &str,
        length: u64,
        now: std::time::Instant,
    ) -> Result<Option<Arc<Payload>>, Verdict> {
        let Some(payload) = self.rules.access.payload(spoken.namespace, event).cloned() else { return Ok(None) };
        match length > payload.size {
            // It passes unread, and is told when the whole event is decided.
            true if self.rules.access.is_shadow() => Ok(Some(payload)),
            true => Err(self.deny(spoken, &too_large(&payload, spoken, event, length), now)),
            false if spoken.is_whole() => Ok(Some(payload)),
            false => Err(Verdict::More),
        }
    }

    /// What becomes of an event that is not as its schema wants it. `None`: it goes on.
    pub(super) fn misfit(
        &mut self,
        payload: &Payload,
        spoken: &Spoken<'_>,
        event: &str,
        length: u64,
        now: std::time::Instant,
    ) -> Option<Verdict> {
        let refused = match length > payload.size {
            true => too_large(payload, spoken, event, length),
            false => judge(payload, spoken, event).err()?,
        };
        if self.rules.access.is_shadow() {
            self.note(refused.refusal, refused.detail.as_deref().unwrap_or_default(), true, now);
            return None;
        }
        Some(self.deny(spoken, &refused, now))
    }
}

fn too_large(payload: &Payload, spoken: &Spoken<'_>, event: &str, length: u64) -> Refused {
    Refused::because(Refusal::EventTooLarge, format!("{} {event}: {payload}.size: {length} bytes", spoken.namespace))
}

fn judge(payload: &Payload, spoken: &Spoken<'_>, event: &str) -> Result<(), Refused> {
    let invalid = |why: &dyn std::fmt::Display| {
        Refused::because(Refusal::EventInvalid, format!("{} {event}: {payload}: {why}", spoken.namespace))
    };
    let arguments = arguments(spoken).map_err(|why| invalid(&why))?;
    payload.judge(arguments).map_err(|misfit| invalid(&misfit))
}

/// What follows the event's name. Data that apps could read in two ways has no reading here, and an object that only looks like
/// an attachment is none.
fn arguments(spoken: &Spoken<'_>) -> Result<Vec<Value>, &'static str> {
    let json = spoken.json().unwrap_or_default();
    let data = match &spoken.words {
        Words::Text { .. } if !placeholders::fit(json, spoken.attachments) => return Err("a placeholder for no attachment"),
        Words::Text { .. } => strict::value(json.as_bytes()).map_err(|error| match error {
            StrictError::DuplicateKey => "a key is there twice",
            StrictError::Malformed | StrictError::TooDeep => "a number or a text in it is none",
        })?,
        Words::Pack { packet, message } => {
            msgpack::value(&message[packet.data.clone()]).map_err(|_| "it stands for nothing in JSON")?
        }
    };
    match data {
        // The first is the name.
        Value::Array(items) => Ok(items.into_iter().skip(1).collect()),
        _ => Err("it is no list"),
    }
}
