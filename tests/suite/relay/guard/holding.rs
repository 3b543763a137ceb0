//! What a client sends before the app has let it in: it waits, and is judged like anything else when it goes out.

use sockgate::policy::Refusal;

use super::stage::{CONNECT, Cut, MALFORMED, PLAIN, Stage, ana, each, error, no};

#[test]
fn events_wait_for_the_apps_yes_in_their_order() {
    each(PLAIN, |stage| {
        stage.join("/other,");
        stage.play(&[
            ("c", "40", "pass"),
            ("c", "42[\"one\"]", "drop"),
            ("c", "42/other,[\"not held\"]", "pass"),
            ("c", "427[\"two\",{}]", "drop"),
            ("a", "42/other,[\"x\"]", "pass"),
            ("a", "40{\"sid\":\"a\"}", "pass | app 42[\"one\"] | app 427[\"two\",{}]"),
            ("c", "42[\"three\"]", "pass"),
        ]);
    });
}

#[test]
fn events_wait_while_the_token_is_judged() {
    each(CONNECT, |stage| {
        stage.play(&[("c", "40{\"token\":\"t\"}", "drop | ask 1 connect t"), ("c", "42[\"one\"]", "drop")]);
        assert_eq!(stage.answer(1, Ok(ana())), "app 40{\"token\":\"t\"}");
        stage.play(&[("c", "42[\"two\"]", "drop"), ("a", "40{}", "pass | app 42[\"one\"] | app 42[\"two\"]")]);
    });
    each(CONNECT, |stage| {
        stage.play(&[("c", "40{\"token\":\"t\"}", "drop | ask 1 connect t"), ("c", "42[\"one\"]", "drop")]);
        assert_eq!(stage.answer(1, Err(Refusal::TokenInvalid)), no("/", Refusal::TokenInvalid));
        stage.play(&[("c", "421[\"two\"]", &format!("drop | {}", error("1", Refusal::NotConnected)))]);
    });
}

#[test]
fn what_waited_is_judged_when_it_goes_out() {
    let config = "[[access.rule]]\nsend = [\"admin:*\"]\nneeds = { roles = [\"admin\"] }\n\
        [[limit.event]]\nevents = [\"often\"]\nrate = \"1/1m\"";
    each(config, |stage| {
        stage.play(&[
            ("c", "40", "pass"),
            ("c", "421[\"admin:drop\"]", "drop"),
            ("c", "42[\"often\"]", "drop"),
            ("c", "42[\"often\"]", "drop"),
            ("c", "422[\"sockgate:refresh\",\"t\"]", "drop"),
            ("c", "451-[\"admin:b\",{\"_placeholder\":true,\"num\":0}]", "drop"),
            ("cb", "secret", "drop"),
            ("c", "42[\"fine\"]", "drop"),
        ]);
        let refused = error("1", Refusal::EventRefused);
        stage.play(&[("a", "40{}", &format!("pass | {refused} | app 42[\"often\"] | ask 1 refresh t | app 42[\"fine\"]"))]);
    });
}

#[test]
fn a_binary_event_waits_whole() {
    let header = "452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "40", "pass"),
            ("c", header, "drop"),
            ("cb", "one", "drop"),
            ("cb", "two", "drop"),
            ("a", "40{}", &format!("pass | app {header} | app \"one\" | app \"two\"")),
        ]);
    });
    // The yes comes in the middle of it.
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "40", "pass"),
            ("c", "42[\"a\"]", "drop"),
            ("c", header, "drop"),
            ("cb", "one", "drop"),
            ("a", "40{}", "pass"),
            ("c", "3", "drop"),
            ("cb", "two", &format!("drop | app 42[\"a\"] | app {header} | app \"one\" | app \"two\"")),
            ("c", "42[\"b\"]", "pass"),
        ]);
    });
    // The app says no in the middle of it.
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "40", "pass"),
            ("c", header, "drop"),
            ("a", "44{\"message\":\"no\"}", "pass"),
            ("cb", "one", "drop"),
            ("cb", "two", "drop"),
            ("c", "40", "pass"),
            ("a", "40{}", "pass"),
        ]);
    });
}

#[test]
fn what_waits_is_bounded_and_an_event_is_not_cut_in_half() {
    let large = format!("42[\"x\",\"{}\"]", "y".repeat(14_000));
    let header = "452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    let mut stage = Stage::new(PLAIN, Cut::Whole);
    stage.play(&[("c", "40", "pass")]);
    for _ in 0..4 {
        stage.play(&[("c", &large, "drop")]);
    }
    stage.play(&[
        ("c", &large.replace("42[", "425["), &format!("drop | {}", error("5", Refusal::NotConnected))),
        ("c", &header.replace("-[", "-9["), "drop"),
        ("cb", "one", "drop"),
    ]);
    assert_eq!(stage.client_bytes(&[7; 60_000]), format!("drop | {}", error("9", Refusal::NotConnected)));
    let came = stage.app("40{}");
    assert_eq!(came.matches("app 42").count(), 4);
    assert!(!came.contains("app 45") && !came.contains("one"), "{came}");
    stage.play(&[("c", "42[\"x\"]", "pass")]);
}

#[test]
fn one_that_is_too_large_to_wait_is_refused_in_every_cut() {
    let large = format!("425[\"x\",\"{}\"]", "y".repeat(20_000));
    each(PLAIN, |stage| {
        stage.play(&[("c", "40", "pass"), ("c", &large, &format!("drop | {}", error("5", Refusal::NotConnected)))]);
        stage.play(&[("a", "40{}", "pass"), ("c", &large, "pass")]);
    });
}

#[test]
fn many_small_ones_are_bounded_too() {
    let mut stage = Stage::new("socketio.judge = \"always\"\nlimit.abuse = \"off\"", Cut::Whole);
    stage.play(&[("c", "40", "pass")]);
    for _ in 0..200 {
        stage.play(&[("c", "42[\"x\"]", "drop")]);
    }
    assert_eq!(stage.app("40{}").matches("app ").count(), 64);
}

#[test]
fn who_leaves_before_the_yes_leaves_after_it() {
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "40", "pass"),
            ("c", "42[\"a\"]", "drop"),
            ("c", "41", "drop"),
            ("c", "42[\"b\"]", "drop"),
            ("a", "42[\"hello\"]", "drop"),
            ("a", "40{}", "drop | app 41"),
            ("a", "42[\"late\"]", "drop"),
            ("c", "40", "pass"),
            ("a", "40{}", "pass"),
        ]);
    });
    each(PLAIN, |stage| {
        stage.play(&[("c", "40", "pass"), ("c", "41", "drop"), ("a", "44{\"message\":\"no\"}", "drop"), ("c", "40", "pass")]);
    });
}

#[test]
fn the_apps_events_may_come_before_its_yes() {
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "40", "pass"),
            ("a", "42[\"hello\"]", "pass"),
            ("a", "451-[\"b\",{\"_placeholder\":true,\"num\":0}]", "pass"),
            ("ab", "x", "pass"),
            ("a", "40{}", "pass"),
        ]);
    });
}

#[test]
fn what_waits_is_well_formed() {
    each(PLAIN, |stage| stage.play(&[("c", "40", "pass"), ("c", "42[\"a\",]", MALFORMED), ("a", "40{}", "pass")]));
    let bad = "451-[\"b\",{\"_placeholder\":true,\"num\":1}]";
    each(PLAIN, |stage| {
        stage.play(&[("c", "40", "pass"), ("c", bad, "drop"), ("cb", "x", "drop")]);
        assert_eq!(stage.app("40{}"), "drop | end packet_malformed");
    });
}
