//! A client of the gate: requests one by one over HTTP/1.1 or HTTP/2, each on a fresh connection, and bare connections for
//! bytes that no well-behaved client would send.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    h2,
    wire::{Framing, Headers, Line},
    within,
};

/// Where to, and how.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    http2: bool,
    /// The own address to connect from.
    from: Option<IpAddr>,
    /// Bytes before everything else: a PROXY header.
    preface: Vec<u8>,
}

/// A client's connection.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A WebSocket inside HTTP/2.
    Tunnel(h2::Tunnel),
}

/// A request in the making.
#[derive(Clone)]
pub struct Ask {
    pub client: Client,
    pub method: String,
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { address, tls, http2: false, from: None, preface: Vec::new() }
    }

    pub fn with_http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Connects from another address of this machine.
    pub fn from(mut self, address: &str) -> Self {
        self.from = Some(address.parse().expect("an address"));
        self
    }

    /// Says this before anything else.
    pub fn with_preface(mut self, preface: impl AsRef<[u8]>) -> Self {
        self.preface = preface.as_ref().to_vec();
        self
    }

    pub fn is_http2(&self) -> bool {
        self.http2
    }

    pub fn get(&self, target: &str) -> Ask {
        self.ask("GET", target)
    }

    pub fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Ask {
        let mut ask = self.ask("POST", target);
        ask.body = body.into();
        ask
    }

    pub fn ask(&self, method: &str, target: &str) -> Ask {
        Ask {
            client: self.clone(),
            method: method.into(),
            target: target.into(),
            host: "localhost".into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A preflight of a page that wants to send a token.
    pub fn preflight(&self, target: &str, origin: &str) -> Ask {
        self.ask("OPTIONS", target)
            .origin(origin)
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "authorization")
    }

    /// A connection, encrypted where the gate wants it.
    pub async fn connect(&self) -> io::Result<Line<Stream>> {
        let stream = self.connect_tcp().await?;
        let Some(config) = &self.tls else { return Ok(Line::new(Stream::Plain(stream))) };
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await?;
        Ok(Line::new(Stream::Tls(Box::new(stream))))
    }

    /// A connection nobody has said anything on.
    pub async fn connect_tcp(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = self.from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        if !self.preface.is_empty() {
            let mut line = Line::new(stream);
            line.write(&self.preface).await?;
            return Ok(line.stream);
        }
        Ok(stream)
    }

    /// The bare bytes of a connection whose every byte is the caller's.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Line<Stream> {
        let mut line = within("the gate accepts", self.connect()).await.expect("the gate accepts");
        line.write(bytes).await.expect("the gate reads");
        line
    }
}

impl Ask {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub async fn send(self) -> Answer {
        let what = format!("an answer to {} {}", self.method, self.target);
        within(&what, self.try_send()).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    pub async fn try_send(self) -> io::Result<Answer> {
        if self.client.http2 {
            return h2::send(self).await;
        }
        let mut line = self.begin().await?;
        line.answer(&self.method).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends and leaves the answer to be read.
    pub async fn begin(&self) -> io::Result<Line<Stream>> {
        let mut line = self.client.connect().await?;
        line.write(self.to_bytes()).await?;
        Ok(line)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?} ({})", self.text(), self.status))
    }

    /// The only value of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.one(name)
    }

    /// Status and stable name of a refusal, for comparing both at once.
    pub fn refusal(&self) -> (u16, String) {
        let name = serde_json::from_slice::<Value>(&self.body).ok().and_then(|body| body["error"].as_str().map(str::to_string));
        (self.status, name.unwrap_or_else(|| self.text()))
    }

    /// The page may read this, and is told so exactly once.
    pub fn is_for_page(&self, origin: &str) -> &Self {
        assert_eq!(self.header("access-control-allow-origin"), Some(origin), "{self:?}");
        assert_eq!(self.header("access-control-allow-credentials"), Some("true"), "{self:?}");
        self.varies_by_origin()
    }

    /// No page may read this.
    pub fn is_for_no_page(&self) -> &Self {
        let told: Vec<_> =
            self.headers.0.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-")).collect();
        assert!(told.is_empty(), "{told:?}");
        self.varies_by_origin()
    }

    /// Caches must tell pages apart.
    pub fn varies_by_origin(&self) -> &Self {
        let vary = self.headers.all("vary").join(", ").to_ascii_lowercase();
        let count = vary.split(',').filter(|name| name.trim() == "origin").count();
        assert_eq!(count, 1, "Vary names Origin once: {vary:?}");
        self
    }
}

impl Line<Stream> {
    /// The next answer on an HTTP/1.1 connection; `None` when it ended instead.
    pub async fn answer(&mut self, method: &str) -> io::Result<Option<Answer>> {
        let Some((status, headers)) = self.answer_head().await? else { return Ok(None) };
        let framing = match (method, status) {
            ("HEAD", _) | (_, 101 | 204 | 304) => Framing::None,
            _ => headers.framing(Framing::UntilEnd),
        };
        let body = self.body(framing).await?;
        Ok(Some(Answer { status, headers, body }))
    }

    pub async fn answer_head(&mut self) -> io::Result<Option<(u16, Headers)>> {
        loop {
            let Some((first, headers)) = self.head().await? else { return Ok(None) };
            let status =
                first.strip_prefix("HTTP/1.1 ").or(first.strip_prefix("HTTP/1.0 ")).and_then(|rest| rest.get(..3)?.parse().ok());
            match status {
                Some(100) => {}
                Some(status) => return Ok(Some((status, headers))),
                None => return Err(io::Error::other(format!("no status line: {first:?}"))),
            }
        }
    }

    /// The next answer, which must come.
    pub async fn expect_answer(&mut self, method: &str) -> Answer {
        let answer = within("an answer", self.answer(method)).await;
        answer.expect("an answer can be read").expect("an answer before the end")
    }

    /// Waits for the end of the connection; what still came before it is given back.
    pub async fn end(&mut self) -> Vec<u8> {
        // A reset is an end as well.
        within("the gate closes the connection", async { while self.more().await.unwrap_or(0) > 0 {} }).await;
        std::mem::take(&mut self.buffer)
    }
}

impl Stream {
    /// Leaves without a goodbye: the other side sees a reset.
    pub fn reset(self) {
        let tcp = match &self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
            Self::Tunnel(_) => return,
        };
        socket2::SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO)).expect("a socket of ours");
    }

    /// Makes the kernel hold little for a reader that does not read.
    pub fn shrink(&self) {
        if let Self::Plain(tcp) = self {
            socket2::SockRef::from(tcp).set_recv_buffer_size(4096).expect("a socket of ours");
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tunnel(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tunnel(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tunnel(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tunnel(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
