//! How many bytes of a judged session by polling may be held at once. They follow from `socketio.max_payload`, so that whatever
//! may be sent can also be judged, in both directions. Pure.

/// Of an app's answer to a poll, which is held whole while it is judged: one of the largest messages, written in base64, and what
/// apps let gather beside it.
pub fn of_answer(max_payload: u64) -> usize {
    let message = max_payload.div_ceil(3).saturating_mul(4);
    usize::try_from(message).unwrap_or(usize::MAX).saturating_add(BESIDE)
}

/// Of packets that wait to be taken in one direction: two of the largest answers. A GET toward the app begins only when everything
/// of the one before has been taken, and a client has two POSTs under way at most, so that there are never more.
pub fn of_queue(max_payload: u64) -> usize {
    of_answer(max_payload).saturating_mul(2)
}

/// More of small messages would not reach a client over a slow line before its next ping is due.
const BESIDE: usize = 16 * 1024 * 1024;
