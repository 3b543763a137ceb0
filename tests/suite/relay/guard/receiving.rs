//! What an app sends and a client may not receive.

use super::stage::each;

const RULES: &str = "[[access.rule]]\nreceive = [\"admin:*\"]\nneeds = { roles = [\"admin\"] }";

#[test]
fn what_may_not_be_received_is_left_out() {
    each(RULES, |stage| {
        stage.join("").join("/a,");
        stage.play(&[
            ("a", "42[\"admin:note\",1]", "drop"),
            ("a", "42[\"\\u0061dmin:note\",1]", "drop"),
            ("a", "42/a,9[\"admin:note\"]", "drop"),
            ("a", "42[\"note\",1]", "pass"),
            ("a", "430[\"admin:note\"]", "pass"),
            ("c", "43/a,9[]", "drop"),
        ]);
        let page = stage.metrics.page();
        assert!(page.contains("packets_filtered_total 3"), "{page}");
    });
}

#[test]
fn a_binary_event_is_left_out_whole() {
    each(RULES, |stage| {
        stage.join("");
        stage.play(&[
            ("a", "452-[\"admin:b\",{\"_placeholder\":true,\"num\":0}]", "drop"),
            ("ab", "one", "drop"),
            ("a", "2", "pass"),
            ("a", "bAQID", "drop"),
            ("a", "451-[\"b\",{\"_placeholder\":true,\"num\":0}]", "pass"),
            ("ab", "one", "pass"),
            ("ab", "unannounced", "drop"),
            ("a", "bAQID", "drop"),
        ]);
    });
}

#[test]
fn an_event_that_the_app_breaks_off_takes_nothing_else_with_it() {
    each(RULES, |stage| {
        stage.join("");
        stage.play(&[
            ("a", "452-[\"admin:b\",{\"_placeholder\":true,\"num\":0}]", "drop"),
            ("a", "42[\"note\"]", "pass"),
            ("ab", "one", "drop"),
            ("a", "451-[\"b\",{\"_placeholder\":true,\"num\":0}]", "pass"),
            ("a", "42[\"admin:note\"]", "drop"),
            ("ab", "one", "pass"),
            ("a", "451-[\"b\",{\"_placeholder\":true,\"num\":0}]", "pass"),
            ("a", "41", "pass"),
        ]);
    });
}

#[test]
fn what_cannot_be_read_is_left_out_where_anything_is() {
    for text in ["4511-[\"admin:b\"]", "42[[\"admin:x\"]]", "42 [\"admin:x\"]", "4", "49", "4\"2\""] {
        each(RULES, |stage| {
            stage.join("");
            stage.play(&[("a", text, "drop")]);
        });
        each("socketio.judge = \"always\"", |stage| {
            stage.join("");
            stage.play(&[("a", text, "pass"), ("ab", "x", "pass")]);
        });
    }
}

#[test]
fn a_shadow_keeps_nothing_back() {
    each(&format!("access.shadow = true\n{RULES}"), |stage| {
        stage.join("");
        stage.play(&[("a", "42[\"admin:note\",1]", "pass")]);
    });
}
