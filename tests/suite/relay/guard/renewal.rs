//! New rules for a session that is open.

use sockgate::policy::Refusal;

use super::stage::{CONNECT, Cut, PLAIN, Stage, ana, each, no};

#[test]
fn a_namespace_that_is_forbidden_now_is_left_alone() {
    let closed = "[[access.rule]]\njoin = [\"/a\", \"/b\", \"/c\"]\ndeny = true";
    each(PLAIN, |stage| {
        stage.join("").join("/a,");
        stage.play(&[("c", "40/b,", "pass"), ("c", "42/b,[\"held\"]", "drop")]);
        let left = format!("client 41/a, | app 41/a, | {}", no("/b", Refusal::NamespaceRefused));
        assert_eq!(stage.renew(closed), left);
        stage.play(&[
            ("a", "42/a,[\"late\"]", "drop"),
            ("c", "42/a,[\"late\"]", "drop"),
            // The app lets it in that may not come any more.
            ("a", "40/b,{}", "drop | app 41/b,"),
            ("c", "40/a,", &format!("drop | {}", no("/a", Refusal::NamespaceRefused))),
            ("c", "42[\"x\"]", "pass"),
        ]);
        assert_eq!(stage.renew(PLAIN), "");
        stage.join("/a,");
    });
}

#[test]
fn what_is_being_judged_meets_the_new_rules() {
    let mut stage = Stage::new(CONNECT, Cut::Whole);
    stage.client("40/a,{\"token\":\"t\"}");
    assert_eq!(stage.renew("auth.when = \"connect\"\naccess.join = \"deny\""), "");
    assert_eq!(stage.answer(1, Ok(ana())), no("/a", Refusal::NamespaceRefused));
    assert!(stage.guard.identity().is_none());
}

#[test]
fn new_limits_count_from_then_on() {
    let mut stage = Stage::new(PLAIN, Cut::Whole);
    stage.join("");
    stage.play(&[("c", "42[\"x\"]", "pass"), ("c", "42[\"x\"]", "pass")]);
    stage.renew("[[limit.event]]\nevents = [\"x\"]\nrate = \"1/1m\"");
    stage.play(&[("c", "42[\"x\"]", "pass"), ("c", "42[\"x\"]", "drop")]);
    stage.renew("[[access.rule]]\nsend = [\"x\"]\ndeny = true");
    stage.play(&[("c", "421[\"x\"]", &format!("drop | {}", super::stage::error("1", Refusal::EventRefused)))]);
}

#[test]
fn a_session_without_an_identity_needs_one_under_any_rules() {
    let mut stage = Stage::new(CONNECT, Cut::Whole);
    stage.renew(PLAIN);
    stage.play(&[("c", "40", &format!("drop | {}", no("/", Refusal::TokenAbsent)))]);
    stage.play(&[("c", "40{\"token\":\"t\"}", "drop | ask 1 connect t")]);
    assert_eq!(stage.answer(1, Ok(ana())), "app 40{\"token\":\"t\"}");
    stage.play(&[("c", "40/a,", "pass")]);
}

#[test]
fn a_session_speaks_as_it_began() {
    let mut stage = Stage::new(PLAIN, Cut::Whole);
    stage.join("");
    stage.renew("socketio.parser = \"custom\"");
    stage.play(&[("c", "42[\"connect\"]", super::stage::MALFORMED)]);
}

#[test]
fn rules_that_come_within_a_unit_let_it_end() {
    each(PLAIN, |stage| {
        stage.join("/a,");
        stage.play(&[("c", "452-/a,[\"b\"]", "pass"), ("cb", "x", "pass"), ("a", "451-/a,[\"b\"]", "pass")]);
        assert_eq!(stage.renew("access.join = \"deny\""), "client 41/a, | app 41/a,");
        assert!(!stage.guard.may_inject(sockgate::relay::guard::Side::App), "the driver waits with it");
        assert!(!stage.guard.may_inject(sockgate::relay::guard::Side::Client));
        stage.play(&[("cb", "x", "pass"), ("ab", "x", "pass")]);
        assert!(stage.guard.may_inject(sockgate::relay::guard::Side::App));
    });
}
