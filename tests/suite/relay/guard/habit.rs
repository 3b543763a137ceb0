//! What is said again: it comes to the same as if nothing had been remembered.

use std::time::Instant;

use proptest::{prelude::*, sample::select};
use serde_json::json;
use sockgate::relay::{
    Reason,
    guard::{Extent, Seen, Side, Verdict, Wire},
};

use super::stage::{Cut, Stage, person};

/// Limits that sessions have for themselves, so that new rules take their counts along.
const RULES: &str = r#"
[limit]
messages_per_session = "8/1s"
abuse = "30/1m"
[[limit.event]]
events = ["chat:*"]
rate = "3/1s"
size = "40B"
[[limit.event]]
events = ["told"]
rate = "2/1s"
over = "warn"
[[limit.event]]
events = ["last"]
rate = "2/1s"
over = "close"
[[access.rule]]
send = ["admin"]
needs = { roles = "admin" }
[[access.rule]]
send = ["only-here"]
in = ["/a"]
needs = { roles = "admin" }
[[access.rule]]
receive = ["secret"]
needs = { roles = "admin" }
"#;

/// Of events some patterns are spoken of, and none is by its name.
const PATTERNS: &str = r#"
[limit]
messages_per_session = "8/1s"
abuse = "30/1m"
[[access.rule]]
receive = ["sec*"]
needs = { roles = "admin" }
"#;

/// The same as the first, but for what is allowed.
const OTHERS: &str = r#"
[limit]
messages_per_session = "8/1s"
abuse = "30/1m"
[[access.rule]]
send = ["chat:say", "7"]
deny = true
[[access.rule]]
join = ["/a"]
needs = { roles = "admin" }
"#;

#[derive(Clone, Debug)]
enum Deed {
    Client(String),
    App(String),
    /// Other rules.
    Rules(&'static str),
    /// A refresh that brings these roles.
    Roles(&'static [&'static str]),
    Wait(f64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let namespace = || select(vec!["", "", "", "/a,", "/b,"]);
    let name = || {
        let names =
            ["\"m\"", "\"m\"", "\"chat:say\"", "\"admin\"", "\"only-here\"", "\"secret\"", "\"told\"", "7", "77", "\"\\u006d\""];
        select(names.to_vec())
    };
    let rest = || {
        select(vec![
            "]",
            ",1]",
            ", {\"a\":[]}]",
            ",\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"]",
            " ]",
            "1]",
            ",]",
            "",
            ",1]]",
        ])
    };
    let id = || select(vec!["", "", "", "1"]);
    let event = move || {
        (namespace(), id(), name(), rest()).prop_map(|(namespace, id, name, rest)| format!("42{namespace}{id}[{name}{rest}"))
    };
    let last = move || namespace().prop_map(|namespace| format!("42{namespace}[\"last\",1]"));
    let right = move || (namespace(), name()).prop_map(|(namespace, name)| format!("42{namespace}[{name},1]"));
    let change = |kind: &'static str| namespace().prop_map(move |namespace| format!("4{kind}{namespace}"));
    prop_oneof![
        8 => right().prop_map(Deed::Client),
        2 => event().prop_map(Deed::Client),
        1 => last().prop_map(Deed::Client),
        1 => change("0").prop_map(Deed::Client),
        1 => change("1").prop_map(Deed::Client),
        6 => right().prop_map(Deed::App),
        2 => event().prop_map(Deed::App),
        2 => change("0").prop_map(Deed::App),
        1 => change("1").prop_map(Deed::App),
        1 => Just(Deed::App("451-[\"m\",{\"_placeholder\":true,\"num\":0}]".into())),
        1 => Just(Deed::Client("451-[\"m\",{\"_placeholder\":true,\"num\":0}]".into())),
        1 => select(vec![RULES, OTHERS, PATTERNS, "limit = { messages_per_session = \"8/1s\", abuse = \"30/1m\" }"]).prop_map(Deed::Rules),
        1 => select(vec![&["admin"][..], &[]]).prop_map(Deed::Roles),
        2 => (0.0..1.0).prop_map(Deed::Wait),
    ]
}

/// One that forgets before each packet, if it is to. Rules that say the same make it.
fn play(deeds: &[Deed], cut: Cut, forgets: bool) -> (Vec<String>, String) {
    let mut stage = Stage::new(RULES, cut);
    stage.join("").join("/a,");
    let mut rules = RULES;
    let mut came = Vec::new();
    for deed in deeds {
        if forgets {
            assert_eq!(stage.renew(rules), "");
        }
        came.push(match deed {
            Deed::Client(text) => stage.client(text),
            Deed::App(text) => stage.app(text),
            Deed::Rules(other) => {
                rules = other;
                stage.renew(other)
            }
            Deed::Roles(roles) => {
                let asked = stage.client("429[\"sockgate:refresh\",\"t\"]");
                let number = asked.strip_prefix("drop | ask ").and_then(|asked| asked.split_once(' ')?.0.parse().ok());
                number
                    .map_or(asked, |number| stage.answer(number, Ok(person("ana", &json!({ "roles": roles, "expires": 3600 })))))
            }
            Deed::Wait(seconds) => stage.after(*seconds),
        });
    }
    let page = stage.metrics.page();
    let counted = ["sockgate_packet", "sockgate_events", "sockgate_refusals", "sockgate_shadowed"];
    let is_counted = |line: &&str| counted.iter().any(|name| line.starts_with(name));
    let mut counts: Vec<&str> = page.lines().filter(is_counted).collect();
    counts.sort_unstable();
    (came, counts.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn memory_changes_nothing(deeds in prop::collection::vec(deed(), 1..80), cut in select(vec![Cut::Whole, Cut::Bytes, Cut::Wire])) {
        prop_assert_eq!(play(&deeds, cut, false), play(&deeds, cut, true));
    }
}

#[test]
fn what_was_let_through_is_not_for_ever() {
    let mut stage = Stage::new("", Cut::Whole);
    stage.join("").join("/a,");
    let again = [
        ("c", "42/a,[\"m\",1]", "pass"),
        ("c", "42/a,[\"m\",2]", "pass"),
        ("a", "42/a,[\"m\"]", "pass"),
        ("a", "42/a,[\"m\"]", "pass"),
    ];
    stage.play(&again);
    stage.renew("[[access.rule]]\nsend = [\"m\"]\ndeny = true\n[[access.rule]]\nreceive = [\"m\"]\ndeny = true");
    stage.play(&[("c", "42/a,[\"m\",1]", "drop"), ("a", "42/a,[\"m\"]", "drop")]);
    stage.renew("");
    stage.play(&again);
    stage.play(&[("c", "41/a,", "pass"), ("c", "42/a,[\"m\",1]", "drop"), ("a", "42/a,[\"m\"]", "drop")]);
}

#[test]
fn a_number_that_goes_on_is_another_name() {
    let mut stage = Stage::new("[[access.rule]]\nreceive = [\"12\"]\ndeny = true", Cut::Whole);
    stage.join("");
    stage.play(&[
        ("a", "42[1]", "pass"),
        ("a", "42[1]", "pass"),
        ("a", "42[12]", "drop"),
        ("c", "42[1]", "pass"),
        ("c", "42[12,3]", "pass"),
    ]);
}

#[test]
fn what_is_remembered_is_counted_at_the_next_pause() {
    let mut stage = Stage::new("[[limit.event]]\nevents = [\"m\"]\nsize = \"1 MiB\"", Cut::Whole);
    stage.join("");
    stage.play(&[("c", "42[\"m\",1]", "pass"), ("a", "42[\"m\",1]", "pass")]);
    let before = stage.metrics.page();
    for from in [Side::Client, Side::App] {
        let seen = Seen { from, is_text: true, bytes: b"42[\"m\",2]", extent: Extent::Whole, wire: None };
        assert!(matches!(stage.guard.judge(&seen, Instant::now()), Verdict::Pass));
    }
    // Read anew, it would be there already.
    assert_eq!(stage.metrics.page(), before);
    stage.guard.pause();
    let page = stage.metrics.page();
    for direction in ["in", "out"] {
        let line = format!("sockgate_events_total{{event=\"m\",direction=\"{direction}\"}} 2");
        assert!(page.contains(&line), "{page}");
    }
}

/// Whether an event like this one is known by how it begins.
fn is_known(stage: &mut Stage, text: &str) -> bool {
    stage.guard.judge_known(Side::Client, Wire::plain(text.as_bytes()), Extent::Whole, Instant::now()).is_some()
}

#[test]
fn what_cannot_be_remembered_leaves_what_is() {
    let mut stage = Stage::new("", Cut::Whole);
    stage.join("");
    let (longest, longer) = (format!("42[\"{}\"]", "n".repeat(26)), format!("42[\"{}\"]", "n".repeat(27)));
    stage.play(&[("c", "42[\"m\"]", "pass")]);
    for other in ["42[7]", &longer, "421[\"asks\"]"] {
        assert_eq!(stage.client(other), "pass");
        assert!(is_known(&mut stage, "42[\"m\",1]") && !is_known(&mut stage, other), "{other}");
    }
    assert_eq!(stage.client(&longest), "pass");
    assert!(is_known(&mut stage, &longest) && !is_known(&mut stage, "42[\"m\"]"));
}

#[test]
fn nothing_is_known_where_something_else_is_due() {
    let mut stage = Stage::new("", Cut::Whole);
    stage.join("");
    stage.play(&[("c", "42[\"m\"]", "pass"), ("c", "451-[\"b\",{\"_placeholder\":true,\"num\":0}]", "pass")]);
    assert!(!is_known(&mut stage, "42[\"m\"]"), "an attachment is due");
    stage.client_bytes(b"bytes");
    assert!(is_known(&mut stage, "42[\"m\"]"));
    for wrong in ["", "4", "42", "42[\"m", "42[\"n\"]", "42[\"m\"1]", "42[\"m\"", "52[\"m\"]", "b2[\"m\"]"] {
        assert!(!is_known(&mut stage, wrong), "{wrong}");
    }
    stage.end(Reason::Killed);
    assert!(!is_known(&mut stage, "42[\"m\"]"), "it is over");
}

#[test]
fn a_beginning_that_was_right_vouches_for_nothing_behind_it() {
    let long = "x".repeat(500);
    for cut in [Cut::Whole, Cut::Bytes, Cut::Wire] {
        for wrong in ["", "]]", "\u{1}\"]", "\",]", "\"}", "\\q\"]", "\",[[[[[]"] {
            let mut stage = Stage::new("socketio.json_depth = 4", cut);
            stage.join("");
            stage.play(&[("c", &format!("42[\"m\",\"{long}\"]"), "pass"), ("c", "42[\"m\"]", "pass")]);
            let text = format!("42[\"m\",\"{long}{wrong}");
            assert_eq!(stage.client(&text), "break packet_malformed", "{cut:?} {wrong}");
        }
    }
}
