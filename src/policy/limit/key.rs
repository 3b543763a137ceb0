//! Whom a limit counts: an address or a user, made small enough to keep a hundred thousand of them. Both are kept as a keyed
//! hash, so that a limiter holds no names, and nobody can choose names or addresses that collide.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    net::IpAddr,
};

/// One counted client. Two share a key once in 2^64.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key(u64);

impl Key {
    /// An address. IPv6 counts by its /64, because that is what one customer gets to roll addresses in; an IPv4 address in IPv6
    /// clothes (`::ffff:192.0.2.1`) is the IPv4 address. The same gives the same key as long as `secret` lives.
    pub fn address(address: IpAddr, secret: &RandomState) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => secret.hash_one((Kind::V4, address.to_bits())),
            IpAddr::V6(address) => secret.hash_one((Kind::V6, address.to_bits() >> 64)),
        })
    }

    /// A user by all that tells them from others.
    pub fn user(user: impl Hash, secret: &RandomState) -> Self {
        Self(secret.hash_one((Kind::User, user)))
    }
}

#[derive(Hash)]
enum Kind {
    V4,
    V6,
    User,
}

/// Tables hash keys by what they are: hashes. They are asked for every message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashed;

impl BuildHasher for Hashed {
    type Hasher = Taken;

    fn build_hasher(&self) -> Taken {
        Taken(0)
    }
}

/// Takes a key for its hash.
#[derive(Debug)]
pub struct Taken(u64);

impl Hasher for Taken {
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    /// For what is no key: any hash will do.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
