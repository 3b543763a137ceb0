//! A host as a request names it: `Host`, `:authority`, `X-Forwarded-Host`. Parsed once into one spelling, so that it can be
//! compared with configured names; it is never used to choose an address. RFC 9112 section 3.2.

use std::{
    fmt::{self, Write as _},
    net::Ipv6Addr,
    str::FromStr,
};

/// Host name and port.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Host {
    /// Lowercase ASCII without a dot at the end, or an IPv6 address in brackets.
    pub name: String,
    /// `None` where the scheme's own is meant.
    pub port: Option<u16>,
}

impl Host {
    /// The port a client reached that wrote this.
    pub fn port_or_default(&self, secure: bool) -> u16 {
        self.port.unwrap_or(if secure { 443 } else { 80 })
    }
}

/// The text is not host and port. User names, spaces, slashes, lists, zones, odd ports and everything beyond ASCII are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a host name with an optional port")]
pub struct Malformed;

impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(Malformed)?;
                (bracketed(address)?, port)
            }
            None => {
                let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                (registered(name)?, port)
            }
        };
        let port = if port.is_empty() { None } else { Some(parse_port(port)?) };
        Ok(Self { name, port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}

fn bracketed(address: &str) -> Result<String, Malformed> {
    let address: Ipv6Addr = address.parse().map_err(|_| Malformed)?;
    let mut name = String::new();
    write!(name, "[{address}]").map_err(|_| Malformed)?;
    Ok(name)
}

fn registered(name: &str) -> Result<String, Malformed> {
    // A dot at the end names the root of DNS and says nothing more; resolvers with search lists make clients write it.
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_well_formed = name.len() <= NAME_SIZE && name.split('.').all(is_label);
    is_well_formed.then(|| name.to_ascii_lowercase()).ok_or(Malformed)
}

/// Underscores are no host names by the letter, but container networks are full of them.
fn is_label(label: &str) -> bool {
    (1..=LABEL_SIZE).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn parse_port(text: &str) -> Result<u16, Malformed> {
    let digits = text.strip_prefix(':').ok_or(Malformed)?;
    let port: u16 = digits.parse().map_err(|_| Malformed)?;
    // One spelling: no sign, no zero in front, and no port 0.
    if port == 0 || port.to_string() != digits { Err(Malformed) } else { Ok(port) }
}

/// DNS, RFC 1035 section 2.3.4.
const NAME_SIZE: usize = 253;
const LABEL_SIZE: usize = 63;
