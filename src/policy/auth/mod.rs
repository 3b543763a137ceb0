//! Who is asking: where the token is found, what makes it good, which keys signed it or who else says so, and what the app is
//! told. Time is an argument everywhere but in `jwks` and `authorizer`, which wait.

mod announce;
mod authorizer;
mod cache;
mod claims;
pub mod connect;
mod identity;
mod jwks;
mod keys;
mod members;
pub mod merge;
mod problem;
mod refusal;
mod rules;
mod thumbprint;
mod token;
mod token_id;
mod verifier;

pub use announce::IdentityHeaders;
pub use claims::{Claims, Header};
pub use identity::{Identity, Person, SealedIdentity};
pub use jwks::{Jwks, JwksFailure, JwksStatus};
pub use keys::KeyRing;
pub use merge::{Merge, MergeError};
pub use problem::AuthProblem;
pub use refusal::TokenRefusal;
pub(in crate::policy) use rules::is_same_claim;
pub use thumbprint::Thumbprint;
pub use token::{Carrier, Found, Place, Places, TOKEN_SIZE, token_tag};
pub use token_id::token_id;
pub(in crate::policy) use verifier::to_seconds;
pub use verifier::{Check, Explanation, Verifier};

/// The strict JSON reader, as all of this room reads.
use crate::codec::strict;
pub use strict::{StrictError, object as strict_object};
