//! How sessions end, what is said before, and when nobody has done anything.

use serde_json::json;
use sockgate::{policy::Refusal, relay::Reason};

use super::stage::{CONNECT, Cut, PLAIN, Stage, ana, each, no, person};

#[test]
fn each_cause_ends_as_it_is_configured() {
    let both = "client 41 | app 41 | client 41/a, | app 41/a, | ";
    for (reason, closed, open) in [
        (Reason::Expired, "auth.on_expiry = \"stay_closed\"", "auth.on_expiry = \"reconnect\""),
        (Reason::Revoked, "auth.on_revocation = \"stay_closed\"", "auth.on_revocation = \"reconnect\""),
        (Reason::Killed, "auth.on_kill = \"stay_closed\"", "auth.on_kill = \"reconnect\""),
        (Reason::Abuse, "auth.on_abuse = \"stay_closed\"", "auth.on_abuse = \"reconnect\""),
    ] {
        for (config, said) in [(closed, both), (open, "")] {
            let mut stage = Stage::new(config, Cut::Whole);
            stage.join("").join("/a,");
            assert_eq!(stage.end(reason), format!("{said}end {}", reason.name()));
            assert_eq!(stage.end(reason), "");
            assert_eq!(stage.next_look(), None);
            stage.play(&[("c", "42[\"x\"]", "drop"), ("a", "42[\"x\"]", "drop"), ("c", "4garbage", "drop")]);
        }
    }
    let mut stage = Stage::new(PLAIN, Cut::Whole);
    assert_eq!(stage.join("").end(Reason::Draining), "end draining");
}

#[test]
fn an_event_says_why_before() {
    let mut stage = Stage::new("auth.end_event = \"bye\"", Cut::Whole);
    stage.join("/a,");
    let refusal = Refusal::Killed;
    let why = json!({ "code": refusal.name(), "message": refusal.message(), "hint": refusal.hint() });
    let said = format!("client 42/a,[\"bye\",{why}] | client 41/a, | app 41/a, | end killed");
    assert_eq!(stage.end(Reason::Killed), said);
    let mut stage = Stage::new("auth.end_event = \"bye\"", Cut::Whole);
    assert_eq!(stage.join("").end(Reason::Idle), "end session_idle");
}

#[test]
fn what_is_not_joined_yet_stays_closed_by_a_refusal() {
    let mut stage = Stage::new(CONNECT, Cut::Whole);
    stage.client("40{\"token\":\"t\"}");
    stage.client("40/a,{\"token\":\"t\"}");
    stage.answer(2, Ok(ana()));
    let said = format!("{} | {} | end killed", no("/", Refusal::Killed), no("/a", Refusal::Killed));
    assert_eq!(stage.end(Reason::Killed), said);
    assert_eq!(stage.answer(1, Ok(ana())), "", "it is too late");
}

#[test]
fn an_identity_is_good_until_its_leeway_is_over() {
    let mut stage = Stage::of("auth.leeway = \"30s\"", Cut::Whole, Some(person("ana", &json!({ "expires": 100 }))), None);
    stage.join("");
    assert_eq!(stage.next_look(), Some(30));
    assert_eq!(stage.after(129.0), "");
    assert_eq!(stage.next_look(), Some(1));
    assert_eq!(stage.after(1.0), "end token_expired");
    assert_eq!(stage.next_look(), None);
    let endless = Stage::of(PLAIN, Cut::Whole, Some(person("ana", &json!({}))), None).join("").after(1e8);
    assert_eq!(endless, "");
}

#[test]
fn something_must_be_joined_in_time() {
    let mut stage = Stage::new("auth.when = \"connect\"\nauth.connect_deadline = \"5s\"", Cut::Whole);
    assert_eq!(stage.next_look(), Some(5));
    stage.client("40{\"token\":\"t\"}");
    stage.answer(1, Err(Refusal::TokenInvalid));
    assert_eq!(stage.after(4.9), "");
    assert_eq!(stage.after(0.1), "end connect_timeout");
    let mut stage = Stage::new(PLAIN, Cut::Whole);
    assert_eq!(stage.after(44.0), "");
    assert_eq!(stage.join("").after(100.0), "");
    let mut stage = Stage::new(PLAIN, Cut::Whole);
    assert_eq!(stage.after(45.0), "end connect_timeout");
}

#[test]
fn an_idle_session_ends_and_heartbeats_do_not_count() {
    let mut stage = Stage::new("limit.session_idle = \"1m\"\nsocketio.judge = \"always\"", Cut::Whole);
    stage.join("");
    stage.wait(50.0);
    stage.play(&[("a", "2", "pass"), ("c", "3", "pass"), ("a", "42[\"x\"]", "pass"), ("c", "42[\"x\"]", "pass")]);
    assert_eq!(stage.after(59.0), "");
    stage.play(&[("a", "2", "pass"), ("c", "3", "pass")]);
    assert_eq!(stage.after(1.0), "end session_idle");
}

#[test]
fn the_last_word_is_the_end() {
    let config = "limit.abuse = \"1/1m burst 1\"\naccess.send = \"deny\"\nauth.end_event = \"bye\"";
    each(config, |stage| {
        stage.join("");
        stage.client("421[\"x\"]");
        let came = stage.client("422[\"x\"]");
        assert!(came.starts_with("drop | client 432[") && came.ends_with("client 41 | app 41 | end abuse"), "{came}");
    });
}
