//! A new token in place of the old one, and the word before it is too late.

use serde_json::json;
use sockgate::policy::Refusal;

use super::stage::{Cut, DAWN, MALFORMED, PLAIN, Stage, ana, each, error, person};

fn fresh(expires: u64) -> sockgate::policy::auth::Identity {
    person("ana", &json!({ "expires": expires }))
}

#[test]
fn the_gate_answers_and_the_app_sees_nothing() {
    each(PLAIN, |stage| {
        stage.join("/a,");
        stage.play(&[("c", "42/a,5[\"sockgate:refresh\",\"new\"]", "drop | ask 1 refresh new")]);
        let answer = json!({ "ok": true, "expires": DAWN + 7200, "expires_in_ms": 7_200_000 });
        assert_eq!(stage.answer(1, Ok(fresh(7200))), format!("client 43/a,5[{answer}]"));
        assert_eq!(stage.after(7200.0 + 59.0), "");
        assert_eq!(stage.after(1.0), "end token_expired");
    });
}

#[test]
fn a_refresh_without_an_answer_is_one_too() {
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[("c", "42[\"sockgate:refr\\u0065sh\",\"new\"]", "drop | ask 1 refresh new")]);
        assert_eq!(stage.answer(1, Ok(fresh(7200))), "");
        assert_eq!(stage.after(7000.0), "");
    });
}

#[test]
fn it_must_be_the_same_person_and_no_older_token() {
    each(PLAIN, |stage| {
        stage.join("");
        for (number, who, refusal) in [
            (1, Ok(person("bob", &json!({ "expires": 9000 }))), Refusal::SessionSubject),
            (2, Ok(fresh(3599)), Refusal::TokenExpired),
            (3, Err(Refusal::TokenInvalid), Refusal::TokenInvalid),
        ] {
            stage.play(&[("c", "425[\"sockgate:refresh\",\"t\"]", &format!("drop | ask {number} refresh t"))]);
            assert_eq!(stage.answer(number, who), error("5", refusal));
        }
        assert_eq!(stage.after(3660.0), "end token_expired");
    });
}

#[test]
fn one_at_a_time() {
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[
            ("c", "425[\"sockgate:refresh\",\"t\"]", "drop | ask 1 refresh t"),
            ("c", "426[\"sockgate:refresh\",\"t\"]", &format!("drop | {}", error("6", Refusal::EventRate))),
        ]);
        stage.answer(1, Ok(ana()));
        stage.play(&[("c", "427[\"sockgate:refresh\",\"t\"]", "drop | ask 2 refresh t")]);
    });
}

#[test]
fn what_is_no_refresh_is_refused() {
    let absent = format!("drop | {}", error("5", Refusal::TokenAbsent));
    each(PLAIN, |stage| {
        stage.join("");
        stage.play(&[
            ("c", "425[\"sockgate:refresh\"]", &absent),
            ("c", "425[\"sockgate:refresh\",7]", &absent),
            ("c", "425[\"sockgate:refresh\",{\"token\":\"t\"}]", &absent),
            ("c", "42/none,[\"sockgate:refresh\",\"t\"]", "drop"),
            ("c", "42[\"sockgate:refresh\",]", MALFORMED),
        ]);
    });
    let large = format!("42[\"sockgate:refresh\",\"{}\"]", "x".repeat(20_000));
    for text in [&large, "451-[\"sockgate:refresh\",\"t\"]"] {
        each(PLAIN, |stage| {
            stage.join("");
            stage.play(&[("c", text, MALFORMED)]);
        });
    }
}

#[test]
fn where_nobody_is_known_it_is_an_event_like_any_other() {
    each("auth.when = \"none\"\nsocketio.judge = \"always\"", |stage| {
        stage.join("");
        stage.play(&[("c", "42[\"sockgate:refresh\",\"t\"]", "pass")]);
    });
    each("auth.refresh_event = \"\"\nsocketio.judge = \"always\"", |stage| {
        stage.join("");
        stage.play(&[("c", "42[\"sockgate:refresh\",\"t\"]", "pass")]);
    });
}

#[test]
fn new_claims_count_from_then_on() {
    let config = "[[access.rule]]\njoin = [\"/admin\"]\nneeds = { roles = [\"admin\"] }";
    let admin = person("ana", &json!({ "roles": ["admin"], "expires": 3600 }));
    let mut stage = Stage::of(config, Cut::Whole, Some(admin), None);
    stage.join("").join("/admin,");
    stage.play(&[("c", "425[\"sockgate:refresh\",\"t\"]", "drop | ask 1 refresh t")]);
    let came = stage.answer(1, Ok(fresh(7200)));
    assert!(came.starts_with("client 41/admin, | app 41/admin, | client 435[{"), "{came}");
}

#[test]
fn a_namespace_that_was_left_gets_no_answer() {
    each(PLAIN, |stage| {
        stage.join("").join("/a,");
        stage.play(&[("c", "42/a,5[\"sockgate:refresh\",\"t\"]", "drop | ask 1 refresh t"), ("c", "41/a,", "pass")]);
        assert_eq!(stage.answer(1, Ok(fresh(7200))), "");
        assert_eq!(stage.after(7000.0), "");
    });
}

#[test]
fn a_warning_comes_once_to_everything_that_is_joined() {
    let config = "auth.expiry_warning = \"60s\"";
    each(config, |stage| {
        assert_eq!(stage.after(3550.0), "end connect_timeout");
    });
    each(config, |stage| {
        stage.join("").join("/a,");
        stage.play(&[("c", "40/b,", "pass")]);
        assert_eq!(stage.after(3539.0), "");
        assert_eq!(stage.next_look(), Some(1));
        let said = |left: u64| {
            let refusal = Refusal::TokenExpired;
            json!({ "code": refusal.name(), "message": refusal.message(), "hint": refusal.hint(), "expires_in_ms": left,
                "refresh_event": "sockgate:refresh" })
        };
        let word = said(60_000);
        let came = stage.after(1.0);
        assert_eq!(came, format!("client 42[\"sockgate:expiring\",{word}] | client 42/a,[\"sockgate:expiring\",{word}]"));
        assert_eq!(stage.after(1.0), "");
        stage.play(&[("c", "42[\"sockgate:refresh\",\"t\"]", "drop | ask 1 refresh t")]);
        stage.answer(1, Ok(fresh(7200)));
        assert_eq!(stage.after(30.0), "");
        let word = said(30_000);
        assert!(stage.after(7200.0 - 3571.0 - 30.0).contains(&word.to_string()), "again, of the new token");
    });
}
