//! Values that carry their unit: `"25s"`, `"1 MiB"`, `"100/1m"`, `"1 MiB/1s"`. Parsed once, here; printed back in the form an
//! operator would write.

use std::{borrow::Cow, fmt, net::IpAddr, str::FromStr, time::Duration};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time: `"250ms"`, `"25s"`, `"10m"`, `"1h"`, `"7d"`. A bare number is seconds.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Period(pub Duration);

/// A number of bytes: `"500 B"`, `"16 KiB"`, `"1 MB"`, `"100 MiB"`. A bare number is bytes.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size(pub u64);

/// So many per time, with a burst: `"100/1m"`, `"20/1s burst 60"`, `"off"`. Without a burst as many as the count at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rate {
    Off,
    Limited { count: u32, per: Duration, burst: u32 },
}

/// So much per time, with a burst: `"1 MiB/1s"`, `"64 KiB/1s burst 1 MiB"`, `"off"`. Without a burst as much as the size at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    Off,
    Limited { size: Size, per: Duration, burst: Size },
}

/// Networks of a list whose entries are written as CIDR (`10.0.0.0/8`) or as one address (`10.0.0.7`).
pub fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    struct Network(IpNet);

    impl<'de> Deserialize<'de> for Network {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let text = String::deserialize(from)?;
            let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            let wrong = || de::Error::custom(format!("{text:?} is not an address or network; write for example \"10.0.0.0/8\""));
            network.map(Self).ok_or_else(wrong)
        }
    }

    Ok(Vec::<Network>::deserialize(from)?.into_iter().map(|network| network.0).collect())
}

/// Why a value with a unit could not be read; the text names what to write.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

impl Period {
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Size {
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub const fn kibibytes(count: u64) -> Self {
        Self(count * 1024)
    }

    /// As a length in memory; a size beyond the address space is the largest length.
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Rate {
    pub const fn per_second(count: u32, burst: u32) -> Self {
        Self::Limited { count, per: Duration::from_secs(1), burst }
    }
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError(format!("{text:?} is not a length of time; write for example \"25s\", \"250ms\" or \"10m\""));
        let (number, unit) = split_number(text).ok_or_else(wrong)?;
        let nanos_per_unit = match unit {
            "" | "s" => 1e9,
            "ms" => 1e6,
            "m" | "min" => 60e9,
            "h" => 3_600e9,
            "d" => 86_400e9,
            _ => return Err(wrong()),
        };
        let nanos = number * nanos_per_unit;
        // A century bounds every sum of an instant and a period.
        if !(0.0..=3.2e18).contains(&nanos) {
            return Err(wrong());
        }
        Ok(Self(Duration::from_nanos(nanos.round() as u64)))
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError(format!("{text:?} is not a size; write for example \"500 B\", \"16 KiB\" or \"100 MB\""));
        let (number, unit) = split_number(text).ok_or_else(wrong)?;
        let bytes_per_unit = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "kb" => 1e3,
            "mb" => 1e6,
            "gb" => 1e9,
            "k" | "kib" => 1024.0,
            "m" | "mib" => 1024.0 * 1024.0,
            "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
            _ => return Err(wrong()),
        };
        let bytes = number * bytes_per_unit;
        if !(0.0..=1e15).contains(&bytes) || bytes.fract() != 0.0 {
            return Err(wrong());
        }
        Ok(Self(bytes as u64))
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError(format!("{text:?} is not a rate; write for example \"100/1m\", \"20/1s burst 60\" or \"off\""));
        if text.trim() == "off" {
            return Ok(Self::Off);
        }
        let (count, per, burst) = split_rate(text).ok_or_else(wrong)?;
        let count: u32 = count.parse().map_err(|_| wrong())?;
        let burst = burst.map_or(Ok(count), str::parse).map_err(|_| wrong())?;
        if count == 0 || burst == 0 || per.is_zero() {
            return Err(UnitError(format!("{text:?} lets nothing through; write \"off\" for no limit, or at least 1")));
        }
        Ok(Self::Limited { count, per, burst })
    }
}

impl FromStr for Flow {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let example = "\"1 MiB/1s\", \"64 KiB/1s burst 1 MiB\" or \"off\"";
        let wrong = || UnitError(format!("{text:?} is not a rate of sizes; write for example {example}"));
        if text.trim() == "off" {
            return Ok(Self::Off);
        }
        let (size, per, burst) = split_rate(text).ok_or_else(wrong)?;
        let size: Size = size.parse().map_err(|_| wrong())?;
        let burst = burst.map_or(Ok(size), str::parse).map_err(|_| wrong())?;
        if size.0 == 0 || burst.0 == 0 || per.is_zero() {
            return Err(UnitError(format!("{text:?} lets nothing through; write \"off\" for no limit, or at least 1 B")));
        }
        Ok(Self::Limited { size, per, burst })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis == 0 {
            out.write_str("0s")
        } else if !millis.is_multiple_of(1_000) {
            write!(out, "{millis}ms")
        } else if millis.is_multiple_of(86_400_000) {
            write!(out, "{}d", millis / 86_400_000)
        } else if millis.is_multiple_of(3_600_000) {
            write!(out, "{}h", millis / 3_600_000)
        } else if millis.is_multiple_of(60_000) {
            write!(out, "{}m", millis / 60_000)
        } else {
            write!(out, "{}s", millis / 1_000)
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STEPS: [(u64, &str); 5] =
            [(1 << 30, "GiB"), (1_000_000_000, "GB"), (1 << 20, "MiB"), (1_000_000, "MB"), (1 << 10, "KiB")];
        match STEPS.iter().find(|(step, _)| self.0 >= *step && self.0.is_multiple_of(*step)) {
            Some((step, unit)) => write!(out, "{} {unit}", self.0 / step),
            None => write!(out, "{} B", self.0),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => out.write_str("off"),
            Self::Limited { count, per, burst } => {
                write!(out, "{count}/{}", Period(*per))?;
                if burst != count { write!(out, " burst {burst}") } else { Ok(()) }
            }
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => out.write_str("off"),
            Self::Limited { size, per, burst } => {
                write!(out, "{size}/{}", Period(*per))?;
                if burst != size { write!(out, " burst {burst}") } else { Ok(()) }
            }
        }
    }
}

/// `"20/1s burst 60"` into `"20"`, one second and `"60"`; `"5/s"` is five per one second.
fn split_rate(text: &str) -> Option<(&str, Duration, Option<&str>)> {
    let (rate, burst) = match text.split_once("burst") {
        Some((rate, burst)) => (rate, Some(burst.trim())),
        None => (text, None),
    };
    let (amount, per) = rate.split_once('/')?;
    let per = per.trim();
    let is_whole = per.starts_with(|letter: char| letter.is_ascii_digit());
    let per = match (per.is_empty(), is_whole) {
        (true, _) => return None,
        (false, true) => per.parse::<Period>(),
        (false, false) => format!("1{per}").parse::<Period>(),
    };
    Some((amount.trim(), per.ok()?.0, burst))
}

/// `"12.5 MiB"` into 12.5 and `"MiB"`.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let number = text[..end].parse::<f64>().ok()?;
    Some((number, text[end..].trim()))
}

macro_rules! as_text {
    ($type:ident, $example:literal, $number:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                        out.write_str($example)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        ($number)(number).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        u64::try_from(number)
                            .ok()
                            .and_then($number)
                            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
                    }
                }
                from.deserialize_any(Text)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "integer"], "description": $example })
            }
        }
    };
}

as_text!(Period, "a length of time such as \"25s\", \"250ms\" or \"10m\"", |number| Some(Period::seconds(number))
    .filter(|_| number < 3_200_000_000));
as_text!(Size, "a size such as \"500 B\", \"16 KiB\" or \"100 MB\"", |number| Some(Size(number))
    .filter(|_| number < 1_000_000_000_000_000));
as_text!(Rate, "a rate such as \"100/1m\", \"20/1s burst 60\" or \"off\"", |_| None::<Rate>);
as_text!(Flow, "a rate of sizes such as \"1 MiB/1s\", \"64 KiB/1s burst 1 MiB\" or \"off\"", |_| None::<Flow>);
