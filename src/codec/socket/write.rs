//! The packets that the gate itself says, with the `4` of the engine's message in front. JSON is handed in as text that is
//! already JSON; names and messages are quoted here. Namespaces are such as `Head` reads.

use super::Kind;
use crate::codec::json;

/// Joins a namespace: with what a client says for itself, or with what a server answers.
pub fn connect(namespace: &str, payload_json: Option<&str>) -> String {
    packet(Kind::Connect, namespace, None, payload_json.unwrap_or_default())
}

/// Refuses a namespace, in the one form that every client reads: an object with a message.
pub fn connect_error(namespace: &str, message: &str, data_json: Option<&str>) -> String {
    let message = json::text(message);
    let data = data_json.map(|data| format!(",\"data\":{data}")).unwrap_or_default();
    packet(Kind::ConnectError, namespace, None, &format!("{{\"message\":{message}{data}}}"))
}

/// Refuses a namespace to a client of Socket.IO 2, which shows whatever JSON it gets.
pub fn error(namespace: &str, json: &str) -> String {
    packet(Kind::ConnectError, namespace, None, json)
}

/// Leaves a namespace. Without data: clients take a packet with any for an error.
pub fn disconnect(namespace: &str) -> String {
    packet(Kind::Disconnect, namespace, None, "")
}

/// An event that asks for no ack. The last argument had better be an object: clients that recover their state take a text at
/// the end for the offset they are at.
pub fn event(namespace: &str, name: &str, args_json: &[&str]) -> String {
    let name = json::text(name);
    let mut data = vec![name.as_str()];
    data.extend(args_json);
    packet(Kind::Event, namespace, None, &array(&data))
}

pub fn ack(namespace: &str, id: u64, args_json: &[&str]) -> String {
    packet(Kind::Ack, namespace, Some(id), &array(args_json))
}

fn array(values: &[&str]) -> String {
    format!("[{}]", values.join(","))
}

fn packet(kind: Kind, namespace: &str, id: Option<u64>, data: &str) -> String {
    let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    format!("4{}{namespace}{id}{data}", kind.number())
}
