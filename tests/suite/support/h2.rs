//! HTTP/2 for the client: whole requests, WebSockets by extended CONNECT (RFC 8441), and frames written by hand for what a
//! library refuses to send.

use std::io;

use bytes::Bytes;
use http::{Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{
    client::{Answer, Ask, Client, Stream},
    wire::{Headers, Line, text},
};

/// A WebSocket's bytes inside HTTP/2.
pub type Tunnel = TokioIo<Upgraded>;

/// A connection that takes several requests at once.
#[derive(Clone)]
pub struct Multiplex {
    sender: http2::SendRequest<Full<Bytes>>,
}

impl Multiplex {
    pub async fn connect(client: &Client) -> io::Result<Self> {
        let line = client.connect().await?;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(line.stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    pub async fn send(&self, ask: Ask) -> io::Result<Answer> {
        let answer = self.begin(ask).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
        Ok(Answer { status: parts.status.as_u16(), headers: headers_of(&parts.headers), body })
    }

    /// The head of an answer, its body still to come.
    pub async fn begin(&self, ask: Ask) -> io::Result<Response<Incoming>> {
        let request = request(&ask);
        self.sender.clone().send_request(request).await.map_err(io::Error::other)
    }
}

/// One request on a connection of its own.
pub async fn send(ask: Ask) -> io::Result<Answer> {
    Multiplex::connect(&ask.client).await?.send(ask).await
}

/// Asks for a WebSocket. The answer is 200 and the stream is the tunnel, or it is a refusal.
pub async fn tunnel(ask: Ask) -> io::Result<(Answer, Option<Line<Stream>>)> {
    let connection = Multiplex::connect(&ask.client).await?;
    // The gate's settings are known for certain only once it has answered something.
    let _ = connection.send(ask.client.ask("OPTIONS", "/settings-are-known")).await?;
    let mut request = request(&ask);
    *request.method_mut() = Method::CONNECT;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let mut answer = connection.sender.clone().send_request(request).await.map_err(io::Error::other)?;
    let (status, headers) = (answer.status().as_u16(), headers_of(answer.headers()));
    if status == 200 {
        let upgraded = hyper::upgrade::on(&mut answer).await.map_err(io::Error::other)?;
        let line = Line::new(Stream::Tunnel(TokioIo::new(upgraded)));
        return Ok((Answer { status, headers, body: Vec::new() }, Some(line)));
    }
    let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    Ok((Answer { status, headers, body }, None))
}

fn request(ask: &Ask) -> Request<Full<Bytes>> {
    let uri: Uri = format!("https://{}{}", ask.host, ask.target).parse().expect("a target");
    let mut request = Request::builder().method(ask.method.as_str()).uri(uri).version(Version::HTTP_2);
    for (name, value) in &ask.headers {
        request = request.header(name.to_ascii_lowercase(), value);
    }
    request.body(Full::from(ask.body.clone())).expect("a request")
}

fn headers_of(headers: &http::HeaderMap) -> Headers {
    Headers(headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect())
}

/// The first bytes of an HTTP/2 connection: the preface and empty SETTINGS.
pub fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, b"")].concat()
}

pub const HEADERS: u8 = 0x1;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const GOAWAY: u8 = 0x7;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Headers as HPACK literals without a table and without Huffman: any bytes can stand in them.
pub fn hpack(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            // An integer with a prefix of seven bits (RFC 7541 section 5.1).
            match text.len() {
                short @ 0..127 => block.push(short as u8),
                long => {
                    let mut rest = long - 127;
                    block.push(127);
                    while rest >= 128 {
                        block.push((rest % 128) as u8 | 0x80);
                        rest /= 128;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend(text.bytes());
        }
    }
    block
}

/// What the gate says next: kind, flags, stream and payload of each frame until `is_enough`, or until the end.
pub async fn frames_until(line: &mut Line<Stream>, is_enough: impl Fn(u8, u32) -> bool) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    loop {
        let Ok(head) = line.exactly(9).await else { return frames };
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let Ok(payload) = line.exactly(length as usize).await else { return frames };
        frames.push((head[3], stream, payload));
        if is_enough(head[3], stream) {
            return frames;
        }
    }
}
