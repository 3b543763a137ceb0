//! One leaky bucket as a number (GCRA): the time at which it will be full again, in nanoseconds of a clock that its owner keeps.
//! Eight bytes for each session and limit. 0 is a full bucket, whatever the time is. Pure; sums stop at the end of the range
//! instead of overflowing.

use std::time::Duration;

use crate::config::{Flow, Rate};

/// How fast a bucket refills, and how much it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    amount: u64,
    /// Nanoseconds in which `amount` comes back.
    per: u64,
    /// Nanoseconds in which an empty bucket fills.
    depth: u64,
}

impl Pace {
    /// `None`: no limit.
    pub fn of_rate(rate: Rate) -> Option<Self> {
        match rate {
            Rate::Off => None,
            Rate::Limited { count, per, burst } => Some(Self::new(u64::from(count), per, u64::from(burst))),
        }
    }

    /// `None`: no limit.
    pub fn of_flow(flow: Flow) -> Option<Self> {
        match flow {
            Flow::Off => None,
            Flow::Limited { size, per, burst } => Some(Self::new(size.0, per, burst.0)),
        }
    }

    fn new(amount: u64, per: Duration, burst: u64) -> Self {
        let per = u64::try_from(per.as_nanos()).unwrap_or(LONGEST).min(LONGEST);
        let mut pace = Self { amount: amount.max(1), per, depth: 0 };
        pace.depth = pace.time_of(burst);
        pace
    }

    /// Takes so much out of a bucket, or says how long until it can be taken. What is more than the bucket holds is lent to a
    /// full one, so that nothing waits for ever.
    pub fn take(self, bucket: u64, much: u64, now: u64) -> Result<u64, Duration> {
        let after = self.owe(bucket, much, now);
        let early = after.saturating_sub(now.saturating_add(self.depth)).min(bucket.saturating_sub(now));
        if early == 0 { Ok(after) } else { Err(Duration::from_nanos(early)) }
    }

    /// Takes so much whether it is there or not; what comes next waits for it.
    pub fn owe(self, bucket: u64, much: u64, now: u64) -> u64 {
        bucket.max(now).saturating_add(self.time_of(much))
    }

    /// How long it takes to refill so much: rounded down, but anything takes some time.
    fn time_of(self, much: u64) -> u64 {
        let nanos = u128::from(much) * u128::from(self.per) / u128::from(self.amount);
        u64::try_from(nanos).unwrap_or(LONGEST).clamp(u64::from(much > 0), LONGEST)
    }
}

/// A bucket that takes longer than this to fill (about 73 years) is cut.
const LONGEST: u64 = 1 << 61;
