//! An app server inside the test: Engine.IO by polling and WebSocket ([`super::engine`]), plain HTTP, a plain WebSocket that
//! echoes. It writes down every request it gets, and does anything else, byte by byte, when a [`Script`] says so.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

use super::{
    engine::Engine,
    eventually,
    frames::{self, BINARY, CLOSE, FIN, Frame, PING, PONG, TEXT, closing, frame},
    websocket,
    wire::{Framing, Headers, Line},
};

/// A running app server. Gone when dropped.
pub struct App {
    pub address: SocketAddr,
    house: Arc<House>,
    accepting: JoinHandle<()>,
}

/// What all connections of one app share.
pub struct House {
    pub name: String,
    pub engine: Engine,
    requests: Mutex<Vec<Seen>>,
    frames: Mutex<Vec<Frame>>,
    connections: AtomicUsize,
    /// Requests whose client went away before they were answered.
    pub aborted: AtomicUsize,
    /// WebSockets that ended, and how: in good order, or by a reset.
    ends: Mutex<Vec<Ended>>,
    script: Option<Script>,
    stopped: tokio_util::sync::CancellationToken,
}

/// How an app's connection was left by the gate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    Closed,
    Reset,
}

/// A request as the app saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// Which connection it came on, counted from 1.
    pub connection: usize,
}

/// Says what to do with a request; `None`: as a good app would.
pub type Script = Arc<dyn Fn(&Seen) -> Option<Vec<Step>> + Send + Sync>;

/// One thing an app does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes bytes.
    Say(Vec<u8>),
    /// Waits until the test gives the word.
    Wait(Arc<Notify>),
    /// Never does anything any more.
    Hang,
    /// Ends the connection.
    Close,
    /// Ends it with a reset.
    Reset,
    /// Goes on as a WebSocket that echoes.
    Echo,
}

impl Step {
    pub fn say(bytes: impl AsRef<[u8]>) -> Self {
        Self::Say(bytes.as_ref().to_vec())
    }
}

impl App {
    /// A good one.
    pub async fn start() -> Self {
        Self::named("app").await
    }

    /// A good one with a name of its own, to tell several apart.
    pub async fn named(name: &str) -> Self {
        Self::launch(name, Engine::default(), None).await
    }

    /// One whose open packets say these, in milliseconds.
    pub async fn with_heartbeat(interval: u64, timeout: u64) -> Self {
        Self::launch("app", Engine::with_heartbeat(interval, timeout), None).await
    }

    /// One that does what a script says.
    pub async fn scripted(script: impl Fn(&Seen) -> Option<Vec<Step>> + Send + Sync + 'static) -> Self {
        Self::launch("app", Engine::default(), Some(Arc::new(script))).await
    }

    /// One that answers everything with these bytes and then closes.
    pub async fn saying(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self::scripted(move |_| Some(vec![Step::Say(bytes.clone()), Step::Close])).await
    }

    async fn launch(name: &str, engine: Engine, script: Option<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let house = Arc::new(House {
            name: name.into(),
            engine,
            requests: Mutex::default(),
            frames: Mutex::default(),
            connections: AtomicUsize::new(0),
            aborted: AtomicUsize::new(0),
            ends: Mutex::default(),
            script,
            stopped: tokio_util::sync::CancellationToken::new(),
        });
        let accepting = tokio::spawn(accept(listener, house.clone()));
        Self { address, house, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.house.requests).clone()
    }

    /// The only request there was.
    pub fn only_request(&self) -> Seen {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().expect("there is one")
    }

    pub fn last_request(&self) -> Seen {
        self.requests().pop().expect("the app was asked")
    }

    /// Nothing came.
    pub fn heard_nothing(&self) {
        let requests = self.requests();
        assert!(requests.is_empty(), "{requests:?}");
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.house.connections.load(Ordering::SeqCst)
    }

    pub fn aborted(&self) -> usize {
        self.house.aborted.load(Ordering::SeqCst)
    }

    pub fn ends(&self) -> Vec<Ended> {
        lock(&self.house.ends).clone()
    }

    /// Frames that arrived on WebSockets.
    pub fn frames(&self) -> Vec<Frame> {
        lock(&self.house.frames).clone()
    }

    /// Waits for a close frame and gives its code.
    pub async fn heard_close(&self) -> Option<u16> {
        eventually("the app hears a close frame", async || {
            let close = self.frames().into_iter().find(|frame| frame.opcode() == CLOSE)?;
            Some(close.closing().map(|(code, _)| code))
        })
        .await
    }

    /// Waits for so many requests.
    pub async fn heard(&self, count: usize) -> Vec<Seen> {
        eventually(&format!("the app is asked {count} times"), async || {
            let requests = self.requests();
            (requests.len() >= count).then_some(requests)
        })
        .await
    }

    /// The sessions it has, by its own ids.
    pub fn sids(&self) -> Vec<String> {
        self.house.engine.sids()
    }

    /// Puts a packet into every session's queue.
    pub fn push(&self, packet: &str) {
        self.house.engine.push(packet);
    }

    /// Gone: its connections are cut and nobody listens any more.
    pub fn stop(&self) {
        self.accepting.abort();
        self.house.stopped.cancel();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Seen {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The only value of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.one(name)
    }

    pub fn wants_websocket(&self) -> bool {
        self.header("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
    }

    /// A right answer to its WebSocket handshake, with more headers where wanted.
    pub fn accepted(&self, more: &str) -> Vec<u8> {
        let accept = websocket::accept_of(self.header("sec-websocket-key").unwrap_or_default());
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        format!("{head}Sec-WebSocket-Accept: {accept}\r\n{more}\r\n").into_bytes()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

async fn accept(listener: TcpListener, house: Arc<House>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = house.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = stream.set_nodelay(true);
        let house = house.clone();
        tokio::spawn(async move {
            let stopped = house.stopped.clone();
            // How a connection ends is the gate's business as well as ours.
            let _ = stopped.run_until_cancelled(serve(Line::new(stream), &house, number)).await;
        });
    }
}

async fn serve(mut line: Line<TcpStream>, house: &House, connection: usize) -> io::Result<()> {
    while let Some((first, headers)) = line.head().await? {
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default().to_string(), words.next().unwrap_or_default().to_string());
        let body = line.body(headers.framing(Framing::None)).await?;
        let seen = Seen { method, target, headers, body, connection };
        lock(&house.requests).push(seen.clone());
        match house.script.as_ref().and_then(|script| script(&seen)) {
            Some(steps) => {
                if !follow(&mut line, house, steps).await? {
                    return Ok(());
                }
            }
            None if seen.path().ends_with("/socket.io/") => {
                if seen.wants_websocket() {
                    return house.engine.websocket(line, house, &seen).await;
                }
                house.engine.polling(&mut line, house, &seen).await?;
            }
            None if seen.wants_websocket() => {
                let chosen = seen.headers.all("sec-websocket-protocol").join(",");
                let chosen = chosen.split(',').map(str::trim).find(|offer| !offer.is_empty());
                let chosen = chosen.map(|chosen| format!("Sec-WebSocket-Protocol: {chosen}\r\n")).unwrap_or_default();
                line.write(seen.accepted(&chosen)).await?;
                return echo(line, house).await;
            }
            None => line.write(plain(house, &seen)).await?,
        }
    }
    Ok(())
}

/// `false`: the connection is not to be used any more.
async fn follow(line: &mut Line<TcpStream>, house: &House, steps: Vec<Step>) -> io::Result<bool> {
    for step in steps {
        match step {
            Step::Say(bytes) => line.write(bytes).await?,
            Step::Wait(word) => {
                tokio::select! {
                    () = word.notified() => {}
                    () = gone(line) => {
                        house.aborted.fetch_add(1, Ordering::SeqCst);
                        return Ok(false);
                    }
                }
            }
            Step::Hang => {
                gone(line).await;
                house.aborted.fetch_add(1, Ordering::SeqCst);
                return Ok(false);
            }
            Step::Close => return Ok(false),
            Step::Reset => {
                reset(&line.stream);
                return Ok(false);
            }
            Step::Echo => {
                echo_on(line, house).await?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Resolves when the other side leaves.
pub async fn gone(line: &mut Line<TcpStream>) {
    while matches!(line.more().await, Ok(read) if read > 0) {}
}

pub fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
}

/// Tells the request back. It claims to be open to every page, as careless apps do.
fn plain(house: &House, seen: &Seen) -> Vec<u8> {
    let body = format!("{} says: {} {} {}", house.name, seen.method, seen.target, seen.text());
    let length = body.len();
    let body = if seen.method == "HEAD" { String::new() } else { body };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nVary: Accept-Encoding\r\n\
         Access-Control-Allow-Origin: *\r\nX-App: {}\r\n\r\n{body}",
        house.name
    )
    .into_bytes()
}

async fn echo(mut line: Line<TcpStream>, house: &House) -> io::Result<()> {
    echo_on(&mut line, house).await
}

/// Echoes messages; some texts are orders: `close CODE`, `close`, `reset`, `half`, `name`, `ping`.
async fn echo_on(line: &mut Line<TcpStream>, house: &House) -> io::Result<()> {
    loop {
        let read = frames::read(line).await;
        house.left(&read);
        let Ok(Some(got)) = read else { return Ok(()) };
        house.note(&got);
        let words = got.text();
        match (got.opcode(), words.split_once(' ').unwrap_or((&words, ""))) {
            (TEXT, ("close", "")) => line.write(frame(FIN | CLOSE, b"", None)).await?,
            (TEXT, ("close", code)) => {
                line.write(frame(FIN | CLOSE, &closing(code.parse().unwrap_or(0), "by the app"), None)).await?
            }
            (TEXT, ("reset", _)) => {
                reset(&line.stream);
                return Ok(());
            }
            (TEXT, ("half", _)) => tokio::io::AsyncWriteExt::shutdown(&mut line.stream).await?,
            (TEXT, ("name", _)) => line.write(frame(FIN | TEXT, house.name.as_bytes(), None)).await?,
            (TEXT, ("ping", rest)) => line.write(frame(FIN | PING, rest.as_bytes(), None)).await?,
            (TEXT | BINARY | 0, _) => line.write(frame(got.first, &got.payload, None)).await?,
            (PING, _) => line.write(frame(FIN | PONG, &got.payload, None)).await?,
            (CLOSE, _) => {
                // One of the two may have been the first; the second ends it.
                let _ = line.write(frame(FIN | CLOSE, &got.payload, None)).await;
                return Ok(());
            }
            _ => {}
        }
    }
}

impl House {
    /// Writes a frame down.
    pub fn note(&self, frame: &Frame) {
        assert!(frame.masked, "the gate masks what it sends to an app");
        lock(&self.frames).push(frame.clone());
    }

    /// Writes down how a WebSocket was left.
    pub fn left(&self, read: &io::Result<Option<Frame>>) {
        match read {
            Ok(Some(_)) => {}
            Ok(None) => lock(&self.ends).push(Ended::Closed),
            Err(_) => lock(&self.ends).push(Ended::Reset),
        }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
