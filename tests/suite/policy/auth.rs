//! Who is asking.

mod announce;
mod claims;
pub mod issuer;
mod jwks;
mod keys;
mod token;
mod token_id;
mod verifier;
