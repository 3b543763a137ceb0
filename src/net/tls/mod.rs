//! TLS: whom the gate trusts, what it shows, and the certificate it makes for itself in development.

pub mod accept;
pub mod expiry;
pub mod generate;
pub mod record;
pub mod store;
pub mod trust;
