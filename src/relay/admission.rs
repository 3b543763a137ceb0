//! What a request must bring to be carried: the proof of every judge, and where it goes. `gate/pipeline` collects it, `carry`
//! takes it by value.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::Response;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zeroize::Zeroizing;

use super::{
    guard::{Guard, Rules, Start},
    judged::Judged,
    ledger::Ledger,
    outgoing::Manners,
    seal::{Note, Sealer, Stub, TokenMark},
    seating::Hash,
    session::{self, Held, Key, Opened, Session, Tenure},
};
use crate::{
    codec::{engine::Revision, frame::Limits},
    config::{
        route::Kind,
        socketio::{SocketIo, Transport},
    },
    http::Body,
    policy::{
        Refusal, Refused,
        auth::{Identity, Verifier},
        limit::{Limiter, Permit},
        origin::Grant,
    },
    telemetry::{Metrics, metrics::Carried},
    upstream::{Lease, Member, Pool, connect::Connections},
};

/// The proofs of one request.
pub struct Admission {
    /// The page may ask.
    pub grant: Grant,
    /// Who asks; `None` where nobody needs to be known.
    pub identity: Option<Identity>,
    /// The token that proved it, as later requests of the session will be compared with.
    pub token: Option<TokenMark>,
    /// The address and the user may do this now.
    pub permits: Vec<Permit>,
    /// Where it goes.
    pub seat: Seat,
    /// What is asked of the member.
    pub asked: Asked,
    /// The revision of Engine.IO that a new session speaks.
    pub revision: Revision,
    /// The client's address as it was judged.
    pub address: IpAddr,
    /// Its place among those who have yet to say who they are.
    pub waiting: Vec<Permit>,
}

/// What came of an admission.
pub struct Answered {
    pub answer: Response<Body>,
    /// Who gave the answer: another member than admitted, when that one could not be reached.
    pub member: Arc<Member>,
}

/// The member a request goes to.
pub enum Seat {
    /// Chosen for something new, and counted there.
    New(Lease),
    /// The one its session lives on.
    Kept(Arc<Member>),
}

impl Seat {
    pub fn member(&self) -> &Arc<Member> {
        match self {
            Self::New(lease) => lease.member(),
            Self::Kept(member) => member,
        }
    }

    /// The lease a session holds: its own, or one more on the member it was found on.
    pub fn into_lease(self, venue: &Venue) -> Result<Lease, Refused> {
        match self {
            Self::New(lease) => Ok(lease),
            Self::Kept(member) => venue
                .pool
                .lease_from(member.id(), Instant::now())
                .map_err(|gone| Refused::because(Refusal::SessionUnknown, gone.to_string())),
        }
    }
}

/// What is to be carried.
pub enum Asked {
    /// A new Engine.IO session by polling.
    Open,
    /// A new Engine.IO session by WebSocket.
    OpenWebSocket,
    /// The next packets of a session.
    Poll(Arc<Stub>),
    /// Packets of a client.
    Post(Arc<Stub>),
    /// A polling session wants to go on as a WebSocket. `on_trust`: it brings no token of its own.
    Upgrade { note: Arc<Stub>, on_trust: bool },
    /// A WebSocket without Engine.IO.
    WebSocket,
    /// Anything else.
    Http,
}

/// The route a request is carried on, with everything it decides: one per route and generation.
pub struct Venue {
    /// Its place in the configuration.
    pub index: usize,
    /// Its stable name inside session ids.
    pub tag: u64,
    pub kind: Kind,
    pub path: String,
    pub pool: Arc<Pool>,
    /// What the pool's members are chosen by.
    pub hash: Hash,
    pub sealer: Arc<Sealer>,
    pub ledger: Arc<Ledger>,
    pub metrics: Arc<Metrics>,
    pub carried: Carried,
    pub manners: Manners,
    pub transports: Vec<Transport>,
    /// The heartbeat assumed until an app tells its own.
    pub assumed: SocketIo,
    pub limits: Limits,
    pub patience: Patience,
    pub tenure: Tenure,
    /// After `exp` a token is still good for this long; so is a session.
    pub leeway: Duration,
    /// Whose tokens are good: for those that packets bring.
    pub verifier: Arc<Verifier>,
    /// How much one user may have: of those whom packets name.
    pub limiter: Arc<Limiter>,
    /// What packets are judged by; `None`: there are none on this route.
    pub rules: Option<Arc<Rules>>,
}

/// The deadlines of carrying.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the app's answer to a handshake.
    pub handshake: Duration,
    /// For the head of other answers.
    pub answer: Duration,
    /// For a client's whole body.
    pub body: Duration,
    /// For a client that does not read.
    pub stall: Duration,
    /// Between the gate's own pings on plain WebSocket routes.
    pub ping: Duration,
    /// For a polling client that says nothing.
    pub abandoned: Duration,
}

/// Who opens a session, and how.
pub struct Opener<'a> {
    pub transport: session::Transport,
    pub revision: Revision,
    pub identity: Option<&'a Identity>,
    pub address: IpAddr,
    pub origin: Option<u64>,
    /// The token that the handshake showed, where it is judged later.
    pub shown: Option<&'a Zeroizing<String>>,
}

/// What one worker lends to every request it serves.
pub struct Bench {
    /// Connections to members.
    pub connections: Arc<Connections>,
    /// Everything the worker must see to its end: connections and WebSockets.
    pub tasks: TaskTracker,
    /// The worker's last hour: what is still open is cut.
    pub stop: CancellationToken,
}

impl fmt::Debug for Venue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Venue").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Venue {
    /// A session on this route, opened now by this identity.
    pub fn session(&self, key: Key, by: Opener<'_>, held: Held) -> Session {
        let opened = Opened {
            key,
            route: self.index,
            tag: self.tag,
            path: self.path.clone(),
            transport: by.transport,
            revision: by.revision,
            identity: by.identity.cloned(),
            address: by.address,
            // A session that is judged ends when its guard says so: its identity may be renewed.
            expires: if self.is_judged() { None } else { self.end_of(by.identity) },
            origin: by.origin,
            abandoned_after: self.patience.abandoned,
            tenure: self.tenure,
            held,
            judged: self.judge(key, &by),
        };
        Session::new(opened, Instant::now())
    }

    /// Whether the packets of this route's sessions are judged.
    pub fn judges(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.is_needed)
    }

    /// The judge of a session, where packets are judged.
    fn judge(&self, key: Key, by: &Opener<'_>) -> Option<Arc<Judged>> {
        let start = Start {
            rules: self.rules.clone().filter(|_| self.judges())?,
            revision: by.revision,
            identity: by.identity.cloned(),
            shown: by.shown.cloned(),
            address: by.address,
            name: key.to_string(),
        };
        Some(Arc::new(Judged::new(Guard::new(start, Instant::now()), by.transport)))
    }

    /// When an identity's sessions end.
    pub fn end_of(&self, identity: Option<&Identity>) -> Option<SystemTime> {
        let expires = identity?.expires()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(expires))?.checked_add(self.leeway)
    }

    /// A member's heartbeat, as far as it is known: interval and timeout together, by when a client that lives was heard.
    pub fn heartbeat(&self, member: &Member) -> Duration {
        let (interval, timeout) = member.ping(&self.assumed);
        interval + timeout
    }

    /// Whether a session's identity is no longer good.
    pub fn is_over(&self, note: &Note, now: SystemTime) -> bool {
        self.end_of(note.identity.as_ref()).is_some_and(|at| at <= now)
    }

    /// Whether the packets of new sessions are judged.
    pub fn is_judged(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.is_needed)
    }

    /// Whether a session's app hears of it only once somebody was accepted (`auth.when = "connect"`).
    pub fn asks_by_connect(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.by_connect)
    }

    /// Why clients of this revision are not served on this route; `None`: they are.
    pub fn refuses(&self, revision: Revision) -> Option<&'static str> {
        match (revision, &self.rules) {
            (Revision::Four, _) => None,
            (Revision::Three, _) if !self.assumed.eio3 => Some("socketio.eio3 is off"),
            (Revision::Three, Some(rules)) => rules.refuse_three(),
            (Revision::Three, None) => None,
        }
    }

    pub fn allows(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }
}
