//! A client's WebSocket, over HTTP/1.1 or HTTP/2 with the same face. Frames can be written wrong on purpose.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    client::{Answer, Ask, Client, Stream},
    frames::{self, BINARY, CLOSE, FIN, MASK, PING, PONG, TEXT, closing, frame},
    h2,
    wire::Line,
    within,
};

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    pub line: Line<Stream>,
    /// The answer to the handshake.
    pub answer: Answer,
}

/// What the other side says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The code and reason, where there are any.
    Close(Option<(u16, String)>),
    /// The connection ended in good order.
    End,
    /// It was reset, or broke off inside a frame.
    Broken,
}

/// The key of every handshake here, and what it must be answered with.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Client {
    /// A WebSocket handshake in the making.
    pub fn upgrade(&self, target: &str) -> Ask {
        let ask = self.get(target).header("Sec-WebSocket-Version", "13");
        if self.is_http2() {
            return ask;
        }
        ask.header("Connection", "Upgrade").header("Upgrade", "websocket").header("Sec-WebSocket-Key", KEY)
    }
}

impl Ask {
    /// Makes the handshake.
    pub async fn open(self) -> Result<WebSocket, Answer> {
        let what = format!("an answer to the handshake at {}", self.target);
        let (answer, line) = within(&what, self.shake_hands()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        match line {
            Some(line) => Ok(WebSocket { line, answer }),
            None => Err(answer),
        }
    }

    /// Makes the handshake, which must succeed.
    pub async fn open_well(self) -> WebSocket {
        self.open().await.unwrap_or_else(|answer| panic!("refused: {answer:?} {}", answer.text()))
    }

    async fn shake_hands(self) -> io::Result<(Answer, Option<Line<Stream>>)> {
        if self.client.is_http2() {
            return h2::tunnel(self).await;
        }
        let mut line = self.begin().await?;
        let answer = line.answer("GET").await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let is_open = answer.status == 101;
        if is_open {
            assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
            assert!(answer.header("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")));
            assert_eq!(answer.header("sec-websocket-extensions"), None);
        }
        Ok((answer, is_open.then_some(line)))
    }
}

impl WebSocket {
    pub async fn text(&mut self, text: &str) {
        self.frame(FIN | TEXT, text.as_bytes()).await;
    }

    pub async fn binary(&mut self, bytes: &[u8]) {
        self.frame(FIN | BINARY, bytes).await;
    }

    pub async fn close(&mut self, code: u16, reason: &str) {
        self.frame(FIN | CLOSE, &closing(code, reason)).await;
    }

    /// A masked frame with this first byte.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.raw(frame(first, payload, Some(MASK))).await;
    }

    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        within("the gate reads", self.line.write(bytes)).await.expect("the gate reads");
    }

    /// What comes next.
    pub async fn next(&mut self) -> Event {
        within("something on the WebSocket", self.read()).await
    }

    async fn read(&mut self) -> Event {
        let frame = match frames::read(&mut self.line).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Event::End,
            Err(_) => return Event::Broken,
        };
        assert!(!frame.masked, "a server's frames are not masked");
        assert_eq!(frame.first & 0x70, 0, "nobody agreed on an extension");
        match frame.opcode() {
            TEXT => Event::Text(frame.text()),
            BINARY => Event::Binary(frame.payload),
            PING => Event::Ping(frame.payload),
            PONG => Event::Pong(frame.payload),
            CLOSE => Event::Close(frame.closing()),
            other => panic!("an opcode nobody sent: {other}"),
        }
    }

    /// The next text, which must come.
    pub async fn next_text(&mut self) -> String {
        match self.next().await {
            Event::Text(text) => text,
            other => panic!("no text but {other:?}"),
        }
    }

    /// Reads until the close frame and gives its code and reason.
    pub async fn closing(&mut self) -> Option<(u16, String)> {
        loop {
            match self.next().await {
                Event::Close(closing) => return closing,
                Event::End | Event::Broken => panic!("no close frame before the end"),
                _ => {}
            }
        }
    }

    /// The code of the close frame that comes.
    pub async fn close_code(&mut self) -> Option<u16> {
        self.closing().await.map(|(code, _)| code)
    }
}

/// What a key must be answered with.
pub fn accept_of(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(hash)
}
