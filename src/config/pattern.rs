//! The grammar of one entry of `origin.allow`: a scheme, a host and a port, each exact or open in one named way. The check of
//! the configuration parses entries with it at the door, `policy::origin` judges requests by the parsed form; a text that did
//! not parse never becomes a rule. Hosts are kept the way browsers write them in `Origin` (WHATWG URL: lower case, punycode,
//! IPv6 in brackets), so that comparing is comparing texts. Nothing here matches by substring.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use idna::AsciiDenyList;

/// Which origins an entry lets in.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Pattern {
    /// `*`: every page on earth. Only without credentials.
    Any,
    /// `null`: pages of sandboxed frames, files and some redirects. Anybody can make one.
    Null,
    /// A scheme, and a host and a port that may be open.
    Matching { scheme: Scheme, host: HostPattern, port: PortPattern },
}

/// The schemes a page can have here.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    Http,
    Https,
}

/// The host of a pattern. The texts are as [`browser_host`] gives them; a suffix has no leading dot.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum HostPattern {
    Exact(String),
    /// `*.suffix`: exactly one label before the suffix.
    OneLabel(String),
    /// `**.suffix`: one or more labels before the suffix.
    ManyLabels(String),
}

/// The port of a pattern.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PortPattern {
    Exact(u16),
    Any,
}

/// Why a text is no pattern; the message says what to write.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    #[error("it is empty")]
    Empty,
    #[error("it has no scheme; write https://{0} (or http://{0})")]
    NoScheme(String),
    #[error("pages come by http or https; {0:?} is neither")]
    Scheme(String),
    #[error("an origin ends after host and port; write it without path, query and closing slash")]
    Path,
    #[error("an origin has no user name; remove everything up to the @")]
    User,
    #[error("{0:?} is not a host name or address")]
    Host(String),
    #[error(
        "a wildcard stands for whole labels at the front: https://*.example.com for one, https://**.example.com for one or more"
    )]
    Wildcard,
    #[error("{0:?} is not a port; write a number from 1 to 65535, or * for any")]
    Port(String),
}

impl Scheme {
    /// The port a browser leaves out.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text {
            "" => return Err(PatternError::Empty),
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| PatternError::NoScheme(text.to_string()))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(PatternError::Scheme(scheme.to_string())),
        };
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(PatternError::Path);
        }
        if rest.contains('@') {
            return Err(PatternError::User);
        }
        let (host, port) = split_port(rest)?;
        let port = match port {
            None => PortPattern::Exact(scheme.default_port()),
            Some("*") => PortPattern::Any,
            Some(digits) => PortPattern::Exact(port_number(digits)?),
        };
        Ok(Self::Matching { scheme, host: host.parse()?, port })
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let many = text.strip_prefix("**.");
        match many.or_else(|| text.strip_prefix("*.")) {
            Some(suffix) if suffix.contains('*') || is_address(suffix) => Err(PatternError::Wildcard),
            Some(suffix) if many.is_some() => Ok(Self::ManyLabels(browser_host(suffix)?)),
            Some(suffix) => Ok(Self::OneLabel(browser_host(suffix)?)),
            None if text.contains('*') => Err(PatternError::Wildcard),
            None => Ok(Self::Exact(browser_host(text)?)),
        }
    }
}

/// A host as browsers write it in `Origin`: lower case, international names in punycode, IPv6 compressed and in brackets.
/// Numbers that some parsers take for addresses (`0x7f.1`, `127.1`) are no host here.
pub fn browser_host(text: &str) -> Result<String, PatternError> {
    let wrong = || PatternError::Host(text.to_string());
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']').and_then(|inner| inner.parse().ok()).ok_or_else(wrong)?;
        return Ok(format!("[{}]", browser_ipv6(address)));
    }
    let name = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::URL).map_err(|_| wrong())?;
    if is_address(&name) {
        return name.parse::<Ipv4Addr>().map(|address| address.to_string()).map_err(|_| wrong());
    }
    // One closing dot is a name of its own to browsers (a fully qualified one); empty labels are nobody's.
    let labels = name.strip_suffix('.').unwrap_or(&name);
    let is_well_formed = labels.len() <= 253 && labels.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    if is_well_formed { Ok(name.into_owned()) } else { Err(wrong()) }
}

/// A host of `origin.hosts`: as [`browser_host`], and IPv6 addresses also without brackets.
pub fn page_host(text: &str) -> Result<String, PatternError> {
    match text.parse::<Ipv6Addr>() {
        Ok(_) => browser_host(&format!("[{text}]")),
        Err(_) if text.contains('*') => Err(PatternError::Wildcard),
        Err(_) => browser_host(text),
    }
}

/// Whether a browser would read the name as an IPv4 address: its last label is a number.
fn is_address(name: &str) -> bool {
    let last = name.strip_suffix('.').unwrap_or(name).rsplit('.').next().unwrap_or_default();
    let is_decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = last
        .strip_prefix("0x")
        .or_else(|| last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_decimal || is_hex
}

/// The WHATWG form: no dotted quad at the end, which `Ipv6Addr` prints for mapped addresses.
fn browser_ipv6(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(_) => format!("::ffff:{:x}:{:x}", address.segments()[6], address.segments()[7]),
        None => address.to_string(),
    }
}

/// `host:port` into its parts; the colons of an IPv6 address are inside its brackets.
fn split_port(text: &str) -> Result<(&str, Option<&str>), PatternError> {
    let after_host = text.rfind(']').map_or(0, |end| end + 1);
    match text[after_host..].find(':') {
        Some(colon) => Ok((&text[..after_host + colon], Some(&text[after_host + colon + 1..]))),
        None if text.is_empty() => Err(PatternError::Host(String::new())),
        None => Ok((text, None)),
    }
}

fn port_number(digits: &str) -> Result<u16, PatternError> {
    let wrong = || PatternError::Port(digits.to_string());
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => out.write_str("*"),
            Self::Null => out.write_str("null"),
            Self::Matching { scheme, host, port } => {
                write!(out, "{}://{host}", scheme.as_str())?;
                match port {
                    PortPattern::Any => out.write_str(":*"),
                    PortPattern::Exact(port) if *port == scheme.default_port() => Ok(()),
                    PortPattern::Exact(port) => write!(out, ":{port}"),
                }
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => out.write_str(host),
            Self::OneLabel(suffix) => write!(out, "*.{suffix}"),
            Self::ManyLabels(suffix) => write!(out, "**.{suffix}"),
        }
    }
}
