//! App servers that do exactly what a test tells them, byte by byte, and pools in front of them.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use sockgate::{
    config::upstream::{Member, Probe, Upstream},
    telemetry::Metrics,
    upstream::Pool,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// An app server. It stops when this is dropped.
pub struct App {
    pub url: String,
    counts: Arc<Counts>,
    _serving: JoinSet<()>,
}

/// One connection as the app sees it.
pub struct Link {
    pub stream: TcpStream,
    counts: Arc<Counts>,
    read: Vec<u8>,
    /// Dropped after the stream.
    _closing: Closing,
}

/// Counts a connection once it is closed.
struct Closing(Arc<Counts>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, SeqCst);
    }
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    requests: AtomicUsize,
    hung_up: AtomicUsize,
    closed: AtomicUsize,
}

impl App {
    /// Serves each connection with `script` on a port the system picks.
    pub async fn new<F, D>(script: F) -> Self
    where
        F: Fn(Link) -> D + Send + 'static,
        D: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let counts = Arc::new(Counts::default());
        let mut serving = JoinSet::new();
        let shared = counts.clone();
        serving.spawn(async move {
            let mut links = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                shared.accepted.fetch_add(1, SeqCst);
                let closing = Closing(shared.clone());
                links.spawn(script(Link { stream, counts: shared.clone(), read: Vec::new(), _closing: closing }));
            }
        });
        Self { url, counts, _serving: serving }
    }

    /// Answers every request with the same bytes, then does what `after` says.
    pub async fn saying(answer: impl Into<Vec<u8>>, after: After) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::new(move |mut link| {
            let answer = answer.clone();
            async move {
                while link.request().await.is_some() {
                    link.write(&answer).await;
                    match after {
                        After::Keep => {}
                        After::Close => return,
                        After::Reset => return link.reset(),
                        After::Hang => return link.ended().await,
                    }
                }
            }
        })
        .await
    }

    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.counts.requests.load(SeqCst)
    }

    /// Connections that the app has closed.
    pub fn closed(&self) -> usize {
        self.counts.closed.load(SeqCst)
    }

    /// Connections of which the app has seen the gate's end.
    pub fn hung_up(&self) -> usize {
        self.counts.hung_up.load(SeqCst)
    }
}

#[derive(Clone, Copy)]
pub enum After {
    Keep,
    Close,
    Reset,
    Hang,
}

impl Link {
    /// The next request, head and body. None: the gate hung up.
    pub async fn request(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.request_end() {
                self.counts.requests.fetch_add(1, SeqCst);
                return Some(String::from_utf8(self.read.drain(..end).collect()).expect("text"));
            }
            let mut some = [0; 4096];
            match self.stream.read(&mut some).await {
                Ok(0) | Err(_) => {
                    self.counts.hung_up.fetch_add(1, SeqCst);
                    return None;
                }
                Ok(count) => self.read.extend_from_slice(&some[..count]),
            }
        }
    }

    /// What the gate does not take (it may have hung up on us) is no failure of the app.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Waits for the gate to hang up.
    pub async fn ended(&mut self) {
        while self.request().await.is_some() {}
    }

    pub fn reset(self) {
        self.stream.set_zero_linger().expect("a live socket");
    }

    fn request_end(&self) -> Option<usize> {
        let text = std::str::from_utf8(&self.read).ok()?;
        let head = text.find("\r\n\r\n")? + 4;
        let length = text[..head].lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().expect("a length"))
        });
        let end = head + length.unwrap_or(0);
        (self.read.len() >= end).then_some(end)
    }
}

/// The configuration of a pool called `app` whose members are not probed.
pub fn config(urls: &[&str]) -> Upstream {
    Upstream {
        name: "app".into(),
        members: urls.iter().map(|url| Member::Url((*url).into())).collect(),
        probe: Probe::Off,
        ..Upstream::default()
    }
}

pub fn pool(config: &Upstream) -> Pool {
    Pool::renew(None, config, &Metrics::default(), Instant::now()).expect("a good pool")
}

/// Waits for the thing itself.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < patience, "never came: {what}");
        tokio::task::yield_now().await;
    }
}

/// A deadline no test should reach.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}
