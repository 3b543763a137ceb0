//! Events: by their decoded names, with an answer where one was asked for.

use sockgate::policy::Refusal;

use super::stage::{Cut, MALFORMED, PLAIN, Stage, each, error};

const RULES: &str = "limit.abuse = \"off\"\n[[access.rule]]\nsend = [\"admin:*\", \"7\"]\ndeny = true\n\
    [[access.rule]]\nsend = [\"x\"]\nin = [\"/a\"]\ndeny = true";

#[test]
fn rules_name_events_as_apps_read_them() {
    each(RULES, |stage| {
        stage.join("").join("/a,");
        stage.play(&[
            ("c", "42[\"admin:drop\"]", "drop"),
            ("c", "42[\"\\u0061dmin:drop\",1]", "drop"),
            ("c", "42[ \"admin:drop\" ,1]", "drop"),
            ("c", "42[7,1]", "drop"),
            ("c", "42[\"7\"]", "drop"),
            ("c", "42[\"Admin:drop\"]", "pass"),
            ("c", "42[\"x\"]", "pass"),
            ("c", "42/,[\"x\"]", "pass"),
            ("c", "42/a,[\"x\"]", "drop"),
            ("c", "42/a,[\"y\"]", "pass"),
        ]);
    });
}

#[test]
fn who_asks_for_an_answer_gets_the_error() {
    each(RULES, |stage| {
        stage.join("").join("/a,");
        let refused = |header: &str| format!("drop | {}", error(header, Refusal::EventRefused));
        stage.play(&[
            ("c", "420[\"admin:drop\"]", &refused("0")),
            ("c", "42/a,12[\"x\",{}]", &refused("/a,12")),
            ("c", "429007199254740991[\"admin:x\"]", &refused("9007199254740991")),
        ]);
        assert!(stage.metrics.page().contains("reason=\"event_refused\"} 3"));
    });
}

#[test]
fn events_of_namespaces_that_are_not_joined_are_answered_and_kept_from_the_app() {
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "42[\"x\"]", "drop"),
            ("c", "42/a,3[\"x\"]", &format!("drop | {}", error("/a,3", Refusal::NotConnected))),
            ("c", "451-[\"x\",{\"_placeholder\":true,\"num\":0}]", "drop"),
            ("cb", "x", "drop"),
            ("c", "430[]", "drop"),
        ]);
    });
}

#[test]
fn reserved_names_end_the_session_however_they_are_written() {
    for name in ["connect", "\\u0063onnect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("c", &format!("42[\"{name}\"]"), MALFORMED), ("c", "42[\"x\"]", "drop")]);
        });
    }
}

#[test]
fn after_a_break_nothing_of_the_client_goes_on() {
    let mut stage = Stage::new("auth.when = \"connect\"", Cut::Whole);
    stage.play(&[("c", "40{\"token\":\"t\"}", "drop | ask 1 connect t"), ("c", "4x", MALFORMED), ("c", "41", "drop")]);
    assert_eq!(stage.answer(1, Ok(super::stage::ana())), "");
    assert_eq!(stage.end(sockgate::relay::Reason::MalformedPacket), "end packet_malformed");
}

#[test]
fn engine_packets_pass_when_they_are_a_clients() {
    for (text, outcome) in [
        ("2probe", "pass"),
        ("5", "pass"),
        ("1", "pass"),
        ("6", "drop"),
        ("2", MALFORMED),
        ("3probe", MALFORMED),
        ("0", MALFORMED),
        ("0{\"sid\":\"x\"}", MALFORMED),
        ("11", MALFORMED),
        ("5x", MALFORMED),
        ("9", MALFORMED),
        ("7", MALFORMED),
        (" 3", MALFORMED),
        ("", MALFORMED),
        ("2probe2probe2probe", MALFORMED),
    ] {
        each(PLAIN, |stage| stage.play(&[("c", text, outcome)]));
    }
}

#[test]
fn a_pong_answers_a_ping() {
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "3", "drop"),
            ("a", "2", "pass"),
            ("c", "3", "pass"),
            ("c", "3", "drop"),
            ("a", "2", "pass"),
            ("a", "2", "pass"),
            ("c", "3", "pass"),
            ("c", "3", "pass"),
            ("c", "3", "drop"),
        ]);
    });
}

#[test]
fn apps_say_what_they_like_but_what_is_the_gates() {
    each(PLAIN, |stage| {
        stage.play(&[
            ("a", "6", "pass"),
            ("a", "1", "pass"),
            ("a", "3probe", "pass"),
            ("a", "0{\"sid\":\"secret\"}", "drop"),
            ("a", "5", "drop"),
            ("a", "", "drop"),
            ("a", "42[\"not asked for\"]", "drop"),
        ]);
    });
}

#[test]
fn a_text_is_watched_to_its_end() {
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[
            ("c", "42[\"x\",{\"a\":[1,2,{\"b\":\"\u{e9}\u{1f600}\\ud800\"}]}]", "pass"),
            ("c", "42[\"x\",[}]", MALFORMED),
        ]);
    });
    each("socketio.judge = \"always\"\nsocketio.json_depth = 3", |stage| {
        stage.join("");
        stage.play(&[("c", "42[\"x\",[[1]]]", "pass"), ("c", "42[\"x\",[[[1]]]]", MALFORMED)]);
    });
}
