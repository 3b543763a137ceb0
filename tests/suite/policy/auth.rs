//! Who is asking.

mod announce;
mod authorizer;
mod claims;
mod connect;
pub mod issuer;
mod jwks;
mod keys;
mod merge;
mod thumbprint;
mod token;
mod token_id;
mod verifier;
