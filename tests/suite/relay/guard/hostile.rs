//! A driver that does as drivers are told, and believes nothing: a session played from bytes, with everything that reaches either
//! side checked. The fuzz target `guard` plays by this file too, so it uses nothing but the library and std.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use sockgate::{
    codec::socket::{Head, Kind, Packet},
    config::{
        auth::When,
        route::{self, Route},
        socketio::Parser,
    },
    policy::{
        Refusal, Refused,
        access::Book,
        auth::{Identity, Places, SealedIdentity},
        limit::PacketLimits,
    },
    relay::guard::{Extent, Guard, Message, Out, Rules, Seen, Side, Start, Verdict, Wire},
    telemetry::Metrics,
};

/// One session between a client and an app.
pub struct World {
    guard: Guard,
    rules: Vec<Arc<Rules>>,
    now: Instant,
    clock: SystemTime,
    depth: u8,
    is_by_connect: bool,
    /// Somebody's token was accepted.
    is_accepted: bool,
    is_over: bool,
    questions: Vec<u32>,
    waiting: [VecDeque<Message>; 2],
    app: Far,
    client: Far,
    /// Attachments that the client has announced and not sent.
    announced: u8,
    /// What a well-bred app would say now.
    yes: VecDeque<String>,
    /// Events and answers that reached the app.
    reached: usize,
}

/// One end, and what it has got.
#[derive(Default)]
struct Far {
    /// Attachments it waits for.
    due: u8,
    joined: HashSet<String>,
    asked: HashSet<String>,
}

/// What happens next.
#[derive(Clone, Debug)]
pub enum Deed {
    Say {
        from: Side,
        is_text: bool,
        bytes: Vec<u8>,
        cut: usize,
        is_fragmented: bool,
    },
    /// An open question is answered: with this person, or a no.
    Answer {
        at: usize,
        who: Option<u8>,
    },
    Pass {
        seconds: u16,
    },
    Renew {
        to: usize,
    },
}

impl World {
    /// `kind` chooses the rules.
    pub fn new(kind: u8) -> Self {
        let (metrics, now) = (Arc::new(Metrics::default()), Instant::now());
        let rules: Vec<Arc<Rules>> = (0..6).map(|other| rules(kind, other, &metrics, now)).collect();
        let first = rules[usize::from(kind) % rules.len()].clone();
        let identity = (kind % 3 == 1).then(|| person(1));
        let start = Start {
            revision: sockgate::codec::engine::Revision::Four,
            rules: first.clone(),
            identity,
            shown: kind.is_multiple_of(2).then(|| "shown".to_string().into()),
            address: [192, 0, 2, 1].into(),
            name: "session".into(),
        };
        let clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        Self {
            guard: Guard::new(start, now),
            rules,
            now,
            clock,
            depth: first.json_depth,
            is_by_connect: kind.is_multiple_of(3),
            is_accepted: false,
            is_over: false,
            questions: Vec::new(),
            waiting: Default::default(),
            app: Far::default(),
            client: Far::default(),
            announced: 0,
            yes: VecDeque::new(),
            reached: 0,
        }
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Bytes that the guard keeps.
    pub fn kept(&self) -> usize {
        self.guard.kept()
    }

    pub fn play(&mut self, deed: &Deed) {
        if self.is_over {
            return;
        }
        match deed {
            Deed::Say { from, is_text, bytes, cut, is_fragmented } => self.say(*from, *is_text, bytes, *cut, *is_fragmented),
            Deed::Answer { at, who } => {
                if self.questions.is_empty() {
                    return;
                }
                let number = self.questions.remove(at % self.questions.len());
                let who = who.map(person).ok_or(Refused::from(Refusal::TokenInvalid));
                let before = self.guard.identity().is_some();
                self.guard.answered(number, who, self.now, self.clock);
                self.is_accepted |= !before && self.guard.identity().is_some();
            }
            Deed::Pass { seconds } => {
                self.now += Duration::from_secs((*seconds).into());
                self.clock += Duration::from_secs((*seconds).into());
                let next = self.guard.tick(self.now, self.clock);
                assert_eq!(next.is_none(), self.guard.is_ended());
                assert!(next != Some(Duration::ZERO), "a guard that looks at its clocks all the time");
            }
            Deed::Renew { to } => {
                let rules = self.rules[to % self.rules.len()].clone();
                self.depth = self.depth.max(rules.json_depth);
                self.guard.renew(&rules, self.now);
            }
        }
        self.take();
    }

    fn say(&mut self, from: Side, is_text: bool, bytes: &[u8], cut: usize, is_fragmented: bool) {
        if is_text {
            self.note(from, bytes);
        }
        let mut upto = cut.min(bytes.len());
        let length = (!is_fragmented).then_some(bytes.len() as u64);
        // A text that stands whole in a read is lent under its mask.
        let key = [0x5c, 0x02, 0x91, 0x22];
        let masked: Vec<u8> = bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        let is_lent = from == Side::Client && is_text && !is_fragmented && cut.is_multiple_of(2);
        let wire = is_lent.then_some(Wire { bytes: &masked, key });
        let again = wire.and_then(|wire| self.guard.judge_known(from, wire, Extent::Whole, self.now));
        let mut verdict = again.unwrap_or(Verdict::More);
        while upto < bytes.len() && matches!(verdict, Verdict::More) {
            let seen = Seen { from, is_text, bytes: &bytes[..upto], extent: Extent::Begun(length), wire };
            verdict = self.guard.judge(&seen, self.now);
            if !matches!(verdict, Verdict::More) {
                break;
            }
            assert!(!self.guard.has_news(), "something is said of a message that is not decided");
            upto = if is_lent { bytes.len() } else { upto + cut.max(1) };
        }
        if matches!(verdict, Verdict::More) {
            upto = bytes.len();
            verdict = self.guard.judge(&Seen { from, is_text, bytes, extent: Extent::Whole, wire: None }, self.now);
        }
        // What an app says is its client's to read; what a client says must be UTF-8 to get anywhere.
        let message = match (is_text, from) {
            (true, Side::App) => Some(Message::Text(String::from_utf8_lossy(bytes).into())),
            (true, Side::Client) => String::from_utf8(bytes.to_vec()).ok().map(Message::Text),
            (false, _) => Some(Message::Binary(bytes.to_vec())),
        };
        match verdict {
            Verdict::More => panic!("a whole message is decided"),
            Verdict::Drop => {}
            Verdict::Break(_) => self.is_over = true,
            Verdict::Replace(message) => self.deliver(opposite(from), &message, false),
            Verdict::Pass => self.deliver(opposite(from), &message.expect("what passed is UTF-8"), false),
            Verdict::Watch(mut scanner) => match scanner.feed(&bytes[upto..]).and_then(|()| scanner.finish()) {
                Ok(()) => self.deliver(opposite(from), &message.expect("what was watched is UTF-8"), false),
                Err(_) => self.is_over = true,
            },
        }
    }

    /// What the guard wants said and asked.
    fn take(&mut self) {
        let mut is_last = false;
        for out in self.guard.take() {
            assert!(!is_last, "something follows the end");
            match out {
                Out::ToClient(message) => self.waiting[0].push_back(message),
                Out::ToApp(message) => {
                    self.check_said(&message);
                    self.waiting[1].push_back(message);
                }
                Out::Ask(question) => self.questions.push(question.number),
                Out::End(_) => is_last = true,
            }
        }
        if is_last {
            self.is_over = true;
        }
        for (at, side) in [Side::Client, Side::App].into_iter().enumerate() {
            while self.guard.may_inject(side) {
                let Some(message) = self.waiting[at].pop_front() else { break };
                self.deliver(side, &message, true);
            }
        }
    }

    /// What the guard says to an app is about what the app has let in.
    fn check_said(&self, message: &Message) {
        let Message::Text(text) = message else { return };
        let packet = Packet::read(&text.as_bytes()[1..], self.depth).unwrap_or_else(|error| panic!("{text}: {error}"));
        let is_known = match packet.head.kind {
            Kind::Connect => !self.app.asked.contains(packet.namespace),
            _ => self.app.joined.contains(packet.namespace),
        };
        assert!(is_known || self.guard.is_ended(), "{text}");
    }

    fn deliver(&mut self, to: Side, message: &Message, is_ours: bool) {
        match to {
            Side::App => self.reach_app(message, is_ours),
            Side::Client => self.reach_client(message, is_ours),
        }
    }

    fn reach_app(&mut self, message: &Message, is_ours: bool) {
        let text = match message {
            Message::Binary(_) => {
                assert!(self.app.due > 0, "an attachment without its header");
                self.app.due -= 1;
                return;
            }
            Message::Text(text) => text,
        };
        let Some(packet) = text.strip_prefix('4') else {
            assert!(["1", "3", "5", "2probe"].contains(&text.as_str()), "{text}");
            return;
        };
        assert!(!self.is_by_connect || self.is_accepted, "the app is reached by nobody: {text}");
        assert_eq!(self.app.due, 0, "a header without its attachments, then {text}");
        let packet = Packet::read(packet.as_bytes(), self.depth).unwrap_or_else(|error| panic!("{text}: {error}"));
        let namespace = packet.namespace.to_string();
        match packet.head.kind {
            Kind::Connect => {
                self.yes.push_back(format!("40{namespace},{{}}"));
                assert!(self.app.asked.insert(namespace) || is_ours, "asked for twice: {text}");
            }
            Kind::Disconnect => {
                assert!(self.app.joined.remove(&namespace) || is_ours, "left but not joined: {text}");
                self.app.asked.remove(&namespace);
            }
            Kind::ConnectError => panic!("{text}"),
            Kind::Event | Kind::BinaryEvent | Kind::Ack | Kind::BinaryAck => {
                // What is ours may have waited for a place, and the app have closed the namespace meanwhile.
                assert!(self.app.joined.contains(&namespace) || is_ours, "not joined: {text}");
                self.reached += 1;
            }
        }
        self.app.due = packet.head.attachments;
    }

    fn reach_client(&mut self, message: &Message, is_ours: bool) {
        let Message::Text(text) = message else {
            assert!(!is_ours);
            self.client.due = self.client.due.saturating_sub(1);
            return;
        };
        if is_ours {
            assert_eq!(self.client.due, 0, "between an event and its attachments: {text}");
            Packet::read(&text.as_bytes()[1..], 128).unwrap_or_else(|error| panic!("{text}: {error}"));
            return;
        }
        if text.starts_with('b') {
            self.client.due = self.client.due.saturating_sub(1);
        } else if let Some(packet) = text.strip_prefix('4') {
            self.client.due = 0;
            if let Ok(head) = Head::read(packet.as_bytes(), true)
                && let Some(head) = head
            {
                self.client.due = head.attachments;
            }
        }
    }

    /// Mostly apps answer what they are asked, and clients send what they have announced; sessions would get nowhere otherwise.
    fn well_bred(&mut self, deed: &Deed) -> Deed {
        let Deed::Say { from, is_text: true, bytes, cut, is_fragmented } = deed else { return deed.clone() };
        let (from, cut, is_fragmented, is_rude) = (*from, *cut, *is_fragmented, bytes.len() % 16 == 7);
        match from {
            Side::Client if self.announced > 0 && !is_rude => {
                self.announced -= 1;
                Deed::Say { from, is_text: false, bytes: bytes.clone(), cut, is_fragmented }
            }
            Side::App if !is_rude && self.guard.may_inject(Side::Client) => match self.yes.pop_front() {
                Some(text) => Deed::Say { from, is_text: true, bytes: text.into_bytes(), cut, is_fragmented },
                None => deed.clone(),
            },
            Side::Client | Side::App => deed.clone(),
        }
    }

    /// What is said, before anybody has judged it.
    fn note(&mut self, from: Side, text: &[u8]) {
        let Some(packet) = text.strip_prefix(b"4") else { return };
        let Ok(Some(head)) = Head::read(packet, true) else { return };
        let namespace = head.namespace(packet).to_string();
        match (from, head.kind) {
            (Side::Client, _) => self.announced = head.attachments,
            (Side::App, Kind::Connect) if self.app.asked.contains(&namespace) => {
                self.app.joined.insert(namespace);
            }
            (Side::App, Kind::ConnectError | Kind::Disconnect) => {
                self.app.asked.remove(&namespace);
                self.app.joined.remove(&namespace);
            }
            (Side::App, _) => {}
        }
    }
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Client => Side::App,
        Side::App => Side::Client,
    }
}

fn person(number: u8) -> Identity {
    Identity::sealed(SealedIdentity {
        subject: Some(format!("person {}", number % 2)),
        roles: vec![["user", "admin"][usize::from(number / 2 % 2)].into()],
        expires: Some(1_900_000_000 + 10 * u64::from(number)),
        ..SealedIdentity::default()
    })
}

fn rules(kind: u8, number: u8, metrics: &Arc<Metrics>, now: Instant) -> Arc<Rules> {
    let mut route = Route::default();
    route.auth.when = [When::Connect, When::Handshake, When::None][usize::from(kind % 3)];
    route.auth.connect_by_app = vec!["/b".into()];
    route.auth.expiry_warning = "20s".parse().expect("a period");
    route.auth.end_event = "bye".into();
    route.socketio.parser = Parser::Default;
    route.socketio.json_depth = 8 + number;
    route.socketio.max_payload.0 = 4096;
    route.limit.namespaces = 3;
    if number % 2 == 1 {
        route.auth.identity.connect_field = "user".into();
        route.auth.pass_token = false;
        route.access.rule.push(sockgate::config::access::Rule {
            send: Some(vec!["admin:*".into()]),
            needs: [("roles".to_string(), "admin".into())].into(),
            ..Default::default()
        });
        route.access.rule.push(sockgate::config::access::Rule {
            receive: Some(vec!["admin:*".into()]),
            deny: true,
            ..Default::default()
        });
    }
    if number % 3 == 1 {
        route.limit.messages_per_session = "5/1s burst 20".parse().expect("a rate");
        route.access.rule.push(sockgate::config::access::Rule {
            join: Some(vec!["/a".into()]),
            deny: true,
            ..Default::default()
        });
    }
    let book = Book::new(&route.access, route::Kind::Socketio).unwrap_or_else(|problems| panic!("{problems:?}"));
    let places = Places::parse(&route.auth.from).unwrap_or_else(|problems| panic!("{problems:?}"));
    let limits = PacketLimits::new(&route.limit, &metrics.packets_filtered, now);
    Arc::new(Rules::new(&route, Arc::new(book), Arc::new(limits), &places, metrics))
}

/// Deeds from bytes: half of them packets that could be real.
pub fn deeds(mut bytes: &[u8]) -> Vec<Deed> {
    let mut deeds = Vec::new();
    while let [choice, size, rest @ ..] = bytes {
        let length = usize::from(*size % 64).min(rest.len());
        let (raw, after) = rest.split_at(length);
        bytes = after;
        let from = if choice & 1 == 0 { Side::Client } else { Side::App };
        let (cut, is_fragmented) = (usize::from(*size / 16), choice & 64 != 0);
        deeds.push(match choice >> 1 & 7 {
            0 => Deed::Answer { at: usize::from(*size), who: (choice & 16 != 0).then_some(*size) },
            1 if choice & 48 == 0 => Deed::Pass { seconds: u16::from(*size % 8) },
            1 if choice & 48 == 16 => Deed::Renew { to: usize::from(*size) },
            2 if choice & 128 != 0 => Deed::Say { from, is_text: choice & 32 == 0, bytes: raw.to_vec(), cut, is_fragmented },
            _ => {
                let list = if from == Side::Client { CLIENTS } else { APPS };
                let text = list[usize::from(*size) % list.len()];
                let is_text = choice & 0xf0 != 0xf0;
                Deed::Say { from, is_text, bytes: changed(text, raw), cut, is_fragmented }
            }
        });
    }
    deeds
}

/// A packet as it is written, or with a byte of it changed.
fn changed(text: &str, raw: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if let [0..16, at, byte, ..] = raw {
        let at = usize::from(*at) % bytes.len();
        bytes[at] = *byte;
    }
    bytes
}

/// Plays everything, one session after another, and checks as it goes. How many events and answers reached the app.
pub fn play(kind: u8, deeds: &[Deed]) -> usize {
    let mut world = World::new(kind);
    let mut reached = 0;
    for deed in deeds {
        let deed = world.well_bred(deed);
        world.play(&deed);
        if world.is_over {
            reached += world.reached;
            world = World::new(kind);
        }
    }
    reached + world.reached
}

const CLIENTS: &[&str] = &[
    "40",
    "40{\"token\":\"t\"}",
    "42[\"x\"]",
    "42[\"y\",1]",
    "40{\"token\":\"t\"}",
    "40/a,{\"token\":\"t\",\"user\":1}",
    "40/b,",
    "40/c",
    "41",
    "41/a,",
    "41/b,",
    "42[\"x\"]",
    "421[\"x\",{\"a\":[1,2,\"\\u00e9\"]}]",
    "42/a,[\"x\"]",
    "42/b,7[\"admin:x\"]",
    "42[\"admin:x\"]",
    "42[\"sockgate:refresh\",\"t\"]",
    "427[\"sockgate:refresh\",\"t\"]",
    "451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
    "452-/a,3[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]",
    "453-[\"admin:b\",{\"_placeholder\":true,\"num\":2}]",
    "431[1]",
    "461-1[{\"_placeholder\":true,\"num\":0}]",
    "bAQID",
    "3",
    "2probe",
    "5",
    "1",
    "6",
];

const APPS: &[&str] = &[
    "40{\"sid\":\"x\"}",
    "40/a,{\"sid\":\"x\"}",
    "40/b,{\"sid\":\"x\"}",
    "40/c,{\"sid\":\"x\"}",
    "40{\"sid\":\"x\"}",
    "44/a,{\"message\":\"no\"}",
    "44\"no\"",
    "41",
    "41/b,",
    "42[\"x\"]",
    "421[\"x\",1]",
    "42/a,1[\"admin:x\"]",
    "451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
    "452-1[\"admin:b\",{\"_placeholder\":true,\"num\":0}]",
    "431[]",
    "461-3[{\"_placeholder\":true,\"num\":0}]",
    "bAQID",
    "2",
    "3probe",
    "6",
    "1",
    "5",
    "0{\"sid\":\"x\"}",
];
