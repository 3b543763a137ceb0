//! What the data of an event must be (`[[access.payload]]`): a JSON Schema for the list of its arguments. An event whose arguments
//! do not fit brings down an app that does not look. What is judged is small, its text has one reading, and patterns take
//! linear time, so that no message costs more than its size.

use std::{fmt, sync::Arc};

use serde_json::Value;

use super::{AccessProblem, index::Index, schema::Schema};
use crate::{
    config::{
        access::{Access, PayloadReading},
        names::NamePattern,
        route::Kind,
    },
    policy::wild,
};

/// The schemas of one route.
#[derive(Default)]
pub struct Payloads {
    all: Vec<Arc<Payload>>,
    index: Index,
}

/// What events of some names may bring.
pub struct Payload {
    /// Its place in `access.payload`, from 0.
    place: usize,
    within: Vec<NamePattern>,
    /// Bytes of the largest message that is read.
    pub size: u64,
    schema: Schema,
}

/// Where data is not as the schema wants it. It repeats nothing that the client wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misfit {
    /// Where among the arguments, `/0/text`; names that the schema does not have are `*`. Empty: the list of them.
    pub at: String,
    /// The part of the schema that says no, `/prefixItems/0/properties/text/maxLength`. Empty where the schema's references lead
    /// around: finding it would take too long.
    pub rule: String,
}

impl Payloads {
    /// Every schema that cannot be used is told. Events are those of Socket.IO: other routes have none.
    pub fn new(access: &Access, kind: Kind) -> Result<Self, Vec<AccessProblem>> {
        let mut payloads = Self::default();
        if kind != Kind::Socketio {
            return Ok(payloads);
        }
        let mut problems = Vec::new();
        for (place, reading) in access.read_payloads()?.into_iter().enumerate() {
            let PayloadReading { events, within, size, schema } = reading;
            match Schema::compile(&schema) {
                Ok(schema) => {
                    payloads.index.add(payloads.all.len(), events);
                    payloads.all.push(Arc::new(Payload { place, within, size, schema }));
                }
                Err(flaws) => problems.extend(flaws.into_iter().map(|flaw| AccessProblem {
                    key: access.key_of_schema(place),
                    what: flaw.what,
                    instead: flaw.instead,
                })),
            }
        }
        if problems.is_empty() { Ok(payloads) } else { Err(problems) }
    }

    /// The first that names the event. Its name is decoded.
    pub fn of(&self, namespace: &str, event: &str) -> Option<&Arc<Payload>> {
        if self.all.is_empty() {
            return None;
        }
        let holds = |place: usize| self.all.get(place).is_some_and(|payload| wild::is_within(&payload.within, namespace));
        self.all.get(self.index.first(event, holds)?)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Payload {
    /// Judges what follows the event's name. The first thing that is wrong is told.
    pub fn judge(&self, arguments: Vec<Value>) -> Result<(), Misfit> {
        let arguments = Value::Array(arguments);
        if self.schema.is_met(&arguments) {
            return Ok(());
        }
        Err(self.schema.first_error(&arguments).map_or_else(
            || Misfit { at: String::new(), rule: String::new() },
            |error| {
                let way = error.evaluation_path().as_str();
                Misfit { at: known(error.instance_path().as_str(), way), rule: error.schema_path().as_str().to_string() }
            },
        ))
    }
}

/// For logs: `access.payload[0]`.
impl fmt::Display for Payload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "access.payload[{}]", self.place)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// For logs: `/0/text by /prefixItems/0/properties/text/maxLength`.
impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "the arguments" } else { &self.at };
        match self.rule.as_str() {
            "" => out.write_str(at),
            rule => write!(out, "{at} by {rule}"),
        }
    }
}

/// A place in the data with the names that the way through the schema has too, and with `*` for names of the client's own. Both
/// are JSON Pointers.
fn known(place: &str, way: &str) -> String {
    let is_known = |name: &str| way.split('/').any(|step| step == name);
    let is_index = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit()) && name.len() <= INDEX_DIGITS;
    let steps = place.split('/').skip(1);
    steps.flat_map(|name| ["/", if is_index(name) || is_known(name) { name } else { "*" }]).collect()
}

/// No list that is judged has an index of more.
const INDEX_DIGITS: usize = 7;
