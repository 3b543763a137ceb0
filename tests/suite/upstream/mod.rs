mod balance;
mod connect;
mod health;
mod pool;
mod route;
mod support;
