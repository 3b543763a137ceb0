mod accept;
mod arrive;
mod clock;
mod dial;
mod inherit;
mod listen;
mod proxy;
pub mod support;
mod tls;
