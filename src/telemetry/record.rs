//! The one record a request or a session leaves behind: who, where, what was decided and why. Never a token, a query, a
//! session id or a payload.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tracing::{Level, event};

/// The target of records.
pub const ACCESS: &str = "sockgate::access";
/// The target of refusals that may be an attack.
pub const SECURITY: &str = "sockgate::security";

/// The target of everything a followed client does; it is written whatever the level is.
pub const FOLLOWED: &str = "sockgate::followed";

/// What is known of a request at its end.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub id: String,
    pub address: Option<IpAddr>,
    pub method: String,
    /// The path of the route, or of the request where no route took it.
    pub path: String,
    /// What was asked: `open`, `poll`, `post`, `upgrade`, `websocket`, `http`, `preflight`, `none`.
    pub kind: &'static str,
    pub origin: String,
    pub subject: String,
    /// The session's name, where it is known: by it all records of one session are found.
    pub session: String,
    pub member: String,
    pub status: u16,
    /// The refusal's stable name.
    pub refusal: Option<&'static str>,
    /// What an operator should know of the reason, and how to mend it.
    pub detail: Option<String>,
    pub suspicious: bool,
    pub lasted: Duration,
}

/// What is known of a session at its end.
#[derive(Clone, Debug)]
pub struct SessionEnd<'a> {
    pub session: &'a str,
    pub address: IpAddr,
    pub subject: Option<&'a str>,
    /// The route it was on, and the member it lived on.
    pub path: &'a str,
    pub member: &'a str,
    pub transport: &'static str,
    pub reason: &'static str,
    /// The close code a WebSocket client got.
    pub code: Option<u16>,
    pub lasted: Duration,
    pub messages_in: u64,
    pub messages_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// What a rule that is only tried would have refused (`access.shadow`).
pub struct Shadow<'a> {
    /// The request's id; empty for what happens inside a session.
    pub id: &'a str,
    /// The session's name; empty outside of one.
    pub session: &'a str,
    pub address: IpAddr,
    pub subject: &'a str,
    /// The path of the request, or of the session's route.
    pub path: &'a str,
    /// The refusal's stable name.
    pub refusal: &'static str,
    /// The rule, and what it is about.
    pub detail: &'a dyn fmt::Display,
}

/// Something that an operator has changed, or tried to, at the admin door.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// `revoke`, `unrevoke`, `kill`, `reload`.
    pub deed: &'static str,
    /// Who did it.
    pub address: SocketAddr,
    /// To whom; empty when nothing came of it.
    pub what: &'a str,
    pub status: u16,
}

/// Whether a request's record would be written: where it would not, it need not be put together.
pub fn is_wanted() -> bool {
    tracing::enabled!(target: ACCESS, Level::INFO) || tracing::enabled!(target: SECURITY, Level::WARN)
}

/// Polls and POSTs of healthy sessions are `debug`: a busy gate has thousands a second, and their session leaves a record
/// of its own. So are preflights that are answered with yes, of which browsers make one for each of these. Everything else is `info`, and so is all that a followed client does (`log.debug_for`); a refusal that may be
/// an attack is repeated for the security log.
pub fn request(record: &Request, is_followed: bool) {
    macro_rules! write_at {
        ($target:expr, $level:expr) => {
            event!(
                target: $target,
                $level,
                id = record.id,
                address = record.address.map(tracing::field::display),
                method = record.method,
                path = record.path,
                kind = record.kind,
                origin = record.origin,
                subject = record.subject,
                session = record.session,
                member = record.member,
                status = record.status,
                refusal = record.refusal,
                detail = record.detail,
                ms = record.lasted.as_millis() as u64,
                "request"
            )
        };
    }
    let is_routine = record.refusal.is_none() && matches!(record.kind, "poll" | "post" | "preflight");
    if is_followed {
        write_at!(FOLLOWED, Level::INFO);
    } else if is_routine {
        write_at!(ACCESS, Level::DEBUG);
    } else {
        write_at!(ACCESS, Level::INFO);
    }
    if record.suspicious {
        write_at!(SECURITY, Level::WARN);
    }
}

/// One line for something that passed and would not have.
pub fn shadow(shadow: &Shadow<'_>) {
    event!(
        target: SECURITY,
        Level::WARN,
        id = shadow.id,
        session = shadow.session,
        address = %shadow.address,
        subject = shadow.subject,
        path = shadow.path,
        refusal = shadow.refusal,
        detail = %shadow.detail,
        "would be refused"
    );
}

/// One line for a session's whole life.
pub fn session(end: &SessionEnd<'_>, is_followed: bool) {
    macro_rules! write_at {
        ($target:expr) => {
            event!(
                target: $target,
                Level::INFO,
                session = end.session,
                address = %end.address,
                subject = end.subject,
                path = end.path,
                member = end.member,
                transport = end.transport,
                reason = end.reason,
                code = end.code,
                ms = end.lasted.as_millis() as u64,
                messages_in = end.messages_in,
                messages_out = end.messages_out,
                bytes_in = end.bytes_in,
                bytes_out = end.bytes_out,
                "session ended"
            )
        };
    }
    if is_followed {
        write_at!(FOLLOWED);
    } else {
        write_at!(ACCESS);
    }
}

/// A packet that was refused in an open session, or would have been.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub session: &'a str,
    pub subject: Option<&'a str>,
    /// The refusal's stable name.
    pub refusal: &'static str,
    /// Which rule or what was wrong, for the operator.
    pub detail: &'a str,
    /// It was let through.
    pub shadow: bool,
}

/// A line for a packet. `left_out`: so many like it had none since the last line.
pub fn packet(packet: &Packet<'_>, left_out: u64) {
    let Packet { session, subject, refusal, detail, shadow } = *packet;
    let left_out = Some(left_out).filter(|count| *count > 0);
    if shadow {
        event!(target: SECURITY, Level::INFO, session, subject, refusal, detail, left_out, "packet would be refused");
    } else {
        event!(target: SECURITY, Level::INFO, session, subject, refusal, detail, left_out, "packet refused");
    }
}

/// A line for packets of a session that is gone, which had none. Its `detail` is the rule alone.
pub fn packets_left_out(packets: &Packet<'_>, left_out: u64) {
    let Packet { session, subject, refusal, detail, shadow } = *packets;
    if shadow {
        event!(target: SECURITY, Level::INFO, session, subject, refusal, detail, left_out, "packets would be refused");
    } else {
        event!(target: SECURITY, Level::INFO, session, subject, refusal, detail, left_out, "packets refused");
    }
}

/// One line for whatever is done at the admin door.
pub fn deed(deed: &Deed<'_>) {
    let Deed { deed, address, what, status } = *deed;
    event!(target: SECURITY, Level::INFO, deed, %address, what, status, "admin");
}
