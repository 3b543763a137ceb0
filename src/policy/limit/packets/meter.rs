//! What one session has used of its limits: a few numbers, and which generation's limits they belong to.

use std::{sync::Arc, time::Instant};

use super::{
    limits::{Bounds, PacketLimits, Payer},
    names::Excess,
};

/// The counts of one session.
pub struct Meter {
    limits: Arc<PacketLimits>,
    /// A bucket for each limit that sessions have for themselves; none where nothing of the kind is configured.
    cells: Box<[u64]>,
    /// The bucket of refusals.
    abuse: u64,
}

impl Meter {
    pub fn new(limits: &Arc<PacketLimits>) -> Self {
        Self { cells: vec![0; limits.cells.len()].into(), limits: limits.clone(), abuse: 0 }
    }

    /// One more message: an event, an acknowledgement or a CONNECT, over whichever transport. `bounds` are those of
    /// an event and none for what else there is; `bytes` is what is known of its size
    /// so far; what comes later is for [`PacketLimits::owe`] and [`PacketLimits::oversize`]. An excess says what to do: a `warn`
    /// is for the log, and the message passes. Limits that come behind one that refuses have not counted the message.
    #[inline]
    pub fn take(
        &mut self,
        limits: &Arc<PacketLimits>,
        payer: &Payer,
        bounds: Bounds,
        bytes: u64,
        now: Instant,
    ) -> Result<(), Excess> {
        if !limits.counts(bounds) {
            return Ok(());
        }
        self.renew(limits);
        limits.take(&mut self.cells, *payer, bounds, bytes, now)
    }

    /// A packet was refused, for whatever reason. `true`: once too often, the session is to be closed.
    pub fn violated(&mut self, now: Instant) -> bool {
        let Some(pace) = self.limits.abuse else { return false };
        match pace.take(self.abuse, 1, self.limits.nanos(now)) {
            Ok(after) => {
                self.abuse = after;
                false
            }
            Err(_) => true,
        }
    }

    /// Goes on under these limits. What was counted stays where a limit counts the same by the same number.
    pub fn renew(&mut self, limits: &Arc<PacketLimits>) {
        if Arc::ptr_eq(&self.limits, limits) {
            return;
        }
        let before = std::mem::replace(&mut self.limits, limits.clone());
        self.abuse = if before.abuse == limits.abuse { limits.carry(&before, self.abuse) } else { 0 };
        let old = std::mem::replace(&mut self.cells, vec![0; limits.cells.len()].into());
        // Of two limits that say the same each has its own bucket.
        let mut taken = vec![false; old.len()];
        for (bucket, cell) in self.cells.iter_mut().zip(limits.cells.iter()) {
            let same = before.cells.iter().zip(&taken).position(|(other, is_taken)| !is_taken && other == cell);
            if let Some(place) = same
                && let (Some(counted), Some(is_taken)) = (old.get(place), taken.get_mut(place))
            {
                *bucket = limits.carry(&before, *counted);
                *is_taken = true;
            }
        }
    }
}
