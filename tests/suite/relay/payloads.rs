//! Events whose data a schema judges, as a guard is shown them: whole, and in pieces.

use std::{sync::Arc, time::Instant};

use serde_json::{Value, json};
use sockgate::{
    config::route::{Kind, Route},
    policy::{
        Refusal,
        access::{Book, Payloads},
        auth::Places,
        limit::PacketLimits,
    },
    relay::{
        Reason,
        guard::{Extent, Guard, Message, Out, Rules, Seen, Side, Start, Verdict},
    },
    telemetry::Metrics,
};

const SCHEMA: &str = r#"
[auth]
when = "none"
[[access.payload]]
events = ["add", "7"]
size = "64 B"
schema = '{ "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 }'
[[access.payload]]
events = ["file"]
in = ["/files"]
schema = '{ "prefixItems": [{ "type": "object", "required": ["_placeholder", "num"] }], "minItems": 1, "items": false }'
"#;

struct Stage {
    guard: Guard,
    metrics: Arc<Metrics>,
    now: Instant,
}

impl Stage {
    /// A session that has joined the main namespace and `/files`.
    fn new(config: &str) -> Self {
        let route: Route = toml::from_str(config).unwrap_or_else(|error| panic!("{error}"));
        let (metrics, now) = (Arc::new(Metrics::default()), Instant::now());
        let payloads = Payloads::new(&route.access, Kind::Socketio).unwrap_or_else(|problems| panic!("{problems:?}"));
        let book = Book::new(&route.access, Kind::Socketio).expect("there are no rules").with(Arc::new(payloads));
        let places = Places::parse(&route.auth.from).expect("the default");
        let limits = PacketLimits::new(&route.limit, &metrics.packets_filtered, now);
        let rules = Rules::new(&route, Arc::new(book), Arc::new(limits), &places, &metrics);
        assert!(rules.is_needed, "schemas need judged sessions");
        let address = [192, 0, 2, 7].into();
        let start = Start { rules: Arc::new(rules), identity: None, shown: None, address, name: "0123456789abcdef".into() };
        let mut stage = Self { guard: Guard::new(start, now), metrics, now };
        for (side, text) in [
            (Side::Client, "40"),
            (Side::App, "40{\"sid\":\"a\"}"),
            (Side::Client, "40/files,"),
            (Side::App, "40/files,{\"sid\":\"b\"}"),
        ] {
            let verdict = stage.show(side, true, text.as_bytes(), Extent::Whole);
            assert!(matches!(verdict, Verdict::Pass | Verdict::Replace(_)), "{text}: {verdict:?}");
        }
        stage.guard.take();
        stage
    }

    fn show(&mut self, from: Side, is_text: bool, bytes: &[u8], extent: Extent) -> Verdict {
        self.guard.judge(&Seen { from, is_text, bytes, extent }, self.now)
    }

    /// What becomes of a text of the client, however it is cut.
    fn client(&mut self, text: &str, cut: Cut) -> Verdict {
        let length = text.len();
        let pieces = match cut {
            Cut::Whole => 0..0,
            Cut::Bytes | Cut::Fragments => 1..length,
        };
        for upto in pieces {
            let known = (cut == Cut::Bytes).then_some(length as u64);
            match self.show(Side::Client, true, &text.as_bytes()[..upto], Extent::Begun(known)) {
                Verdict::More => {}
                decided => return decided,
            }
        }
        self.show(Side::Client, true, text.as_bytes(), Extent::Whole)
    }

    /// What the client was told since.
    fn told(&mut self) -> Vec<String> {
        let said = self.guard.take().into_iter().map(|out| match out {
            Out::ToClient(Message::Text(text)) => text,
            other => format!("{other:?}"),
        });
        said.collect()
    }

    fn refusals(&self, shadow: bool, refusal: Refusal) -> u64 {
        let family = if shadow { &self.metrics.shadowed } else { &self.metrics.refusals };
        family.get_or_create_owned(&[("reason", refusal.name())]).get()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cut {
    Whole,
    Bytes,
    Fragments,
}

const CUTS: [Cut; 3] = [Cut::Whole, Cut::Bytes, Cut::Fragments];

fn error(refusal: Refusal) -> Value {
    json!([{ "error": { "code": refusal.name(), "message": refusal.message() } }])
}

#[test]
fn events_pass_when_their_data_fits() {
    for cut in CUTS {
        let mut stage = Stage::new(SCHEMA);
        for text in [
            r#"42["add",1,2]"#,
            r#"4212["add", -1 , 2.0]"#,
            r#"42["\u0061dd",1,2]"#,
            r#"42[7,1,2]"#,
            // No schema is for these.
            r#"42["more",{"a":1}]"#,
            r#"42/files,["add"]"#,
            r#"42["file"]"#,
        ] {
            // The schema of `add` holds in every namespace.
            let is_misfit = text.starts_with("42/files");
            let verdict = stage.client(text, cut);
            assert_eq!(matches!(verdict, Verdict::Pass | Verdict::Watch(_)), !is_misfit, "{cut:?} {text}: {verdict:?}");
        }
        assert_eq!(stage.refusals(false, Refusal::EventInvalid), 1);
        assert!(stage.told().is_empty(), "nobody asked");
    }
}

#[test]
fn what_does_not_fit_is_dropped_and_answered_where_that_was_asked_for() {
    for cut in CUTS {
        let mut stage = Stage::new(SCHEMA);
        for (text, refusal) in [
            (r#"4212["add",1,{"a":1}]"#, Refusal::EventInvalid),
            (r#"4212["add",1]"#, Refusal::EventInvalid),
            (r#"4212["add"]"#, Refusal::EventInvalid),
            (r#"4212["add",1,2,3]"#, Refusal::EventInvalid),
            (r#"4212["\u0061dd","1","2"]"#, Refusal::EventInvalid),
            // Apps would read these in different ways, or not at all.
            (r#"4212["add",{"a":1,"a":2},1]"#, Refusal::EventInvalid),
            (r#"4212["add",1e999,1]"#, Refusal::EventInvalid),
            (r#"4212["add","\ud800",1]"#, Refusal::EventInvalid),
            (r#"4212["add",111111111111111111111111111111111111111111111111111111,1]"#, Refusal::EventTooLarge),
        ] {
            let verdict = stage.client(text, cut);
            assert!(matches!(verdict, Verdict::Drop), "{cut:?} {text}: {verdict:?}");
            let told = stage.told();
            let [told] = told.as_slice() else { panic!("{cut:?} {text}: {told:?}") };
            let answer: Value = serde_json::from_str(told.strip_prefix("4312").expect("an answer")).expect("JSON");
            assert_eq!(answer[0]["error"]["code"], error(refusal)[0]["error"]["code"], "{cut:?} {text}");
            assert_eq!(answer[0]["error"]["message"], error(refusal)[0]["error"]["message"], "{cut:?} {text}");
        }
        let verdict = stage.client(r#"42["add"]"#, cut);
        assert!(matches!(verdict, Verdict::Drop) && stage.told().is_empty(), "{verdict:?}");
        assert_eq!(stage.refusals(false, Refusal::EventInvalid), 9);
    }
}

#[test]
fn a_text_that_is_no_json_ends_the_session_all_the_same() {
    for cut in CUTS {
        for text in [r#"42["add",1,]"#, r#"42["add",1,2"#, r#"42["add",01,2]"#] {
            let verdict = Stage::new(SCHEMA).client(text, cut);
            assert!(matches!(verdict, Verdict::Break(Reason::MalformedPacket)), "{cut:?} {text}: {verdict:?}");
        }
    }
}

#[test]
fn a_message_that_is_too_large_is_refused_at_its_first_bytes() {
    let mut stage = Stage::new(SCHEMA);
    let verdict = stage.show(Side::Client, true, br#"4212["add","#, Extent::Begun(Some(65_000_000)));
    assert!(matches!(verdict, Verdict::Drop), "{verdict:?}");
    assert_eq!(stage.refusals(false, Refusal::EventTooLarge), 1);
    // In fragments nobody knows how long it will be: it is held up to the size.
    let long = format!(r#"42["add",{}"#, " ".repeat(64));
    for upto in 10..=long.len() {
        let verdict = stage.show(Side::Client, true, &long.as_bytes()[..upto], Extent::Begun(None));
        match upto {
            // Without the engine's own byte.
            ..=65 => assert!(matches!(verdict, Verdict::More), "{upto}: {verdict:?}"),
            _ => {
                assert!(matches!(verdict, Verdict::Drop), "{upto}: {verdict:?}");
                break;
            }
        }
    }
}

#[test]
fn attachments_are_what_stands_for_them_and_share_the_fate_of_their_event() {
    for cut in CUTS {
        let mut stage = Stage::new(SCHEMA);
        let verdict = stage.client(r#"451-/files,["file",{"_placeholder":true,"num":0}]"#, cut);
        assert!(matches!(verdict, Verdict::Pass), "{cut:?}: {verdict:?}");
        assert!(matches!(stage.show(Side::Client, false, b"bytes", Extent::Whole), Verdict::Pass));
        let verdict = stage.client(r#"451-/files,12["file",[{"_placeholder":true,"num":0}]]"#, cut);
        assert!(matches!(verdict, Verdict::Drop), "{cut:?}: {verdict:?}");
        assert!(matches!(stage.show(Side::Client, false, b"bytes", Extent::Whole), Verdict::Drop));
        assert_eq!(stage.told().len(), 1);
    }
}

#[test]
fn a_trial_tells_once_what_would_be_refused() {
    for cut in CUTS {
        let mut stage = Stage::new(&format!("[access]\nshadow = true\n{SCHEMA}"));
        let verdict = stage.client(r#"4212["add"]"#, cut);
        assert!(matches!(verdict, Verdict::Pass | Verdict::Watch(_)), "{cut:?}: {verdict:?}");
        let long = format!(r#"42["add",{:64}1,2]"#, "");
        let verdict = stage.client(&long, cut);
        assert!(matches!(verdict, Verdict::Pass | Verdict::Watch(_)), "{cut:?}: {verdict:?}");
        assert_eq!(stage.refusals(true, Refusal::EventInvalid), 1);
        assert_eq!(stage.refusals(false, Refusal::EventInvalid), 0);
        assert!(stage.told().is_empty());
    }
}

#[test]
fn too_many_misfits_end_the_session() {
    let mut stage = Stage::new(&format!("[limit]\nabuse = \"3/1m\"\n{SCHEMA}"));
    for _ in 0..3 {
        assert!(matches!(stage.client(r#"42["add"]"#, Cut::Whole), Verdict::Drop));
        assert!(!stage.guard.is_ended());
    }
    assert!(matches!(stage.client(r#"42["add"]"#, Cut::Whole), Verdict::Drop));
    assert!(stage.guard.is_ended());
}
