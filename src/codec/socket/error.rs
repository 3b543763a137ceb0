//! Why something is not a Socket.IO packet, named by the part that is wrong. Whoever sent the packet is to blame.

use crate::codec::json::JsonError;

/// Why a text is not a packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum PacketError {
    #[error("the packet is empty")]
    Empty,
    #[error("the packet is of no known kind")]
    Kind,
    #[error("the number of attachments is missing, malformed or out of range")]
    Attachments,
    #[error("the namespace is malformed or too long")]
    Namespace,
    /// Or missing where one is due, or given where none belongs.
    #[error("the ack id is missing, malformed or out of range")]
    Id,
    #[error("the packet's data is missing or of the wrong kind")]
    Data,
    #[error("the event's name is missing, too long or neither a text nor an integer")]
    Name,
    #[error("the event's name is reserved for the protocol itself")]
    Reserved,
    #[error(transparent)]
    Json(#[from] JsonError),
}
