//! One request from its head to its answer, in order: what is asked, which page, which session, how often, who, whether they
//! may, where to, carry. The order is meaning: a page is judged before tokens are looked at, so that every refusal can be read by an allowed
//! page; an address is counted before signatures are checked, so that checking cannot be made to cost; nothing is leased
//! for somebody who may not pass.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Instant, SystemTime},
};

use http::{Method, Request, Response, header, request::Parts};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::{
    Gate, Generation, Room,
    identify::{self, Shown},
    reply,
    story::Story,
    wanted::{self, LastShown, Wanted},
};
use crate::{
    http::{
        Body,
        forwarded::{self, Client},
        head::{Head, HeadShape},
        headers,
    },
    net::Peer,
    policy::{
        Refusal, Refused,
        access::Decision,
        auth::Identity,
        limit::Permit,
        origin::{Ask, FetchSite, Grant, OriginRefusal, Page, Shown as ShownOrigin, Wish},
    },
    relay::{
        Admission, Asked,
        admission::{Answered, Bench, Seat},
        carry,
        errand::Errand,
        seal::Stub,
    },
    telemetry::panic,
};

/// A client's connection, as every request on it sees it.
pub struct Connection {
    pub peer: Arc<Peer>,
    /// Its place among the connections; a WebSocket keeps it.
    pub pass: Arc<dyn Any + Send + Sync>,
    /// Lets it go after the answers that are under way.
    pub leave: CancellationToken,
    pub last_shown: LastShown,
    /// It has had a request.
    pub has_asked: AtomicBool,
}

/// Answers one request. There is always an answer, also when telling it ends in a panic.
pub async fn answer(
    gate: Arc<Gate>,
    bench: Arc<Bench>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<Body> {
    let busy = gate.enter();
    let generation = gate.generation();
    let mut story = Story::begin(&gate.metrics, &bench, &connection.peer);
    // Boxed, for hyper keeps room for a request's future as long as its connection lives.
    let told = Box::pin(tell(&gate, &generation, &bench, &connection, request, &mut story));
    let told = panic::caught(&gate.metrics, told).await;
    if gate.is_closed()
        && let Ok(Err(refused)) = &told
    {
        // Whoever starts over should not find the leaving gate again, which HTTP/2 would until it is told to go. Other sessions on
        // the connection may have some time left, so it is told only when it asks for something new.
        match refused.refusal {
            Refusal::Draining => connection.leave.cancel(),
            Refusal::SessionUnknown => story.closes(),
            _ => {}
        }
    }
    let answer = reply::told(told, &mut story);
    let answer = story.end(&generation, answer);
    drop(busy);
    answer
}

async fn tell(
    gate: &Gate,
    generation: &Generation,
    bench: &Arc<Bench>,
    connection: &Connection,
    mut request: Request<Incoming>,
    story: &mut Story,
) -> Result<Response<Body>, Refused> {
    // Without a wish to upgrade this is a value that never resolves.
    let on_upgrade = Some(hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let client = forwarded::client(&connection.peer, &parts.headers, &generation.config.listen.trusted_proxies);
    story.meet(&parts, &client);
    let wish = Wish::read(&parts.method, &parts.headers);
    if wish.is_some() {
        story.asks_first();
    }
    let is_first = !connection.has_asked.swap(true, Ordering::Relaxed);

    // What is asked, and of whom.
    let head = Head::read(&parts, &HeadShape::new(&generation.config.listen));
    if head.as_ref().is_err_and(|error| error.is_about_framing()) {
        story.closes();
    }
    let judged = |room: &Room, shown: &Shown| judge_page(room, &parts, &client, head.as_ref().ok(), shown);
    let room = match &head {
        Ok(head) => generation.room(head),
        Err(_) => None,
    };
    let Some(room) = room else {
        // No route's rules apply; the general ones decide whether the page may read why.
        story.page(&judge_page(generation.lobby(), &parts, &client, head.as_ref().ok(), &Shown::nothing()));
        return Err(head.err().map_or(Refusal::NotFound.into(), Refused::from));
    };
    story.enter(room);
    let shown = identify::shown(room, &parts, head.as_ref().ok());
    let page = judged(room, &shown);
    story.page(&page);
    let head = head?;

    // Which page asks. A preflight ends here, without a token and without the app.
    if let Some(wish) = wish {
        return preflight(room, page?, &wish, story);
    }
    let (asked, handshake) = wanted::read(room, &head, &parts, generation.number, &connection.last_shown)?;
    story.asks(&asked);
    let grant = page?;

    // How often, and whether at all now.
    let is_new = matches!(asked, Wanted::Open(_) | Wanted::OpenWebSocket(_) | Wanted::WebSocket | Wanted::Http);
    let revision = asked.revision();
    if is_new && gate.turns_away(is_first) {
        return Err(Refusal::Draining.into());
    }
    let now = Instant::now();
    let in_flight = if is_new { Some(admit_address(room, &asked, &client, now)?) } else { None };

    // Who asks.
    let clock = SystemTime::now();
    if let Wanted::Poll(note) | Wanted::Post(note) | Wanted::Upgrade(note) = &asked {
        identify::goes_on(room, note, clock)?;
    }
    let (identity, token, asked) = match asked {
        Wanted::Poll(note) => (identify::of_session(room, &note, &shown, clock).await?, None, Asked::Poll(note)),
        Wanted::Post(note) => (identify::of_session(room, &note, &shown, clock).await?, None, Asked::Post(note)),
        Wanted::Upgrade(note) => {
            let own = own_page(&head, &client);
            let (identity, on_trust) = identify::of_upgrade(room, &note, &shown, &grant, own.as_ref(), &client, clock).await?;
            (identity, None, Asked::Upgrade { note, on_trust })
        }
        Wanted::Open(_) => identify::newcomer(room, &shown, clock, Asked::Open).await?,
        Wanted::OpenWebSocket(_) => identify::newcomer(room, &shown, clock, Asked::OpenWebSocket).await?,
        Wanted::WebSocket => identify::newcomer(room, &shown, clock, Asked::WebSocket).await?,
        Wanted::Http => identify::newcomer(room, &shown, clock, Asked::Http).await?,
    };
    story.knows(identity.as_ref());
    may_ask(room, &asked, identity.as_ref(), &head, story)?;
    let permits = match &asked {
        Asked::Poll(note) | Asked::Post(note) | Asked::Upgrade { note, .. } => admit_return(room, note, &client)?,
        _ => admit_user(room, &asked, identity.as_ref(), &client, now)?,
    };

    // Where to.
    let seat = match &asked {
        Asked::Poll(note) | Asked::Post(note) | Asked::Upgrade { note, .. } => seat_of(room, note, now)?,
        _ => Seat::New(generation.lease(room, identity.as_ref(), &client, &parts.headers, now)?),
    };
    story.goes_to(seat.member());

    let (kept, secure) = (room.kept_member(&parts.headers), client.secure);
    let waiting = wait_for_connect(room, &asked, &client)?;
    let admission = Admission { grant, identity, token, permits, seat, asked, revision, address: client.address, waiting };
    let errand = Errand {
        withheld_protocols: shown.withheld_protocols(),
        shown: if is_new && room.venue.asks_by_connect() { shown.take_token() } else { None },
        parts,
        head,
        client,
        peer: connection.peer.clone(),
        fresh: story.fresh,
        random: story.random,
        handshake,
        on_upgrade,
        pass: connection.pass.clone(),
    };
    let Answered { mut answer, member } = carry::carry(bench, &room.venue, admission, errand, body).await?;
    drop(in_flight);
    story.goes_to(&member);
    if let Some(cookie) = room.affinity(kept, member.id(), secure) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

fn judge_page(room: &Room, parts: &Parts, client: &Client, head: Option<&Head>, shown: &Shown) -> Result<Grant, OriginRefusal> {
    let own = head.and_then(|head| own_page(head, client));
    let csrf = room.origin.csrf();
    let ask = Ask {
        origin: ShownOrigin::read(&parts.headers),
        fetch_site: FetchSite::read(&parts.headers),
        own: own.as_ref(),
        carried_by_cookie: shown.is_by_cookie(),
        changes: !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::CONNECT),
        csrf_cookie: csrf.and_then(|csrf| headers::cookie(&parts.headers, &csrf.cookie)).map(str::as_bytes),
        csrf_header: csrf.and_then(|csrf| parts.headers.get(&csrf.header)).map(|value| value.as_bytes()),
    };
    room.origin.judge(&ask)
}

/// The gate itself, as this request names it.
fn own_page(head: &Head, client: &Client) -> Option<Page> {
    use crate::config::origin::Scheme;
    let host = client.host.as_ref().unwrap_or(&head.host);
    let port = client.port.unwrap_or_else(|| host.port_or_default(client.secure));
    let scheme = if client.secure { Scheme::Https } else { Scheme::Http };
    Page::new(scheme, &host.name, port).ok()
}

fn preflight(room: &Room, grant: Grant, wish: &Wish<'_>, story: &mut Story) -> Result<Response<Body>, Refused> {
    let allowed = room.origin.preflight(&grant, wish).map_err(|refusal| {
        let refused = Err::<Grant, _>(refusal.clone());
        story.page(&refused);
        Refused::from(refusal)
    })?;
    Ok(reply::preflight(&allowed, story))
}

fn admit_address(room: &Room, asked: &Wanted, client: &Client, now: Instant) -> Result<Option<Permit>, Refused> {
    room.limiter.admit_address(client.address, now)?;
    match asked {
        // A plain request may wait long for its app; what is counted as a handshake is one.
        Wanted::Http => Ok(None),
        _ if room.is_full() => Err(Refused::because(Refusal::Overloaded, "limit.sessions")),
        _ => Ok(Some(room.limiter.hold_handshake()?)),
    }
}

/// Whether this account may ask for this path. What happens inside sessions is judged there.
fn may_ask(room: &Room, asked: &Asked, identity: Option<&Identity>, head: &Head, story: &Story) -> Result<(), Refused> {
    let (Asked::WebSocket | Asked::Http) = asked else { return Ok(()) };
    match room.access.may_request(identity, &head.path) {
        Decision::Allow => Ok(()),
        Decision::Deny(rule) => Err(Refused::because(Refusal::AccessRefused, rule.to_string())),
        Decision::Shadow(rule) => {
            story.would_refuse(Refusal::AccessRefused, &rule);
            Ok(())
        }
    }
}

fn admit_user(
    room: &Room,
    asked: &Asked,
    identity: Option<&Identity>,
    client: &Client,
    now: Instant,
) -> Result<Vec<Permit>, Refused> {
    if let Some(person) = identity.and_then(Identity::person) {
        room.limiter.admit_user(person, now)?;
    }
    match asked {
        Asked::Http => Ok(Vec::new()),
        _ => hold_session(room, identity, client),
    }
}

/// A session that this gate does not know (another replica opened it, or it was forgotten) takes its place like a new one.
fn admit_return(room: &Room, note: &Stub, client: &Client) -> Result<Vec<Permit>, Refused> {
    if room.venue.ledger.find(note.key()).is_some() {
        return Ok(Vec::new());
    }
    if room.is_full() {
        return Err(Refused::because(Refusal::Overloaded, "limit.sessions"));
    }
    hold_session(room, note.identity.as_ref(), client)
}

fn hold_session(room: &Room, identity: Option<&Identity>, client: &Client) -> Result<Vec<Permit>, Refused> {
    let mut permits = vec![room.limiter.hold_address_session(client.address)?];
    if let Some(person) = identity.and_then(Identity::person) {
        permits.push(room.limiter.hold_user_session(person)?);
    }
    Ok(permits)
}

/// Who opens a session before saying who it is takes a place among those who do.
fn wait_for_connect(room: &Room, asked: &Asked, client: &Client) -> Result<Vec<Permit>, Refused> {
    let (most, of_address) = room.most_waiting;
    match asked {
        Asked::Open | Asked::OpenWebSocket if room.venue.asks_by_connect() => {
            Ok(room.limiter.hold_waiting(client.address, most, of_address)?)
        }
        _ => Ok(Vec::new()),
    }
}

/// The member a session lives on. When it is gone, so is the session: the client is told to start over, elsewhere.
fn seat_of(room: &Room, note: &Stub, now: Instant) -> Result<Seat, Refused> {
    let mut id = note.member;
    if note.is_local
        && let Some(session) = room.venue.ledger.find(note.key())
    {
        let member = session.member();
        if !session.has_app() {
            // It lives here alone; where its app is to hear of it is chosen then.
            return Ok(Seat::Kept(member));
        }
        id = member.id();
    }
    match room.venue.pool.reach(id, now) {
        Ok(member) => Ok(Seat::Kept(member)),
        Err(gone) => {
            identify::end_gone(room, note);
            Err(Refused::because(Refusal::SessionUnknown, gone.to_string()))
        }
    }
}
