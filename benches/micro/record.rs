//! The record at the end of a request and of a session, formatted and given to a writer that throws it away.
//!
//! The log is set up for the thread that measures alone, which costs an operation a few nanoseconds more than in the gate,
//! where it is the whole process's.

use std::{
    hint::black_box,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sockgate::{
    config::log::{Format, Log},
    telemetry::{
        log,
        record::{self, Request, SessionEnd},
    },
};
use tracing::subscriber::{DefaultGuard, set_default};

use super::{Operation, again};

pub fn access_text() -> Operation {
    request(opening(), Format::Text, Expected::Line)
}

pub fn access_json() -> Operation {
    request(opening(), Format::Json, Expected::Line)
}

/// Written twice: once more for the security log.
pub fn refusal_json() -> Operation {
    let refused = Request {
        status: 403,
        refusal: Some("origin_host"),
        detail: Some("host: https://evil.example.net".into()),
        suspicious: true,
        ..opening()
    };
    request(refused, Format::Json, Expected::Line)
}

/// A poll, which is no line at this level.
pub fn routine_unwritten() -> Operation {
    request(Request { kind: "poll", ..opening() }, Format::Json, Expected::Nothing)
}

pub fn session_end_json() -> Operation {
    let end = SessionEnd {
        session: "5f1c2a9b03de4471",
        address: [203, 0, 113, 9].into(),
        subject: Some("ana"),
        path: "/socket.io/",
        member: "http://app-1:3000",
        transport: "websocket",
        reason: "client_closed",
        code: Some(1000),
        lasted: Duration::from_secs(1234),
        messages_in: 77,
        messages_out: 1234,
        bytes_in: 5678,
        bytes_out: 123_456,
    };
    logged(Format::Json, Expected::Line, move || record::session(black_box(&end), false))
}

fn request(request: Request, format: Format, expected: Expected) -> Operation {
    logged(format, expected, move || record::request(black_box(&request), false))
}

/// A session that was opened.
fn opening() -> Request {
    Request {
        id: "abababababababababababababababab".into(),
        address: Some([203, 0, 113, 9].into()),
        method: "GET".into(),
        path: "/socket.io/".into(),
        kind: "open",
        origin: "https://app.example.com".into(),
        subject: "ana".into(),
        session: "5f1c2a9b03de4471".into(),
        member: "http://app-1:3000".into(),
        status: 200,
        lasted: Duration::from_millis(3),
        ..Request::default()
    }
}

#[derive(Eq, PartialEq)]
enum Expected {
    Line,
    Nothing,
}

fn logged(format: Format, expected: Expected, write: impl Fn() + 'static) -> Operation {
    let written = Abyss::default();
    let (subscriber, _) = log::subscriber(&Log { format, ..Log::default() }, written.opened(), false).expect("a good level");
    let guard: DefaultGuard = set_default(subscriber);
    write();
    assert_eq!(written.0.load(Ordering::Relaxed) > 100, expected == Expected::Line);
    again(move || {
        let _log = &guard;
        write();
    })
}

/// Counts the bytes that fall into it.
#[derive(Clone, Default)]
struct Abyss(Arc<AtomicUsize>);

impl Abyss {
    fn opened(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let abyss = self.clone();
        move || abyss.clone()
    }
}

impl io::Write for Abyss {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
