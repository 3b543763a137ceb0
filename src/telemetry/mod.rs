//! How the house speaks: every instrument, the log, and the one record a request or session leaves behind.

pub mod log;
pub mod metrics;
pub mod record;

pub use metrics::Metrics;
