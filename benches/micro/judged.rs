//! What judging adds to a message of a session: its frame is followed, its packet read and weighed by rules, its text checked.
//! With the rules that a careful operator has, none of which refuses anything here.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use sockgate::{
    codec::{
        engine::Revision,
        frame::{Limits, Opcode, Sender, Walker, write},
        json::JsonError,
    },
    config::route::{Kind, Route},
    policy::{
        access::Book,
        auth::{Identity, Places, SealedIdentity},
        limit::PacketLimits,
    },
    relay::{
        frames::sieve::{Judge, Pass, Sieve},
        guard::{Extent, Guard, Rules, Seen, Side, Start, Verdict, Wire},
        session::Reason,
    },
    telemetry::Metrics,
};

use super::{Operation, again};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const RULES: &str = r#"
path = "/socket.io/"
[limit]
messages_per_user = "1000000000/1s"
[[limit.event]]
events = ["chat:*"]
rate = "1000000000/1s"
[[access.rule]]
send = ["admin:*"]
needs = { roles = "admin" }
[[access.rule]]
join = ["/admin"]
needs = { roles = "admin" }
"#;

pub fn client_event_64() -> Operation {
    message(Side::Client, 64)
}

pub fn client_event_1_kib() -> Operation {
    message(Side::Client, 1024)
}

pub fn client_event_16_kib() -> Operation {
    message(Side::Client, 16 * 1024)
}

/// As TLS brings it: a record has a few bytes less than the frame.
pub fn client_event_16_kib_in_two_reads() -> Operation {
    cut(Side::Client, 16 * 1024, 16 * 1024)
}

/// Two that begin in two ways, so that neither is known by how the last one began.
pub fn client_events_of_two_names_64() -> Operation {
    judged(Side::Client, &[event("m", 64), event("n", 64)], usize::MAX)
}

/// One whose name is too long to be remembered.
pub fn client_event_of_a_long_name_64() -> Operation {
    judged(Side::Client, &[event(&"n".repeat(40), 64)], usize::MAX)
}

/// Many small values instead of one long text.
pub fn client_values_1_kib() -> Operation {
    let values = ",{\"id\":12345,\"at\":1.5e3,\"on\":true,\"text\":\"some words\"}".repeat(1024 / 55);
    judged(Side::Client, &[format!("42[\"m\"{values}]")], usize::MAX)
}

pub fn app_event_64() -> Operation {
    message(Side::App, 64)
}

pub fn app_event_16_kib() -> Operation {
    message(Side::App, 16 * 1024)
}

/// Shows what is sifted to a guard at once, as the court of a carriage does.
struct Bench {
    guard: Guard,
    now: Instant,
}

impl Judge for Bench {
    fn judge_known(&mut self, from: Side, message: Wire<'_>) -> Option<Verdict> {
        self.guard.judge_known(from, message, Extent::Whole, self.now)
    }

    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        self.guard.judge(seen, self.now)
    }

    fn grown(&mut self, bytes: u64) {
        self.guard.grown(bytes, self.now);
    }

    fn spoilt(&mut self, from: Side, error: JsonError) -> Reason {
        self.guard.spoilt(from, error)
    }

    fn speak(&mut self) -> Option<Vec<u8>> {
        None
    }
}

/// A whole event that takes so many bytes, again and again.
fn message(from: Side, size: usize) -> Operation {
    cut(from, size, usize::MAX)
}

/// The same in two reads, the first of so many bytes.
fn cut(from: Side, size: usize, first: usize) -> Operation {
    judged(from, &[event("m", size)], first)
}

/// An event that takes so many bytes, with one long text.
fn event(name: &str, size: usize) -> String {
    let (start, end) = (format!("42[\"{name}\",\""), "\"]");
    format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()))
}

/// All of these events, each in two reads, the first of so many bytes.
fn judged(from: Side, texts: &[String], first: usize) -> Operation {
    let (sender, mask) = match from {
        Side::Client => (Sender::Client, Some(MASK)),
        Side::App => (Sender::Server, None),
    };
    let frames: Vec<Vec<u8>> = texts.iter().map(|text| write(Opcode::Text, text.as_bytes(), mask)).collect();
    let mut bench = joined();
    let mut walker = Walker::new(sender, Limits { message: 1 << 20, fragments: 1024 });
    let mut sieve = Sieve::new(from, Revision::Four, mask);
    let length: usize = frames.iter().map(Vec::len).sum();
    let mut sift = move || {
        let mut passed = 0;
        for frame in black_box(&frames) {
            // Limits see time pass, as they do outside.
            bench.now += Duration::from_micros(10);
            let (one, other) = frame.split_at(first.min(frame.len()));
            for read in [one, other].into_iter().filter(|read| !read.is_empty()) {
                if let Pass::First(first) = sieve.sift(&mut walker, read, &mut bench).pass {
                    passed += first;
                }
                bench.guard.pause();
            }
        }
        passed
    };
    assert_eq!(sift(), length);
    again(sift)
}

/// A session of a known user that has joined the main namespace.
fn joined() -> Bench {
    let (metrics, now) = (Arc::new(Metrics::default()), Instant::now());
    let route: Route = toml::from_str(RULES).expect("good rules");
    let Ok(book) = Book::new(&route.access, Kind::Socketio) else { panic!("good rules") };
    let limits = PacketLimits::new(&route.limit, &metrics.packets_filtered, now);
    let places = Places::parse(&route.auth.from).expect("good places");
    let start = Start {
        rules: Arc::new(Rules::new(&route, Arc::new(book), Arc::new(limits), &places, &metrics)),
        revision: Revision::Four,
        identity: Some(Identity::sealed(SealedIdentity { subject: Some("ana".into()), ..SealedIdentity::default() })),
        shown: None,
        address: [192, 0, 2, 7].into(),
        name: "0123456789abcdef".into(),
    };
    let mut guard = Guard::new(start, now);
    for (from, packet) in [(Side::Client, "40"), (Side::App, "40{\"sid\":\"a\"}")] {
        let seen = Seen { from, is_text: true, bytes: packet.as_bytes(), extent: Extent::Whole, wire: None };
        assert!(!matches!(guard.judge(&seen, now), Verdict::Break(_) | Verdict::More));
        guard.take();
    }
    Bench { guard, now }
}
