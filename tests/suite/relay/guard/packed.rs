//! Sessions whose packets are MessagePack: the same rules and the same answers.

use serde_json::{Value, json};
use sockgate::{
    codec::msgpack,
    policy::{Refusal, auth::Identity},
    relay::{
        Reason,
        guard::{Message, Out, Side},
    },
};

use super::stage::{Cut, MALFORMED, Stage, ana, each, person};

const RULES: &str = "socketio.parser = \"msgpack\"\n[[access.rule]]\nsend = [\"admin:*\"]\ndeny = true\n\
    [[access.rule]]\nreceive = [\"secret\"]\ndeny = true\n[[access.rule]]\njoin = [\"/admin\"]\ndeny = true";

/// As `Stage` tells of a binary message.
fn told(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// An event that asks for an answer, as the clients' parser writes it.
fn asking(namespace: &str, id: u8, name: &str) -> Vec<u8> {
    let mut message = b"\x85\xa4type\x02\xa4data\x91".to_vec();
    message.push(0xa0 | name.len() as u8);
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(b"\xa7options\x81\xa8compress\xc3\xa2id");
    message.push(id);
    message.extend_from_slice(b"\xa3nsp");
    message.push(0xa0 | namespace.len() as u8);
    message.extend_from_slice(namespace.as_bytes());
    message
}

fn error(namespace: &str, id: u64, refusal: Refusal) -> String {
    let error = json!({ "error": { "code": refusal.name(), "message": refusal.message(), "hint": refusal.hint() } });
    format!("client {}", told(&msgpack::ack(namespace, id, &[error])))
}

fn no(namespace: &str, refusal: Refusal) -> String {
    let data = json!({ "code": refusal.name(), "hint": refusal.hint() });
    format!("client {}", told(&msgpack::connect_error(namespace, refusal.message(), Some(&data))))
}

fn event(name: &str) -> Vec<u8> {
    msgpack::event("/", name, &[json!({ "bytes": 1 })])
}

fn join(stage: &mut Stage) {
    assert_eq!(stage.client_bytes(&msgpack::connect("/", None)), "pass");
    assert_eq!(stage.app_bytes(&msgpack::connect("/", Some(&json!({ "sid": "x" })))), "pass");
}

#[test]
fn rules_hold_and_are_answered_in_the_same_tongue() {
    each(RULES, |stage| {
        join(stage);
        assert_eq!(stage.client_bytes(&event("fine")), "pass");
        assert_eq!(stage.client_bytes(&event("admin:x")), "drop");
        assert_eq!(stage.client_bytes(&asking("/", 7, "admin:x")), format!("drop | {}", error("/", 7, Refusal::EventRefused)));
        assert_eq!(stage.client_bytes(&asking("/none", 7, "x")), format!("drop | {}", error("/none", 7, Refusal::NotConnected)));
        assert_eq!(stage.app_bytes(&event("note")), "pass");
        assert_eq!(stage.app_bytes(&event("secret")), "drop");
        let refused = stage.client_bytes(&msgpack::connect("/admin", None));
        assert_eq!(refused, format!("drop | {}", no("/admin", Refusal::NamespaceRefused)));
        assert_eq!(stage.client_bytes(&msgpack::disconnect("/")), "pass");
        assert_eq!(stage.client_bytes(&event("fine")), "drop");
    });
}

#[test]
fn what_polling_writes_as_text_is_the_same() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    each(RULES, |stage| {
        join(stage);
        let text = |message: &[u8]| format!("b{}", STANDARD.encode(message));
        assert_eq!(stage.client(&text(&event("fine"))), format!("replace {}", told(&event("fine"))));
        assert_eq!(stage.client(&text(&event("admin:x"))), "drop");
        assert_eq!(stage.app(&text(&event("note"))), "pass");
        assert_eq!(stage.app(&text(&event("secret"))), "drop");
        stage.play(&[("a", "2", "pass"), ("c", "3", "pass")]);
    });
}

#[test]
fn nothing_else_goes_on() {
    for message in [&b""[..], b"\x80", b"\x90", b"\x82\xa4type\x02\xa3nsp\xa1/", &msgpack::event("/", "connect", &[]), b"\xc1"] {
        each(RULES, |stage| {
            join(stage);
            assert_eq!(stage.client_bytes(message), MALFORMED);
        });
    }
    for text in ["40", "42[\"x\"]", "4", "b****", "2"] {
        each(RULES, |stage| stage.play(&[("c", text, MALFORMED)]));
    }
    each(RULES, |stage| {
        join(stage);
        assert_eq!(stage.app_bytes(b"\xc1"), "drop", "where something is kept back, so is what cannot be read");
    });
}

#[test]
fn events_wait_and_are_judged_when_they_go_out() {
    each(RULES, |stage| {
        stage.client_bytes(&msgpack::connect("/", None));
        assert_eq!(stage.client_bytes(&event("fine")), "drop");
        assert_eq!(stage.client_bytes(&asking("/", 3, "admin:x")), "drop");
        let refused = error("/", 3, Refusal::EventRefused);
        assert_eq!(stage.app_bytes(&msgpack::connect("/", None)), format!("pass | app {} | {refused}", told(&event("fine"))));
    });
}

#[test]
fn a_token_is_found_judged_and_taken_out_and_the_app_told_who_it_is() {
    let config = "socketio.parser = \"msgpack\"\nauth.when = \"connect\"\nauth.from = [\"connect:auth.token\"]\n\
        auth.pass_token = false\nauth.identity.connect_field = \"user\"";
    each(config, |stage| {
        let said = json!({ "auth": { "token": "t", "keep": 1 }, "User": "root", "pid": "p" });
        assert_eq!(stage.client_bytes(&msgpack::connect("/", Some(&said))), "drop | ask 1 connect t");
        let who = json!({ "subject": "ana", "roles": [], "tenant": null, "claims": {} });
        stage.guard.answered(1, Ok(ana()), std::time::Instant::now(), std::time::SystemTime::now());
        let outs = stage.guard.take();
        let [Out::ToApp(Message::Binary(message))] = outs.as_slice() else { panic!("{outs:?}") };
        let packet = msgpack::Packet::read(message, 32).expect("a packet");
        let expected = msgpack::connect("/", Some(&json!({ "auth": { "keep": 1 }, "pid": "p", "user": who })));
        assert_eq!(packet.namespace, "/");
        let mut members: Vec<Vec<u8>> = Vec::new();
        for message in [message, &expected] {
            let packet = msgpack::Packet::read(message, 32).expect("a packet");
            let mut data = message[packet.data].to_vec();
            data.sort_unstable();
            members.push(data);
        }
        assert_eq!(members[0], members[1], "the same, in whatever order");
    });
    for (said, refusal) in [
        (json!({}), Refusal::TokenAbsent),
        (json!({ "auth": {} }), Refusal::TokenAbsent),
        (json!({ "auth": { "token": "" } }), Refusal::TokenAbsent),
        (json!({ "auth": { "token": 7 } }), Refusal::TokenInvalid),
        (json!({ "auth": { "token": "two words" } }), Refusal::TokenInvalid),
        (json!({ "auth": "t" }), Refusal::TokenInvalid),
    ] {
        each(config, |stage| {
            let came = stage.client_bytes(&msgpack::connect("/", Some(&said)));
            assert_eq!(came, format!("drop | {}", no("/", refusal)), "{said}");
        });
    }
    let mut stage = Stage::of(config, Cut::Whole, None, None);
    assert_eq!(stage.client_bytes(&msgpack::connect("/", None)), format!("drop | {}", no("/", Refusal::TokenAbsent)));
}

#[test]
fn refresh_warning_and_end_speak_it_too() {
    let config = "socketio.parser = \"msgpack\"\nauth.expiry_warning = \"60s\"\nauth.end_event = \"bye\"";
    each(config, |stage| {
        join(stage);
        let refresh = msgpack::event("/", "sockgate:refresh", &[Value::from("new")]);
        assert_eq!(stage.client_bytes(&refresh), "drop | ask 1 refresh new");
        let fresh: Identity = person("ana", &json!({ "expires": 7200 }));
        assert_eq!(stage.answer(1, Ok(fresh)), "");
        let warning = stage.after(7150.0);
        assert!(warning.starts_with("client ") && warning.contains("sockgate:expiring"), "{warning}");
        let end = stage.end(Reason::Killed);
        let disconnect = told(&msgpack::disconnect("/"));
        assert!(end.contains("bye") && end.ends_with(&format!("client {disconnect} | app {disconnect} | end killed")), "{end}");
        assert!(stage.guard.may_inject(Side::App) && stage.guard.may_inject(Side::Client));
    });
}
