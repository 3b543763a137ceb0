//! Whom a limit counts: an address or a user, made small enough to keep a hundred thousand of them. A user is kept as a
//! keyed hash, so that a limiter holds no names and nobody can choose subjects that collide.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

/// One counted client. IPv6 counts by its /64, because that is what one customer gets to roll addresses in; an IPv4
/// address in IPv6 clothes (`::ffff:192.0.2.1`) is the IPv4 address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Key {
    V4(u32),
    V6(u64),
    Subject(u64),
}

impl Key {
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }

    /// The same user gives the same key as long as `secret` lives; two users share a key once in 2^64.
    pub fn subject(subject: &str, secret: &RandomState) -> Self {
        Self::Subject(secret.hash_one(subject))
    }
}
