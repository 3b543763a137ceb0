//! Reading requests: every one once, those of Socket.IO a second time for Engine.IO's part of the query.

use std::hint::black_box;

use http::{Request, request::Parts};
use sockgate::{
    config::listen::Listen,
    http::{
        Head, HeadError, Query,
        forwarded::{self, Standing},
        head::{self, HeadShape, Step, Transport},
        path::PathError,
    },
    net::Peer,
};

use super::{Operation, again};

const SID: &str = "Jb1zkTVS8vTmu1Fq8cB0mO1Qm3gQ9cCk2c1o5dQ3pV9mH0s7d1xkQv7aXyZ0aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_AbCdEfGhIjKlMnOpQrStUvWxYz01";

/// A poll as browsers send it.
pub fn poll() -> Parts {
    parts(&format!("/socket.io/?EIO=4&transport=polling&t=PqKxyz1&sid={SID}"), &[])
}

/// A handshake of a browser's WebSocket.
pub fn handshake() -> Parts {
    parts(
        "/socket.io/?EIO=4&transport=websocket",
        &[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
        ],
    )
}

/// A request with what browsers say of themselves.
pub fn parts(target: &str, more: &[(&str, &str)]) -> Parts {
    let mut request = Request::get(target)
        .header("host", "gate.example.com:8443")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header("accept", "*/*")
        .header("accept-language", "en-US,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU")
        .header("origin", "https://app.example.com")
        .header("cookie", "theme=dark; session=0123456789abcdef; lang=en")
        .header("sec-fetch-site", "same-site")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
        .header("referer", "https://app.example.com/");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

pub fn shape() -> HeadShape {
    HeadShape::new(&Listen::default())
}

/// A client on the internet.
pub fn peer() -> Peer {
    Peer { address: [203, 0, 113, 9].into(), port: 50_000, secure: true, http2: false, resumed: false }
}

pub fn polling() -> Operation {
    read(poll())
}

pub fn websocket() -> Operation {
    read(handshake())
}

pub fn polling_engine() -> Operation {
    engine(&poll(), (Transport::Polling, Step::Poll))
}

pub fn websocket_engine() -> Operation {
    engine(&handshake(), (Transport::WebSocket, Step::Open))
}

/// What somebody who looks for a way around costs.
pub fn refused_path() -> Operation {
    let (parts, shape) = (parts("/socket.io/%2e%2e/admin?EIO=4", &[]), shape());
    assert_eq!(Head::read(&parts, &shape), Err(HeadError::Path(PathError::Dots)));
    again(move || Head::read(black_box(&parts), &shape))
}

pub fn query_one() -> Operation {
    let query = query();
    assert_eq!(query.one("sid").expect("once").as_deref(), Some(SID));
    again(move || black_box(&query).one("sid").map(|sid| sid.map(|sid| sid.len())))
}

/// Cutting a token out.
pub fn query_without() -> Operation {
    let query = Query::new(format!("{}&token=secret", query()));
    assert_eq!(*query.without(&["token"]), self::query());
    again(move || black_box(&query).without(&["token"]).into_owned())
}

/// Who asks, behind a proxy that is trusted.
pub fn forwarded_client() -> Operation {
    let headers = parts("/", &[("x-forwarded-for", "198.51.100.7, 203.0.113.20"), ("x-forwarded-proto", "https")]).headers;
    let trusted = ["203.0.113.0/24".parse().expect("a network"), "10.0.0.0/8".parse().expect("a network")];
    let peer = peer();
    let client = forwarded::client(&peer, &headers, &trusted);
    assert_eq!((client.standing, client.address), (Standing::Trusted, [198, 51, 100, 7].into()));
    again(move || forwarded::client(black_box(&peer), &headers, &trusted))
}

fn query() -> Query {
    Query::new(format!("EIO=4&transport=polling&t=PqKxyz1&sid={SID}"))
}

fn read(parts: Parts) -> Operation {
    let shape = shape();
    assert_eq!(Head::read(&parts, &shape).expect("a good request").path, "/socket.io/");
    again(move || Head::read(black_box(&parts), &shape))
}

fn engine(parts: &Parts, expected: (Transport, Step)) -> Operation {
    let head = Head::read(parts, &shape()).expect("a good request");
    let ask = head::engine(&head).expect("a good request");
    assert_eq!((ask.transport, ask.step), expected);
    again(move || head::engine(black_box(&head)))
}
