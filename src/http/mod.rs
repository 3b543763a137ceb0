//! Messages: a connection served as HTTP/1.1 or HTTP/2, what is asked, headers that end here and headers we set.

pub mod body;
pub mod fetch;
pub mod forwarded;
pub mod head;
pub mod headers;
pub mod host;
pub mod pace;
pub mod path;
pub mod query;
pub mod serve;
pub mod upgrade;

pub use body::{Body, BodyError};
pub use head::{Head, HeadError};
pub use host::Host;
pub use query::Query;
