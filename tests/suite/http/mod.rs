mod fetch;
mod forwarded;
mod head;
mod headers;
mod host;
pub mod pages;
mod path;
mod query;
mod serve;
