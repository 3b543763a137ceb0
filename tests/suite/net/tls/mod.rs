mod accept;
mod expiry;
mod generate;
mod record;
mod store;
pub mod support;
