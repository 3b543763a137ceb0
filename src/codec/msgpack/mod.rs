//! Socket.IO packets as MessagePack: one binary message holds one map (`type`, `nsp`, `data`, `id`), as socket.io-msgpack-parser
//! and python-socketio write it. `relay` judges the sessions of routes that are configured so. What is read is strict where
//! decoders differ: notepack takes bytes that are not UTF-8 for text, lets keys of any type pass for the text they turn into,
//! and sets an object's prototype by a key.

mod packet;
mod reader;
mod retain;
mod token;
mod value;
mod write;

pub use packet::Packet;
pub use reader::MsgpackError;
pub use retain::retain;
pub use token::{TokenError, argument, token};
pub use value::value;
pub use write::{ack, connect, connect_error, connect_with, disconnect, event, merge};
