//! Routes whose parser nobody here can read, by choice.

use super::stage::{Cut, MALFORMED, Stage, each};

const CUSTOM: &str = "socketio.parser = \"custom\"\nsocketio.judge = \"always\"";

#[test]
fn what_cannot_be_read_passes() {
    each(CUSTOM, |stage| {
        stage.play(&[
            ("c", "4anything", "pass"),
            ("cb", "anything", "pass"),
            ("c", "bAQID", "replace \"\\u{1}\\u{2}\\u{3}\""),
            ("a", "4anything", "pass"),
            ("ab", "anything", "pass"),
            ("a", "bAQID", "pass"),
            ("c", "2", MALFORMED),
        ]);
    });
}

#[test]
fn it_is_counted_and_may_be_idle_but_nobody_waits_for_a_namespace() {
    each("socketio.parser = \"custom\"\nlimit.messages_per_session = \"1/1s burst 2\"", |stage| {
        stage.play(&[("c", "4x", "pass"), ("cb", "x", "pass"), ("c", "4x", "drop")]);
    });
    let mut stage = Stage::new("socketio.parser = \"custom\"\nlimit.session_idle = \"2m\"", Cut::Whole);
    assert_eq!(stage.after(100.0), "");
    stage.play(&[("cb", "x", "pass")]);
    assert_eq!(stage.after(119.0), "");
    assert_eq!(stage.after(1.0), "end session_idle");
}

#[test]
fn no_token_can_be_found_there_so_nobody_gets_in_that_needs_one() {
    for line in [("c", "4x", MALFORMED), ("cb", "x", MALFORMED), ("c", "bAQID", MALFORMED)] {
        each("socketio.parser = \"custom\"\nauth.when = \"connect\"", |stage| stage.play(&[line]));
    }
}
