//! A new configuration reaches the sessions that are open: each goes on under the rules of its route as they are now, or ends
//! with the key that its token was signed with.

use std::{sync::Arc, time::Instant};

use super::{Generation, Room};
use crate::relay::{Ledger, Reason, Session};

/// Sessions told to start over at a time: their reconnects are not to arrive as one wave.
const A_WAVE: usize = 100;
/// At most so many waves, however many sessions there are.
const WAVES: usize = 4;

/// Gives every open session the rules of this generation. Calling it again changes nothing but for sessions that were opened
/// meanwhile under an older one, and for those whose turn to start over has come. `true`: some of those are left.
pub fn sessions(generation: &Generation, ledger: &Ledger, now: Instant) -> bool {
    let mut unread = Vec::new();
    for session in ledger.live() {
        match generation.rooms().iter().find(|room| room.venue.tag == session.tag) {
            Some(room) if room.has_dropped_key_of(session.who().as_ref()) => ledger.end(&session, Reason::Revoked),
            Some(room) if room.venue.judges() && session.judged.is_none() => unread.push(session),
            Some(room) => renew(room, &session, now),
            None => end(ledger, &session, Reason::RouteGone),
        }
    }
    // Nobody has read along, so nobody knows what they have joined: only from their beginning can they be judged.
    let wave = unread.len().div_ceil(WAVES).max(A_WAVE);
    unread.iter().take(wave).for_each(|session| end(ledger, session, Reason::RulesChanged));
    unread.len() > wave
}

fn renew(room: &Room, session: &Session, now: Instant) {
    let (Some(judged), Some(rules)) = (&session.judged, &room.venue.rules) else { return };
    judged.go_by(&room.verifier, &room.limiter);
    if judged.guard().renew(rules, now) {
        judged.nudge();
        judged.look_again();
    }
}

fn end(ledger: &Ledger, session: &Arc<Session>, reason: Reason) {
    session.ending.tell(reason);
    // A WebSocket says goodbye and closes it by itself, and a poll that waits hears it.
    if !session.is_attended() {
        ledger.close(session, reason);
    }
}
