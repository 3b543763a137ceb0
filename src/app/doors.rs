//! The gate's listening sockets, each for its door: handed over by a service manager, or bound here.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context;

use crate::{
    config::Config,
    net::{
        inherit::{Door, Inherited},
        listen,
    },
};

/// The sockets of each door; none where the configuration has no such door.
pub struct Doors {
    /// One a worker, like those of `plain`.
    pub public: Vec<TcpListener>,
    pub plain: Vec<TcpListener>,
    pub admin: Option<TcpListener>,
    pub probe: Option<TcpListener>,
}

impl Doors {
    /// Opens all of them. What was handed over must fit to the last socket.
    pub fn open(config: &Config, workers: usize, mut inherited: Inherited) -> anyhow::Result<Self> {
        let public = open(Door::Public, &config.listen.address, workers, &mut inherited)?;
        let plain = config.listen.plain.as_deref().unwrap_or_default();
        let plain = open(Door::Plain, plain, workers, &mut inherited)?;
        let admin = open(Door::Admin, &config.admin.address, 1, &mut inherited)?.pop();
        let probe = open(Door::Probe, &config.admin.probe_address, 1, &mut inherited)?.pop();
        inherited.end()?;
        Ok(Self { public, plain, admin, probe })
    }
}

/// The real address of a door that is open.
pub fn address(sockets: &[TcpListener]) -> anyhow::Result<Option<SocketAddr>> {
    Ok(sockets.first().map(TcpListener::local_addr).transpose()?)
}

fn open(door: Door, address: &str, sockets: usize, inherited: &mut Inherited) -> anyhow::Result<Vec<TcpListener>> {
    if address.is_empty() {
        return Ok(Vec::new());
    }
    match inherited.claim(door, address)? {
        Some(listener) => {
            tracing::info!(door = door.name(), "the socket comes from the service manager");
            listen::share(listener, sockets).context(door.key())
        }
        None => {
            let bound = listen::bind(address, sockets).context(door.key());
            // A wrapper between the manager and the gate is easily forgotten.
            match inherited.heir() {
                Some(heir) => {
                    bound.with_context(|| format!("LISTEN_FDS is for process {heir:?} (LISTEN_PID), and this is another one"))
                }
                None => bound,
            }
        }
    }
}
