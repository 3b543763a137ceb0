//! A client's connection to a proxy: TLS 1.3 with AES-128-GCM and X25519 only, so that every peer does the same
//! cryptography; HTTP/1.1 and frames by hand, so that the load costs as little as it can beside what is measured.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    client::Resumption,
    crypto::aws_lc_rs::{self, cipher_suite, kx_group},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use sockgate::codec::frame::{self, Header, Opcode, Sender};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::task::Task;

/// One connection, and what was read of it and not yet used.
pub struct Wire {
    stream: TlsStream<TcpStream>,
    held: Vec<u8>,
}

/// Where a busy connection reads to: made once, since a fresh buffer is cleared at each read.
pub struct Room {
    bytes: Vec<u8>,
    filled: usize,
}

/// The head of an answer.
pub struct Answer {
    pub status: u16,
    length: usize,
    chunked: bool,
}

/// What a handshake asks for.
#[derive(Clone, Copy)]
pub enum Ask<'a> {
    WebSocket,
    Polling,
    Session(&'a str),
}

/// The name in the certificate.
pub const HOST: &str = "gate.test";
/// Every message of a client wears this one: what hides behind it is no secret, and frames can be made once.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// For anything a proxy should do at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a client offers and trusts. Each has its own sessions to resume.
pub fn client_config(task: &Task, resumed: bool) -> io::Result<Arc<ClientConfig>> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    provider.kx_groups = vec![kx_group::X25519];
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(&task.certificate).map_err(io::Error::other)?;
    roots.add(certificate).map_err(io::Error::other)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = if resumed { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    Ok(Arc::new(config))
}

impl Room {
    pub fn new(size: usize) -> Self {
        Self { bytes: vec![0; size], filled: 0 }
    }
}

impl Wire {
    pub async fn dial(task: &Task, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let stream = TcpStream::connect(task.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await?;
        Ok(Self { stream, held: Vec::new() })
    }

    pub fn is_resumed(&self) -> bool {
        self.stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Version and cipher suite.
    pub fn tls(&self) -> String {
        let connection = self.stream.get_ref().1;
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        format!("{:?} {:?}", connection.protocol_version(), suite)
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads the head of an answer; what follows it stays held.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some((answer, size)) = read_answer(&self.held)? {
                self.held.drain(..size);
                return Ok(answer);
            }
            self.fill().await?;
        }
    }

    /// Reads the body that belongs to an answer.
    pub async fn body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        if !answer.chunked {
            return self.take(answer.length).await;
        }
        let mut body = Vec::new();
        loop {
            let line = loop {
                match self.held.windows(2).position(|pair| pair == b"\r\n") {
                    Some(at) => break self.take(at + 2).await?,
                    None => self.fill().await?,
                }
            };
            let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
            let size = size.ok_or_else(|| io::Error::other("not a chunk"))?;
            let chunk = self.take(size + 2).await?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Reads one whole frame and gives its payload.
    pub async fn frame(&mut self) -> io::Result<(Opcode, Vec<u8>)> {
        loop {
            if let Some(header) = Header::read(&self.held, Sender::Server).map_err(io::Error::other)? {
                let whole = self.take(header.size + header.length as usize).await?;
                return Ok((header.opcode, whole[header.size..].to_vec()));
            }
            self.fill().await?;
        }
    }

    /// Waits for more, and then says how many whole messages of this size have come; they are gone then.
    pub async fn messages(&mut self, size: usize, room: &mut Room) -> io::Result<usize> {
        match self.stream.read(&mut room.bytes[room.filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => room.filled += read,
        }
        let (mut at, mut count) = (0, 0);
        while let Some(header) = Header::read(&room.bytes[at..room.filled], Sender::Server).map_err(io::Error::other)? {
            let end = at + header.size + header.length as usize;
            if end > room.filled {
                break;
            }
            if header.opcode == Opcode::Close {
                return Err(io::Error::other("closed by the proxy"));
            }
            // Heartbeats are a byte long.
            count += usize::from(header.length as usize == size);
            at = end;
        }
        room.bytes.copy_within(at..room.filled, 0);
        room.filled -= at;
        Ok(count)
    }

    /// Forgets its buffer, for a connection that will wait.
    pub fn rest(&mut self) {
        self.held.shrink_to_fit();
    }

    /// Closes as RFC 6455 has it: the server ends the TCP connection, so that what waits in TIME_WAIT are its ends and not
    /// ports that the next client looks for.
    pub async fn close(&mut self) -> io::Result<()> {
        self.send(&frame::write(Opcode::Close, &1000_u16.to_be_bytes(), Some(MASK))).await?;
        let mut is_answered = false;
        loop {
            match self.fill().await {
                Ok(()) if !is_answered => {
                    is_answered = true;
                    // Some wait for this.
                    let _ = self.stream.shutdown().await;
                }
                Ok(()) => {}
                // Some end without close_notify.
                Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn take(&mut self, size: usize) -> io::Result<Vec<u8>> {
        while self.held.len() < size {
            self.fill().await?;
        }
        Ok(self.held.drain(..size).collect())
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.held).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A request as a browser's client would make it. `nth` chooses the address it seems to come from.
pub fn request(task: &Task, ask: Ask<'_>, token: Option<&str>, nth: u64) -> Vec<u8> {
    let (transport, sid) = match ask {
        Ask::WebSocket => ("websocket", String::new()),
        Ask::Polling => ("polling", String::new()),
        Ask::Session(sid) => ("polling", format!("&sid={sid}")),
    };
    let mut head = format!(
        "GET /socket.io/?EIO=4&transport={transport}{sid} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: compare\r\nAccept: */*\r\n"
    );
    if let Some(token) = token {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    if let Some(origin) = &task.origin {
        head += &format!("Origin: {origin}\r\n");
    }
    if let Some(addresses) = task.addresses {
        let address = FIRST_ADDRESS + (nth * STRIDE % u64::from(addresses)) as u32;
        head += &format!("X-Forwarded-For: {}\r\n", Ipv4Addr::from_bits(address));
    }
    if let Ask::WebSocket = ask {
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    }
    head += "\r\n";
    head.into_bytes()
}

/// The frame of one Socket.IO event whose packet is `size` bytes long.
pub fn event(size: usize) -> Vec<u8> {
    frame::write(Opcode::Text, &packet(size), Some(MASK))
}

/// Letters, so that the echo can be compared.
pub fn packet(size: usize) -> Vec<u8> {
    let (before, after) = (br#"42["m",""#, br#""]"#);
    let letters = (b'a'..=b'z').cycle().take(size.saturating_sub(before.len() + after.len()));
    before.iter().copied().chain(letters).chain(after.iter().copied()).collect()
}

fn read_answer(bytes: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(size) = head.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let mut answer = Answer { status: head.code.unwrap_or(0), length: 0, chunked: false };
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            answer.length = std::str::from_utf8(header.value).ok().and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            answer.chunked = true;
        }
    }
    Ok(Some((answer, size)))
}

/// 10.0.0.0: more than enough of them.
const FIRST_ADDRESS: u32 = 10 << 24;
/// A prime: goes through all addresses, and not in order.
const STRIDE: u64 = 7919;
