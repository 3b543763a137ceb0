//! HTTP/1.1 on the wire, as the fake app and the raw client read it: strict enough that a message which ends in the wrong
//! place is noticed, and independent of the parser the gate uses.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A connection with what was read of it and not used yet.
#[derive(Debug)]
pub struct Line<S> {
    pub stream: S,
    pub buffer: Vec<u8>,
}

/// Headers in their order, names as they came.
#[derive(Clone, Debug, Default)]
pub struct Headers(pub Vec<(String, String)>);

/// Where a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilEnd,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Writes all of it.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Reads some more. `0` is the end. May be cancelled.
    pub async fn more(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.buffer).await
    }

    /// A first line and its headers. `None`: the connection ended before.
    pub async fn head(&mut self) -> io::Result<Option<(String, Headers)>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Ok(Some(parse(&head)));
            }
            if self.more().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    pub async fn body(&mut self, framing: Framing) -> io::Result<Vec<u8>> {
        match framing {
            Framing::None => Ok(Vec::new()),
            Framing::Length(length) => self.exactly(length).await,
            Framing::Chunked => {
                let mut body = Vec::new();
                while let Some(chunk) = self.chunk().await? {
                    body.extend(chunk);
                }
                Ok(body)
            }
            Framing::UntilEnd => {
                while self.more().await? > 0 {}
                Ok(std::mem::take(&mut self.buffer))
            }
        }
    }

    /// One chunk of a chunked body; `None` after the last, whose trailers are read too.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line().await?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            while !self.line().await?.is_empty() {}
            return Ok(None);
        }
        let chunk = self.exactly(size).await?;
        self.line().await?;
        Ok(Some(chunk))
    }

    pub async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(text(&line[..end]));
            }
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Headers {
    /// The only value of this name. Two are a failure of their own.
    pub fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came {} times: {all:?}", all.len());
        all.first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// How a message with these headers is framed; `silent` is how one is that says nothing.
    pub fn framing(&self, silent: Framing) -> Framing {
        if let Some(coding) = self.one("transfer-encoding") {
            assert!(coding.eq_ignore_ascii_case("chunked"), "an unknown coding: {coding}");
            assert!(!self.has("content-length"), "two framings");
            return Framing::Chunked;
        }
        match self.one("content-length") {
            Some(length) => Framing::Length(length.parse().expect("a Content-Length is a number")),
            None => silent,
        }
    }
}

fn parse(head: &[u8]) -> (String, Headers) {
    let head = text(head);
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let first = lines.next().unwrap_or_default().to_string();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_string(), value.trim().to_string())
    });
    (first, Headers(headers.collect()))
}

/// Bytes as text, one character each, so that nothing is lost.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
