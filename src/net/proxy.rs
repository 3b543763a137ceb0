//! The PROXY protocol header (versions 1 and 2) by which a load balancer tells who connected. Not a byte behind it is taken
//! from the socket: a version 1 line is looked at before it is read, version 2 says how long it is.

use std::{io, net::SocketAddr};

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// Why a connection that should begin with a PROXY header does not.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("the connection does not begin with a PROXY header")]
    Absent,
    #[error("the PROXY header is malformed or too long")]
    Malformed,
    #[error("the connection ended within its PROXY header")]
    Ended,
    #[error(transparent)]
    Io(io::Error),
}

/// Who connected, as the header says. `None`: the balancer speaks for itself (health checks). Call it with a deadline.
pub async fn read(tcp: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let mut header = vec![0; V2_SIGNATURE.len()];
    tcp.read_exact(&mut header).await?;
    if header == V2_SIGNATURE {
        read_v2(tcp, &mut header).await?;
    } else if header.starts_with(V1_SIGNATURE) {
        read_v1(tcp, &mut header).await?;
    } else {
        return Err(ProxyError::Absent);
    }
    source(&header)
}

/// The client's address in a whole header.
pub fn source(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let (parsed, length) = ProxyHeader::parse(header, ParseConfig::default()).map_err(|_| ProxyError::Malformed)?;
    if length != header.len() {
        return Err(ProxyError::Malformed);
    }
    match parsed.proxied_address() {
        None => Ok(None),
        Some(addresses) if addresses.protocol == Protocol::Stream => Ok(Some(addresses.source)),
        Some(_) => Err(ProxyError::Malformed),
    }
}

/// Two bytes of command and family, two of length, and what that says.
async fn read_v2(tcp: &mut TcpStream, header: &mut Vec<u8>) -> Result<(), ProxyError> {
    let mut fixed = [0; 4];
    tcp.read_exact(&mut fixed).await?;
    let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if length > LONGEST_V2 {
        return Err(ProxyError::Malformed);
    }
    header.extend(fixed);
    let start = header.len();
    header.resize(start + length, 0);
    tcp.read_exact(&mut header[start..]).await?;
    Ok(())
}

/// The rest of a line. Everything up to its end belongs to the header, so what was looked at can be taken.
async fn read_v1(tcp: &mut TcpStream, header: &mut Vec<u8>) -> Result<(), ProxyError> {
    let mut seen = [0; LONGEST_V1];
    loop {
        let room = LONGEST_V1 - header.len();
        let there = tcp.peek(&mut seen[..room]).await?;
        if there == 0 {
            // Either nothing more fits, or nothing more comes.
            return Err(if room == 0 { ProxyError::Malformed } else { ProxyError::Ended });
        }
        let end = memchr::memchr(b'\n', &seen[..there]);
        let ours = end.map_or(there, |end| end + 1);
        tcp.read_exact(&mut seen[..ours]).await?;
        header.extend(&seen[..ours]);
        if end.is_some() {
            return Ok(());
        }
    }
}

impl From<io::Error> for ProxyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Ended,
            _ => Self::Io(error),
        }
    }
}

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_SIGNATURE: &[u8] = b"PROXY ";
/// The longest line the specification allows, its end included.
const LONGEST_V1: usize = 107;
/// Addresses and the extensions load balancers add; they stay far below this.
const LONGEST_V2: usize = 2048;
