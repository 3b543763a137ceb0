//! Whom a limit counts: an address or a user, made small enough to keep a hundred thousand of them. A user is kept as a
//! keyed hash, so that a limiter holds no names and nobody can choose names that collide.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    net::IpAddr,
};

/// One counted client. IPv6 counts by its /64, because that is what one customer gets to roll addresses in; an IPv4
/// address in IPv6 clothes (`::ffff:192.0.2.1`) is the IPv4 address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    V4(u32),
    V6(u64),
    User(u64),
}

impl Hash for Key {
    /// Without its kind: that tells nearly nothing, and a table is asked for every message.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(match *self {
            Self::V4(address) => address.into(),
            Self::V6(prefix) => prefix,
            Self::User(user) => user,
        });
    }
}

impl Key {
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }

    /// A user by all that tells them from others. The same user gives the same key as long as `secret` lives; two users
    /// share a key once in 2^64.
    pub fn user(user: impl Hash, secret: &RandomState) -> Self {
        Self::User(secret.hash_one(user))
    }
}
