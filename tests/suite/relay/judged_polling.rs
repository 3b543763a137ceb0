//! Long polling of judged sessions through the whole gate: one GET and one POST toward the app, bodies of 16 packets both ways,
//! order, and how such sessions end.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::{
    App, Gate, Issuer, OPEN, PAGE, Session, Settings, Step,
    app::Seen,
    eventually,
    sample::{before, joined, secure_pair},
    settings::Literal,
};

const SEPARATOR: &str = "\u{1e}";

fn judged(settings: Settings) -> Settings {
    settings.set("socketio.judge", "always")
}

async fn judged_pair() -> (App, Gate) {
    let app = App::start().await;
    let gate = before(&app, judged).await;
    (app, gate)
}

/// A session that has joined the main namespace.
async fn joined_session(gate: &Gate) -> Session {
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    session
}

fn posts(app: &App) -> Vec<String> {
    app.requests().iter().filter(|seen| seen.method == "POST").map(Seen::text).collect()
}

fn polls(app: &App) -> usize {
    app.requests().iter().filter(|seen| seen.method == "GET" && seen.query("sid").is_some()).count()
}

#[tokio::test]
async fn packets_go_both_ways_in_both_versions_of_http() {
    let (app, gate) = secure_pair(judged).await;
    for client in gate.clients() {
        let session = Session::open(&client, &Issuer::default().token("ana")).await;
        assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
        assert_eq!(session.exchange("4212[\"add\",1,2]").await, "4312[\"add\",1,2]");
        assert_eq!(session.exchange("42[\"\u{e4}\u{1f600}\\u001e\"]").await, "42[\"\u{e4}\u{1f600}\\u001e\"]");
        assert_eq!(app.last_request().header("x-auth-subject"), Some("ana"));
        let heard = app.requests().len();
        let poll = tokio::spawn(session.poll().send());
        app.heard(heard + 1).await;
        assert_eq!(session.post("1").send().await.text(), "ok");
        assert_eq!(joined(poll).await.text(), "6", "a client that leaves has its poll answered");
        assert_eq!(app.last_request().text(), "1");
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn bodies_of_many_packets_are_split_for_apps_and_for_clients() {
    let (app, gate) = judged_pair().await;
    let session = joined_session(&gate).await;
    let events: Vec<String> = (0..50).map(|number| format!("42[\"n\",{number}]")).collect();
    assert_eq!(session.post(&events.join(SEPARATOR)).send().await.text(), "ok");
    let bodies = posts(&app).split_off(1);
    assert_eq!(bodies.len(), 4);
    assert!(bodies.iter().all(|body| body.split(SEPARATOR).count() <= 16), "{bodies:?}");
    assert_eq!(bodies.join(SEPARATOR), events.join(SEPARATOR), "in order");
    let mut got = Vec::new();
    while got.len() < 50 {
        let answer = session.poll().send().await.text();
        let packets: Vec<String> = answer.split(SEPARATOR).map(str::to_string).collect();
        assert!(packets.len() <= 16, "{packets:?}");
        got.extend(packets);
    }
    assert_eq!(got, events);
}

#[tokio::test]
async fn a_binary_event_stays_in_one_body() {
    let (app, gate) = judged_pair().await;
    let session = joined_session(&gate).await;
    let mut packets: Vec<&str> = vec!["42[\"n\"]"; 14];
    let binary = ["452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]", "bAQID", "bBAUGBw=="];
    packets.extend(binary);
    packets.push("42[\"last\"]");
    assert_eq!(session.post(&packets.join(SEPARATOR)).send().await.text(), "ok");
    let bodies = posts(&app).split_off(1);
    let counts: Vec<usize> = bodies.iter().map(|body| body.split(SEPARATOR).count()).collect();
    assert_eq!(counts, [14, 4]);
    assert_eq!(bodies[1], [&binary[..], &["42[\"last\"]"]].concat().join(SEPARATOR));
}

#[tokio::test]
async fn messages_as_large_as_max_payload_go_both_ways() {
    let app = App::start().await;
    let gate = before(&app, |settings| judged(settings).set("socketio.max_payload", "50 MB")).await;
    let session = joined_session(&gate).await;
    let large = format!("42[\"large\",\"{}\"]", "x".repeat(24_000_000));
    let both = [large.as_str(), &large].join(SEPARATOR);
    assert_eq!(session.post(&both).send().await.text(), "ok");
    // The app says both at once; a client gets them one by one.
    for _ in 0..2 {
        assert!(session.poll().send().await.text() == large, "they come back as they went");
    }
    assert_eq!(polls(&app), 2, "one for its name, one for both");
    assert_eq!(session.exchange("42[\"small\"]").await, "42[\"small\"]", "the session goes on");
}

#[tokio::test]
async fn what_an_app_says_at_once_is_bounded() {
    let app = App::start().await;
    let gate = before(&app, judged).await;
    let session = joined_session(&gate).await;
    let large = format!("42[\"large\",\"{}\"]", "x".repeat(20_000_000));
    app.push(&large);
    assert_eq!(session.poll().send().await.status, 502);
    gate.is_empty().await;
}

#[tokio::test]
async fn what_polls_have_not_taken_comes_with_the_websocket_however_long_it_is() {
    let (app, gate) = judged_pair().await;
    let session = joined_session(&gate).await;
    let events: Vec<String> = (0..18).map(|number| format!("42[\"n\",{number},\"{}\"]", "x".repeat(300_000))).collect();
    events.iter().for_each(|event| app.push(event));
    let answer = session.poll().send().await.text();
    assert_eq!(answer.split(SEPARATOR).count(), 16);
    let mut websocket = session.upgrade_well().await;
    for event in &events[16..] {
        assert!(websocket.next_text().await == *event, "the rest comes in order");
    }
}

#[tokio::test]
async fn packets_of_a_namespace_wait_for_the_apps_yes() {
    let (app, gate) = judged_pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let body = ["40", "42[\"early\"]"].join(SEPARATOR);
    assert_eq!(session.post(&body).send().await.text(), "ok");
    assert_eq!(posts(&app), ["40"], "the app has not said yes");
    assert_eq!(session.poll().send().await.text(), "40{\"sid\":\"public\"}");
    eventually("what waited goes out without another POST of the client", async || {
        (posts(&app) == ["40", "42[\"early\"]"]).then_some(())
    })
    .await;
    assert_eq!(session.poll().send().await.text(), "42[\"early\"]");
}

#[tokio::test]
async fn the_gate_answers_a_poll_and_the_apps_poll_waits_on() {
    let app = App::start().await;
    let rules = "[{ send = ['secret'], needs = { roles = ['admin'] } }]";
    let gate = before(&app, |settings| judged(settings).set("access.rule", Literal::raw(rules))).await;
    let session = joined_session(&gate).await;
    let before = polls(&app);
    let poll = tokio::spawn(session.poll().send());
    eventually("the app is polled", async || (polls(&app) == before + 1).then_some(())).await;
    assert_eq!(session.post("427[\"secret\"]").send().await.text(), "ok");
    let answer = joined(poll).await.text();
    assert!(answer.starts_with("437[{\"error\":"), "{answer}");
    // The next one attaches to the GET that is under way.
    let poll = tokio::spawn(session.poll().send());
    assert_eq!(session.post("42[\"open\"]").send().await.text(), "ok");
    assert_eq!(joined(poll).await.text(), "42[\"open\"]");
    assert_eq!(polls(&app), before + 1);
    assert_eq!(posts(&app), ["40", "42[\"open\"]"]);
    assert_eq!(app.aborted(), 0);
}

#[tokio::test]
async fn a_newer_poll_takes_over() {
    let (app, gate) = judged_pair().await;
    let session = joined_session(&gate).await;
    let before = polls(&app);
    let older = tokio::spawn(session.poll().send());
    eventually("the app is polled", async || (polls(&app) == before + 1).then_some(())).await;
    let newer = tokio::spawn(session.poll().send());
    assert_eq!(joined(older).await.text(), "6");
    app.push("42[\"news\"]");
    assert_eq!(joined(newer).await.text(), "42[\"news\"]");
    assert_eq!(polls(&app), before + 1, "one GET toward the app");
}

#[tokio::test]
async fn one_post_at_a_time_goes_to_the_app() {
    let word = Arc::new(Notify::new());
    let held = word.clone();
    let app = App::scripted(move |seen| {
        let is_first = seen.method == "POST" && seen.text().contains("first");
        is_first.then(|| vec![Step::Wait(held.clone()), Step::say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")])
    })
    .await;
    let gate = before(&app, judged).await;
    let session = joined_session(&gate).await;
    let first = tokio::spawn(session.post("42[\"first\"]").send());
    eventually("it is sent", async || posts(&app).contains(&"42[\"first\"]".to_string()).then_some(())).await;
    let second = tokio::spawn(session.post("42[\"second\"]").send());
    gate.record(&[("kind", "post"), ("status", "200")]).await;
    assert!(!second.is_finished());
    assert_eq!(posts(&app), ["40", "42[\"first\"]"]);
    word.notify_one();
    assert_eq!(joined(first).await.text(), "ok");
    assert_eq!(joined(second).await.text(), "ok");
    assert_eq!(posts(&app), ["40", "42[\"first\"]", "42[\"second\"]"]);
}

#[tokio::test]
async fn a_client_that_aborts_its_poll_ends_the_session() {
    let (app, gate) = secure_pair(judged).await;
    for (number, client) in gate.clients().into_iter().enumerate() {
        let session = Session::open(&client, &Issuer::default().token("ana")).await;
        let heard = app.requests().len();
        let poll = tokio::spawn(session.poll().try_send());
        app.heard(heard + 1).await;
        poll.abort();
        eventually("the app's poll is aborted", async || (app.aborted() == number + 1).then_some(())).await;
        assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn what_the_app_says_instead_of_packets_is_passed_on() {
    let app = App::scripted(|seen| {
        let gone = "HTTP/1.1 410 Gone\r\nContent-Type: text/x-reason\r\nContent-Length: 4\r\n\r\ngone";
        seen.query("sid").is_some().then(|| vec![Step::say(gone)])
    })
    .await;
    let gate = before(&app, judged).await;
    for is_poll in [true, false] {
        let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
        let answer = if is_poll { session.poll() } else { session.post("40") }.send().await;
        assert_eq!((answer.status, answer.text().as_str()), (410, "gone"));
        assert_eq!(answer.header("content-type"), Some("text/x-reason"));
        assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn an_app_that_breaks_off_ends_the_session() {
    let app = App::scripted(|seen| seen.query("sid").is_some().then(|| vec![Step::Close])).await;
    let gate = before(&app, judged).await;
    for is_poll in [true, false] {
        let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
        let answer = if is_poll { session.poll() } else { session.post("40") }.send().await;
        assert_eq!(answer.refusal(), (502, "upstream_failed".into()));
        answer.is_for_page(PAGE);
        assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
    }
}

#[tokio::test]
async fn an_app_that_dies_ends_the_session() {
    let (app, gate) = judged_pair().await;
    let session = joined_session(&gate).await;
    app.stop();
    let answer = session.poll().send().await;
    assert!(matches!(answer.status, 400 | 502), "{answer:?}");
    assert_eq!(session.post("42[\"x\"]").send().await.refusal(), (400, "session_unknown".into()));
    gate.is_empty().await;
}

#[tokio::test]
async fn an_app_that_does_not_answer_a_post_meets_a_deadline() {
    let app = App::scripted(|seen| (seen.method == "POST").then(|| vec![Step::Hang])).await;
    let gate = before(&app, |settings| judged(settings).set_upstream("answer_deadline", "300ms")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let poll = tokio::spawn(session.poll().send());
    assert_eq!(session.post("40").send().await.refusal(), (504, "upstream_timeout".into()));
    assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
    gate.is_empty().await;
}

#[tokio::test]
async fn an_app_that_says_nothing_lets_the_poll_go() {
    let app = App::scripted(|seen| {
        let is_poll = seen.method == "GET" && seen.query("sid").is_some();
        is_poll.then(|| vec![Step::say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")])
    })
    .await;
    let gate = before(&app, judged).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    assert_eq!(session.poll().send().await.text(), "6");
}

#[tokio::test]
async fn the_apps_goodbye_is_passed_on() {
    let (app, gate) = judged_pair().await;
    let session = joined_session(&gate).await;
    app.push("1");
    assert_eq!(session.poll().send().await.text(), "1");
    assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
    gate.is_empty().await;
}

#[tokio::test]
async fn malformed_packets_end_the_session_and_go_no_further() {
    let (app, gate) = judged_pair().await;
    let many = vec!["42[\"x\"]"; 4097].join(SEPARATOR);
    let odd = ["42", "42[\"x\"", "4\"27[1]\"", "2probe", "5", "0{}", "", "bAQID", "b!", "42[\"x\"]\u{1e}", many.as_str()];
    // Nor do well-formed ones of the same body.
    let behind_others = odd.map(|packets| ["42[\"fine\"]", "40/new,", packets].join(SEPARATOR));
    let torn = ["451-[\"b\",{\"_placeholder\":true,\"num\":0}]", "bAQID", "bAQID"].join(SEPARATOR);
    let before_others = ["42[\"fine\"]", "42", "42[\"fine\"]"].join(SEPARATOR);
    let mixed = [torn.as_str(), before_others.as_str()];
    for packets in odd.into_iter().chain(behind_others.iter().map(String::as_str)).chain(mixed) {
        let session = joined_session(&gate).await;
        let before = posts(&app).len();
        let poll = tokio::spawn(session.poll().send());
        let answer = session.post(packets).send().await;
        assert_eq!(answer.refusal(), (400, "packet_malformed".into()), "{packets:?}");
        assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
        eventually("the app is told that the session is over", async || (posts(&app).len() > before).then_some(())).await;
        assert_eq!(posts(&app).split_off(before), ["1"], "{packets:?}");
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_that_expires_makes_its_client_connect_anew() {
    let app = App::start().await;
    let gate = before(&app, |settings| judged(settings).set("auth.leeway", "0s")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token_for("ana", 2)).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    let answer = session.poll().send().await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    eventually("the app is told", async || (posts(&app) == ["40", "1"]).then_some(())).await;
    eventually("and not asked any more", async || (app.aborted() == 1 || app.sids().is_empty()).then_some(())).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_that_is_to_stay_closed_ends_in_words_its_client_understands() {
    let app = App::start().await;
    let gate = before(&app, |settings| judged(settings).set("auth.leeway", "0s").set("auth.on_expiry", "stay_closed")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token_for("ana", 2)).await;
    assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
    assert_eq!(session.poll().send().await.text(), "41");
    let poll = tokio::spawn(session.poll().send());
    let goodbye = session.post("1").send().await;
    assert_eq!((goodbye.status, goodbye.text().as_str()), (200, "ok"), "no client is left without an answer");
    assert_eq!(joined(poll).await.text(), "6");
    eventually("the app is told", async || (posts(&app) == ["40", "41\u{1e}1"]).then_some(())).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_lasts_as_long_as_it_may() {
    for (key, reason) in [("limit.session_life", "session_life"), ("limit.session_idle", "session_idle")] {
        let app = App::start().await;
        let gate = before(&app, |settings| judged(settings).set(key, "1s")).await;
        let session = joined_session(&gate).await;
        assert_eq!(session.poll().send().await.refusal(), (400, "session_unknown".into()));
        gate.record(&[("message", "session ended"), ("reason", reason)]).await;
        eventually("the app is told", async || (posts(&app) == ["40", "1"]).then_some(())).await;
    }
}

#[tokio::test]
async fn a_judged_session_lives_on_one_gate() {
    let app = App::start().await;
    let (one, two) = (before(&app, judged).await, before(&app, judged).await);
    let session = joined_session(&one).await;
    for ask in [session.poll(), session.post("42[\"x\"]")] {
        let mut elsewhere = ask;
        elsewhere.client = two.client();
        assert_eq!(elsewhere.send().await.refusal(), (400, "session_unknown".into()));
    }
    assert_eq!(session.exchange("42[\"here\"]").await, "42[\"here\"]");
}

#[tokio::test]
async fn sessions_end_when_the_gate_leaves() {
    let (_app, gate) = judged_pair().await;
    let session = joined_session(&gate).await;
    let poll = tokio::spawn(session.poll().send());
    gate.has_sessions("polling", 1).await;
    gate.signal(rustix::process::Signal::TERM);
    assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn the_handshake_is_the_apps() {
    let (app, gate) = judged_pair().await;
    let answer = gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(app.only_request().header("x-auth-subject"), Some("ana"));
}
