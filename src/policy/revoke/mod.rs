//! What was taken back before its time was over: all tokens of somebody, one token, one session. Kept over generations and,
//! where a file is named, over restarts. Judged for every newcomer and for every request of a session; what is open when it
//! is revoked is ended by `relay/ledger`.

mod revocation;
mod revocations;
mod store;
mod target;

pub use revocation::{FOREVER, Revocation, Written};
pub use revocations::{Full, Kept, Revocations, Struck};
pub use store::{Flaw, StoreError};
pub use target::{Named, SessionName, Target, TargetError};
