//! Engine.IO packets: their kinds, and the open packet (`0{...}`), the only one the gate ever changes. `relay` reads
//! the first packet of a session's first answer and writes it anew, so that the client learns our session id and never the
//! app's. An app server is not trusted to be well: the packet is bounded and read strictly, and what is not understood is kept
//! byte for byte and in order. Engine.IO protocol, revision 4; what differs in revision 3 is named.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Number, value::RawValue};

/// The revision of the protocol that a session speaks: `EIO` in its requests. A server reads packets by it, so one session has
/// one revision.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Revision {
    /// Of Socket.IO 2 clients: it is the client that pings, and polling bodies have lengths.
    Three,
    #[default]
    Four,
}

impl Revision {
    /// The revision that this parameter asks for, in its one spelling.
    pub fn of(parameter: &str) -> Option<Self> {
        match parameter {
            "3" => Some(Self::Three),
            "4" => Some(Self::Four),
            _ => None,
        }
    }
}

/// What a packet is, told by its first byte.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    Open,
    Close,
    Ping,
    Pong,
    Message,
    Upgrade,
    Noop,
    /// `b` and base64: a binary message where only text can travel, in polling bodies.
    Binary,
}

impl Kind {
    /// The kind of a text packet. The digits are ASCII: some servers take any Unicode digit for one, we do not.
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? {
            b'0' => Some(Self::Open),
            b'1' => Some(Self::Close),
            b'2' => Some(Self::Ping),
            b'3' => Some(Self::Pong),
            b'4' => Some(Self::Message),
            b'5' => Some(Self::Upgrade),
            b'6' => Some(Self::Noop),
            b'b' => Some(Self::Binary),
            _ => None,
        }
    }

    /// The byte that tells the kind.
    pub fn byte(self) -> u8 {
        match self {
            Self::Open => b'0',
            Self::Close => b'1',
            Self::Ping => b'2',
            Self::Pong => b'3',
            Self::Message => b'4',
            Self::Upgrade => b'5',
            Self::Noop => b'6',
            Self::Binary => b'b',
        }
    }
}

/// Bytes of a heartbeat. Clients send them as long as they are there; every other packet that says something is longer.
pub const HEARTBEAT: u64 = 1;

/// What an open packet says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Open {
    /// The app's own session id. Clients never see it.
    pub sid: String,
    /// The transports the client is told it may upgrade to.
    pub upgrades: Vec<String>,
    /// Milliseconds between the server's pings.
    pub ping_interval_ms: u64,
    /// Milliseconds the client has to answer one.
    pub ping_timeout_ms: u64,
    /// Bytes a polling body may have, as the client is told.
    pub max_payload: u64,
}

/// What is to be different in an open packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rewrite<'a> {
    /// Upgrades that may stay when the app offers them. `webtransport` never does: the gate does not carry it.
    pub keep_upgrades: &'a [&'a str],
    /// The most `maxPayload` may promise, in bytes.
    pub max_payload: u64,
}

/// Why a first packet is not an open packet. The app server is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenError {
    #[error("the first packet is not an open packet")]
    NotOpen,
    #[error("the open packet is larger than {OPEN_SIZE} bytes")]
    TooLarge,
    #[error("the open packet is not a JSON object, or names a key twice")]
    NotAnObject,
    #[error("the open packet has no usable sid")]
    Sid,
    #[error("the open packet's upgrades are not a list of names")]
    Upgrades,
    #[error("the open packet's ping interval or timeout is missing or out of range")]
    Ping,
    #[error("the open packet's maxPayload is not a size")]
    MaxPayload,
}

/// An app's open packet that was read.
pub struct OpenPacket<'a> {
    /// What it says, as the client will be told; but for the session id, which is the app's own.
    pub open: Open,
    members: Members<'a>,
}

/// Reads an open packet. `upgrades` is filtered, `maxPayload` is lowered, or the most it may promise when the app states no limit.
pub fn read_open<'a>(packet: &'a [u8], change: &Rewrite<'_>) -> Result<OpenPacket<'a>, OpenError> {
    let members = read_members(packet)?;
    let open = Open {
        sid: sid(members.find("sid"))?,
        upgrades: kept_upgrades(members.find("upgrades"), change.keep_upgrades)?,
        ping_interval_ms: milliseconds(members.find("pingInterval"))?,
        ping_timeout_ms: milliseconds(members.find("pingTimeout"))?,
        max_payload: lowered_payload(members.find("maxPayload"), change.max_payload)?,
    };
    Ok(OpenPacket { open, members })
}

impl OpenPacket<'_> {
    /// The packet for the client, with this session id. Keys we do not know stay as they are and where they are; `upgrades` is
    /// always there (the JavaScript client crashes without it), and so is `maxPayload`.
    pub fn write(&self, sid: &str) -> Vec<u8> {
        let mut own = [
            ("sid", Some(json_text(sid))),
            ("upgrades", Some(json_list(&self.open.upgrades))),
            ("maxPayload", Some(self.open.max_payload.to_string())),
        ];
        let mut packet = String::with_capacity(USUAL_SIZE + sid.len());
        packet.push_str("0{");
        let mut put = |key: &str, value: &str| {
            if packet.len() > "0{".len() {
                packet.push(',');
            }
            packet.push_str(&json_text(key));
            packet.push(':');
            packet.push_str(value);
        };
        for (key, text) in &self.members.0 {
            let ours = own.iter_mut().find(|(name, _)| name == key).and_then(|(_, value)| value.take());
            put(key, ours.as_deref().unwrap_or(text.get()));
        }
        for (name, value) in own {
            if let Some(value) = value {
                put(name, &value);
            }
        }
        packet.push('}');
        packet.into_bytes()
    }
}

impl Open {
    /// An open packet of the gate's own, for a session that its app does not know yet.
    pub fn write(&self) -> Vec<u8> {
        format!(
            r#"0{{"sid":{},"upgrades":{},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            json_text(&self.sid),
            json_list(&self.upgrades),
            self.ping_interval_ms,
            self.ping_timeout_ms,
            self.max_payload
        )
        .into_bytes()
    }
}

fn read_members(packet: &[u8]) -> Result<Members<'_>, OpenError> {
    if Kind::of(packet) != Some(Kind::Open) {
        return Err(OpenError::NotOpen);
    }
    if packet.len() > OPEN_SIZE {
        return Err(OpenError::TooLarge);
    }
    let object = &packet[1..];
    // No space around the object: nobody sends it, and a reader of the next hop may be stricter than serde.
    if object.first() != Some(&b'{') || object.last() != Some(&b'}') {
        return Err(OpenError::NotAnObject);
    }
    serde_json::from_slice(object).map_err(|_| OpenError::NotAnObject)
}

fn sid(text: Option<&str>) -> Result<String, OpenError> {
    let sid: String = parse(text).ok_or(OpenError::Sid)?;
    let is_usable = (1..=SID_SIZE).contains(&sid.len()) && !sid.chars().any(char::is_control);
    is_usable.then_some(sid).ok_or(OpenError::Sid)
}

fn kept_upgrades(text: Option<&str>, keep: &[&str]) -> Result<Vec<String>, OpenError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let mut upgrades: Vec<String> = parse(Some(text)).ok_or(OpenError::Upgrades)?;
    upgrades.retain(|name| name != "webtransport" && keep.contains(&name.as_str()));
    Ok(upgrades)
}

fn milliseconds(text: Option<&str>) -> Result<u64, OpenError> {
    let time = parse(text).and_then(|number| whole(&number)).ok_or(OpenError::Ping)?;
    // python-engineio tells intervals under a second as 0.
    (0..=PING_LONGEST_MS).contains(&time).then_some(time).ok_or(OpenError::Ping)
}

fn lowered_payload(text: Option<&str>, most: u64) -> Result<u64, OpenError> {
    // `null` is what JavaScript makes of an infinite limit.
    let Some(text) = text.filter(|text| *text != "null") else { return Ok(most) };
    let size = parse(Some(text)).and_then(|number| whole(&number)).ok_or(OpenError::MaxPayload)?;
    if size == 0 { Err(OpenError::MaxPayload) } else { Ok(size.min(most)) }
}

/// A number as a whole one. Apps that compute their limits send fractions and exponents.
fn whole(number: &Number) -> Option<u64> {
    // A cast from a float saturates, and what is too large is bounded by every caller.
    number.as_u64().or_else(|| number.as_f64().filter(|float| *float >= 0.0).map(|float| float as u64))
}

fn parse<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> Option<T> {
    serde_json::from_str(text?).ok()
}

fn json_text(text: &str) -> String {
    // Texts and lists of texts are always JSON.
    serde_json::to_string(text).unwrap_or_default()
}

fn json_list(names: &[String]) -> String {
    serde_json::to_string(names).unwrap_or_default()
}

/// An object's members as they were written: order and the text of the values survive, a repeated key does not parse.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl Members<'_> {
    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, &'de RawValue)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            // Also bounds the search for repeated keys, which compares each with each.
            if members.len() == OPEN_MEMBERS || members.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom("too many keys, or one twice"));
            }
            members.push((key, value));
        }
        Ok(Members(members))
    }
}

/// Real ones have about 120 bytes; room for apps that add to it.
const OPEN_SIZE: usize = 8 * 1024;
const USUAL_SIZE: usize = 160;

/// Real ones have 5 members.
const OPEN_MEMBERS: usize = 64;

/// Servers make 16 to 20 characters; apps may choose their own. It has to fit, sealed, into a URL.
const SID_SIZE: usize = 256;

/// A day. Timers are set from these values.
const PING_LONGEST_MS: u64 = 86_400_000;
