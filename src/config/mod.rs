//! What an operator may write, and nothing else: one file per TOML table, the units their values come in, the layers
//! they are read from, and every problem they can have. This room is a leaf: it imports nothing of the house.

pub mod access;
pub mod admin;
pub mod auth;
pub mod authorizer;
pub mod check;
pub mod env;
pub mod file;
pub mod files;
pub mod inherit;
pub mod keys;
pub mod limit;
pub mod listen;
pub mod load;
pub mod log;
pub mod misfit;
pub mod names;
pub mod origin;
pub mod pattern;
pub mod payload;
pub mod problem;
pub mod provenance;
pub mod reference;
pub mod revocation;
pub mod route;
pub mod schema;
pub mod secret;
pub mod socketio;
pub mod stack;
pub mod tls;
pub mod units;
pub mod upstream;

pub use load::{Loaded, Sources, load};
pub use problem::{Problem, Severity, Source};
pub use provenance::Provenance;
pub use schema::{Config, Environment};
pub use secret::Secret;
pub use units::{Flow, Period, Rate, Size};
