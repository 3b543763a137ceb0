//! Socket.IO packets as text (protocol revision 5), as they stand behind the `4` of an Engine.IO message. Only the one spelling
//! that clients write is read: servers read others differently from each other, and each of those differences is a way around
//! a rule. `relay` reads a packet's head from its first bytes and lets the rest pass through a `json::Scanner`; the writers
//! are for what the gate itself says.

mod error;
mod head;
mod name;
mod packet;
mod write;

pub use error::PacketError;
pub use head::{Head, Kind, LONGEST_HEAD, LONGEST_NAMESPACE, MOST_ATTACHMENTS, MOST_ID, is_namespace};
pub use name::{LONGEST_NAME, LONGEST_NAME_TEXT, RESERVED, event_name, is_reserved};
pub use packet::Packet;
pub use write::{ack, connect, connect_error, disconnect, error, event};
