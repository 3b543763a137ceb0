//! A new configuration reaches the sessions that are open: each goes on under the rules of its route as they are now.

use std::{sync::Arc, time::Instant};

use super::{Generation, Room};
use crate::relay::{Ledger, Reason, Session};

/// Gives every open session the rules of this generation. Calling it again changes nothing but for sessions that were opened
/// meanwhile under an older one.
pub fn sessions(generation: &Generation, ledger: &Ledger, now: Instant) {
    for session in ledger.live() {
        match generation.rooms().iter().find(|room| room.venue.tag == session.tag) {
            Some(room) => renew(room, &session, now),
            None => end(ledger, &session),
        }
    }
}

fn renew(room: &Room, session: &Session, now: Instant) {
    let (Some(judged), Some(rules)) = (&session.judged, &room.venue.rules) else { return };
    if judged.guard().renew(rules, now) {
        judged.nudge();
    }
}

/// Nothing carries it any more.
fn end(ledger: &Ledger, session: &Arc<Session>) {
    session.ending.tell(Reason::RouteGone);
    // A WebSocket says goodbye and closes it by itself, and a poll that waits hears it.
    if !session.is_attended() {
        ledger.close(session, Reason::RouteGone);
    }
}
