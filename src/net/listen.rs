//! Listening sockets: one per worker on the same port (SO_REUSEPORT), so that the kernel spreads connections. Because that
//! option also lets a second program of the same user share the port silently, the port is first probed without it. A socket
//! that a service manager opened is shared by the workers instead.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that wait to be accepted, per socket.
const BACKLOG: i32 = 1024;

/// Bytes that the kernel keeps unsent for one connection before a write has to wait. Its own measure are megabytes, which a
/// thousand clients that do not read would fill; and a slow one would be seen taking something only now and then.
const UNSENT: u32 = 128 * 1024;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{0:?} is not an address and a port; write for example \"0.0.0.0:8443\"")]
    Address(String),
    #[error("{0} is taken: another program (perhaps another sockgate) listens there; stop it or choose another port")]
    Taken(SocketAddr),
    #[error("{0} needs a privilege this user does not have; choose a port above 1023 or grant CAP_NET_BIND_SERVICE")]
    Denied(SocketAddr),
    #[error("{0} is not an address of this machine")]
    NotOurs(SocketAddr),
    #[error("{address} cannot be listened on: {error}")]
    Other { address: SocketAddr, error: io::Error },
}

/// `sockets` listening sockets on one address. Port 0 is any free port, the same for all of them.
pub fn bind(address: &str, sockets: usize) -> Result<Vec<TcpListener>, ListenError> {
    let asked = address
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| ListenError::Address(address.to_string()))?;
    let cause = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(asked),
        io::ErrorKind::PermissionDenied => ListenError::Denied(asked),
        io::ErrorKind::AddrNotAvailable => ListenError::NotOurs(asked),
        _ => ListenError::Other { address: asked, error },
    };
    if asked.port() != 0 {
        probe(asked).map_err(cause)?;
    }
    let first = open(asked).map_err(cause)?;
    let chosen = first.local_addr().map_err(cause)?;
    let mut all = vec![first];
    for _ in 1..sockets.max(1) {
        all.push(open(chosen).map_err(cause)?);
    }
    Ok(all)
}

/// The same from one socket that was opened by somebody else: all of them take from its one queue. Sockets of their own on its
/// port would have queues of their own, and who waits in one of those is cut off when it is closed.
pub fn share(listener: TcpListener, sockets: usize) -> io::Result<Vec<TcpListener>> {
    let _ = SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT);
    listener.set_nonblocking(true)?;
    let copies = (1..sockets.max(1)).map(|_| listener.try_clone()).collect::<io::Result<Vec<_>>>()?;
    Ok(std::iter::once(listener).chain(copies).collect())
}

/// Binds without SO_REUSEPORT, which fails when anybody listens there, and lets go again.
fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port whose old connections are still in TIME_WAIT is free.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(1)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 as well; addresses are seen in their IPv4 form (`Peer`).
        socket.set_only_v6(false)?;
    }
    // Inherited by what is accepted. Failing to say so costs memory only.
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets this process open as many files as it may. The limit afterwards; `None` is none.
pub fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// How many connections half of the descriptors are good for: one half is clients', the other connections to app servers.
pub fn half_of_files() -> usize {
    let Some(files) = raise_file_limit() else { return WITHOUT_LIMIT };
    usize::try_from(files.saturating_sub(RESERVE) / 2).unwrap_or(WITHOUT_LIMIT).max(1)
}

/// Descriptors kept free: the admin door, logs and files need some.
const RESERVE: u64 = 64;
/// Where nothing limits files, this does.
const WITHOUT_LIMIT: usize = 100_000;
