//! A guard on a stage: rules from a piece of configuration, packets in any cut, time by numbers, and everything that comes of it
//! as text.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use sockgate::{
    config::{
        auth::When,
        route::{Kind, Route},
    },
    policy::{
        Refusal, Refused,
        access::{Book, Payloads},
        auth::{Identity, Places, SealedIdentity},
        limit::PacketLimits,
    },
    relay::{
        Reason,
        guard::{Extent, Guard, Message, Out, Purpose, Rules, Seen, Side, Start, Verdict, Wire},
    },
    telemetry::Metrics,
};

/// How messages are shown.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    /// A byte more each time; the length is known.
    Bytes,
    /// The same in fragments.
    Fragments,
    /// Whole, but only half of it unmasked.
    Wire,
}

/// Seconds since 1970 at which every play begins.
pub const DAWN: u64 = 1_900_000_000;

/// One session.
pub struct Stage {
    pub guard: Guard,
    pub metrics: Arc<Metrics>,
    cut: Cut,
    now: Instant,
    clock: SystemTime,
}

/// Plays the same with messages in every cut.
pub fn each(config: &str, play: impl Fn(&mut Stage)) {
    for cut in [Cut::Whole, Cut::Bytes, Cut::Fragments, Cut::Wire] {
        println!("{cut:?}");
        play(&mut Stage::new(config, cut));
    }
}

/// A person of this name, whose token says this besides: `roles`, `expires` in seconds from now, and claims.
pub fn person(name: &str, says: &Value) -> Identity {
    let roles = says["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect();
    Identity::sealed(SealedIdentity {
        subject: Some(name.into()),
        roles,
        expires: says["expires"].as_u64().map(|after| DAWN + after),
        ..SealedIdentity::default()
    })
}

pub fn ana() -> Identity {
    person("ana", &json!({ "expires": 3600 }))
}

/// Rules of a route that is written like this.
pub fn rules(config: &str, metrics: &Arc<Metrics>, now: Instant) -> Arc<Rules> {
    let route: Route = toml::from_str(config).unwrap_or_else(|error| panic!("{error}"));
    let book = Book::new(&route.access, Kind::Socketio).unwrap_or_else(|problems| panic!("{problems:?}"));
    let payloads = Payloads::new(&route.access, Kind::Socketio).unwrap_or_else(|problems| panic!("{problems:?}"));
    let book = book.with(Arc::new(payloads));
    let places = Places::parse(&route.auth.from).unwrap_or_else(|problems| panic!("{problems:?}"));
    let limits = PacketLimits::new(&route.limit, &metrics.packets_filtered, now);
    Arc::new(Rules::new(&route, Arc::new(book), Arc::new(limits), &places, metrics))
}

impl Stage {
    /// A session of Ana's, where the handshake asks for a token.
    pub fn new(config: &str, cut: Cut) -> Self {
        let route: Route = toml::from_str(config).unwrap_or_else(|error| panic!("{error}"));
        let identity = (route.auth.when == When::Handshake).then(ana);
        Self::of(config, cut, identity, None)
    }

    pub fn of(config: &str, cut: Cut, identity: Option<Identity>, shown: Option<&str>) -> Self {
        let (metrics, now) = (Arc::new(Metrics::default()), Instant::now());
        let start = Start {
            revision: sockgate::codec::engine::Revision::Four,
            rules: rules(config, &metrics, now),
            identity,
            shown: shown.map(|token| token.to_string().into()),
            address: [192, 0, 2, 7].into(),
            name: "0123456789abcdef".into(),
        };
        let clock = SystemTime::UNIX_EPOCH + Duration::from_secs(DAWN);
        Self { guard: Guard::new(start, now), metrics, cut, now, clock }
    }

    /// The client sends a text.
    pub fn client(&mut self, text: &str) -> String {
        self.show(Side::Client, true, text.as_bytes())
    }

    /// The client sends bytes.
    pub fn client_bytes(&mut self, bytes: &[u8]) -> String {
        self.show(Side::Client, false, bytes)
    }

    /// The app sends a text.
    pub fn app(&mut self, text: &str) -> String {
        self.show(Side::App, true, text.as_bytes())
    }

    pub fn app_bytes(&mut self, bytes: &[u8]) -> String {
        self.show(Side::App, false, bytes)
    }

    /// Each of these is sent by `c` or `a`, and comes to this.
    pub fn play(&mut self, lines: &[(&str, &str, &str)]) {
        for (who, text, outcome) in lines {
            let came = match *who {
                "c" => self.client(text),
                "a" => self.app(text),
                "cb" => self.client_bytes(text.as_bytes()),
                "ab" => self.app_bytes(text.as_bytes()),
                other => panic!("who is {other}?"),
            };
            assert_eq!(came, *outcome, "{who} {text}");
        }
    }

    /// Joins a namespace that nobody refuses. `""` is the main one, others are written `/chat,`.
    pub fn join(&mut self, namespace: &str) -> &mut Self {
        assert_eq!(self.client(&format!("40{namespace}")), "pass");
        assert_eq!(self.app(&format!("40{namespace}{{\"sid\":\"x\"}}")), "pass");
        self
    }

    pub fn answer(&mut self, number: u32, who: Result<Identity, Refusal>) -> String {
        self.guard.answered(number, who.map_err(Refused::from), self.now, self.clock);
        self.heard(None)
    }

    /// So many seconds later the guard looks at its clocks.
    pub fn after(&mut self, seconds: f64) -> String {
        self.wait(seconds);
        let _ = self.guard.tick(self.now, self.clock);
        self.heard(None)
    }

    /// Time passes, and nobody looks.
    pub fn wait(&mut self, seconds: f64) {
        let time = Duration::from_secs_f64(seconds);
        self.now += time;
        self.clock += time;
    }

    /// When the guard wants to look at its clocks again, in seconds.
    pub fn next_look(&mut self) -> Option<u64> {
        self.guard.tick(self.now, self.clock).map(|after| after.as_secs())
    }

    pub fn end(&mut self, reason: Reason) -> String {
        self.guard.end(reason, self.now);
        self.heard(None)
    }

    pub fn renew(&mut self, config: &str) -> String {
        let rules = rules(config, &self.metrics, self.now);
        self.guard.renew(&rules, self.now);
        self.heard(None)
    }

    fn show(&mut self, from: Side, is_text: bool, bytes: &[u8]) -> String {
        let mut verdict = Verdict::More;
        let begun = match self.cut {
            Cut::Whole | Cut::Wire => 0,
            Cut::Bytes | Cut::Fragments => bytes.len(),
        };
        for upto in 0..begun {
            let extent = Extent::Begun(matches!(self.cut, Cut::Bytes).then_some(bytes.len() as u64));
            verdict = self.guard.judge(&Seen { from, is_text, bytes: &bytes[..upto], extent, wire: None }, self.now);
            if !matches!(verdict, Verdict::More) {
                return self.heard(Some((verdict, &bytes[upto..])));
            }
            assert!(!self.guard.has_news(), "something is said of a message that is not decided");
        }
        if matches!(self.cut, Cut::Wire) && from == Side::Client && is_text {
            let key = [0x0f, 0xa7, 0x22, 0x5c];
            let masked: Vec<u8> = bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            let extent = Extent::Begun(Some(bytes.len() as u64));
            let wire = Wire { bytes: &masked, key };
            if let Some(verdict) = self.guard.judge_known(from, wire, Extent::Whole, self.now) {
                return self.heard(Some((verdict, b"")));
            }
            let half = &bytes[..bytes.len().div_ceil(2)];
            let wire = Some(wire);
            verdict = self.guard.judge(&Seen { from, is_text, bytes: half, extent, wire }, self.now);
            if !matches!(verdict, Verdict::More) {
                return self.heard(Some((verdict, &bytes[half.len()..])));
            }
        }
        if matches!(verdict, Verdict::More) {
            verdict = self.guard.judge(&Seen { from, is_text, bytes, extent: Extent::Whole, wire: None }, self.now);
        }
        self.heard(Some((verdict, b"")))
    }

    /// What came of something: the verdict, if there is one, and what is in the queue.
    fn heard(&mut self, verdict: Option<(Verdict, &[u8])>) -> String {
        let verdict = verdict.map(|(verdict, rest)| match verdict {
            Verdict::More => panic!("a whole message is decided"),
            Verdict::Pass => "pass".into(),
            Verdict::Watch(mut scanner) => match scanner.feed(rest).and_then(|()| scanner.finish()) {
                Ok(()) => "pass".into(),
                // What a driver does with it.
                Err(_) => "break packet_malformed".into(),
            },
            Verdict::Drop => "drop".into(),
            Verdict::Replace(message) => format!("replace {}", told(&message)),
            Verdict::Break(reason) => format!("break {}", reason.name()),
        });
        self.guard.pause();
        let outs = self.guard.take().into_iter().map(|out| match out {
            Out::ToClient(message) => format!("client {}", told(&message)),
            Out::ToApp(message) => format!("app {}", told(&message)),
            Out::Ask(question) => {
                let purpose = if question.purpose == Purpose::Connect { "connect" } else { "refresh" };
                format!("ask {} {purpose} {}", question.number, *question.token)
            }
            Out::End(reason) => format!("end {}", reason.name()),
        });
        verdict.into_iter().chain(outs).collect::<Vec<_>>().join(" | ")
    }
}

fn told(message: &Message) -> String {
    match message {
        Message::Text(text) => text.clone(),
        Message::Binary(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}

/// What a client is told that may not join.
pub fn no(namespace: &str, refusal: Refusal) -> String {
    let data = json!({ "code": refusal.name(), "hint": refusal.hint() });
    let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
    format!("client 44{namespace}{{\"message\":\"{}\",\"data\":{data}}}", refusal.message())
}

/// The answer to an event that is refused.
pub fn error(header: &str, refusal: Refusal) -> String {
    format!(
        "client 43{header}[{{\"error\":{}}}]",
        json!({ "code": refusal.name(), "message": refusal.message(), "hint": refusal.hint() })
    )
}

pub const MALFORMED: &str = "break packet_malformed";

/// A configuration that judges packets and has no other rules.
pub const PLAIN: &str = "socketio.judge = \"always\"";
pub const CONNECT: &str = "auth.when = \"connect\"";
