//! The life of a sealed session id: what clients see of it, what apps see of it, and that nothing but the gate's own is taken.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::support::{
    App, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Settings, Step, eventually,
    sample::{pair, pair_with},
    session::open_packet,
    settings::SEAL,
};

const NEXT_SEAL: &str = "the second key that seals session ids in tests";

fn is_unreserved(sid: &str) -> bool {
    sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[tokio::test]
async fn a_client_sees_a_sealed_id_and_the_app_its_own() {
    let (app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;

    assert!(is_unreserved(&session.sid), "{}", session.sid);
    assert!(!session.sid.contains("own-sid"), "the app's id stays here");
    let own = app.sids().pop().expect("the app has a session");
    assert_eq!(session.exchange("42[\"hello\"]").await, "42[\"hello\"]");
    for request in &app.requests()[1..] {
        assert_eq!(request.query("sid"), Some(own.as_str()));
        assert!(!request.target.contains(&session.sid));
    }
}

#[tokio::test]
async fn only_the_id_of_the_open_packet_is_changed() {
    let (_app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;

    let mut open = session.open.clone();
    open["sid"] = "x".into();
    let expected = serde_json::json!({
        "sid": "x", "upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1_000_000
    });
    assert_eq!(open, expected);
}

#[tokio::test]
async fn packets_behind_the_open_packet_stay_as_they_are() {
    let open = "0{\"sid\":\"abc\",\"upgrades\":[\"websocket\",\"webtransport\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":5000000,\"more\":[1, 2]}";
    let behind = "\u{1e}42[\"sid\",\"abc\"]\u{1e}bAQID\u{1e}40{\"sid\":\"abc\"}";
    let body = format!("{open}{behind}");
    let app = App::saying(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    let gate = Gate::start(Settings::before(&[&app])).await;

    let answer = gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let text = answer.text();
    assert!(text.ends_with(behind), "{text}");
    let packet = open_packet(&text);
    assert_eq!(packet["upgrades"], serde_json::json!(["websocket"]), "what the gate does not carry is not offered");
    assert_eq!(packet["maxPayload"], 1_000_000, "lowered to what the gate takes");
    assert_eq!(packet["more"], serde_json::json!([1, 2]));
    assert_ne!(packet["sid"], "abc");
}

#[tokio::test]
async fn a_chunked_open_packet_is_answered_with_its_length() {
    let app = App::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         10\r\n0{\"sid\":\"abc\",\"u\r\n45\r\npgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":10}\r\n0\r\n\r\n",
    )
    .await;
    let gate = Gate::start(Settings::before(&[&app])).await;

    let answer = gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
}

#[tokio::test]
async fn the_app_is_asked_for_the_plain_form_of_the_open_packet_alone() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let answer = gate.client().get(OPEN).token(&token).header("Accept-Encoding", "gzip, deflate").send().await;
    let session = Session::of(&gate.client(), &answer, Some(&token), None);
    session.post("42[\"a\"]").send().await;
    session.poll().header("Accept-Encoding", "gzip, deflate").send().await;

    let requests = app.requests();
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[2].header("accept-encoding"), Some("gzip, deflate"));
}

#[tokio::test]
async fn an_encoded_open_packet_is_not_passed_on() {
    let app = App::saying("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc").await;
    let gate = Gate::start(Settings::before(&[&app])).await;
    let answer = gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await;
    assert_eq!(answer.refusal(), (502, "upstream_invalid".into()));
}

#[tokio::test]
async fn the_cookie_with_the_apps_own_id_is_removed_and_others_stay() {
    let (_app, gate) = pair().await;
    let answer = gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await;
    assert_eq!(answer.headers.all("set-cookie"), ["lang=en"]);
}

#[tokio::test]
async fn a_session_that_starts_on_a_websocket_has_a_sealed_id_too() {
    let (app, gate) = pair().await;
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&Issuer::default().token("ana")).open_well().await;

    let open = open_packet(&websocket.next_text().await);

    let sid = open["sid"].as_str().expect("text");
    assert!(is_unreserved(sid) && !sid.contains("own-sid"), "{sid}");
    assert_eq!(open["upgrades"], serde_json::json!([]));
    assert_eq!(app.only_request().query("sid"), None);
    websocket.text("42[\"after\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"after\"]");
}

#[tokio::test]
async fn each_id_is_new() {
    let (_app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let mut seen = HashSet::new();
    for _ in 0..20 {
        assert!(seen.insert(Session::open(&gate.client(), &token).await.sid));
    }
}

#[tokio::test]
async fn ids_that_are_not_ours_are_unknown_and_reach_no_app() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let session = Session::open_from(&gate.client(), &token, PAGE).await;
    let own = app.sids().pop().expect("the app has a session");
    let opened = app.requests().len();

    let sealed = URL_SAFE_NO_PAD.decode(&session.sid).expect("base64url");
    let altered = |at: usize| {
        let mut bytes = sealed.clone();
        bytes[at] ^= 1;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let longer = format!("{}A", session.sid);
    let ids = [
        own,
        "a".into(),
        "__proto__".into(),
        "127.0.0.1~3001".into(),
        "A".repeat(4000),
        altered(0),
        altered(2),
        altered(sealed.len() / 2),
        altered(sealed.len() - 1),
        session.sid[..session.sid.len() - 4].to_string(),
        longer,
        session.sid.to_ascii_lowercase(),
    ];
    for id in ids {
        let stranger = session.with_sid(&id);
        for ask in [stranger.poll(), stranger.post("42[\"x\"]"), stranger.upgrade()] {
            let what = format!("{} {}", ask.method, ask.target);
            let answer = ask.send().await;
            assert_eq!(answer.status, 400, "{what}");
            let body = answer.json();
            assert_eq!((body["code"].as_u64(), body["message"].as_str()), (Some(1), Some("Session ID unknown")), "{what}");
            answer.is_for_page(PAGE);
        }
    }
    assert_eq!(app.requests().len(), opened, "no app heard of it");
}

#[tokio::test]
async fn an_id_that_is_no_text_of_an_id_is_unknown() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    for id in ["", "%41bc", "a%00b", "a%0d%0ab", "a+b", "app:3001", "../x", &"A".repeat(5000)] {
        let answer = gate.client().get(&format!("{OPEN}&sid={id}")).token(&token).send().await;
        assert_eq!(answer.status, 400, "{id:?}: {}", answer.text());
    }
    app.heard_nothing();
}

#[tokio::test]
async fn an_id_is_good_on_its_own_route_only() {
    let app = App::start().await;
    let settings = Settings::before(&[&app]).route(&[("path", "/other/socket.io/".into()), ("upstream", "app".into())]);
    let gate = Gate::start(settings).await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&gate.client(), &token).await;
    let elsewhere = format!("/other/socket.io/?EIO=4&transport=polling&sid={}", session.sid);
    let answer = gate.client().get(&elsewhere).token(&token).send().await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn keys_can_be_rotated_and_an_old_one_dropped() {
    let app = App::start().await;
    let with = |keys: Vec<&str>| Settings::before(&[&app]).set("seal.keys", keys);
    let gate = Gate::start(with(vec![SEAL])).await;
    let token = Issuer::default().token("ana");
    let old = Session::open(&gate.client(), &token).await;

    gate.reload(&with(vec![NEXT_SEAL, SEAL])).await;
    let new = Session::open(&gate.client(), &token).await;
    assert_eq!(old.exchange("42[\"old\"]").await, "42[\"old\"]", "both versions are taken");
    assert_eq!(new.exchange("42[\"new\"]").await, "42[\"new\"]");

    gate.reload(&with(vec![NEXT_SEAL])).await;
    assert_eq!(old.poll().send().await.refusal(), (400, "session_unknown".into()));
    assert_eq!(new.exchange("42[\"still\"]").await, "42[\"still\"]");
}

#[tokio::test]
async fn another_gate_with_the_same_key_carries_the_session_on() {
    let app = App::start().await;
    let one = Gate::start(Settings::before(&[&app])).await;
    let two = Gate::start(Settings::before(&[&app])).await;
    let session = Session::open(&one.client(), &Issuer::default().token("ana")).await;
    let elsewhere = session.with_client(&two.client());
    assert_eq!(elsewhere.exchange("42[\"there\"]").await, "42[\"there\"]");
    let mut websocket = elsewhere.upgrade_well().await;
    websocket.text("42[\"upgraded\"]").await;
    assert_eq!(websocket.next_text().await, "42[\"upgraded\"]");
}

#[tokio::test]
async fn a_session_from_another_gate_takes_its_place_like_any_other() {
    let app = App::start().await;
    let one = Gate::start(Settings::before(&[&app])).await;
    let two = Gate::start(Settings::before(&[&app]).set("limit.sessions_per_user", 1)).await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&one.client(), &token).await;
    session.with_client(&two.client()).exchange("42[\"there\"]").await;
    assert_eq!(two.metric("sockgate_sessions_opened_total{transport=\"polling\"}").await, 1.0);
    assert_eq!(two.client().get(OPEN).token(&token).send().await.refusal(), (429, "user_sessions".into()));
    let second = Session::open(&one.client(), &token).await.with_client(&two.client());
    assert_eq!(second.poll().send().await.refusal(), (429, "user_sessions".into()));
}

#[tokio::test]
async fn a_session_its_app_does_not_know_takes_nobodys_place() {
    let app = App::scripted(|seen| {
        let unknown = "HTTP/1.1 400 Bad Request\r\nContent-Length: 41\r\n\r\n{\"code\":1,\"message\":\"Session ID unknown\"}";
        seen.query("sid").map(|_| vec![Step::say(unknown)])
    })
    .await;
    let one = Gate::start(Settings::before(&[&app])).await;
    let two = Gate::start(Settings::before(&[&app]).set("limit.sessions", 1)).await;
    let token = Issuer::default().token("ana");
    for _ in 0..3 {
        let session = Session::open(&one.client(), &token).await;
        assert_eq!(session.with_client(&two.client()).poll().send().await.status, 400);
    }
    assert_eq!(two.client().get(OPEN).token(&token).send().await.status, 200, "there is room");
}

#[tokio::test]
async fn a_session_that_ended_as_a_websocket_is_not_polled_again() {
    let app = App::start().await;
    let gate = Gate::start(Settings::before(&[&app])).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let mut websocket = session.upgrade_well().await;
    websocket.close(1000, "").await;
    gate.is_empty().await;
    let heard = app.requests().len();
    for ask in [session.poll(), session.post("42[\"x\"]"), session.upgrade()] {
        assert_eq!(ask.send().await.refusal(), (400, "session_unknown".into()));
    }
    assert_eq!(app.requests().len(), heard);
}

#[tokio::test]
async fn another_gate_with_another_key_does_not_know_the_session() {
    let app = App::start().await;
    let one = Gate::start(Settings::before(&[&app])).await;
    let two = Gate::start(Settings::before(&[&app]).set("seal.keys", [NEXT_SEAL])).await;
    let session = Session::open(&one.client(), &Issuer::default().token("ana")).await;
    let answer = session.with_client(&two.client()).poll().send().await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
}

#[tokio::test]
async fn a_session_whose_member_this_gate_does_not_have_is_unknown() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let before = Gate::start(Settings::before(&[&one])).await;
    let after = Gate::start(Settings::before(&[&two])).await;
    let session = Session::open_from(&before.client(), &Issuer::default().token("ana"), PAGE).await;
    let here = session.with_client(&after.client());
    for ask in [here.poll(), here.post("42[\"x\"]"), here.upgrade()] {
        let answer = ask.send().await;
        assert_eq!(answer.refusal(), (400, "session_unknown".into()));
        answer.is_for_page(PAGE);
    }
    two.heard_nothing();
    after.is_empty().await;
}

#[tokio::test]
async fn a_session_whose_member_died_is_told_to_start_over() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let settings = Settings::before(&[&one, &two])
        .set_upstream("balance", "round_robin")
        .set_upstream("probe", "tcp")
        .set_upstream("probe_interval", "100ms")
        .set_upstream("probe_fall", 1);
    let gate = Gate::start(settings).await;
    let token = Issuer::default().token("ana");
    let mut on_one = None;
    for _ in 0..4 {
        let session = Session::open_from(&gate.client(), &token, PAGE).await;
        if one.requests().len() == 1 && on_one.is_none() && two.requests().len() <= 1 {
            // Whichever of the first two landed on `one`.
            let answer = session.exchange("42[\"who\"]").await;
            assert_eq!(answer, "42[\"who\"]");
            if one.requests().len() > 1 {
                on_one = Some(session);
            }
        }
    }
    let session = on_one.expect("sessions spread");

    one.stop();

    let answer = eventually("the session is told to start over", async || {
        let answer = session.poll().send().await;
        (answer.status == 400).then_some(answer)
    })
    .await;
    assert_eq!(answer.json()["code"], 1);
    answer.is_for_page(PAGE);
    let anew = Session::open(&gate.client(), &token).await;
    assert_eq!(anew.exchange("42[\"anew\"]").await, "42[\"anew\"]");
}

#[tokio::test]
async fn an_open_packet_that_is_none_is_not_passed_on() {
    let bodies = [
        "",
        "0",
        "0{}",
        "0[]",
        "0{\"sid\":5}",
        "hello",
        "1",
        "4{\"sid\":\"a\"}",
        "0{\"sid\":\"a\",\"sid\":\"b\",\"upgrades\":[],\"pingInterval\":1,\"pingTimeout\":1,\"maxPayload\":1}",
        "0{\"sid\":\"a\"",
    ];
    for body in bodies {
        let app = App::saying(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        let gate = Gate::start(Settings::before(&[&app])).await;
        let answer = gate.client().get(OPEN).origin(PAGE).token(&Issuer::default().token("ana")).send().await;
        assert_eq!(answer.refusal(), (502, "upstream_invalid".into()), "{body:?}");
        answer.is_for_page(PAGE);
    }
}

#[tokio::test]
async fn polling_can_be_all_there_is() {
    let (_app, gate) = pair_with(|settings| settings.set("socketio.transports", ["polling"])).await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&gate.client(), &token).await;
    assert_eq!(session.open["upgrades"], serde_json::json!([]), "never left out: the JavaScript client would break");
    for ask in [session.upgrade(), gate.client().upgrade(OPEN_WEBSOCKET).token(&token)] {
        assert_eq!(ask.send().await.refusal(), (400, "transport_unknown".into()));
    }
}
