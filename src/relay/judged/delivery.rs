//! Toward the app: its session is opened when somebody was accepted, packets are sent in bodies of 16, one POST after the
//! other, and questions about tokens are answered.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::{
    app::{First, Seat, Stage},
    hearing,
    speaker::{Speaker, Toward},
    visit::{self, Visit},
};
use crate::{
    codec::{
        engine::{self, Rewrite},
        payload,
    },
    http::Body,
    policy::{Refusal, Refused},
    relay::{
        Reason,
        exchange::{self, Wait},
        polling, seating,
    },
    upstream::{Member, NoMember},
};

/// What an app said to a POST.
pub struct Said {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Said {
    /// The same with the cookies of what was said before, which nobody else takes to the client.
    pub fn after(mut self, earlier: Vec<HeaderValue>) -> Self {
        if !earlier.is_empty() {
            let own: Vec<HeaderValue> = self.cookies();
            self.headers.remove(header::SET_COOKIE);
            for cookie in earlier.into_iter().chain(own) {
                self.headers.append(header::SET_COOKIE, cookie);
            }
        }
        self
    }

    pub fn cookies(&self) -> Vec<HeaderValue> {
        self.headers.get_all(header::SET_COOKIE).iter().cloned().collect()
    }
}

/// An app's answer to a POST: `ok`, or a short reason.
const LARGEST_ANSWER: usize = 64 * 1024;
/// The first answer of a session: an open packet and perhaps a few more.
const LARGEST_FIRST: usize = 64 * 1024;

/// Sends everything that waits for the app. The last answer, when there was one; one that is no yes has ended the session.
pub async fn deliver(visit: &Visit) -> Result<Option<Said>, Refused> {
    let _turn = visit.desk.sending.lock().await;
    let mut last: Option<Said> = None;
    // Of answers that are not the last.
    let mut cookies = Vec::new();
    while visit.desk.has_for_app() {
        if visit.session.is_over() {
            // Whoever ended it tells the app.
            return Ok(last);
        }
        if visit.judged.app.stage() == Stage::Unopened
            && visit.judged.guard().may_open()
            && let Some(first) = visit.judged.app.begin()
        {
            cookies = open_by_polling(visit, *first).await?;
        }
        if visit.judged.app.stage() != Stage::Polling || visit.desk.is_handed_over() {
            return Ok(last);
        }
        let Some(seat) = visit.judged.app.seat() else { return Ok(last) };
        let Some(packets) = visit.desk.next_for_app(visit::largest(&seat)) else { return Ok(last) };
        let sent = visit.send_packets(&seat, packets).await.map_err(|error| visit.lost(&error))?;
        let said = read(visit, sent).await?;
        let is_yes = said.status.is_success();
        cookies.extend(last.iter().flat_map(Said::cookies));
        last = Some(said.after(std::mem::take(&mut cookies)));
        if !is_yes {
            visit.part(Reason::AppClosed);
            break;
        }
        visit.session.confirm();
    }
    Ok(last)
}

async fn read(visit: &Visit, answer: Response<Body>) -> Result<Said, Refused> {
    let (parts, body) = answer.into_parts();
    let collected = tokio::time::timeout(visit.venue.patience.answer, Limited::new(body, LARGEST_ANSWER).collect()).await;
    let (refusal, reason) = match collected {
        Ok(Ok(body)) => return Ok(Said { status: parts.status, headers: parts.headers, body: body.to_bytes() }),
        Ok(Err(_)) => (Refusal::UpstreamInvalid, Reason::AppInvalid),
        Err(_) => (Refusal::UpstreamTimeout, Reason::AppStalled),
    };
    visit.part(reason);
    Err(refusal.into())
}

/// Finds out what the guard has asked. The answers may let packets go on.
pub async fn settle(visit: &Visit) {
    while let Some(question) = visit.desk.next_question() {
        visit.judged.settle(&visit.venue, question).await;
        visit.judged.collect();
        visit.judged.nudge();
    }
}

/// Opens the app's session as its first request would have, with what is known by now of who asks. The cookies that the app sets
/// with its answer: the client has long got its own.
async fn open_by_polling(visit: &Visit, first: First) -> Result<Vec<HeaderValue>, Refused> {
    match ask_open(visit, first).await {
        Ok((seat, cookies)) => {
            visit.judged.app.polls(seat);
            visit.part_late();
            visit.session.confirm();
            // A GET that waits can go on to the app.
            visit.judged.nudge();
            Ok(cookies)
        }
        Err((refused, reason)) => {
            visit.judged.app.lose();
            visit.part(reason);
            Err(refused)
        }
    }
}

async fn ask_open(visit: &Visit, first: First) -> Result<(Seat, Vec<HeaderValue>), (Refused, Reason)> {
    let venue = &visit.venue;
    let (answer, member) = ask_somewhere(visit, &first.speaker).await?;
    if answer.status() != StatusCode::OK {
        let said = format!("the app answered the handshake with {}", answer.status());
        return Err((Refused::because(Refusal::UpstreamFailed, said), Reason::AppClosed));
    }
    let invalid = |detail: &str| (Refused::because(Refusal::UpstreamInvalid, detail), Reason::AppInvalid);
    if answer.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(invalid("the open packet came encoded although identity was asked for"));
    }
    let cookies = polling::cookies(answer.headers());
    let collected = tokio::time::timeout(venue.patience.handshake, Limited::new(answer.into_body(), LARGEST_FIRST).collect());
    let body = collected
        .await
        .map_err(|_| (Refused::from(Refusal::UpstreamTimeout), Reason::AppStalled))?
        .map_err(|_| invalid("the open packet broke off or is too large"))?
        .to_bytes();
    let (packet, rest) = payload::split_first(&body);
    let change = Rewrite { keep_upgrades: &[], max_payload: venue.limits.message };
    let open = engine::read_open(packet, &change).map_err(|error| invalid(&error.to_string()))?.open;
    member.learn(open.ping_interval_ms, open.ping_timeout_ms);
    if let Some(rest) = rest.get(1..) {
        hearing::hear(&visit.judged, &visit.desk, rest);
    }
    Ok((Seat { sid: open.sid.into(), member, largest: open.max_payload }, cookies))
}

/// Asks the member that is chosen for whoever was accepted; when that one cannot be reached another one, once.
async fn ask_somewhere(visit: &Visit, speaker: &Speaker) -> Result<(Response<Body>, Arc<Member>), (Refused, Reason)> {
    let (venue, session) = (&visit.venue, &visit.session);
    let identity = visit.judged.guard().identity().cloned();
    let key = venue.hash.key(&speaker.asker(identity.as_ref()));
    let ask = async |member: &Arc<Member>| {
        let request = speaker.get(venue, Toward { member, sid: None, identity: identity.as_ref() });
        exchange::send(&visit.bench, venue, member, request, Wait::Open(venue.patience.handshake)).await
    };
    let nobody = |error: NoMember| (Refused::because(Refusal::UpstreamUnavailable, error.to_string()), Reason::MemberGone);
    session.settle_on(seating::at_last(&venue.pool, key, &session.member(), Instant::now()).map_err(nobody)?);
    let mut member = session.member();
    let mut answer = ask(&member).await;
    if answer.as_ref().is_err_and(polling::is_unreached)
        && let Ok(lease) = seating::elsewhere(&venue.pool, key, &member, Instant::now())
    {
        session.settle_on(lease);
        member = session.member();
        answer = ask(&member).await;
    }
    answer.map(|answer| (answer, member)).map_err(|error| visit::meaning(&error))
}
