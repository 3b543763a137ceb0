//! Accepting connections: counted in total and by address before a byte of them is read, and slowly when the process has
//! run out of descriptors.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::listen;
use crate::telemetry::Metrics;

/// Who may still come in. Shared by all workers.
pub struct Door {
    most: usize,
    most_per_address: usize,
    exempt: Vec<IpNet>,
    inside: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    metrics: Arc<Metrics>,
}

/// One connection's place; it counts until this is dropped.
pub struct Pass {
    door: Arc<Door>,
    address: Option<IpAddr>,
}

/// Why a connection was closed at the door.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TurnedAway {
    #[error("all connections are taken")]
    Total,
    #[error("this address has all the connections it may have")]
    Address,
}

impl TurnedAway {
    /// For the metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
        }
    }
}

impl Door {
    /// `most` and `most_per_address` of 0: 80 % of half the open-file limit (each client may need a connection to the app),
    /// and no limit. Proxies that many clients share belong among the `exempt`.
    pub fn new(most: usize, most_per_address: usize, exempt: Vec<IpNet>, metrics: Arc<Metrics>) -> Self {
        let most = if most > 0 { most } else { (listen::half_of_files() * 4 / 5).max(1) };
        Self { most, most_per_address, exempt, inside: AtomicUsize::new(0), by_address: Mutex::default(), metrics }
    }

    /// Lets one more connection in.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Pass, TurnedAway> {
        let before = self.inside.fetch_add(1, Ordering::AcqRel);
        // Made first, so that turning away gives back what was counted.
        let mut pass = Pass { door: self.clone(), address: None };
        self.metrics.connections.inc();
        if before >= self.most {
            return Err(TurnedAway::Total);
        }
        pass.belongs_to(address)?;
        Ok(pass)
    }

    /// Connections that are in.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }
}

impl Pass {
    /// Counts for this address, and no longer for another: behind a load balancer the client is known only when its PROXY
    /// header has been read.
    pub fn belongs_to(&mut self, address: IpAddr) -> Result<(), TurnedAway> {
        self.give_back();
        let door = &self.door;
        if door.most_per_address == 0 || door.exempt.iter().any(|network| network.contains(&address.to_canonical())) {
            return Ok(());
        }
        let key = network(address);
        let mut addresses = door.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(key).or_insert(0);
        if *count >= door.most_per_address {
            return Err(TurnedAway::Address);
        }
        *count += 1;
        self.address = Some(key);
        Ok(())
    }

    fn give_back(&mut self) {
        let Some(address) = self.address.take() else { return };
        let mut addresses = self.door.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = addresses.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.give_back();
        self.door.inside.fetch_sub(1, Ordering::AcqRel);
        self.door.metrics.connections.dec();
    }
}

/// IPv6 counts by its /64: one customer has as many addresses as they like.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Accepts until told to stop.
pub async fn accept_loop<H>(listener: TcpListener, door: Arc<Door>, stop: CancellationToken, handle: H)
where
    H: Fn(TcpStream, SocketAddr, Pass),
{
    let mut trouble = Trouble::default();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((tcp, address)) => {
                trouble.over();
                let admitted = door.admit(address.ip());
                let cause = match admitted {
                    Ok(pass) => {
                        // Frames are small and somebody waits for each; failing to say so costs latency only.
                        let _ = tcp.set_nodelay(true);
                        door.metrics.accepted.inc();
                        handle(tcp, address, pass);
                        continue;
                    }
                    Err(turned_away) => turned_away.name(),
                };
                door.metrics.turned_away.get_or_create_owned(&[("cause", cause)]).inc();
            }
            // The client changed its mind before we looked.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(error) => {
                door.metrics.turned_away.get_or_create_owned(&[("cause", "descriptors")]).inc();
                let _ = stop.run_until_cancelled(trouble.pause(&error)).await;
            }
        }
    }
}

/// Accepting fails when the process or the machine is out of something; trying at once again would only burn the CPU.
#[derive(Default)]
struct Trouble {
    times: u32,
    told: Option<Instant>,
}

impl Trouble {
    fn pause(&mut self, error: &io::Error) -> impl Future<Output = ()> + use<> {
        let wait = Duration::from_millis(50 << self.times.min(3)).min(Duration::from_millis(500));
        self.times += 1;
        if self.told.is_none_or(|told| told.elapsed() > Duration::from_secs(1)) {
            self.told = Some(Instant::now());
            tracing::error!(%error, wait_ms = wait.as_millis() as u64, "connections cannot be accepted");
        }
        tokio::time::sleep(wait)
    }

    fn over(&mut self) {
        self.times = 0;
    }
}
