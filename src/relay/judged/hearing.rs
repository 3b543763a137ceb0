//! What an app says by polling, packet by packet: read, shown to the guard, and put where the client's GET finds it.

use std::time::Instant;

use super::{
    super::guard::{Message, Side},
    Judged, bodies,
    desk::{Desk, Shown, noop},
};
use crate::relay::Reason;

/// Shows an app's packets to the guard, in order.
pub fn hear(judged: &Judged, desk: &Desk, body: &[u8]) {
    if body.is_empty() {
        // FlaskThr's way to say nothing.
        desk.tell_client(noop());
        return;
    }
    for message in bodies::of_app(judged.revision, body) {
        let Some(message) = message else {
            desk.end(Reason::AppInvalid);
            return;
        };
        let is_closing = matches!(&message, Message::Text(text) if text == "1");
        // A GET that ends with the upgrade says so to nobody.
        if desk.is_handed_over() && (message == noop() || is_closing) {
            continue;
        }
        match desk.show(judged, Side::App, message, Instant::now()) {
            Shown::Passed if is_closing => desk.end(Reason::AppClosed),
            Shown::Passed | Shown::Kept => {}
            Shown::Broken(reason) => desk.end(reason),
        }
    }
}
