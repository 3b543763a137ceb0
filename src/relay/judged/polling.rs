//! A client's polls and POSTs on a judged session. A GET is answered as soon as there is something for the client, whoever says
//! it; meanwhile the one GET toward the app waits on. A POST is read whole, each of its packets is shown to the guard, and what
//! passes is sent on; it is answered once that is done, with anything but 200 only when the session is over.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{
    super::guard::Message,
    bodies,
    delivery::{self, Said},
    desk::{Failure, Next, noop},
    fetch,
    visit::Visit,
};
use crate::{
    http::{Body, BodyError, body},
    policy::{Refusal, Refused},
    relay::{
        Reason, exchange, polling,
        session::{Attendance, Lane},
    },
};

/// Packets of a POST. Clients send all that has gathered as one, also some thousand events of one loop; a body full of the smallest
/// packets would have half a million.
const MOST: usize = 4096;
/// The wall clock and the timers' may disagree: nobody looks again at once.
pub const MOMENT: Duration = Duration::from_millis(10);
/// Bytes of a GET's answer, unless one packet alone has more, or one with its attachments.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// The next packets of a session.
pub async fn poll(visit: Visit) -> Result<Response<Body>, Refused> {
    let mut attendance = attend(&visit, Lane::Poll)?;
    if visit.desk.is_handed_over() {
        return Err(upgraded());
    }
    attendance.counts();
    let turn = visit.desk.take_turn();
    // The one before hears that it is let go.
    visit.desk.poll.notify_waiters();
    let mut hangup = Hangup { visit: Some(visit.clone()), turn };
    let answer = wait(&visit, turn).await;
    hangup.visit = None;
    answer
}

async fn wait(visit: &Visit, turn: u64) -> Result<Response<Body>, Refused> {
    loop {
        let news = visit.desk.poll.notified();
        tokio::pin!(news);
        // Heard from here on, so that nothing is said between looking and waiting.
        news.as_mut().enable();
        let again = visit.look();
        match visit.desk.next_for_client(turn, LARGEST_ANSWER, Instant::now()) {
            Next::Packets(packets) => return Ok(packets_for(visit, packets)),
            Next::LetGo => {
                // The news may have been for the newer one.
                visit.desk.poll.notify_one();
                let mut body = Vec::new();
                bodies::write(visit.session.revision, &noop(), &mut body);
                return Ok(packets_for(visit, body));
            }
            Next::Failed(failure) => return failed(failure),
            Next::Nothing => {}
        }
        let lingers = match visit.session.is_over() {
            // Client libraries start over after this answer.
            true => Some(visit.desk.lingers(Instant::now()).ok_or_else(|| gone(visit))?),
            false => None,
        };
        fetch::ensure(visit);
        tokio::select! {
            () = news => {}
            () = sleep(lingers.or(again).map(|time| time.max(MOMENT))) => {}
            reason = polling::over(&visit.session), if lingers.is_none() => {
                if reason == Reason::Draining {
                    visit.close(Reason::Draining);
                    return Err(Refused::because(Refusal::SessionUnknown, reason.name()));
                }
                visit.judged.end(reason, Instant::now());
            }
        }
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// A client that hangs up on the GET it waits for has left, as apps see it; one that has asked again has not.
struct Hangup {
    visit: Option<Visit>,
    turn: u64,
}

impl Drop for Hangup {
    fn drop(&mut self) {
        let Some(visit) = self.visit.take() else { return };
        if visit.desk.has_turn(self.turn) && visit.is_polling() && !visit.session.is_over() {
            // A worker in its last hour cuts what is open.
            let reason = if visit.bench.stop.is_cancelled() { Reason::Draining } else { Reason::ClientGone };
            visit.close(reason);
        }
    }
}

/// Packets of a client.
pub async fn post(visit: Visit, incoming: Incoming) -> Result<Response<Body>, Refused> {
    let mut attendance = attend(&visit, Lane::Post)?;
    let packets = read(&visit, incoming).await?;
    if visit.session.is_over() {
        // It was told so; what it still says is its goodbye.
        if exchange::is_closing(visit.session.revision, &packets) {
            visit.desk.leave();
            visit.judged.nudge();
        }
        return Ok(ok(None));
    }
    if visit.desk.is_handed_over() {
        return Err(upgraded());
    }
    attendance.counts();
    visit.look();
    let closes = show(&visit, &packets)?;
    // What the guard has said to it is for the GET that waits.
    visit.judged.nudge();
    // From here on it is the session's: a client that hangs up now has said it all the same.
    let (stop, rest) = (visit.bench.stop.clone(), visit.clone());
    let rest = visit.bench.tasks.spawn(async move {
        let finished = stop.run_until_cancelled(finish(rest, closes)).await;
        // Until then it takes its place among the POSTs that are under way.
        drop(attendance);
        finished
    });
    match rest.await {
        Ok(Some(said)) => said.map(ok),
        Ok(None) => Err(Refusal::Draining.into()),
        Err(_) => Err(Refusal::Internal.into()),
    }
}

async fn read(visit: &Visit, incoming: Incoming) -> Result<Bytes, Refused> {
    let venue = &visit.venue;
    let taken = exchange::client_body(incoming, venue.limits.message, venue.patience.body).await?;
    let collected = taken.body.collect().await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::PayloadTooLarge,
        BodyError::TooSlow => Refusal::BodyTooSlow,
        BodyError::Client | BodyError::Upstream | BodyError::Ended => Refusal::BodyBroken,
    })?;
    let packets = collected.to_bytes();
    let size = packets.len() as u64;
    visit.session.bytes_in.fetch_add(size, Ordering::Relaxed);
    venue.carried.polling_in.inc_by(size);
    Ok(packets)
}

/// Shows a body's packets to the guard. `true`: the client closes the session with them.
fn show(visit: &Visit, body: &[u8]) -> Result<bool, Refused> {
    let revision = visit.session.revision;
    let malformed = |detail: &str| broken(visit, Reason::MalformedPacket, detail);
    let mut messages = bodies::of_client(revision, body, MOST).map_err(|error| malformed(&error.to_string()))?;
    let closing = messages.iter().position(|message| matches!(message, Message::Text(text) if text == "1"));
    // Nobody reads on behind a goodbye.
    messages.truncate(closing.map_or(messages.len(), |at| at + 1));
    if !messages.iter().all(|message| bodies::may_be_polled(revision, message)) {
        return Err(malformed("a packet that is not sent by polling"));
    }
    let now = Instant::now();
    if messages.iter().any(is_spoken) {
        visit.session.speaks(now);
    }
    visit.desk.show_all(&visit.judged, messages, now).map_err(|reason| broken(visit, reason, reason.name()))?;
    // Also when the app is not to hear of it.
    Ok(closing.is_some())
}

/// Whether it is more than a heartbeat.
fn is_spoken(message: &Message) -> bool {
    match message {
        Message::Text(text) => text.starts_with('4'),
        Message::Binary(_) => true,
    }
}

/// Nothing more of the client goes on, and its session is over.
fn broken(visit: &Visit, reason: Reason, detail: &str) -> Refused {
    visit.judged.end(reason, Instant::now());
    visit.part(reason);
    Refused::because(Refusal::PacketMalformed, detail)
}

/// Sends on what may go on, and finds out what was asked. Packets of other namespaces have gone before a token is judged.
async fn finish(visit: Visit, closes: bool) -> Result<Option<Said>, Refused> {
    let mut said = delivery::deliver(&visit).await?;
    delivery::settle(&visit).await;
    if let Some(later) = delivery::deliver(&visit).await? {
        said = Some(later.after(said.map(|said| said.cookies()).unwrap_or_default()));
    }
    if closes {
        visit.desk.leave();
        visit.part(Reason::ClientClosed);
    } else {
        visit.look();
    }
    Ok(said)
}

fn attend(visit: &Visit, lane: Lane) -> Result<Attendance, Refused> {
    let attendance = visit.session.attend_by(lane);
    attendance.ok_or_else(|| Refused::because(Refusal::Engine, "too many requests of this session are under way"))
}

/// Polls of a session that a WebSocket carries come to nothing.
pub fn upgraded() -> Refused {
    Refused::because(Refusal::Engine, "a WebSocket carries this session")
}

fn gone(visit: &Visit) -> Refused {
    Refused::because(Refusal::SessionUnknown, visit.session.end().name())
}

/// What the app has said instead of packets, or why it said nothing.
fn failed(failure: Failure) -> Result<Response<Body>, Refused> {
    match failure {
        Failure::Refused(refused) => Err(refused),
        Failure::Answer(parts, said) => Ok(whole(Response::from_parts(*parts, said))),
    }
}

fn packets_for(visit: &Visit, packets: Vec<u8>) -> Response<Body> {
    let size = packets.len() as u64;
    visit.session.bytes_out.fetch_add(size, Ordering::Relaxed);
    visit.venue.carried.polling_out.inc_by(size);
    let mut answer = Response::new(packets.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    whole(answer)
}

/// A POST was taken: in the app's own words, where it has said any.
fn ok(said: Option<Said>) -> Response<Body> {
    let Some(said) = said else {
        let mut answer = Response::new(Bytes::from_static(b"ok"));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        return whole(answer);
    };
    let mut answer = Response::new(said.body);
    *answer.status_mut() = said.status;
    *answer.headers_mut() = said.headers;
    whole(answer)
}

/// An answer whose body is all here. Packets are nobody's to keep.
fn whole(answer: Response<Bytes>) -> Response<Body> {
    let (mut parts, said) = answer.into_parts();
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(said.len()));
    parts.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if parts.status == StatusCode::NO_CONTENT {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    Response::from_parts(parts, body::full(said))
}
