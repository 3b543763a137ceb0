//! Answers: those of clients are as many as the app has asked for, those of apps are measured.

use super::stage::{Cut, MALFORMED, PLAIN, Stage, each};

#[test]
fn a_client_answers_what_it_was_asked() {
    each(PLAIN, |stage| {
        stage.join("").join("/a,");
        stage.play(&[
            ("a", "421[\"q\"]", "pass"),
            ("a", "42/a,1[\"q\"]", "pass"),
            ("a", "451-2[\"q\",{\"_placeholder\":true,\"num\":0}]", "pass"),
            ("ab", "x", "pass"),
            ("c", "431[]", "pass"),
            ("c", "43/a,1[{\"x\":1}]", "pass"),
            ("c", "461-2[{\"_placeholder\":true,\"num\":0}]", "pass"),
            ("cb", "x", "pass"),
            ("c", "431[]", "drop"),
            ("c", "461-2[{\"_placeholder\":true,\"num\":0}]", "drop"),
            ("cb", "x", "drop"),
        ]);
    });
}

#[test]
fn answers_nobody_asked_for_add_up_to_an_end() {
    each("limit.abuse = \"1/1m burst 1\"\nauth.on_abuse = \"reconnect\"\nsocketio.judge = \"always\"", |stage| {
        stage.join("");
        stage.play(&[("c", "430[]", "drop"), ("c", "430[]", "drop | end abuse")]);
    });
}

#[test]
fn answers_are_counted_but_not_held_back() {
    each("limit.messages_per_session = \"1/1m burst 2\"", |stage| {
        stage.join("");
        stage.play(&[
            ("a", "421[\"q\"]", "pass"),
            ("a", "422[\"q\"]", "pass"),
            ("c", "431[]", "pass"),
            ("c", "432[]", "pass"),
            ("c", "42[\"x\"]", "drop"),
        ]);
    });
}

#[test]
fn answers_are_whole_and_well_formed() {
    for text in ["43[1]", "437", "437{\"a\":1}", "461-[1]", "437[NaN]"] {
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("a", "427[\"q\"]", "pass"), ("c", text, MALFORMED)]);
        });
    }
}

#[test]
fn the_time_of_the_apps_answers_is_measured() {
    let mut stage = Stage::new(PLAIN, Cut::Whole);
    stage.join("").join("/a,");
    stage.play(&[("c", "421[\"q\"]", "pass"), ("c", "42/a,1[\"q\"]", "pass")]);
    stage.wait(2.0);
    stage.play(&[("a", "431[]", "pass"), ("a", "431[]", "pass"), ("a", "43/a,2[]", "pass")]);
    let page = stage.metrics.page();
    assert!(page.contains("ack_seconds_count 1") && page.contains("ack_seconds_sum 2.0"), "{page}");
}
