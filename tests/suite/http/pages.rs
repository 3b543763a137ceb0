//! A server for the gate to fetch from and to ask: each path does what it is told, and every request is counted. In HTTP by
//! hand, for it must also do what no HTTP library lets one do.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What a path does.
#[derive(Clone)]
pub enum Page {
    Document(Vec<u8>),
    /// A document, when it is allowed once more.
    Allowed(Arc<Semaphore>, Vec<u8>),
    /// A document in chunks, without a length.
    Chunked(Vec<u8>),
    /// A document that ends with the connection.
    Unframed(Vec<u8>),
    /// A document of so many bytes that says so, or does not.
    Huge {
        bytes: usize,
        says_so: bool,
    },
    Status(u16),
    Redirect(String),
    /// Bytes as they are.
    Raw(&'static [u8]),
    /// Nothing, for ever.
    Silence,
    /// A head and half a body, then nothing.
    Half,
}

/// A running server. It ends when it is dropped.
pub struct Pages {
    pub address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shelf {
    pages: HashMap<String, Page>,
    asked: HashMap<String, usize>,
    heads: Vec<String>,
}

impl Pages {
    pub async fn start() -> Self {
        Self::open(None).await
    }

    pub async fn start_with_tls(config: rustls::ServerConfig) -> Self {
        Self::open(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn open(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let task = tokio::spawn(accept(listener, tls, shelf.clone()));
        Self { address, shelf, task }
    }

    pub fn put(&self, path: &str, page: Page) {
        self.shelf.lock().expect("nobody panics with it").pages.insert(path.into(), page);
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.shelf.lock().expect("nobody panics with it").asked.get(path).copied().unwrap_or(0)
    }

    /// What was sent, head and body.
    pub fn heads(&self) -> Vec<String> {
        self.shelf.lock().expect("nobody panics with it").heads.clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shelf: Arc<Mutex<Shelf>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shelf) = (tls.clone(), shelf.clone());
        tokio::spawn(async move {
            match tls {
                None => answer(stream, shelf).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        answer(stream, shelf).await;
                    }
                }
            }
        });
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, shelf: Arc<Mutex<Shelf>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let mut head = String::from_utf8_lossy(&head).into_owned();
    let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    head.push_str(&String::from_utf8_lossy(&body));
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let page = {
        let mut shelf = shelf.lock().expect("nobody panics with it");
        *shelf.asked.entry(path.clone()).or_default() += 1;
        shelf.heads.push(head);
        shelf.pages.get(&path).cloned()
    };
    // A client that has enough hangs up, which is its right.
    let _ = send(&mut stream, page.unwrap_or(Page::Status(404))).await;
    let _ = stream.shutdown().await;
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), page: Page) -> std::io::Result<()> {
    match page {
        Page::Allowed(allowed, body) => {
            allowed.acquire().await.expect("it is never closed").forget();
            Box::pin(send(stream, Page::Document(body))).await
        }
        Page::Document(body) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).await
        }
        Page::Chunked(body) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            for part in body.chunks(1000) {
                stream.write_all(&[format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Page::Unframed(body) => stream.write_all(&[b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &body[..]].concat()).await,
        Page::Huge { bytes, says_so } => {
            let length = if says_so { format!("content-length: {bytes}\r\n") } else { String::new() };
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes()).await?;
            for _ in 0..bytes.div_ceil(64 * 1024) {
                stream.write_all(&[b' '; 64 * 1024]).await?;
            }
            Ok(())
        }
        Page::Status(status) => {
            stream.write_all(format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 2\r\n\r\n{{}}").as_bytes()).await
        }
        Page::Redirect(target) => {
            stream.write_all(format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await
        }
        Page::Raw(bytes) => stream.write_all(bytes).await,
        Page::Silence => std::future::pending().await,
        Page::Half => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"a\"").await?;
            stream.flush().await?;
            std::future::pending().await
        }
    }
}
