//! Who asks: of a newcomer the token must be good; of a running session the token must belong to whoever opened it. The sealed
//! id remembers the token it was opened with, so a poll that repeats it costs one hash and no signature check.

use std::{sync::Arc, time::SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{header, request::Parts};
use zeroize::Zeroizing;

use super::Room;
use crate::{
    config::auth::When,
    http::{forwarded::Client, head::Head, headers},
    policy::{
        Refusal, Refused,
        auth::{Carrier, Found, Identity, Place, TokenRefusal, token_tag},
        origin::{Grant, Page},
    },
    relay::{
        Asked, Reason, Session,
        seal::{self, Note, Stub, TokenMark},
    },
};

/// The token a request shows, if any.
pub struct Shown {
    found: Result<Option<Token>, TokenRefusal>,
}

struct Token {
    text: Zeroizing<String>,
    place: Place,
}

/// Looks for the token in the places the route names.
pub fn shown(room: &Room, parts: &Parts, head: Option<&Head>) -> Shown {
    if !room.asks_who() {
        return Shown::nothing();
    }
    let places = room.verifier.places();
    let query = head.filter(|_| places.look_in_query()).map(|head| head.query.decoded()).unwrap_or_default();
    let subprotocols: Vec<&str> = parts
        .headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    let cookies = |name: &str| headers::cookies(&parts.headers, name).collect::<Vec<_>>();
    let carrier = Carrier {
        authorization: parts.headers.get_all(header::AUTHORIZATION).iter().collect(),
        cookies: &cookies,
        query: &query,
        subprotocols: &subprotocols,
    };
    let found = places.find(&carrier);
    let owned = |found: Found<'_>| Token { text: Zeroizing::new(found.token.to_string()), place: found.place.clone() };
    Shown { found: found.map(|found| found.map(owned)) }
}

impl Shown {
    pub fn nothing() -> Self {
        Self { found: Ok(None) }
    }

    /// Browsers send cookies whoever asks, so what one carries needs more proof.
    pub fn is_by_cookie(&self) -> bool {
        matches!(&self.found, Ok(Some(Token { place: Place::Cookie(_), .. })))
    }

    /// Subprotocols that are the token's and not the app's: the marker first, then the token.
    pub fn withheld_protocols(&self) -> Vec<String> {
        match &self.found {
            Ok(Some(Token { text, place: Place::Subprotocol })) => vec!["bearer".into(), text.to_string()],
            _ => Vec::new(),
        }
    }

    /// The token itself, for who judges it later: with the CONNECT packet of the session that the request opens. A copy, for what
    /// is withheld from the app stays withheld.
    pub fn take_token(&self) -> Option<Zeroizing<String>> {
        self.found.as_ref().ok()?.as_ref().map(|token| token.text.clone())
    }

    fn token(&self) -> Result<Option<&Token>, Refused> {
        self.found.as_ref().map(Option::as_ref).map_err(|refusal| Refused::from(refusal.clone()))
    }
}

/// Somebody new: a good token, or nobody where nobody needs to be known, or not yet.
pub async fn newcomer(
    room: &Room,
    shown: &Shown,
    now: SystemTime,
    asked: Asked,
) -> Result<(Option<Identity>, Option<TokenMark>, Asked), Refused> {
    if !room.asks_who() {
        return Ok((None, None, asked));
    }
    // Tokens that contradict each other are refused at once, also where the packet may bring another.
    let found = shown.token()?;
    let mark = |found: &Token| TokenMark { tag: token_tag(&found.text), by_header: found.place == Place::Header };
    if room.verifier.when() == When::Connect && matches!(asked, Asked::Open | Asked::OpenWebSocket) {
        return Ok((None, found.map(mark), asked));
    }
    let found = found.ok_or_else(|| Refused::absent(room.verifier.places()))?;
    let identity = room.verifier.who(&found.text, now).await?;
    is_unrevoked(room, &identity, now)?;
    Ok((Some(identity), Some(mark(found)), asked))
}

/// A poll or a POST: the session's own token, or another good one of the same person.
pub async fn of_session(room: &Room, note: &Stub, shown: &Shown, now: SystemTime) -> Result<Option<Identity>, Refused> {
    if note.is_local {
        return of_connected(room, note, shown, now).await;
    }
    if !room.asks_who() {
        return Ok(None);
    }
    match shown.token()? {
        Some(found) => agree(room, note, found, now).await.map(Some),
        None => Err(Refused::absent(room.verifier.places())),
    }
}

/// Who a session is whose CONNECT packets tell. A token is not asked for again; one that is shown must be the one of the
/// beginning, or of the person that was accepted.
async fn of_connected(room: &Room, note: &Stub, shown: &Shown, now: SystemTime) -> Result<Option<Identity>, Refused> {
    let session = room.venue.ledger.find(note.key());
    let judged = session.as_ref().and_then(|session| session.judged.as_ref());
    let Some(accepted) = judged.and_then(|judged| judged.guard().identity().cloned()) else { return Ok(None) };
    let Some(found) = shown.token()?.filter(|_| room.asks_who()) else { return Ok(Some(accepted)) };
    if is_of(note, found) {
        if let Some(judged) = judged.filter(|_| !room.venue.ledger.revocations.is_empty()) {
            let vouched = judged.guard().vouched().cloned();
            vouched.map_or(Ok(()), |vouched| still_vouches(room, note, &vouched, now))?;
        }
        return Ok(Some(accepted));
    }
    let identity = room.verifier.who(&found.text, now).await?;
    is_unrevoked(room, &identity, now)?;
    if identity.person() == accepted.person() {
        return Ok(Some(accepted));
    }
    Err(Refused::because(Refusal::SessionSubject, format!("a session of {} was asked for with another's token", name(&accepted))))
}

/// An upgrade: browsers cannot send Authorization with it, so a session whose token came by header may upgrade once
/// without, from the page and the address that opened it. Browsers always say which page opens a WebSocket; who does not
/// say is no browser and can send the token. `true`: this is such an upgrade.
pub async fn of_upgrade(
    room: &Room,
    note: &Stub,
    shown: &Shown,
    grant: &Grant,
    own: Option<&Page>,
    client: &Client,
    now: SystemTime,
) -> Result<(Option<Identity>, bool), Refused> {
    if note.is_local {
        return of_connected(room, note, shown, now).await.map(|identity| (identity, false));
    }
    if !room.asks_who() {
        return Ok((None, false));
    }
    if let Some(found) = shown.token()? {
        return agree(room, note, found, now).await.map(|identity| (Some(identity), false));
    }
    let by_header = note.token.is_some_and(|mark| mark.by_header);
    // A same-origin handshake shows no origin; the page that may go on with it is the gate's own.
    let same_page = match (note.origin, grant.tag()) {
        (Some(opened_by), Some(asks)) => opened_by == asks,
        (None, Some(_)) => own.is_some_and(|own| grant.page() == Some(own.as_str())),
        (_, None) => false,
    };
    let same_address = note.address == seal::address_tag(client.address);
    if by_header && same_page && same_address { Ok((note.identity.clone(), true)) } else { Err(Refusal::TokenAbsent.into()) }
}

/// The identity of a session whose request shows this token.
async fn agree(room: &Room, note: &Stub, found: &Token, now: SystemTime) -> Result<Identity, Refused> {
    let Some(opened_by) = &note.identity else {
        // Opened when nobody needed to be known; the rules have changed since.
        return Err(Refused::because(Refusal::SessionUnknown, "the session has no identity"));
    };
    if is_of(note, found) {
        still_vouches(room, note, opened_by, now)?;
        return Ok(opened_by.clone());
    }
    let identity = room.verifier.who(&found.text, now).await?;
    is_unrevoked(room, &identity, now)?;
    if identity.person().is_some() && identity.person() == opened_by.person() {
        Ok(opened_by.clone())
    } else {
        Err(Refused::because(
            Refusal::SessionSubject,
            format!("a session of {} was asked for with a token of {}", name(opened_by), name(&identity)),
        ))
    }
}

/// Whether the session was opened with this token.
fn is_of(note: &Note, found: &Token) -> bool {
    note.token.is_some_and(|mark| verify_slices_are_equal(&mark.tag, &token_tag(&found.text)).is_ok())
}

fn name(identity: &Identity) -> String {
    identity.person().map_or_else(|| "nobody".into(), |person| person.to_string())
}

/// The token shown just now has not been taken back.
fn is_unrevoked(room: &Room, identity: &Identity, now: SystemTime) -> Result<(), Refused> {
    match room.venue.ledger.revocations.judge(Some(identity), None, now) {
        None => Ok(()),
        Some(struck) => Err(Reason::from(struck).refused()),
    }
}

/// The token that opened a session has not been taken back. Where a refresh has followed it the session does not end with it, but
/// nobody speaks for the session with it any more. What ends the session as well is for its end to tell.
fn still_vouches(room: &Room, note: &Stub, opened_by: &Identity, now: SystemTime) -> Result<(), Refused> {
    let revocations = &room.venue.ledger.revocations;
    let Some(struck) = revocations.judge(Some(opened_by), None, now) else { return Ok(()) };
    let session = room.venue.ledger.find(note.key());
    let ends = |session: &Arc<Session>| session.is_over() || revocations.judge(session.who().as_ref(), None, now).is_some();
    if session.as_ref().is_some_and(ends) { Ok(()) } else { Err(Reason::from(struck).refused()) }
}

/// A request of a session finds it as its sealed id says, as long as nothing has ended that: the identity that opened it has
/// expired, or it was taken back. What ends it here ends it for everybody who serves it.
pub fn goes_on(room: &Room, note: &Stub, now: SystemTime) -> Result<(), Refused> {
    let venue = &room.venue;
    if venue.ledger.find(note.key()).is_some_and(|session| session.judged.is_some()) {
        // Its identity is its guard's, which may be a newer one, and so are its ends.
        return Ok(());
    }
    let struck = || venue.ledger.revocations.judge(note.identity.as_ref(), Some(note.key().name()), now);
    let reason = match venue.is_over(note, now) {
        true => Reason::Expired,
        false => match struck() {
            Some(struck) => Reason::from(struck),
            None if room.has_dropped_key_of(note.identity.as_ref()) => Reason::Revoked,
            None => return Ok(()),
        },
    };
    end(room, note, reason);
    Err(reason.refused())
}

/// The member of this session is gone, and the session with it.
pub fn end_gone(room: &Room, note: &Stub) {
    end(room, note, Reason::MemberGone);
}

fn end(room: &Room, note: &Stub, reason: Reason) {
    if let Some(session) = room.venue.ledger.find(note.key()) {
        room.venue.ledger.close(&session, reason);
        // A poll that waits just now hears it too.
        session.ending.tell(reason);
    }
}
