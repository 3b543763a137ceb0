mod balance;
mod connect;
mod health;
mod pool;
mod route;
pub mod support;
