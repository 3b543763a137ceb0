//! Stand-in until the real one comes.
use super::socket::{Kind, PacketError};
use std::{borrow::Cow, ops::Range};
pub struct Packet<'a> {
    pub kind: Kind,
    pub namespace: Cow<'a, str>,
    pub id: Option<u64>,
    pub name: Option<Cow<'a, str>>,
    pub data: Range<usize>,
}
impl<'a> Packet<'a> {
    pub fn read(_m: &'a [u8], _d: u8) -> Result<Self, PacketError> {
        Err(PacketError::Kind)
    }
}
pub const MOST_DEPTH: u8 = 128;
pub fn token(_d: &[u8], _p: &str) -> Result<Option<String>, PacketError> {
    Ok(None)
}
pub fn argument(_d: &[u8], _n: usize) -> Option<String> {
    None
}
pub fn to_json(_d: &[u8]) -> Result<String, PacketError> {
    Ok(String::new())
}
pub fn connect(_n: &str, _p: &str) -> Vec<u8> {
    Vec::new()
}
pub fn connect_error(_n: &str, _m: &str, _d: &serde_json::Value) -> Vec<u8> {
    Vec::new()
}
pub fn disconnect(_n: &str) -> Vec<u8> {
    Vec::new()
}
pub fn event(_n: &str, _e: &str, _a: &[serde_json::Value]) -> Vec<u8> {
    Vec::new()
}
pub fn ack(_n: &str, _i: u64, _a: &[serde_json::Value]) -> Vec<u8> {
    Vec::new()
}
