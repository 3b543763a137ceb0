//! Where to: which route a request takes, which member of a pool carries it, how the members are doing, and the
//! connections to them. What travels on those connections is the business of `relay`.

pub mod balance;
pub mod connect;
pub mod health;
pub mod member;
pub mod pool;
pub mod route;

pub use connect::{Connections, ExchangeError, ReuseKey};
pub use member::{Lease, Member, MemberId, OUT_OF_REACH, Outcome, Standing};
pub use pool::{MemberGone, NoMember, Pool, PoolProblem};
pub use route::Routes;
