//! TLS toward clients: versions 1.2 and 1.3 with AEAD ciphers only, HTTP/2 and HTTP/1.1 by ALPN, tickets that need no memory
//! here, no early data.

use std::{io, sync::Arc, time::Instant};

use rustls::{
    ProtocolVersion, ServerConfig,
    crypto::aws_lc_rs,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus},
    version,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout_at,
};

use super::{
    record::{self, Cipher, Line, RecordError, Records, Version as Format},
    store::Store,
};
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
    // After the handshake the records are ours (`record`).
    config.enable_secret_extraction = true;
    Ok(config)
}

/// A connection whose handshake is made.
#[derive(Debug)]
pub struct Secured {
    pub line: Line,
    /// HTTP/2 was agreed.
    pub http2: bool,
    /// The client came with a ticket.
    pub resumed: bool,
}

/// Makes the handshake. Boxed: its state is large, and the connection's task would carry it for life.
pub async fn secure(mut tcp: TcpStream, config: Arc<ServerConfig>, deadline: Instant) -> Result<Secured, TlsFailure> {
    let handshake = async {
        let heard = first_bytes(&mut tcp).await.map_err(TlsFailure::Handshake)?;
        if METHODS.iter().any(|method| heard.starts_with(method)) {
            let _ = tcp.write_all(PLAIN_HTTP).await;
            // Closing with its request unread would reset the connection, and the answer with it.
            let _ = tcp.try_read(&mut [0; 4096]);
            let _ = tcp.shutdown().await;
            return Err(TlsFailure::PlainHttp);
        }
        shake_hands(tcp, config, heard).await.map_err(TlsFailure::Handshake)
    };
    timeout_at(deadline.into(), Box::pin(handshake)).await.map_err(|_| TlsFailure::Timeout)?
}

/// Enough to tell TLS from HTTP. A record's header is longer than this.
async fn first_bytes(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    while heard.len() < METHODS[0].len() {
        read_more(tcp, &mut heard).await?;
    }
    Ok(heard)
}

/// Lets rustls make the handshake and takes the keys over.
async fn shake_hands(mut tcp: TcpStream, config: Arc<ServerConfig>, mut heard: Vec<u8>) -> io::Result<Secured> {
    let mut connection = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
    let mut said = Vec::new();
    // rustls is shown one record after the other, up to the client's last of the handshake: what is behind it is for `record`.
    let (mut shown, mut edge) = (0, 0);
    loop {
        let UnbufferedStatus { discard, state, .. } = connection.process_tls_records(&mut heard[..shown]);
        let step = match state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut said).map(|()| Step::Go)?,
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Step::Say
            }
            Ok(ConnectionState::BlockedHandshake) => Step::Hear,
            Ok(ConnectionState::WriteTraffic(_)) => Step::Done,
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => {
                say_why(&mut connection, &mut tcp, said);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        };
        heard.drain(..discard);
        (shown, edge) = (shown - discard, usize::saturating_sub(edge, discard));
        match step {
            Step::Go => {}
            // A ticket, which nobody waits for.
            Step::Say if has_heard_all(&connection) => {}
            Step::Say => {
                tcp.write_all(&said).await?;
                said.clear();
            }
            Step::Hear => {
                if record::length(&heard[edge..]).is_none() && shown == heard.len() {
                    read_more(&mut tcp, &mut heard).await?;
                }
                // The beginning of a record is shown as well: rustls knows at once when it is none.
                edge = record::length(&heard[edge..]).map_or(edge, |length| edge + length);
                shown = if edge > shown { edge } else { heard.len() };
            }
            Step::Done => return take_over(tcp, connection, heard, said).map_err(io::Error::other),
        }
    }
}

/// What a handshake needs next.
enum Step {
    Go,
    Say,
    Hear,
    Done,
}

fn encode(mut data: EncodeTlsData<'_, rustls::server::ServerConnectionData>, said: &mut Vec<u8>) -> io::Result<()> {
    let start = said.len();
    let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else { return Ok(()) };
    said.resize(start + size.required_size, 0);
    data.encode(&mut said[start..]).map(|_| ()).map_err(io::Error::other)
}

async fn read_more(tcp: &mut TcpStream, heard: &mut Vec<u8>) -> io::Result<()> {
    if heard.len() > LARGEST_FLIGHT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    heard.reserve(READ_AHEAD);
    match tcp.read_buf(heard).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// A client whose handshake failed is told in TLS's own words, behind what was said already, if its socket takes them at once.
/// rustls must not look at what it heard again, so it is asked only as long as it has something to say.
fn say_why(connection: &mut UnbufferedServerConnection, tcp: &mut TcpStream, mut said: Vec<u8>) {
    while connection.wants_write() {
        match connection.process_tls_records(&mut []).state {
            Ok(ConnectionState::EncodeTlsData(data)) => {
                if encode(data, &mut said).is_err() {
                    break;
                }
            }
            _ => break,
        }
    }
    let _ = tcp.try_write(&said);
}

/// In TLS 1.3 the client has the last word of a handshake. In TLS 1.2 it may wait for ours.
fn has_heard_all(connection: &UnbufferedServerConnection) -> bool {
    !connection.is_handshaking() && connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
}

/// `unsaid` goes out with the first data.
fn take_over(
    tcp: TcpStream,
    connection: UnbufferedServerConnection,
    behind: Vec<u8>,
    unsaid: Vec<u8>,
) -> Result<Secured, RecordError> {
    let format = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => Format::Tls13,
        Some(ProtocolVersion::TLSv1_2) => Format::Tls12,
        _ => return Err(RecordError::Suite),
    };
    let http2 = connection.alpn_protocol() == Some(b"h2");
    let resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    let (secrets, later) = connection.dangerous_into_kernel_connection().map_err(|_| RecordError::Suite)?;
    let receive = Cipher::new(format, secrets.rx.0, &secrets.rx.1)?;
    let send = Cipher::new(format, secrets.tx.0, &secrets.tx.1)?;
    let line = Line::new(tcp, Records::new(format, receive, send, later), behind, unsaid);
    Ok(Secured { line, http2, resumed })
}

/// More than the certificates of any client; the gate asks for none.
const LARGEST_FLIGHT: usize = 32 * 1024;
/// A ClientHello fits, and most of what comes after it.
const READ_AHEAD: usize = 2048;
