//! What a guard says in its own words, in the parser that the route speaks.

use serde_json::{Value, json};

use super::Message;
use crate::{
    codec::{msgpack, socket},
    config::socketio::Parser,
    policy::{Refusal, Refused},
};

/// A namespace is refused: the one answer after which client libraries stop and show the reason.
pub(super) fn connect_error(parser: Parser, namespace: &str, refused: &Refused) -> Message {
    let refusal = refused.refusal;
    let mut data = json!({ "code": refusal.name(), "hint": refusal.hint() });
    if let (Some(after), Value::Object(data)) = (refused.retry_after, &mut data) {
        data.insert("retry_after_ms".into(), milliseconds(after).into());
    }
    match parser {
        Parser::Msgpack => Message::Binary(msgpack::connect_error(namespace, refusal.message(), Some(&data))),
        Parser::Default | Parser::Custom => {
            Message::Text(socket::connect_error(namespace, refusal.message(), Some(&data.to_string())))
        }
    }
}

/// The same for clients of Socket.IO 2, which hand what they get to `error` as it is: an object, with everything that clients of
/// today find in two places. A bare text would be shown no better and told apart by nobody.
pub(super) fn connect_error_of_three(namespace: &str, refused: &Refused) -> Message {
    let mut error = reason(refused.refusal);
    if let (Some(after), Value::Object(error)) = (refused.retry_after, &mut error) {
        error.insert("retry_after_ms".into(), milliseconds(after).into());
    }
    Message::Text(socket::error(namespace, &error.to_string()))
}

/// The namespace is left, with no way back by itself.
pub(super) fn disconnect(parser: Parser, namespace: &str) -> Message {
    match parser {
        Parser::Msgpack => Message::Binary(msgpack::disconnect(namespace)),
        Parser::Default | Parser::Custom => Message::Text(socket::disconnect(namespace)),
    }
}

/// An event of the gate's own. Its one argument is an object: a text at the end would be taken for the offset of connection
/// state recovery.
pub(super) fn event(parser: Parser, namespace: &str, name: &str, argument: &Value) -> Message {
    match parser {
        Parser::Msgpack => Message::Binary(msgpack::event(namespace, name, std::slice::from_ref(argument))),
        Parser::Default | Parser::Custom => Message::Text(socket::event(namespace, name, &[&argument.to_string()])),
    }
}

/// The answer to an event that asked for one.
pub(super) fn ack(parser: Parser, namespace: &str, id: u64, argument: &Value) -> Message {
    match parser {
        Parser::Msgpack => Message::Binary(msgpack::ack(namespace, id, std::slice::from_ref(argument))),
        Parser::Default | Parser::Custom => Message::Text(socket::ack(namespace, id, &[&argument.to_string()])),
    }
}

/// The error an event that asked for an answer gets.
pub(super) fn error(refused: &Refused) -> Value {
    let mut error = reason(refused.refusal);
    if let (Some(after), Value::Object(error)) = (refused.retry_after, &mut error) {
        error.insert("retry_after_ms".into(), milliseconds(after).into());
    }
    json!({ "error": error })
}

/// Why something ends or is about to.
pub(super) fn reason(refusal: Refusal) -> Value {
    json!({ "code": refusal.name(), "message": refusal.message(), "hint": refusal.hint() })
}

/// Rounded up, so that whoever waits as long is let in.
pub(super) fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}
