//! TLS toward clients: versions 1.2 and 1.3 with AEAD ciphers only, HTTP/2 and HTTP/1.1 by ALPN, tickets that need no memory
//! here, no early data.

use std::{io, sync::Arc, time::Instant};

use rustls::{ServerConfig, crypto::aws_lc_rs, version};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout_at};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::store::Store;
use crate::config::tls::Version;

/// Why a TLS handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    #[error("no TLS handshake in time")]
    Timeout,
    #[error("HTTP without TLS on a TLS port")]
    PlainHttp,
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
}

/// What somebody reads who forgot the `s`.
const PLAIN_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 40\r\nConnection: close\r\n\r\n\
This port speaks TLS: use https or wss.\n";
/// Beginnings of requests; no TLS record begins so.
const METHODS: [&[u8]; 5] = [b"GET ", b"POST", b"HEAD", b"OPTI", b"PUT "];

/// The server side of TLS with these certificates.
pub fn server_config(store: Arc<Store>, minimum: Version, http2: bool) -> Result<ServerConfig, rustls::Error> {
    let versions: &[&rustls::SupportedProtocolVersion] = match minimum {
        Version::V12 => &[&version::TLS13, &version::TLS12],
        Version::V13 => &[&version::TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(store);
    config.alpn_protocols = match http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    // Early data can be replayed.
    config.max_early_data_size = 0;
    Ok(config)
}

/// Makes the handshake. Boxed: its state is large, and the connection's task would carry it for life.
pub async fn secure(
    mut tcp: TcpStream,
    config: Arc<ServerConfig>,
    deadline: Instant,
) -> Result<TlsStream<TcpStream>, TlsFailure> {
    let handshake = async {
        if speaks_plain_http(&tcp).await {
            let _ = tcp.write_all(PLAIN_HTTP).await;
            // Closing with its request unread would reset the connection, and the answer with it.
            let _ = tcp.try_read(&mut [0; 4096]);
            let _ = tcp.shutdown().await;
            return Err(TlsFailure::PlainHttp);
        }
        TlsAcceptor::from(config).accept(tcp).await.map_err(TlsFailure::Handshake)
    };
    timeout_at(deadline.into(), Box::pin(handshake)).await.map_err(|_| TlsFailure::Timeout)?
}

async fn speaks_plain_http(tcp: &TcpStream) -> bool {
    let mut first = [0_u8; 4];
    match tcp.peek(&mut first).await {
        Ok(4) => METHODS.iter().any(|method| first == *method),
        _ => false,
    }
}
