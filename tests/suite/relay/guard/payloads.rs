//! Events whose data a schema judges: what does not fit never goes on, however it is cut and written.

use std::time::Instant;

use serde_json::{Value, json};
use sockgate::{
    codec::msgpack,
    policy::Refusal,
    relay::guard::{Extent, Seen, Side, Verdict},
};

use super::stage::{Cut, MALFORMED, Stage, each, error};

const SCHEMAS: &str = r#"
limit.abuse = "off"
[[access.payload]]
events = ["add", "7"]
size = "64 B"
schema = '{ "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 }'
[[access.payload]]
events = ["file"]
in = ["/files"]
schema = '{ "prefixItems": [{ "type": "object", "required": ["_placeholder", "num"] }], "minItems": 1, "items": false }'
"#;

#[test]
fn events_pass_when_their_data_fits() {
    each(SCHEMAS, |stage| {
        stage.join("").join("/files,");
        stage.play(&[
            ("c", r#"42["add",1,2]"#, "pass"),
            ("c", r#"4212["add", -1 , 2.0]"#, "pass"),
            ("c", r#"42/files,["add",1,2]"#, "pass"),
            ("c", r#"42[7,1,2]"#, "pass"),
            // No schema is for these.
            ("c", r#"42["more",{"a":1}]"#, "pass"),
            ("c", r#"42["file"]"#, "pass"),
            ("a", r#"42["add"]"#, "pass"),
            ("a", r#"420["add"]"#, "pass"),
            ("c", r#"430["add"]"#, "pass"),
        ]);
    });
}

#[test]
fn what_does_not_fit_is_dropped_and_answered_where_that_was_asked_for() {
    each(SCHEMAS, |stage| {
        stage.join("").join("/files,");
        let refused = |refusal| format!("drop | {}", error("12", refusal));
        for text in [
            r#"["add",1,{"a":1}]"#,
            r#"["add",1]"#,
            r#"["add"]"#,
            r#"["add",1,2,3]"#,
            r#"["\u0061dd","1","2"]"#,
            r#"[ "add" ,null,1]"#,
            r#"[7,1]"#,
            // Apps would read these in different ways, or not at all.
            r#"["add",{"a":1,"a":2},1]"#,
            r#"["add",1e999,1]"#,
            r#"["add","\ud800",1]"#,
        ] {
            stage.play(&[("c", &format!("4212{text}"), &refused(Refusal::EventInvalid)), ("c", &format!("42{text}"), "drop")]);
        }
        let large = r#"4212["add",111111111111111111111111111111111111111111111111111111,1]"#;
        stage.play(&[("c", large, &refused(Refusal::EventTooLarge))]);
        stage.play(&[("c", r#"42/files,["add"]"#, "drop"), ("c", r#"42/files,["file",1]"#, "drop")]);
        assert!(stage.metrics.page().contains("reason=\"event_invalid\"} 22"), "{}", stage.metrics.page());
    });
}

#[test]
fn what_is_no_json_ends_the_session_all_the_same() {
    for text in [r#"42["add",1,]"#, r#"42["add",1,2"#, r#"42["add",01,2]"#, r#"42["add",1,2]x"#] {
        each(SCHEMAS, |stage| {
            stage.join("");
            stage.play(&[("c", text, MALFORMED)]);
        });
    }
}

#[test]
fn a_message_that_is_too_large_is_refused_at_its_first_bytes() {
    let mut stage = Stage::new(SCHEMAS, Cut::Whole);
    stage.join("");
    let mut show = |bytes: &[u8], extent| {
        stage.guard.judge(&Seen { from: Side::Client, is_text: true, bytes, extent, wire: None }, Instant::now())
    };
    assert!(matches!(show(br#"4212["add","#, Extent::Begun(Some(65_000_000))), Verdict::Drop));
    // In fragments nobody knows how long it will be: it is held up to the size, which is without the engine's own byte.
    let long = format!(r#"42["add",{}"#, " ".repeat(64));
    assert!(matches!(show(&long.as_bytes()[..65], Extent::Begun(None)), Verdict::More));
    assert!(matches!(show(&long.as_bytes()[..66], Extent::Begun(None)), Verdict::Drop));
}

#[test]
fn attachments_are_what_stands_for_them_and_share_the_fate_of_their_event() {
    each(SCHEMAS, |stage| {
        stage.join("/files,");
        stage.play(&[
            ("c", r#"451-/files,["file",{"_placeholder":true,"num":0}]"#, "pass"),
            ("cb", "bytes", "pass"),
            (
                "c",
                r#"451-/files,12["file",[{"_placeholder":true,"num":0}]]"#,
                &format!("drop | {}", error("/files,12", Refusal::EventInvalid)),
            ),
            ("cb", "bytes", "drop"),
            ("c", r#"42/files,["more"]"#, "pass"),
            // What only looks like one is none.
            ("c", r#"42/files,["file",{"_placeholder":true,"num":0}]"#, "drop"),
        ]);
    });
}

#[test]
fn msgpack_is_judged_by_the_same_schemas() {
    each(&format!("socketio.parser = \"msgpack\"\n{SCHEMAS}"), |stage| {
        for namespace in ["/", "/files"] {
            assert_eq!(stage.client_bytes(&msgpack::connect(namespace, None)), "pass");
            assert_eq!(stage.app_bytes(&msgpack::connect(namespace, Some(&json!({ "sid": "x" })))), "pass");
        }
        for (arguments, outcome) in [
            (json!([1, 2]), "pass"),
            (json!([1, -2]), "pass"),
            (json!([1, 2.0]), "pass"),
            (json!([1, 2.5]), "drop"),
            (json!([1]), "drop"),
            (json!([1, { "a": 1 }]), "drop"),
            (json!([1, null]), "drop"),
        ] {
            let Value::Array(arguments) = arguments else { unreachable!("all are lists") };
            assert_eq!(stage.client_bytes(&msgpack::event("/", "add", &arguments)), outcome, "{arguments:?}");
        }
        // The gate writes no bytes itself: ["file", bytes].
        let file = |argument: &[u8]| {
            let start = b"\x83\xa4type\x02\xa3nsp\xa6/files\xa4data\x92\xa4file";
            [start.as_slice(), argument].concat()
        };
        assert_eq!(stage.client_bytes(&file(b"\xc4\x03abc")), "pass");
        assert_eq!(stage.client_bytes(&file(b"\xa3abc")), "drop");
        assert_eq!(stage.client_bytes(&file(b"\x82\xac_placeholder\xc3\xa3num\x00")), "drop");
    });
}

#[test]
fn a_trial_tells_once_what_would_be_refused() {
    each(&format!("access.shadow = true\n{SCHEMAS}"), |stage| {
        stage.join("");
        let large = format!(r#"4212["add",{:64}1,2]"#, "");
        stage.play(&[("c", r#"4212["add"]"#, "pass"), ("c", &large, "pass"), ("c", r#"42["add",1,2]"#, "pass")]);
        let page = stage.metrics.page();
        for reason in ["event_invalid", "event_too_large"] {
            assert!(page.contains(&format!("sockgate_shadowed_total{{reason=\"{reason}\"}} 1")), "{page}");
            assert!(!page.contains(&format!("sockgate_refusals_total{{reason=\"{reason}\"}}")), "{page}");
        }
    });
}

#[test]
fn misfits_use_up_no_limit_and_too_many_end_the_session() {
    let config = SCHEMAS.replace("\"off\"", "\"3/1m\"") + "[[limit.event]]\nevents = [\"add\"]\nrate = \"1/1m\"\n";
    each(&config, |stage| {
        stage.join("");
        stage.play(&[
            ("c", r#"42["add"]"#, "drop"),
            ("c", r#"42["add"]"#, "drop"),
            ("c", r#"42["add",1,2]"#, "pass"),
            ("c", r#"42["add"]"#, "drop"),
        ]);
        assert!(!stage.guard.is_ended());
        let last = stage.client(r#"42["add"]"#);
        assert!(last.contains("end abuse") && stage.guard.is_ended(), "{last}");
    });
}

#[test]
fn what_waited_for_its_namespace_is_judged_when_it_goes_out() {
    let mut stage = Stage::new(SCHEMAS, Cut::Whole);
    assert_eq!(stage.client("40"), "pass");
    assert_eq!(stage.client(r#"4212["add",1]"#), "drop");
    assert_eq!(stage.client(r#"42["add",1,2]"#), "drop");
    let joined = stage.app("40{\"sid\":\"x\"}");
    assert!(joined.contains(r#"app 42["add",1,2]"#) && !joined.contains(r#"app 4212["add",1]"#), "{joined}");
    assert!(joined.contains(&error("12", Refusal::EventInvalid)), "{joined}");
}

#[test]
fn new_schemas_reach_open_sessions() {
    each(SCHEMAS, |stage| {
        stage.join("");
        stage.play(&[("c", r#"42["add",1]"#, "drop")]);
        stage.renew("socketio.judge = \"always\"");
        stage.play(&[("c", r#"42["add",1]"#, "pass")]);
        stage.renew(SCHEMAS);
        stage.play(&[("c", r#"42["add",1]"#, "drop")]);
    });
}
