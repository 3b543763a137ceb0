//! The one GET toward the app of a judged session. It runs in a task of its own, for clients' GETs come and go while it waits:
//! whoever needs packets begins it unless it is under way, and what it brings goes by the guard to whoever asks next.

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;

use super::{
    app::{Seat, Stage},
    bounds, delivery,
    desk::Failure,
    hearing,
    speaker::Toward,
    visit::{self, Visit},
};
use crate::{
    http::Body,
    policy::{Refusal, Refused},
    relay::{
        Reason,
        exchange::{self, Wait},
        polling::POLL_MARGIN,
    },
    telemetry::panic,
};

/// Begins a GET, unless one is under way or none is wanted.
pub fn ensure(visit: &Visit) {
    if visit.judged.app.stage() != Stage::Polling || visit.session.is_over() {
        return;
    }
    let Some(seat) = visit.judged.app.seat() else { return };
    if !visit.desk.may_fetch() {
        return;
    }
    let task = visit.bench.tasks.spawn(run(visit.clone(), seat));
    visit.desk.fetching(task.abort_handle(), visit.session.is_over());
}

async fn run(visit: Visit, seat: Seat) {
    let metrics = visit.venue.metrics.clone();
    let stop = visit.bench.stop.clone();
    let fetching = panic::caught(&metrics, fetch(&visit, &seat));
    let Some(fetched) = stop.run_until_cancelled(fetching).await else { return };
    match fetched {
        Ok(Ok(packets)) => hearing::hear(&visit.judged, &visit.desk, &packets),
        Ok(Err(failure)) => fail(&visit, failure),
        Err(_) => fail(&visit, (Failure::Refused(Refusal::Internal.into()), Reason::AppGone)),
    }
    visit.desk.fetched();
    visit.judged.nudge();
    // Its answer may have been the yes that packets of the client have waited for.
    let following = async {
        // Whoever waits hears of what went wrong by the session's end.
        let _ = delivery::deliver(&visit).await;
        delivery::settle(&visit).await;
        let _ = delivery::deliver(&visit).await;
    };
    let _ = stop.run_until_cancelled(following).await;
}

/// The session is lost, and this is what its client is told.
fn fail(visit: &Visit, (failure, reason): (Failure, Reason)) {
    if visit.desk.is_handed_over() {
        // It is the WebSocket's now: what becomes of an old GET says nothing about it.
        return;
    }
    visit.desk.fail(failure);
    visit.part(reason);
}

async fn fetch(visit: &Visit, seat: &Seat) -> Result<Bytes, (Failure, Reason)> {
    let venue = &visit.venue;
    let identity = visit.judged.guard().identity().cloned();
    let toward = Toward { member: &seat.member, sid: Some(&seat.sid), identity: identity.as_ref() };
    let request = visit.speaker.get(venue, toward);
    // It is the app that ends a poll.
    let patience = venue.heartbeat(&seat.member) + POLL_MARGIN;
    let answer = exchange::send(&visit.bench, venue, &seat.member, request, Wait::Poll(visit.session.key, patience)).await;
    let answer = answer.map_err(|error| {
        let (refused, reason) = visit::meaning(&error);
        (Failure::Refused(refused), reason)
    })?;
    let is_encoded = answer.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if is_encoded && answer.status() == StatusCode::OK {
        return Err(invalid("a poll's answer came encoded although identity was asked for"));
    }
    let (parts, body) = Response::into_parts(answer);
    let body = collect(visit, body).await?;
    if parts.status != StatusCode::OK {
        return Err((Failure::Answer(Box::new(parts), body), Reason::AppClosed));
    }
    visit.session.confirm();
    Ok(body)
}

/// An app's answer, whole. It may take as long as it likes while it goes on speaking.
async fn collect(visit: &Visit, mut body: Body) -> Result<Bytes, (Failure, Reason)> {
    let most = bounds::of_answer(visit.venue.limits.message);
    let length = HttpBody::size_hint(&body).exact().and_then(|length| usize::try_from(length).ok());
    let too_large = || {
        let detail = format!("a poll's answer has more than {most} bytes; apps may send more with a larger socketio.max_payload");
        invalid(&detail)
    };
    if length.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut collected = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(visit.venue.patience.answer, body.frame()).await;
        let frame = frame.map_err(|_| (Failure::Refused(Refusal::UpstreamTimeout.into()), Reason::AppStalled))?;
        let Some(frame) = frame else { return Ok(collected.freeze()) };
        let frame = frame.map_err(|_| invalid("a poll's answer broke off"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if bytes.len() > most - collected.len() {
            return Err(too_large());
        }
        if collected.is_empty() && body.is_end_stream() {
            return Ok(bytes);
        }
        if collected.is_empty() {
            // Once: it may be as large as many messages.
            collected.reserve(length.unwrap_or_default());
        }
        collected.extend_from_slice(&bytes);
    }
}

fn invalid(detail: &str) -> (Failure, Reason) {
    (Failure::Refused(Refused::because(Refusal::UpstreamInvalid, detail)), Reason::AppInvalid)
}
