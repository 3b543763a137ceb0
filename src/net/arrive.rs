//! From an accepted socket to a connection that can speak HTTP: the PROXY header where one is due, then TLS where it ends
//! here. Each has its deadline, counted from accept.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use tokio::{net::TcpStream, time::timeout_at};

use super::{
    Peer, Stream,
    accept::{Pass, TurnedAway},
    proxy::{self, ProxyError},
    tls::accept::{TlsFailure, secure},
};

/// What a connection goes through before HTTP.
#[derive(Clone)]
pub struct Arrival {
    /// TLS ends here.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// A PROXY header is due.
    pub proxy_protocol: bool,
    pub trusted: Vec<IpNet>,
    pub proxy_deadline: Duration,
    pub tls_deadline: Duration,
}

/// Why a connection was closed before HTTP.
#[derive(Debug, thiserror::Error)]
pub enum Turned {
    #[error("a PROXY header is due, and this address is not trusted to send one")]
    Untrusted,
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("no PROXY header in time")]
    ProxyTimeout,
    #[error(transparent)]
    TooMany(#[from] TurnedAway),
    #[error(transparent)]
    Tls(#[from] TlsFailure),
}

impl Turned {
    /// For the metric.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Untrusted | Self::Proxy(_) | Self::ProxyTimeout => "proxy_header",
            Self::TooMany(turned_away) => turned_away.name(),
            Self::Tls(_) => "tls",
        }
    }

    /// For the metric of handshakes, where one was begun.
    pub fn handshake(&self) -> Option<&'static str> {
        match self {
            Self::Tls(TlsFailure::Timeout) => Some("timeout"),
            Self::Tls(TlsFailure::PlainHttp | TlsFailure::Handshake(_)) => Some("failed"),
            Self::Untrusted | Self::Proxy(_) | Self::ProxyTimeout | Self::TooMany(_) => None,
        }
    }
}

/// Brings a connection in. Behind a load balancer its pass counts for the client that the PROXY header names.
pub async fn arrive(
    mut tcp: TcpStream,
    address: SocketAddr,
    pass: &mut Pass,
    arrival: &Arrival,
) -> Result<(Stream, Peer), Turned> {
    let accepted = Instant::now();
    let mut client = SocketAddr::new(address.ip().to_canonical(), address.port());
    if arrival.proxy_protocol {
        if !arrival.trusted.iter().any(|net| net.contains(&client.ip())) {
            return Err(Turned::Untrusted);
        }
        let header = timeout_at((accepted + arrival.proxy_deadline).into(), proxy::read(&mut tcp));
        if let Some(said) = header.await.map_err(|_| Turned::ProxyTimeout)?? {
            client = SocketAddr::new(said.ip().to_canonical(), said.port());
            pass.belongs_to(client.ip())?;
        }
    }
    let peer = Peer { address: client.ip(), port: client.port(), secure: false, http2: false, resumed: false };
    let Some(config) = &arrival.tls else { return Ok((Stream::Plain(tcp), peer)) };
    let secured = secure(tcp, config.clone(), accepted + arrival.tls_deadline).await?;
    let peer = Peer { secure: true, http2: secured.http2, resumed: secured.resumed, ..peer };
    Ok((Stream::Tls(Box::new(secured.line)), peer))
}
