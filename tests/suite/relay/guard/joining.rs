//! Joining namespaces, with the handshake's identity and with tokens in CONNECT packets.

use serde_json::json;
use sockgate::policy::Refusal;

use super::stage::{CONNECT, Cut, MALFORMED, PLAIN, Stage, ana, each, no, person};

#[test]
fn after_a_handshake_with_a_token_every_namespace_is_the_apps_to_refuse() {
    each(PLAIN, |stage| {
        stage.play(&[
            ("c", "40", "pass"),
            ("a", "40{\"sid\":\"a\"}", "pass"),
            ("c", "40/chat", "pass"),
            ("a", "44/chat,\"Unable to connect\"", "pass"),
            ("c", "40/chat,{\"a\":1}", "pass"),
            ("a", "40/chat,{\"sid\":\"b\"}", "pass"),
            ("c", "41/chat,", "pass"),
            ("c", "41/chat,", "drop"),
            ("c", "40/chat,", "pass"),
            ("a", "40/chat,{\"sid\":\"c\"}", "pass"),
            ("a", "41/chat,", "pass"),
            ("c", "40/chat,", "pass"),
        ]);
        assert_eq!(stage.guard.namespaces(), ["/"]);
    });
}

#[test]
fn rules_refuse_a_namespace_and_the_app_hears_nothing() {
    let config = "[[access.rule]]\njoin = [\"/admin\"]\nneeds = { roles = [\"admin\"] }";
    each(config, |stage| {
        stage.play(&[
            ("c", "40/admin,", &format!("drop | {}", no("/admin", Refusal::NamespaceRefused))),
            ("c", "40/admin", &format!("drop | {}", no("/admin", Refusal::NamespaceRefused))),
            ("c", "40/admins,", "pass"),
            ("c", "40", "pass"),
        ]);
    });
    let admin = person("ana", &json!({ "roles": ["admin"] }));
    let mut stage = Stage::of(config, Cut::Whole, Some(admin), None);
    stage.play(&[("c", "40/admin,", "pass")]);
}

#[test]
fn a_shadow_refuses_nothing_and_is_counted_once() {
    let config = "access.shadow = true\naccess.join = \"deny\"\naccess.send = \"deny\"";
    each(config, |stage| {
        stage.join("");
        stage.play(&[("c", "42[\"a\",\"a long enough argument\"]", "pass"), ("c", "450-[]", MALFORMED)]);
        let page = stage.metrics.page();
        assert!(page.contains("reason=\"event_refused\"} 1"), "{page}");
        assert!(page.contains("reason=\"namespace_refused\"} 1"), "{page}");
    });
}

#[test]
fn a_connect_waits_for_the_judgement_of_its_token() {
    each(CONNECT, |stage| {
        stage.play(&[("c", "40{\"token\":\"t1\",\"pid\":\"p\"}", "drop | ask 1 connect t1")]);
        assert!(stage.guard.identity().is_none());
        assert_eq!(stage.answer(1, Ok(ana())), "app 40{\"token\":\"t1\",\"pid\":\"p\"}");
        assert_eq!(stage.answer(1, Ok(ana())), "", "nobody asks any more");
        stage.play(&[("a", "40{\"sid\":\"a\"}", "pass"), ("c", "42[\"hi\"]", "pass")]);
        assert_eq!(stage.guard.identity().and_then(|identity| identity.subject()), Some("ana"));
    });
}

#[test]
fn a_refused_token_is_told_and_another_may_follow() {
    each(CONNECT, |stage| {
        stage.play(&[("c", "40{\"token\":\"bad\"}", "drop | ask 1 connect bad")]);
        assert_eq!(stage.answer(1, Err(Refusal::TokenExpired)), no("/", Refusal::TokenExpired));
        stage.play(&[
            ("c", "40", &format!("drop | {}", no("/", Refusal::TokenAbsent))),
            ("c", "40{}", &format!("drop | {}", no("/", Refusal::TokenAbsent))),
            ("c", "40{\"token\":7}", &format!("drop | {}", no("/", Refusal::TokenInvalid))),
            ("c", "40{\"token\":\"a\",\"token\":\"b\"}", &format!("drop | {}", no("/", Refusal::TokenInvalid))),
            ("c", "40{\"token\":\"good\"}", "drop | ask 2 connect good"),
        ]);
        assert_eq!(stage.answer(2, Ok(ana())), "app 40{\"token\":\"good\"}");
    });
}

#[test]
fn nothing_reaches_the_app_of_a_connect_that_is_malformed_or_too_large() {
    let large = format!("40{{\"token\":\"{}\"}}", "x".repeat(20_000));
    for text in ["40[\"token\"]", "40\"x\"", "40{\"token\":\"a\"", "40{\"token\":\"a\"}x", "40null", "407{}", &large] {
        each(CONNECT, |stage| stage.play(&[("c", text, MALFORMED)]));
        each(PLAIN, |stage| stage.play(&[("c", text, MALFORMED)]));
    }
}

#[test]
fn nobody_asks_twice() {
    each(CONNECT, |stage| {
        stage.play(&[("c", "40{\"token\":\"t\"}", "drop | ask 1 connect t"), ("c", "40{\"token\":\"t\"}", "drop")]);
        assert_eq!(stage.answer(1, Ok(ana())), "app 40{\"token\":\"t\"}");
        stage.play(&[
            ("c", "40{\"token\":\"t\"}", "drop"),
            ("a", "40{\"sid\":\"a\"}", "pass"),
            ("c", "40{\"token\":\"t\"}", "drop"),
            ("c", "40/,{\"token\":\"t\"}", "drop"),
        ]);
    });
}

#[test]
fn who_leaves_while_the_token_is_judged_does_not_make_it_be_judged_anew() {
    each(CONNECT, |stage| {
        stage.play(&[
            ("c", "40{\"token\":\"t\"}", "drop | ask 1 connect t"),
            ("c", "41", "drop"),
            ("c", "40{\"token\":\"t\"}", "drop"),
        ]);
        assert_eq!(stage.answer(1, Ok(ana())), "", "the app never hears of it");
        stage.play(&[("c", "40{\"token\":\"t\"}", "drop | ask 2 connect t")]);
    });
}

#[test]
fn one_person_joins_several_namespaces_with_several_tokens_and_nobody_else_does() {
    each(CONNECT, |stage| {
        stage.play(&[
            ("c", "40{\"token\":\"t1\"}", "drop | ask 1 connect t1"),
            ("c", "40/a,{\"token\":\"t2\"}", "drop | ask 2 connect t2"),
            ("c", "40/b,{\"token\":\"t3\"}", "drop | ask 3 connect t3"),
        ]);
        assert_eq!(stage.answer(2, Ok(ana())), "app 40/a,{\"token\":\"t2\"}");
        assert_eq!(stage.answer(3, Ok(person("bob", &json!({})))), no("/b", Refusal::SessionSubject));
        assert_eq!(stage.answer(1, Ok(ana())), "app 40{\"token\":\"t1\"}");
        assert_eq!(stage.guard.identity().and_then(|identity| identity.subject()), Some("ana"));
    });
}

#[test]
fn who_may_not_join_has_not_become_the_sessions_owner() {
    let config = "auth.when = \"connect\"\nauth.connect_by_app = [\"/ui\"]\n\
        [[access.rule]]\njoin = [\"/\"]\nneeds = { roles = [\"user\"] }";
    each(config, |stage| {
        stage.play(&[("c", "40{\"token\":\"t\"}", "drop | ask 1 connect t")]);
        assert_eq!(stage.answer(1, Ok(person("bob", &json!({})))), no("/", Refusal::NamespaceRefused));
        assert!(stage.guard.identity().is_none());
        stage.play(&[
            ("c", "40/ui,{\"user\":\"x\"}", &format!("drop | {}", no("/ui", Refusal::TokenAbsent))),
            ("c", "40{\"token\":\"t\"}", "drop | ask 2 connect t"),
        ]);
        assert_eq!(stage.answer(2, Ok(person("ana", &json!({ "roles": ["user"] })))), "app 40{\"token\":\"t\"}");
        stage.play(&[("c", "40/ui,{\"user\":\"x\"}", "pass")]);
    });
}

#[test]
fn the_apps_own_namespace_waits_until_somebody_is_accepted() {
    let config = "auth.when = \"connect\"\nauth.connect_by_app = [\"/ui\", \"/ui2\"]\nauth.pass_token = false\n\
        auth.identity.connect_field = \"user\"";
    each(config, |stage| {
        stage.play(&[
            ("c", "40/ui,{\"token\":\"x\"}", &format!("drop | {}", no("/ui", Refusal::TokenAbsent))),
            ("c", "40{\"token\":\"t1\"}", "drop | ask 1 connect t1"),
            ("c", "40/a,{\"token\":\"t2\"}", "drop | ask 2 connect t2"),
            ("c", "40/ui,{\"token\":\"x\",\"User\":\"root\"}", "drop"),
            ("c", "40/ui2,", "drop"),
            ("c", "41/ui2,", "drop"),
        ]);
        assert_eq!(stage.answer(1, Err(Refusal::TokenInvalid)), no("/", Refusal::TokenInvalid));
        let who = "{\"subject\":\"ana\",\"roles\":[],\"tenant\":null,\"claims\":{}}";
        let app = format!("app 40/a,{{\"user\":{who}}} | app 40/ui,{{\"token\":\"x\",\"user\":{who}}}");
        assert_eq!(stage.answer(2, Ok(ana())), app);
    });
    each(config, |stage| {
        stage.play(&[("c", "40{\"token\":\"t1\"}", "drop | ask 1 connect t1"), ("c", "40/ui,", "drop")]);
        let both = format!("{} | {}", no("/", Refusal::TokenInvalid), no("/ui", Refusal::TokenAbsent));
        assert_eq!(stage.answer(1, Err(Refusal::TokenInvalid)), both);
    });
}

#[test]
fn the_handshakes_token_serves_every_namespace_that_brings_none() {
    for cut in [Cut::Whole, Cut::Bytes] {
        let mut stage = Stage::of(CONNECT, cut, None, Some("shown"));
        stage
            .play(&[("c", "40/a,", "drop | ask 1 connect shown"), ("c", "40/b,{\"token\":\"own\"}", "drop | ask 2 connect own")]);
        assert_eq!(stage.answer(1, Ok(ana())), "app 40/a,");
        assert_eq!(stage.answer(2, Ok(ana())), "app 40/b,{\"token\":\"own\"}");
        stage.play(&[
            ("a", "40/a,{}", "pass"),
            ("c", "40/c,", "drop | ask 3 connect shown"),
            ("c", "40/d,{\"x\":1}", "drop | ask 4 connect shown"),
            ("c", "40/e,{\"token\":\"own\"}", "drop | ask 5 connect own"),
        ]);
        assert_eq!(stage.answer(4, Ok(ana())), "app 40/d,{\"x\":1}");
        assert_eq!(stage.answer(3, Ok(ana())), "app 40/c,");
    }
    let mut stage = Stage::of(CONNECT, Cut::Whole, None, Some("shown"));
    stage.play(&[("c", "40/a,", "drop | ask 1 connect shown")]);
    assert_eq!(stage.answer(1, Err(Refusal::TokenExpired)), no("/a", Refusal::TokenExpired));
    stage.play(&[("c", "40/a,{\"token\":\"own\"}", "drop | ask 2 connect own")]);
}

#[test]
fn the_handshakes_token_is_judged_again_each_time() {
    for refusal in [Refusal::Revoked, Refusal::TokenExpired, Refusal::TokenInvalid, Refusal::AuthorizerUnavailable] {
        let mut stage = Stage::of(CONNECT, Cut::Whole, None, Some("shown"));
        stage.play(&[("c", "40", "drop | ask 1 connect shown")]);
        assert_eq!(stage.answer(1, Ok(ana())), "app 40");
        assert_eq!(stage.guard.vouched().and_then(|vouched| vouched.subject()), Some("ana"));
        stage.wait(3660.0);
        stage.play(&[("c", "40/a,", "drop | ask 2 connect shown")]);
        assert_eq!(stage.answer(2, Err(refusal)), no("/a", refusal));
    }
}

#[test]
fn the_end_of_the_handshakes_token_counts_no_more_once_a_refresh_has_followed() {
    let longer = || person("ana", &json!({ "expires": 7200 }));
    for (who, outcome) in [
        (Ok(ana()), "app 40/a,".to_string()),
        (Err(Refusal::TokenExpired), "app 40/a,".to_string()),
        (Err(Refusal::Revoked), no("/a", Refusal::Revoked)),
        (Err(Refusal::TokenInvalid), no("/a", Refusal::TokenInvalid)),
    ] {
        let mut stage = Stage::of(CONNECT, Cut::Whole, None, Some("shown"));
        stage.play(&[("c", "40", "drop | ask 1 connect shown")]);
        stage.answer(1, Ok(ana()));
        stage.play(&[("a", "40{}", "pass"), ("c", "42[\"sockgate:refresh\",\"new\"]", "drop | ask 2 refresh new")]);
        stage.answer(2, Ok(longer()));
        stage.play(&[("c", "40/a,", "drop | ask 3 connect shown")]);
        assert_eq!(stage.answer(3, who), outcome);
        assert_eq!(stage.guard.identity().and_then(|identity| identity.expires()), longer().expires(), "the newer one stays");
    }
}

#[test]
fn the_app_is_told_who_it_is_and_never_by_the_client() {
    let config = "auth.identity.connect_field = \"user\"\nauth.when = \"connect\"\nauth.pass_token = false";
    each(config, |stage| {
        stage.play(&[("c", "40/a,{\"token\":\"t\",\"USER\":{\"subject\":\"root\"},\"pid\":\"p\"}", "drop | ask 1 connect t")]);
        let who = "{\"subject\":\"ana\",\"roles\":[],\"tenant\":null,\"claims\":{}}";
        assert_eq!(stage.answer(1, Ok(ana())), format!("app 40/a,{{\"pid\":\"p\",\"user\":{who}}}"));
    });
    each("auth.identity.connect_field = \"user\"", |stage| {
        let who = "{\"subject\":\"ana\",\"roles\":[],\"tenant\":null,\"claims\":{}}";
        stage.play(&[
            ("c", "40", &format!("replace 40{{\"user\":{who}}}")),
            ("c", "40/a,{\"user\":1}", &format!("replace 40/a,{{\"user\":{who}}}")),
            ("c", "40/b,{\"user\":1,\"user\":2}", &format!("drop | {}", no("/b", Refusal::PacketMalformed))),
        ]);
    });
}

#[test]
fn namespaces_are_counted() {
    let config = "limit.namespaces = 2\nlimit.abuse = \"off\"";
    each(config, |stage| {
        stage.join("").join("/a,");
        let full = format!("drop | {}", no("/b", Refusal::TooManyNamespaces));
        stage.play(&[("c", "40/b,", &full), ("c", "41/a,", "pass"), ("c", "40/b,", "pass"), ("c", "41/b,", "drop")]);
        let full = format!("drop | {}", no("/c", Refusal::TooManyNamespaces));
        stage.play(&[("c", "40/c,", &full), ("a", "40/b,{}", "drop | app 41/b,"), ("c", "40/c,", "pass")]);
    });
}

#[test]
fn packets_that_wait_have_bytes_for_all_together() {
    let mut stage = Stage::new(CONNECT, Cut::Whole);
    let token = "t".repeat(8000);
    let mut asked = 0;
    for number in 1..32 {
        let came = stage.client(&format!("40/n{number},{{\"token\":\"{token}\"}}"));
        if came.starts_with("drop | ask") {
            asked += 1;
        } else {
            assert_eq!(came, format!("drop | {}", no(&format!("/n{number}"), Refusal::TooManyNamespaces)));
        }
    }
    assert_eq!(asked, 8);
}

#[test]
fn connects_are_messages_and_too_many_end_the_session() {
    let config = "limit.messages_per_session = \"1/1s burst 2\"\nlimit.over = \"close\"\nauth.on_abuse = \"reconnect\"";
    each(config, |stage| {
        stage.play(&[("c", "40", "pass"), ("c", "40/a,", "pass")]);
        let came = stage.client("40/b,");
        assert!(came.starts_with("drop | client 44/b,") && came.ends_with(" | end abuse"), "{came}");
        assert!(came.contains("retry_after_ms"), "{came}");
        stage.play(&[("c", "40/c,", "drop"), ("a", "42[\"x\"]", "drop")]);
    });
}

#[test]
fn refusals_of_namespaces_add_up_to_an_end() {
    let config = "access.join = \"deny\"\nlimit.abuse = \"2/1m burst 2\"\nauth.on_abuse = \"reconnect\"";
    each(config, |stage| {
        let refused = format!("drop | {}", no("/", Refusal::NamespaceRefused));
        stage.play(&[("c", "40", &refused), ("c", "40", &refused), ("c", "40", &format!("{refused} | end abuse"))]);
        assert!(stage.guard.is_ended());
    });
}
