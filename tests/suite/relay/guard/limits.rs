//! How often, how large, and what happens beyond.

use serde_json::json;
use sockgate::{policy::Refusal, relay::Reason};

use super::stage::{Cut, Stage, each, error, person};

fn late(header: &str, after: u64) -> String {
    let rate = Refusal::EventRate;
    let error =
        json!({ "error": { "code": rate.name(), "message": rate.message(), "hint": rate.hint(), "retry_after_ms": after } });
    format!("drop | client 43{header}[{error}]")
}

#[test]
fn an_event_above_its_rate_is_dropped_with_the_time_to_wait() {
    let config = "[[limit.event]]\nevents = [\"say\"]\nrate = \"1/1s burst 2\"";
    each(config, |stage| {
        stage.join("");
        stage.play(&[
            ("c", "421[\"say\"]", "pass"),
            ("c", "422[\"say\"]", "pass"),
            ("c", "423[\"say\"]", &late("3", 1000)),
            ("c", "42[\"say\"]", "drop"),
            ("c", "42[\"other\"]", "pass"),
        ]);
        stage.wait(1.0);
        stage.play(&[("c", "424[\"say\"]", "pass"), ("c", "425[\"say\"]", &late("5", 1000))]);
    });
}

#[test]
fn a_warning_lets_pass_and_is_counted_once() {
    let config = "limit.messages_per_session = \"1/1s burst 2\"\nlimit.over = \"warn\"";
    each(config, |stage| {
        stage.join("");
        stage.play(&[("c", "42[\"a\"]", "pass"), ("c", "42[\"a\"]", "pass"), ("c", "42[\"a\",\"b\",\"c\"]", "pass")]);
        assert!(stage.metrics.page().contains("reason=\"event_rate\"} 2"));
    });
}

#[test]
fn a_limit_may_end_the_session_after_it_has_said_why() {
    let config = "auth.on_abuse = \"stay_closed\"\n[[limit.event]]\nevents = [\"say\"]\nrate = \"1/1s\"\nover = \"close\"";
    each(config, |stage| {
        stage.join("").join("/a,");
        let end = "client 41 | app 41 | client 41/a, | app 41/a, | end abuse";
        stage.play(&[("c", "421[\"say\"]", "pass"), ("c", "422[\"say\"]", &format!("{} | {end}", late("2", 1000)))]);
        assert_eq!(stage.end(Reason::Killed), "", "it has ended");
    });
}

#[test]
fn sizes_are_those_of_the_whole_message() {
    let config = "[[limit.event]]\nevents = [\"say\"]\nsize = \"20 B\"\n[[limit.event]]\nevents = [\"cry\"]\nsize = \"20 B\"\nover = \"close\"";
    each(config, |stage| {
        stage.join("");
        let large = format!("drop | {}", error("1", Refusal::EventTooLarge));
        stage.play(&[
            ("c", "421[\"say\",\"12345678\"]", "pass"),
            ("c", "421[\"say\",\"123456789\"]", &large),
            ("c", "42[\"say\",\"123456789012345678901234567890\"]", "drop"),
            ("c", "42[\"other\",\"123456789012345678901234567890\"]", "pass"),
            ("c", "421[\"cry\",\"1234567890\"]", &format!("{large} | client 41 | app 41 | end abuse")),
        ]);
    });
}

#[test]
fn attachments_count_into_the_size() {
    let config = "[[limit.event]]\nevents = [\"b\"]\nsize = \"100 B\"";
    let header = "452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    each(config, |stage| {
        stage.join("");
        let left = 100 - (header.len() - 1);
        stage.play(&[("c", header, "pass"), ("cb", "x", "pass"), ("cb", &"x".repeat(left - 1), "pass"), ("c", header, "pass")]);
        stage.play(&[("cb", "x", "pass"), ("cb", &"x".repeat(left), "break payload_too_large")]);
    });
}

#[test]
fn a_session_has_room_for_as_many_bytes_in_attachments_as_in_a_message() {
    let config = "socketio.judge = \"always\"\nsocketio.max_payload = \"1 KiB\"";
    let header = "452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    each(config, |stage| {
        stage.join("");
        stage.play(&[
            ("c", header, "pass"),
            ("cb", &"x".repeat(600), "pass"),
            ("cb", &"x".repeat(600), "break payload_too_large"),
        ]);
    });
}

#[test]
fn a_user_pays_for_attachments_and_for_fragments() {
    let config = "limit.bytes_per_user = \"100 B/1s burst 100 B\"";
    let header = "451-[\"b\",{\"_placeholder\":true,\"num\":0}]";
    let mut stage = Stage::new(config, Cut::Whole);
    stage.join("");
    stage.play(&[("c", header, "pass"), ("cb", &"x".repeat(500), "pass"), ("c", "42[\"x\"]", "drop")]);
    stage.wait(6.0);
    stage.play(&[("c", "42[\"x\"]", "pass")]);
    stage.guard.grown(1_000, std::time::Instant::now());
    stage.play(&[("c", "42[\"x\"]", "drop")]);
}

#[test]
fn refusals_add_up_to_an_end() {
    let config = "access.send = \"deny\"\nlimit.abuse = \"2/1m burst 2\"\nauth.on_abuse = \"reconnect\"";
    each(config, |stage| {
        stage.join("");
        stage.play(&[("c", "42[\"a\"]", "drop"), ("c", "42[\"a\"]", "drop")]);
        stage.wait(30.0);
        stage.play(&[
            ("c", "42[\"a\"]", "drop"),
            ("c", "429[\"a\"]", &format!("drop | {} | end abuse", error("9", Refusal::EventRefused))),
            ("c", "42[\"a\"]", "drop"),
        ]);
    });
}

#[test]
fn an_address_and_a_user_have_one_count_over_their_namespaces() {
    let config = "[[limit.event]]\nevents = [\"say\"]\nrate = \"1/1m\"\nper = \"user\"\n\
        [[limit.event]]\nevents = [\"cry\"]\nrate = \"1/1m\"\nper = \"address\"";
    each(config, |stage| {
        stage.join("").join("/a,");
        stage.play(&[("c", "42[\"say\"]", "pass"), ("c", "42/a,[\"say\"]", "drop")]);
        stage.play(&[("c", "42[\"cry\"]", "pass"), ("c", "42/a,[\"cry\"]", "drop")]);
    });
}

#[test]
fn a_new_identity_pays_from_then_on() {
    let config = "auth.when = \"connect\"\n[[limit.event]]\nevents = [\"say\"]\nrate = \"1/1m\"\nper = \"user\"";
    each(config, |stage| {
        stage.client("40{\"token\":\"t\"}");
        stage.answer(1, Ok(person("ana", &json!({}))));
        stage.play(&[("a", "40{}", "pass"), ("c", "42[\"say\"]", "pass"), ("c", "42[\"say\"]", "drop")]);
    });
}

#[test]
fn packets_are_counted_by_namespace_and_event_where_the_configuration_names_them() {
    let config = "[[limit.event]]\nevents = [\"say\"]\nrate = \"100/1s\"";
    each(config, |stage| {
        stage.join("").join("/a,");
        stage.play(&[("c", "42[\"say\"]", "pass"), ("c", "42/a,[\"evil\"]", "pass"), ("a", "42[\"say\"]", "pass")]);
        let page = stage.metrics.page();
        for line in [
            "event=\"say\",direction=\"in\"} 1",
            "event=\"other\",direction=\"in\"} 1",
            "event=\"say\",direction=\"out\"} 1",
            "namespace=\"/\",direction=\"in\"} 2",
            "namespace=\"/\",direction=\"out\"} 2",
            "namespace=\"other\",direction=\"in\"} 2",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    });
}
