//! What an app says by polling, packet by packet: read, shown to the guard, and put where the client's GET finds it.

use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    super::guard::{Message, Side},
    desk::{Shown, noop},
    visit::Visit,
};
use crate::relay::Reason;

/// Shows an app's packets to the guard, in order.
pub fn hear(visit: &Visit, body: &[u8]) {
    if body.is_empty() {
        // FlaskThr's way to say nothing.
        visit.desk().tell_client(noop());
        return;
    }
    for packet in body.split(|byte| *byte == SEPARATOR).filter(|packet| !packet.is_empty()) {
        let Some(message) = read(packet) else {
            visit.desk().end(Reason::AppInvalid);
            return;
        };
        let is_closing = matches!(&message, Message::Text(text) if text == "1");
        // A GET that ends with the upgrade says so to nobody.
        if visit.desk().is_handed_over() && (message == noop() || is_closing) {
            continue;
        }
        match visit.judged.show(Side::App, message, Instant::now()) {
            Shown::Passed if is_closing => visit.desk().end(Reason::AppClosed),
            Shown::Passed | Shown::Kept => {}
            Shown::Broken(reason) => visit.desk().end(reason),
        }
    }
}

fn read(packet: &[u8]) -> Option<Message> {
    match packet.strip_prefix(b"b") {
        Some(text) => STANDARD.decode(text).ok().map(Message::Binary),
        None => String::from_utf8(packet.to_vec()).ok().map(Message::Text),
    }
}

const SEPARATOR: u8 = 0x1e;
