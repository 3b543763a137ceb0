//! WebSocket frames: the header by itself, and chunks as they come from a socket, followed to see how far they may go on.

use std::hint::black_box;

use sockgate::codec::frame::{Header, Limits, Opcode, Sender, Walker, write};

use super::{Operation, again};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub fn client_header() -> Operation {
    let frame = write(Opcode::Text, &[b'x'; 64], Some(MASK));
    let header = Header::read(&frame, Sender::Client).expect("a good header").expect("a whole one");
    assert_eq!((header.length, header.mask, header.size), (64, Some(MASK), 6));
    again(move || Header::read(black_box(&frame), Sender::Client))
}

pub fn client_message_64() -> Operation {
    scan(Sender::Client, 1, 64)
}

/// A whole TLS record's worth.
pub fn client_message_16_kib() -> Operation {
    scan(Sender::Client, 1, 16 * 1024)
}

/// What a busy client's socket gives at once.
pub fn sixteen_client_messages() -> Operation {
    scan(Sender::Client, 16, 64)
}

pub fn server_message_1_kib() -> Operation {
    scan(Sender::Server, 1, 1024)
}

fn scan(sender: Sender, messages: usize, size: usize) -> Operation {
    let mask = (sender == Sender::Client).then_some(MASK);
    let chunk = write(Opcode::Text, &vec![b'x'; size], mask).repeat(messages);
    let mut walker = Walker::new(sender, Limits { message: 1 << 20, fragments: 1024 });
    let seen = walker.scan(&chunk);
    assert_eq!((seen.upto, seen.messages, seen.fault), (chunk.len(), messages as u64, None));
    again(move || walker.scan(black_box(&chunk)))
}
