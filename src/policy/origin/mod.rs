//! Which pages may connect, and what CORS tells them: `Page` is what a request shows, `List` what is allowed, `Judge`
//! decides, `Grant` and `Cors` write the headers, `suggest` says what an operator could change.

pub mod cors;
pub mod judge;
pub mod list;
pub mod near;
pub mod page;
pub mod problem;
pub mod refusal;
pub mod suggest;

pub use cors::{Cors, Preflight, Wish, vary_only};
pub use judge::{Ask, Csrf, Grant, Judge, Surroundings};
pub use list::{Entry, Source};
pub use page::{FetchSite, Page, Shown};
pub use problem::OriginProblem;
pub use refusal::{Category, OriginRefusal};
