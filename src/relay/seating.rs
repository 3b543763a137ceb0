//! Which member something new goes to: by what its pool hashes, and on another one when the first could not be reached. Asked when
//! a request comes, and, of a session whose app hears of it later, once more when somebody has been accepted (`auth.when =
//! "connect"`): only then is it known whose it is.

use std::{net::IpAddr, time::Instant};

use http::HeaderMap;

use crate::{
    config::upstream::{Balance, Upstream},
    policy::auth::Identity,
    upstream::{Lease, Member, NoMember, Pool, balance},
};

/// What `balance = "hash"` hashes.
pub enum Hash {
    Nothing,
    Subject,
    Address,
    Header(String),
    Claim(String),
}

/// Who asks, as far as the choice of a member goes.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub identity: Option<&'a Identity>,
    pub address: IpAddr,
    pub headers: &'a HeaderMap,
}

impl Hash {
    /// What a pool's configuration says.
    pub fn of(upstream: &Upstream) -> Self {
        match (upstream.balance, upstream.hash.split_once(':')) {
            (Balance::LeastSessions | Balance::RoundRobin, _) => Self::Nothing,
            (Balance::Hash, Some(("header", name))) => Self::Header(name.to_string()),
            (Balance::Hash, Some(("claim", path))) => Self::Claim(path.to_string()),
            (Balance::Hash, _) if upstream.hash == "address" => Self::Address,
            (Balance::Hash, _) => Self::Subject,
        }
    }

    /// What consistent hashing goes by. Nobody's subject: the address.
    pub fn key(&self, asker: &Asker<'_>) -> Option<u64> {
        let address = || Some(balance::key(asker.address.to_string().as_bytes()));
        match self {
            Self::Nothing => None,
            Self::Address => address(),
            Self::Subject => {
                asker.identity.and_then(Identity::subject).map(|subject| balance::key(subject.as_bytes())).or_else(address)
            }
            Self::Header(name) => asker.headers.get(name).map(|value| balance::key(value.as_bytes())).or_else(address),
            Self::Claim(path) => asker
                .identity
                .and_then(|identity| identity.claim(path))
                .map(|value| balance::key(value.to_string().as_bytes()))
                .or_else(address),
        }
    }
}

/// A member for a session whose app is to hear of it now. Without anything to hash it is the one that was meant for it from the
/// beginning, as long as that one is well: round robin would count it twice otherwise.
pub fn at_last(pool: &Pool, key: Option<u64>, meant: &Member, now: Instant) -> Result<Lease, NoMember> {
    match key {
        Some(_) => pool.lease(key, now),
        None => pool.lease_again(meant.id(), now).or_else(|_| pool.lease(None, now)),
    }
}

/// Another member than the one that could not be reached. Nothing of what was asked has been heard by anyone.
pub fn elsewhere(pool: &Pool, key: Option<u64>, tried: &Member, now: Instant) -> Result<Lease, NoMember> {
    pool.lease_except(&[tried.id()], key, now)
}
