//! The reference: TLS and a copy of bytes both ways, by tokio-rustls and tokio alone. It reads no HTTP, knows nobody and
//! refuses nothing: what it costs is what any proxy of this kind has to pay first, and what `TLS relay` means in the table.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{self, Ticketer},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::NoServerSessionStorage,
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Relays until the process is stopped.
pub fn run(address: SocketAddr, upstream: SocketAddr, certificate: &Path, key: &Path) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(server_config(certificate, key)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(4096)?;
        loop {
            let (client, _) = listener.accept().await?;
            // Whoever leaves in the middle has left.
            tokio::spawn(carry(acceptor.clone(), client, upstream));
        }
    })
}

async fn carry(acceptor: TlsAcceptor, client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut app = TcpStream::connect(upstream).await?;
    app.set_nodelay(true)?;
    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut app, RECORD, RECORD).await?;
    Ok(())
}

fn server_config(certificate: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Ticketer::new().map_err(io::Error::other)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// A buffer as large as a TLS record: smaller ones cut records up, larger ones gain nothing here.
const RECORD: usize = 16 * 1024;
