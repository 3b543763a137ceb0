//! Who connects in a demo: a small HTTP/1.1 and WebSocket client over TLS that trusts the generated authority and nobody else.
//! A fresh connection for every request unless a [`Line`] is kept, so that nothing hangs on one connection by accident.

use std::{
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, ClientRequestBuilder, Message, protocol::WebSocketConfig},
};

/// Whoever connects to the gate of this demo.
#[derive(Clone)]
pub struct Client {
    gate: SocketAddr,
    /// As it stands in `Host` and in URLs.
    authority: String,
    tls: TlsConnector,
}

/// A token and whose it is.
#[derive(Clone)]
pub struct Token {
    /// For the reader: `ana's token`.
    pub whose: String,
    pub text: String,
}

/// One request.
#[derive(Clone)]
pub struct Ask {
    pub method: Method,
    pub target: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Token>,
    /// The page a browser would say it comes from.
    pub page: Option<&'static str>,
    pub headers: Vec<(HeaderName, String)>,
    pub body: String,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

/// A kept connection.
pub struct Line(SendRequest<Full<Bytes>>);

/// An open WebSocket.
pub struct Socket {
    stream: WebSocketStream<TlsStream<TcpStream>>,
    pub protocol: Option<String>,
}

impl Client {
    pub fn new(gate: SocketAddr, tls: ClientConfig) -> Self {
        Self { gate, authority: format!("localhost:{}", gate.port()), tls: TlsConnector::from(Arc::new(tls)) }
    }

    /// Asks on a connection of its own.
    pub async fn ask(&self, ask: &Ask) -> anyhow::Result<Answer> {
        self.line(None).await?.ask(ask, &self.authority).await
    }

    /// Asks on a kept connection.
    pub async fn ask_on(&self, line: &mut Line, ask: &Ask) -> anyhow::Result<Answer> {
        line.ask(ask, &self.authority).await
    }

    /// A connection to keep, from another address of this machine where one is named.
    pub async fn line(&self, from: Option<IpAddr>) -> anyhow::Result<Line> {
        let tls = self.dial(from).await?;
        let (sender, connection) = in_time(http1::handshake(TokioIo::new(tls))).await?;
        // Ends when the line is dropped.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Line(sender))
    }

    /// Asks for a WebSocket. A refusal is an answer, not an error.
    pub async fn websocket(&self, ask: &Ask, protocols: &[&str]) -> anyhow::Result<Result<Socket, Answer>> {
        let uri: Uri = format!("wss://{}{}", self.authority, ask.target).parse().context("the target is no URL")?;
        let mut request = ClientRequestBuilder::new(uri);
        for (name, value) in ask.fields() {
            request = request.with_header(name.as_str(), value);
        }
        for protocol in protocols {
            request = request.with_sub_protocol(*protocol);
        }
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0).max_write_buffer_size(1 << 20);
        let tls = self.dial(None).await?;
        let shaken = tokio::time::timeout(DEADLINE, client_async_with_config(request, tls, Some(config))).await;
        match shaken.map_err(|_| anyhow!("no answer to the WebSocket handshake within {DEADLINE:?}"))? {
            Ok((stream, answer)) => {
                let protocol = text_of(answer.headers(), &header::SEC_WEBSOCKET_PROTOCOL);
                Ok(Ok(Socket { stream, protocol }))
            }
            Err(tungstenite::Error::Http(answer)) => {
                let (parts, body) = answer.into_parts();
                let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                Ok(Err(Answer { status: parts.status.as_u16(), headers: parts.headers, body }))
            }
            Err(error) => Err(anyhow!(error).context("the WebSocket handshake failed")),
        }
    }

    async fn dial(&self, from: Option<IpAddr>) -> anyhow::Result<TlsStream<TcpStream>> {
        let socket = if self.gate.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(address) = from {
            socket.bind(SocketAddr::new(address, 0)).with_context(|| format!("{address} is no address of this machine"))?;
        }
        let tcp = in_time(socket.connect(self.gate)).await.context("the gate cannot be reached")?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").context("localhost is a name")?;
        in_time(self.tls.connect(name, tcp)).await.context("the TLS handshake failed")
    }
}

impl Ask {
    pub fn get(target: impl Into<String>) -> Self {
        let target = target.into();
        Self { method: Method::GET, target, token: None, page: None, headers: Vec::new(), body: String::new() }
    }

    pub fn post(target: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(target) }
    }

    pub fn with(mut self, token: &Token) -> Self {
        self.token = Some(token.clone());
        self
    }

    pub fn from_page(mut self, page: &'static str) -> Self {
        self.page = Some(page);
        self
    }

    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn fields(&self) -> Vec<(HeaderName, String)> {
        let mut fields = self.headers.clone();
        fields.extend(self.token.iter().map(|token| (header::AUTHORIZATION, format!("Bearer {}", token.text))));
        fields.extend(self.page.iter().map(|page| (header::ORIGIN, page.to_string())));
        if !self.body.is_empty() {
            fields.push((header::CONTENT_TYPE, "text/plain;charset=UTF-8".into()));
        }
        fields
    }
}

/// The request as the tour prints it.
impl fmt::Display for Ask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<7} {}", self.method.as_str(), self.target)?;
        if !self.body.is_empty() {
            write!(out, "  {}", self.body)?;
        }
        let page = self.page.map(|page| format!("from {page}"));
        let token = self.token.as_ref().map(|token| token.whose.clone());
        let beside: Vec<String> = page.into_iter().chain(token).collect();
        if beside.is_empty() { Ok(()) } else { write!(out, "  ({})", beside.join(", ")) }
    }
}

impl Line {
    async fn ask(&mut self, ask: &Ask, authority: &str) -> anyhow::Result<Answer> {
        let mut request = Request::new(Full::new(Bytes::from(ask.body.clone())));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.target.parse().context("the target is no path")?;
        let fields = request.headers_mut();
        fields.insert(header::HOST, HeaderValue::from_str(authority)?);
        for (name, value) in ask.fields() {
            fields.append(name, HeaderValue::from_str(&value)?);
        }
        in_time(self.0.ready()).await?;
        answer(in_time(self.0.send_request(request)).await.context("no answer")?).await
    }
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &HeaderName) -> Option<String> {
        text_of(&self.headers, name)
    }

    /// The body of a refusal.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A no of the gate, by its stable name.
    pub fn expect_refusal(&self, status: u16, name: &str) -> anyhow::Result<()> {
        self.expect(status)?;
        let error = self.json()["error"].as_str().unwrap_or_default().to_string();
        if error == name { Ok(()) } else { bail!("expected the refusal {name:?}, got {error:?}") }
    }

    pub fn expect(&self, status: u16) -> anyhow::Result<()> {
        if self.status == status { Ok(()) } else { bail!("expected status {status}, got {}: {}", self.status, self.body) }
    }

    /// That a page of this origin may read it.
    pub fn expect_readable_by(&self, page: &str) -> anyhow::Result<()> {
        match self.header(&header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            Some(allowed) if allowed == page => Ok(()),
            found => bail!("expected Access-Control-Allow-Origin: {page}, got {found:?}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.body.is_empty() { write!(out, "{}", self.status) } else { write!(out, "{}  {}", self.status, self.body) }
    }
}

impl Socket {
    /// Sends a text message.
    pub async fn say(&mut self, text: impl Into<String>) -> anyhow::Result<()> {
        in_time(self.stream.send(Message::text(text.into()))).await.context("the WebSocket does not take messages")
    }

    /// The next text message.
    pub async fn hear(&mut self) -> anyhow::Result<String> {
        loop {
            let heard = tokio::time::timeout(DEADLINE, self.stream.next()).await;
            match heard.map_err(|_| anyhow!("nothing was heard within {DEADLINE:?}"))? {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(frame))) => {
                    bail!("the WebSocket was closed ({})", frame.map_or_else(String::new, |frame| frame.to_string()))
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(anyhow!(error).context("the WebSocket broke")),
                None => bail!("the WebSocket ended"),
            }
        }
    }

    /// Says goodbye and waits until the other side has as well.
    pub async fn close(mut self) {
        // Whoever has gone already needs no goodbye.
        let _ = in_time(self.stream.close(None)).await;
        let _ = tokio::time::timeout(DEADLINE, async { while let Some(Ok(_)) = self.stream.next().await {} }).await;
    }
}

/// Asks the admin door, which is plain HTTP on loopback.
pub async fn ask_admin(door: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let tcp = in_time(TcpStream::connect(door)).await.context("the admin door cannot be reached")?;
    let (sender, connection) = in_time(http1::handshake(TokioIo::new(tcp))).await?;
    tokio::spawn(async move { drop(connection.await) });
    Line(sender).ask(&Ask::get(path), &door.to_string()).await
}

async fn answer(answer: http::Response<hyper::body::Incoming>) -> anyhow::Result<Answer> {
    let (parts, body) = answer.into_parts();
    let collected = tokio::time::timeout(DEADLINE, Limited::new(body, LARGEST).collect()).await;
    let body =
        collected.map_err(|_| anyhow!("the answer did not end"))?.map_err(|error| anyhow!("the answer broke off: {error}"))?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

async fn in_time<T, E: std::error::Error + Send + Sync + 'static>(
    waited: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    let done = tokio::time::timeout(DEADLINE, waited).await;
    Ok(done.map_err(|_| anyhow!("nothing happened within {DEADLINE:?}"))??)
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_string)
}

/// Longer than anything in a tour takes on a busy machine, shorter than a poll without news.
const DEADLINE: Duration = Duration::from_secs(15);
const LARGEST: usize = 1 << 20;
