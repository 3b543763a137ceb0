//! What the tests of connections share: sockets in pairs, patience, and raw HTTP/2 frames.

use std::{future::Future, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Waits for what must happen, and says what did not.
pub async fn soon<F: Future>(what: &str, event: F) -> F::Output {
    timeout(Duration::from_secs(10), event).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
}

/// Both ends of a connection: the client's and the accepted one.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// Everything until the other side ends the connection, in whichever way.
pub async fn until_end(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let mut some = [0; 4096];
    soon("the connection ends", async {
        while let Ok(count @ 1..) = stream.read(&mut some).await {
            all.extend_from_slice(&some[..count]);
        }
    })
    .await;
    all
}

/// An HTTP/2 frame (RFC 9113 section 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
/// `GET / HTTP/2` to localhost over http, in HPACK.
pub const GET: &[u8] = b"\x82\x86\x84\x41\x09localhost";
