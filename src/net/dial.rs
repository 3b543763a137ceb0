//! Connections that the gate opens: to members of an upstream, to servers of keys. Names are resolved (and remembered for
//! a few seconds, so that a storm of new connections is not a storm of lookups), every address is tried, TLS is spoken
//! where the target asks for it, and all of it happens within one deadline (RFC 8305 in small).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Where to, and how.
#[derive(Debug)]
pub struct Target {
    host: String,
    port: u16,
    tls: Option<Secure>,
    sources: Arc<Sources>,
    known: Mutex<Option<Known>>,
}

/// Where connections come from, in turns. None: the system chooses.
#[derive(Debug, Default)]
struct Sources {
    all: Box<[Source]>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Source {
    address: IpAddr,
    /// The operator has been told that it is not this machine's.
    is_told: AtomicBool,
}

/// How TLS is spoken to a target.
#[derive(Clone, Debug)]
pub struct Secure {
    pub config: Arc<rustls::ClientConfig>,
    /// The name its certificate must carry.
    pub server_name: ServerName<'static>,
}

/// Why there is no connection.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DialError {
    #[error("the name has no address")]
    Unresolved,
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    #[error("no connection within the deadline")]
    Timeout,
    #[error("no TLS: {0}")]
    Tls(String),
    /// This machine has run out of descriptors, ports or memory. Whoever was to be dialed has no part in it.
    #[error("the gate has no resources for a connection: {0}")]
    Local(String),
}

impl DialError {
    /// Whether the cause is on this side: nothing was learned about the target.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        if is_local(&error) { Self::Local(error.to_string()) } else { Self::Connect(error.kind()) }
    }
}

/// One attempt, from the next source of the address's family. Where IPv6 is off, an IPv6 address cannot be assigned any source:
/// that says nothing about our ports.
async fn attempt(address: SocketAddr, sources: Arc<Sources>) -> Result<TcpStream, DialError> {
    let fitting: Vec<&Source> = sources.all.iter().filter(|source| source.address.is_ipv4() == address.is_ipv4()).collect();
    if fitting.is_empty() {
        return TcpStream::connect(address).await.map_err(|error| match error.kind() {
            kind @ io::ErrorKind::AddrNotAvailable if address.is_ipv6() => DialError::Connect(kind),
            _ => DialError::from(error),
        });
    }
    let first = sources.turn.fetch_add(1, Relaxed);
    let mut last = DialError::Timeout;
    for turn in 0..fitting.len() {
        match connect_from(fitting[(first + turn) % fitting.len()], address).await {
            Ok(stream) => return Ok(stream),
            // The next one may have ports.
            Err(error) if error.is_local() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

async fn connect_from(source: &Source, address: SocketAddr) -> Result<TcpStream, DialError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port may be in use toward another member.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(source.address, 0)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrNotAvailable => source.is_not_ours(),
        _ => DialError::from(error),
    })?;
    Ok(socket.connect(address).await?)
}

/// An open connection to a target.
#[derive(Debug)]
pub enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a name resolved to, and when.
#[derive(Clone, Debug)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    asked: Instant,
}

impl Source {
    /// Others may take its turns, so that nothing fails and nobody would notice: it is told once.
    fn is_not_ours(&self) -> DialError {
        let what = format!("{} is not an address of this machine", self.address);
        if !self.is_told.swap(true, Relaxed) {
            tracing::warn!(source = %self.address, "upstream.sources: not an address of this machine, passed over; remove it or assign it");
        }
        DialError::Local(what)
    }
}

impl Target {
    /// `host` is a name or a literal address; an IPv6 address stands without brackets.
    pub fn new(host: impl Into<String>, port: u16, tls: Option<Secure>) -> Self {
        Self { host: host.into(), port, tls, sources: Arc::default(), known: Mutex::new(None) }
    }

    /// Dials from these addresses, in turns.
    pub fn dialed_from(mut self, sources: &[IpAddr]) -> Self {
        let source = |address: &IpAddr| Source { address: *address, is_told: AtomicBool::new(false) };
        self.sources = Arc::new(Sources { all: sources.iter().map(source).collect(), turn: AtomicUsize::new(0) });
        self
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Addresses that need no lookup: literal ones, and names asked for a moment ago. The caller that finds them stale
    /// is the one that asks again; until it has an answer the others go on with the old ones.
    fn known_addresses(&self, now: Instant) -> Option<Arc<[SocketAddr]>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Some(Arc::new([SocketAddr::new(address, self.port)]));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_mut()?;
        if now.saturating_duration_since(known.asked) < REMEMBERED {
            return Some(known.addresses.clone());
        }
        known.asked = now;
        None
    }

    fn remember(&self, addresses: Arc<[SocketAddr]>, now: Instant) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known { addresses, asked: now });
    }

    /// What the name last resolved to. An old answer is better than none when the name server is away.
    fn last_addresses(&self) -> Option<Arc<[SocketAddr]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|known| known.addresses.clone())
    }
}

/// Opens a connection, TLS included, before `deadline`. Dropping the future gives up and closes what was open.
pub async fn dial(target: &Target, deadline: Instant) -> Result<Line, DialError> {
    timeout_at(deadline.into(), open(target)).await.unwrap_or(Err(DialError::Timeout))
}

async fn open(target: &Target) -> Result<Line, DialError> {
    let addresses = resolve(target).await?;
    let stream = connect(&addresses, &target.sources).await?;
    // Without it a small message may wait for the acknowledgement of the one before; not having it is no reason to fail.
    let _ = stream.set_nodelay(true);
    match &target.tls {
        None => Ok(Line::Plain(stream)),
        Some(secure) => secure_line(stream, secure).await,
    }
}

async fn secure_line(stream: TcpStream, secure: &Secure) -> Result<Line, DialError> {
    let connector = TlsConnector::from(secure.config.clone());
    // Boxed for its handshake state is large and every caller would carry it.
    let handshake = Box::pin(connector.connect(secure.server_name.clone(), stream));
    let stream = handshake.await.map_err(|error| DialError::Tls(error.to_string()))?;
    Ok(Line::Tls(Box::new(stream)))
}

async fn resolve(target: &Target) -> Result<Arc<[SocketAddr]>, DialError> {
    if let Some(addresses) = target.known_addresses(Instant::now()) {
        return Ok(addresses);
    }
    let found = match tokio::net::lookup_host((target.host.as_str(), target.port)).await {
        Ok(found) => alternate(found.take(ADDRESSES).collect()),
        Err(error) if is_local(&error) => return target.last_addresses().ok_or_else(|| DialError::from(error)),
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        return target.last_addresses().ok_or(DialError::Unresolved);
    }
    let addresses: Arc<[SocketAddr]> = found.into();
    target.remember(addresses.clone(), Instant::now());
    Ok(addresses)
}

/// The same addresses with the families taking turns, the first one's family first: a broken family then costs one
/// attempt's head start and not the whole deadline.
pub fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return addresses };
    let leads_with_v6 = first.is_ipv6();
    let (mut lead, mut follow): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == leads_with_v6);
    let mut mixed = Vec::with_capacity(lead.len() + follow.len());
    let mut lead = lead.drain(..);
    let mut follow = follow.drain(..);
    loop {
        let (one, other) = (lead.next(), follow.next());
        if one.is_none() && other.is_none() {
            return mixed;
        }
        mixed.extend(one.into_iter().chain(other));
    }
}

/// Tries the addresses in order; each gets a head start before the next one joins, a failure lets the next one start at
/// once, and the first connection wins. Attempts that lost are dropped with the set.
async fn connect(addresses: &[SocketAddr], sources: &Arc<Sources>) -> Result<TcpStream, DialError> {
    if let [only] = addresses {
        return attempt(*only, sources.clone()).await;
    }
    let mut waiting = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut last = DialError::Unresolved;
    loop {
        match waiting.next() {
            Some(address) => drop(attempts.spawn(attempt(address, sources.clone()))),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        let has_more = waiting.len() > 0;
        tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                // What is wrong with the target is told rather than what is wrong here.
                Some(Ok(Err(error))) if error.is_local() && last != DialError::Unresolved => {}
                Some(Ok(Err(error))) => last = error,
                Some(Err(_)) | None => {}
            },
            () = sleep(HEAD_START), if has_more => {}
        }
    }
}

/// Errors of connect(2) and socket(2) that say nothing about the other side.
fn is_local(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const OURS: [Errno; 7] =
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL, Errno::ADDRINUSE, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|errno| OURS.contains(&errno))
}

macro_rules! either {
    ($self:expr, $stream:ident => $act:expr) => {
        match $self.get_mut() {
            Line::Plain($stream) => $act,
            Line::Tls($stream) => {
                let $stream = &mut **$stream;
                $act
            }
        }
    };
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(task, into))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(task, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, task: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(task, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(task))
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(task))
    }
}

/// Long enough to spare the name server during a storm, short enough to follow a service that moves.
const REMEMBERED: Duration = Duration::from_secs(5);
/// What RFC 8305 recommends between two attempts.
const HEAD_START: Duration = Duration::from_millis(250);
/// A name with more addresses than this is not going to be reached by trying them all.
const ADDRESSES: usize = 16;

impl Line {
    /// The connection underneath, for its options.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}
