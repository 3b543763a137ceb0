//! Which member a new session goes to. Pure: a snapshot of the members that may be chosen goes in, the place of one of
//! them in that snapshot comes out. Equal gates with equal configuration agree about hashes, so a client that comes
//! back through another replica still finds the member that remembers it.

use aws_lc_rs::digest::{SHA256, digest};

/// One member that may be chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// What it is known by in every gate.
    pub id: u64,
    /// Its place in the pool, the same in every snapshot of that pool.
    pub seat: usize,
    /// Its share relative to the others, at least 1.
    pub weight: u32,
    /// How much of its share it takes now, in thousandths: less than 1000 while it starts slowly.
    pub share: u32,
    /// Sessions it has.
    pub sessions: u64,
}

impl Candidate {
    /// The weight in effect now, in thousandths.
    fn pull(&self) -> u64 {
        u64::from(self.weight.max(1)) * u64::from(self.share.clamp(1, FULL_SHARE))
    }
}

/// The member that would have the fewest sessions for its weight once it had this one too. Among equals `turn` decides,
/// so that quiet members take turns. None: nobody to choose from.
pub fn least_sessions(candidates: &[Candidate], turn: u64) -> Option<usize> {
    let count = candidates.len();
    let start = usize::try_from(turn % count.max(1) as u64).unwrap_or(0);
    (start..count).chain(0..start).min_by(|&one, &other| {
        let (one, other) = (&candidates[one], &candidates[other]);
        // a / b < c / d without dividing.
        let left = u128::from(one.sessions + 1) * u128::from(other.pull());
        let right = u128::from(other.sessions + 1) * u128::from(one.pull());
        left.cmp(&right)
    })
}

/// Turns by weight, smoothly: weights 5, 1, 1 give a a b a c a a and never five of one in a row (the way of nginx). `credits` has
/// one number a seat, zero at first, and carries the turns from one call to the next; members that are missing from a
/// snapshot keep theirs.
pub fn round_robin(candidates: &[Candidate], credits: &mut [i64]) -> Option<usize> {
    let mut total = 0_i64;
    let mut chosen: Option<(usize, i64)> = None;
    for (place, candidate) in candidates.iter().enumerate() {
        let pull = i64::try_from(candidate.pull()).unwrap_or(i64::MAX / 1_000_000);
        let credit = credits.get_mut(candidate.seat)?;
        *credit = credit.saturating_add(pull);
        total = total.saturating_add(pull);
        if chosen.is_none_or(|(_, best)| *credit > best) {
            chosen = Some((place, *credit));
        }
    }
    let (place, _) = chosen?;
    let credit = &mut credits[candidates[place].seat];
    *credit = credit.saturating_sub(total);
    Some(place)
}

/// The member that `key` belongs to (weighted rendezvous hashing): when one leaves, only its keys move, and they spread
/// over all the others. A slow start is not looked at: a key that wanders while a member warms up would lose what that
/// member remembers.
pub fn hash(candidates: &[Candidate], key: u64) -> Option<usize> {
    let score = |candidate: &Candidate| {
        let mixed = mix(key ^ mix(candidate.id));
        // 53 bits into the open interval (0, 1).
        let part = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        f64::from(candidate.weight.max(1)) / -part.ln()
    };
    let scores = candidates.iter().map(score).enumerate();
    scores.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(place, _)| place)
}

/// A number for a text (a subject, an address, a header) that is the same in every gate and every version.
pub fn key(text: &[u8]) -> u64 {
    let digest = digest(&SHA256, text);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    u64::from_be_bytes(first)
}

/// How much of its share a member takes that came back `age` ago and starts over `slow_start`: a tenth at first, so that
/// it is tried at all, then in a straight line.
pub fn slow_share(age: std::time::Duration, slow_start: std::time::Duration) -> u32 {
    if age >= slow_start {
        return FULL_SHARE;
    }
    let part = age.as_secs_f64() / slow_start.as_secs_f64();
    ((part * f64::from(FULL_SHARE)) as u32).clamp(FIRST_SHARE, FULL_SHARE)
}

/// The finalizer of splitmix64: every bit of the input moves every bit of the output.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A whole share, in thousandths.
pub const FULL_SHARE: u32 = 1_000;
/// What a member begins with after it came back.
const FIRST_SHARE: u32 = 100;
