//! When a certificate expires: the one field of X.509 (RFC 5280 section 4.1.2.5) that an operator is told about. A walk over
//! the few DER values before it, strict enough to give up on anything odd.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of a certificate's validity. `None`: not a certificate that can be read.
pub fn of(der: &[u8]) -> Option<OffsetDateTime> {
    let (tag, certificate, _) = value(der)?;
    let (inner, to_be_signed, _) = value(certificate).filter(|_| tag == SEQUENCE)?;
    let mut rest = Some(to_be_signed).filter(|_| inner == SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = value(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = value(rest)?.2;
    }
    let (_, validity, _) = value(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, not_after, _) = value(value(validity)?.2)?;
    read_time(tag, std::str::from_utf8(not_after).ok()?)
}

/// Tag, content and what follows.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

fn read_time(tag: u8, text: &str) -> Option<OffsetDateTime> {
    if !text.is_ascii() {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let mut numbers = [0_u8; 5];
    let mut rest = rest;
    for number in &mut numbers {
        let (digits, after) = rest.split_at_checked(2)?;
        *number = digits.parse().ok()?;
        rest = after;
    }
    let [month, day, hour, minute, second] = numbers;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let time = Time::from_hms(hour, minute, second).ok()?;
    (rest == "Z").then(|| PrimitiveDateTime::new(date, time).assume_utc())
}
