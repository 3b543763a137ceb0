//! How the house speaks: every instrument, the log, the one record a request or session leaves behind, and what is said of a
//! panic.

pub mod lines;
pub mod log;
pub mod metrics;
pub mod panic;
pub mod record;

pub use metrics::Metrics;
