//! Sessions that tell who they are with their CONNECT packet (`auth.when = "connect"`), as far as the gate opens them: it answers
//! the handshake itself, with an id of its own and the heartbeat the app was last seen to keep, and the app hears nothing until
//! somebody was accepted. What is kept of such a session is bounded, and so is how long it may take.

use std::{
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderValue, Response, header};

use super::{app::First, speaker::Speaker, watch};
use crate::{
    codec::engine::Open,
    config::socketio::Transport as Allowed,
    http::{Body, body},
    policy::{Refusal, Refused, limit::Permit},
    relay::{
        Admission, Session, Venue,
        admission::{Bench, Opener},
        errand::Errand,
        polling,
        session::{Held, Transport},
    },
    upstream::OUT_OF_REACH,
};

/// Bytes of the first request that are kept for the app: more than browsers send, less than a head may have.
const LARGEST_FIRST: usize = 32 * 1024;
/// How often it is looked whether somebody was accepted.
const GLANCE: Duration = Duration::from_secs(1);

/// A new session by polling, which its app does not hear of yet.
pub fn open(bench: &Arc<Bench>, venue: &Arc<Venue>, admission: Admission, errand: Errand) -> Result<Response<Body>, Refused> {
    let (session, packet) = enter(bench, venue, admission, errand, Transport::Polling)?;
    watch::begin(bench, &venue.metrics, &session);
    let mut answer = Response::new(body::full(packet));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For the record.
    answer.extensions_mut().insert(session.key);
    Ok(answer)
}

/// Enters a new session of either transport. Also the open packet that its client gets, in the gate's own words.
pub fn enter(
    bench: &Arc<Bench>,
    venue: &Arc<Venue>,
    mut admission: Admission,
    mut errand: Errand,
    transport: Transport,
) -> Result<(Arc<Session>, Vec<u8>), Refused> {
    // A yes of ours would be the client library's sign to forget how often it has tried, and its CONNECT would come to nothing.
    if venue.pool.is_out_of_reach(Instant::now()) {
        let detail = Some("no member could be reached a moment ago".into());
        return Err(Refused { refusal: Refusal::UpstreamUnavailable, retry_after: Some(OUT_OF_REACH), detail });
    }
    let member = admission.seat.member().clone();
    let shown = errand.shown.take();
    let mut note = polling::blank(venue, &admission);
    note.is_local = true;
    note.sid = local_id(&errand);
    let speaker = Arc::new(Speaker::new(errand));
    if speaker.weight() > LARGEST_FIRST {
        return Err(Refused::because(Refusal::HeadersTooMany, "the first request is kept for the app"));
    }
    let sealed = venue.sealer.seal(&note).ok_or(Refusal::Internal)?;
    let (interval, timeout) = member.ping(&venue.assumed);
    let may_upgrade = transport == Transport::Polling && venue.allows(Allowed::Websocket);
    let open = Open {
        sid: sealed,
        upgrades: if may_upgrade { vec!["websocket".into()] } else { Vec::new() },
        ping_interval_ms: milliseconds(interval),
        ping_timeout_ms: milliseconds(timeout),
        max_payload: venue.limits.message,
    };
    let waiting = std::mem::take(&mut admission.waiting);
    let by = Opener {
        transport,
        revision: admission.revision,
        identity: None,
        address: admission.address,
        origin: note.origin,
        shown: shown.as_ref(),
    };
    let held = Held { lease: admission.seat.into_lease(venue)?, permits: admission.permits };
    let session = venue.session(note.key(), by, held);
    let judged = session.judged.clone().ok_or(Refusal::Internal)?;
    if let Some(desk) = judged.desk() {
        desk.speak_as(venue, &speaker);
    }
    judged.app.hold(First { speaker });
    let session = venue.ledger.enter(session);
    wait_for_somebody(bench, venue, &session, waiting);
    Ok((session, open.write()))
}

/// Keeps a session's place among those who have yet to say who they are, and ends it when it does not say so in time. Whichever
/// transport carries it hears it by `ending`; one that nobody asks for just now is simply over.
pub fn wait_for_somebody(bench: &Arc<Bench>, venue: &Arc<Venue>, session: &Arc<Session>, waiting: Vec<Permit>) {
    let Some(judged) = session.judged.clone() else { return };
    let (stop, venue, session) = (bench.stop.clone(), venue.clone(), session.clone());
    let watching = async move {
        while !session.is_over() && judged.guard().identity().is_none() {
            let again = judged.guard().tick(Instant::now(), SystemTime::now());
            if judged.guard().is_ended() {
                judged.nudge();
                if !session.is_attended() {
                    judged.collect();
                    let ending = match session.ending.is_told() {
                        true => Some(session.ending.reason()),
                        false => judged.desk().and_then(|desk| desk.ending()),
                    };
                    venue.ledger.close(&session, ending.unwrap_or(crate::relay::Reason::ConnectTimeout));
                }
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(again.unwrap_or(GLANCE).min(GLANCE)) => {}
                () = session.ending.cancelled() => return,
            }
        }
    };
    bench.tasks.spawn(async move {
        let _ = stop.run_until_cancelled(watching).await;
        drop(waiting);
    });
}

/// Nobody can guess it, though knowing it is of no use: clients have it sealed.
fn local_id(errand: &Errand) -> String {
    let mut id = String::with_capacity(32);
    for byte in &errand.random[16..] {
        // Writing into a String does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
