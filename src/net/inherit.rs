//! Listening sockets that a service manager opened and hands over (sd_listen_fds(3)): systemd holds them while the gate is
//! replaced, so that nobody who connects meanwhile is refused. The configuration still says where the gate listens, and is
//! judged by the same rules: a socket is for the door of its name or its address, and one that is not what its door's option
//! says is an error, never a second way to open a port.

use std::{
    env, fmt,
    net::{SocketAddr, TcpListener},
    process,
};

use listenfd::ListenFd;
use socket2::SockRef;

/// One of the gate's doors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    Public,
    Plain,
    Admin,
    Probe,
}

/// What was handed over and has no door yet.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Socket>,
    /// Somebody was handed sockets, and it is not this process but that one.
    heir: Option<String>,
}

#[derive(Debug)]
struct Socket {
    name: String,
    address: SocketAddr,
    listener: TcpListener,
}

/// Why a gate does not start with what it was handed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InheritError {
    #[error("LISTEN_FDS={0:?} is no number of sockets, which is 0 to {MOST}")]
    Count(String),
    #[error("LISTEN_FDS counts {sockets} sockets and LISTEN_FDNAMES has {names} names")]
    Names { sockets: usize, names: usize },
    #[error("{socket} is no TCP socket that listens ({why}); write ListenStream= with an address and a port, and Accept=no")]
    Kind { socket: String, why: String },
    #[error("the socket {name:?} listens on {is}, and {key} says {says}; write {key} = \"{is}\", or ListenStream={says}", key = door.key())]
    Elsewhere { name: String, is: SocketAddr, door: Door, says: SocketAddr },
    #[error("{}; set the option, or take ListenStream= out of the socket unit", list(.0))]
    Unwanted(Vec<Unwanted>),
}

/// A socket that no option asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unwanted {
    name: String,
    address: SocketAddr,
    /// Whose name it has.
    door: Option<Door>,
}

/// More than a gate has doors, and far less than what would be a typing error.
const MOST: usize = 64;
/// The first descriptor that is handed over.
const FIRST: usize = 3;

impl Inherited {
    /// What this process was handed; nothing where nobody did. Only the first call has it: `LISTEN_PID` and `LISTEN_FDS` are
    /// taken out of the environment, so it must be made before there are other threads. Programs that would be started by
    /// this one get none of the sockets.
    pub fn take() -> Result<Self, InheritError> {
        let Ok(count) = env::var("LISTEN_FDS") else { return Ok(Self::default()) };
        let heir = env::var("LISTEN_PID").unwrap_or_default();
        if heir.parse() != Ok(process::id()) {
            return Ok(Self { sockets: Vec::new(), heir: Some(heir) });
        }
        if !count.parse().is_ok_and(|count: usize| count <= MOST) {
            return Err(InheritError::Count(count));
        }
        let names = env::var("LISTEN_FDNAMES").ok();
        let mut handed = ListenFd::from_env();
        let names = names_of(handed.len(), names.as_deref())?;
        let mut sockets = Vec::with_capacity(names.len());
        for (index, name) in names.into_iter().enumerate() {
            let called = format!("descriptor {} ({name:?})", FIRST + index);
            let kind = |why: String| InheritError::Kind { socket: called.clone(), why };
            let listener = handed.take_tcp_listener(index).map_err(|error| kind(error.to_string()))?;
            let listener = listener.ok_or_else(|| kind("it is not there".into()))?;
            sockets.push((name, listener));
        }
        Self::of(sockets)
    }

    /// These sockets by their names.
    pub fn of(sockets: Vec<(String, TcpListener)>) -> Result<Self, InheritError> {
        let of = |(name, listener): (String, TcpListener)| {
            let kind = |why: &str| InheritError::Kind { socket: format!("{name:?}"), why: why.into() };
            let is_listening = SockRef::from(&listener).is_listener().unwrap_or(false);
            if !is_listening {
                return Err(kind("it is a connection"));
            }
            let address = listener.local_addr().map_err(|error| kind(&error.to_string()))?;
            Ok(Socket { name, address, listener })
        };
        Ok(Self { sockets: sockets.into_iter().map(of).collect::<Result<_, _>>()?, heir: None })
    }

    /// The socket for this door, whose option says `address`: the one of its name, or one of its address whose name is no
    /// door's. `None`: it is for the gate to bind. A port 0 in the option fits any port of a socket that has the door's name.
    pub fn claim(&mut self, door: Door, address: &str) -> Result<Option<TcpListener>, InheritError> {
        let Ok(says) = address.parse::<SocketAddr>() else { return Ok(None) };
        let place = self.sockets.iter().position(|socket| Door::named(&socket.name) == Some(door)).or_else(|| {
            self.sockets.iter().position(|socket| Door::named(&socket.name).is_none() && is_same(socket.address, says))
        });
        let Some(place) = place else { return Ok(None) };
        let Socket { name, address: is, listener } = self.sockets.remove(place);
        let is_fit = is_same(is, says) || says.port() == 0 && is_same(is, SocketAddr::new(says.ip(), is.port()));
        if is_fit { Ok(Some(listener)) } else { Err(InheritError::Elsewhere { name, is, door, says }) }
    }

    /// The process that was handed sockets instead of this one; empty where they were for none.
    pub fn heir(&self) -> Option<&str> {
        self.heir.as_deref()
    }

    /// Nothing may be left when every door has had its turn: clients would connect to it and wait for ever.
    pub fn end(self) -> Result<(), InheritError> {
        if self.sockets.is_empty() {
            return Ok(());
        }
        let unwanted = |socket: Socket| Unwanted { door: Door::named(&socket.name), name: socket.name, address: socket.address };
        Err(InheritError::Unwanted(self.sockets.into_iter().map(unwanted).collect()))
    }
}

impl Door {
    const ALL: [Self; 4] = [Self::Public, Self::Plain, Self::Admin, Self::Probe];

    /// In the log, and what `FileDescriptorName=` of a socket unit says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Plain => "plain",
            Self::Admin => "admin",
            Self::Probe => "probe",
        }
    }

    /// The option that says where it is.
    pub fn key(self) -> &'static str {
        match self {
            Self::Public => "listen.address",
            Self::Plain => "listen.plain",
            Self::Admin => "admin.address",
            Self::Probe => "admin.probe_address",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.name() == name)
    }
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

/// A name for each socket. Without names they are all unknown, as sd_listen_fds_with_names(3) calls them.
fn names_of(sockets: usize, names: Option<&str>) -> Result<Vec<String>, InheritError> {
    let Some(names) = names else { return Ok(vec!["unknown".into(); sockets]) };
    let names: Vec<String> = if sockets == 0 { Vec::new() } else { names.split(':').map(str::to_string).collect() };
    match names.len() == sockets {
        true => Ok(names),
        false => Err(InheritError::Names { sockets, names: names.len() }),
    }
}

fn list(unwanted: &[Unwanted]) -> String {
    unwanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, address, door } = self;
        match door {
            Some(door) => write!(f, "{} does not want the socket {name:?} on {address}", door.key()),
            None => write!(f, "no option says {address}, where the socket {name:?} listens"),
        }
    }
}
