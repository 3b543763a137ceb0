//! Binary events are one unit with their attachments.

use sockgate::policy::Refusal;

use super::stage::{MALFORMED, PLAIN, each, error};

const ONE: &str = "451-[\"b\",{\"_placeholder\":true,\"num\":0}]";
const TWO: &str = "452-[\"b\",{\"_placeholder\":true,\"num\":1},{\"a\":[{\"_placeholder\":true,\"num\":0}]}]";

#[test]
fn a_unit_passes_as_one() {
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[
            ("c", TWO, "pass"),
            ("a", "2", "pass"),
            ("cb", "one", "pass"),
            ("c", "3", "pass"),
            ("cb", "", "pass"),
            ("c", "42[\"x\"]", "pass"),
            ("c", "4510-/,7[\"b\"]", "pass"),
        ]);
    });
}

#[test]
fn a_unit_is_dropped_as_one() {
    each("[[access.rule]]\nsend = [\"b\"]\ndeny = true", |stage| {
        stage.join("");
        stage.play(&[
            ("c", "452-7[\"b\",{\"_placeholder\":true,\"num\":0}]", &format!("drop | {}", error("7", Refusal::EventRefused))),
            ("cb", "one", "drop"),
            ("c", "btwo=", "drop"),
            ("c", "42[\"x\"]", "pass"),
            ("cb", "three", MALFORMED),
        ]);
    });
}

#[test]
fn text_that_is_base64_is_an_attachment() {
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[("c", ONE, "pass"), ("c", "bAQIDBA==", "replace \"\\u{1}\\u{2}\\u{3}\\u{4}\""), ("c", "42[\"x\"]", "pass")]);
    });
    for wrong in ["bAQIDBA", "b****", "bAQIDBA== ", "b\u{e9}"] {
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("c", ONE, "pass"), ("c", wrong, MALFORMED)]);
        });
    }
}

#[test]
fn nothing_comes_unannounced_and_nothing_between() {
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[("cb", "x", MALFORMED)]);
    });
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[("c", "bAQID", MALFORMED)]);
    });
    for between in ["42[\"x\"]", "40/a,", "41", ONE, "430[]"] {
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("c", TWO, "pass"), ("cb", "one", "pass"), ("c", between, MALFORMED)]);
        });
    }
}

#[test]
fn attachments_are_counted() {
    each("limit.attachments = 1", |stage| {
        stage.join("");
        stage.play(&[("c", ONE, "pass"), ("cb", "x", "pass"), ("c", TWO, MALFORMED)]);
    });
    for header in ["4511-[\"b\"]", "450-[\"b\"]", "45[\"b\"]", "45999999999-[\"b\"]", "421-[\"b\"]"] {
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("c", header, MALFORMED)]);
        });
    }
}

#[test]
fn a_placeholder_is_what_clients_write_or_the_packet_is_refused() {
    for (argument, passes) in [
        ("{\"_placeholder\":true,\"num\":0}", true),
        ("{\"num\":0,\"_placeholder\":true}", true),
        ("{ \"_placeholder\" : true , \"num\" : 0 }", true),
        ("[[{\"a\":{\"_placeholder\":true,\"num\":0}}]]", true),
        ("{\"num\":77}", true),
        ("\"_placeholder\",\"\\ud800\"", true),
        ("{\"a\":\"_placeholder\"}", true),
        ("{\"_placeholder\":true,\"num\":1}", false),
        ("{\"_placeholder\":true,\"num\":-1}", false),
        ("{\"_placeholder\":true,\"num\":-0}", false),
        ("{\"_placeholder\":true,\"num\":0.0}", false),
        ("{\"_placeholder\":true,\"num\":1e0}", false),
        ("{\"_placeholder\":true,\"num\":256}", false),
        ("{\"_placeholder\":true,\"num\":\"0\"}", false),
        ("{\"_placeholder\":true,\"num\":\"splice\"}", false),
        ("{\"_placeholder\":true,\"num\":[0]}", false),
        ("{\"_placeholder\":true,\"num\":null}", false),
        ("{\"_placeholder\":true}", false),
        // Python takes all of these for placeholders.
        ("{\"_placeholder\":false,\"num\":0}", false),
        ("{\"_placeholder\":1,\"num\":-1}", false),
        ("{\"_placeholder\":\"true\",\"num\":5}", false),
        ("{\"\\u005fplaceholder\":true,\"num\":5}", false),
        ("{\"_placeholder\":true,\"n\\u0075m\":5}", false),
        ("{\"_placeholder\":true,\"num\":0,\"num\":5}", false),
        ("{\"_placeholder\":true,\"num\":0,\"x\":{\"_placeholder\":true,\"num\":3}}", false),
        ("[{\"a\":1},{\"_placeholder\":true,\"num\":3}]", false),
    ] {
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("a", "423[\"ask\"]", "pass")]);
            let outcome = if passes { "pass" } else { MALFORMED };
            stage.play(&[("c", &format!("451-[\"b\",{argument}]"), outcome)]);
        });
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("a", "423[\"ask\"]", "pass")]);
            let outcome = if passes { "pass" } else { MALFORMED };
            stage.play(&[("c", &format!("461-3[{argument}]"), outcome)]);
        });
    }
}

#[test]
fn our_words_never_stand_in_a_unit() {
    use sockgate::relay::guard::Side;
    each(PLAIN, |stage| {
        stage.join("");
        assert!(stage.guard.may_inject(Side::App));
        stage.play(&[("c", TWO, "pass")]);
        assert!(!stage.guard.may_inject(Side::App) && stage.guard.may_inject(Side::Client));
        stage.play(&[("cb", "x", "pass")]);
        assert!(!stage.guard.may_inject(Side::App));
        stage.play(&[("cb", "x", "pass")]);
        assert!(stage.guard.may_inject(Side::App));
        stage.play(&[("a", ONE, "pass")]);
        assert!(!stage.guard.may_inject(Side::Client) && stage.guard.may_inject(Side::App));
        stage.play(&[("ab", "x", "pass")]);
        assert!(stage.guard.may_inject(Side::Client));
    });
    // Of what is dropped nothing stands there.
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[("c", "452-[\"b\"]", "pass"), ("cb", "x", "pass"), ("cb", "x", "pass"), ("c", "452-/none,[\"b\"]", "drop")]);
        assert!(stage.guard.may_inject(Side::App));
    });
}
