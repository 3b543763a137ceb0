//! The rules that types cannot say: what would be deadly, contradictory or too open. Each file judges some tables; `judge`
//! tells the story. Routes are judged with what they inherit, and blame falls on the line where a value was written.

mod access;
mod address;
mod auth;
mod authorizer;
mod bench;
mod carriage;
mod connect;
mod judge;
mod listening;
mod messages;
mod pages;
mod parser;

pub use judge::judge;
