mod accept;
mod expiry;
mod generate;
mod store;
pub mod support;
