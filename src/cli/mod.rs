//! The door: reads the command line and calls the verb. Each verb has a file; what was asked for goes to standard output, what
//! stood in its way to standard error, and the exit code says whether all is well (0), something was refused (1), or the command
//! line itself was wrong (2).

pub mod about;
pub mod args;
pub mod check;
pub mod demo;
pub mod dispatch;
pub mod explain;
pub mod explain_access;
pub mod explain_origin;
pub mod explain_token;
pub mod health;
pub mod reference;
pub mod run;
pub mod token;

pub use dispatch::main;
