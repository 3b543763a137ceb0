//! Long polling through the gate: what streams, what waits, what is given up, and what the app is told.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::{
    App, Gate, Issuer, OPEN, PAGE, Session, Settings, Step, eventually,
    sample::{before, joined, pair, secure_pair},
    within,
};

const OPEN_ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 89\r\n\r\n0{\"sid\":\"abc\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":100000}";

#[tokio::test]
async fn packets_go_both_ways_in_both_versions_of_http() {
    let (app, gate) = secure_pair(|settings| settings).await;
    for client in gate.clients() {
        let session = Session::open(&client, &Issuer::default().token("ana")).await;
        assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
        assert_eq!(session.exchange("4212[\"add\",1,2]").await, "4312[\"add\",1,2]");
        let many = (0..50).map(|number| format!("42[{number}]")).collect::<Vec<_>>().join("\u{1e}");
        assert_eq!(session.exchange(&many).await, many);
        assert_eq!(session.exchange("42[\"\u{e4}\u{1f600}\\u001e\"]").await, "42[\"\u{e4}\u{1f600}\\u001e\"]");
        let heard = app.requests().len();
        let poll = tokio::spawn(session.poll().send());
        app.heard(heard + 1).await;
        assert_eq!(session.post("1").send().await.text(), "ok");
        assert_eq!(joined(poll).await.text(), "6", "a client that leaves has its poll answered");
    }
}

#[tokio::test]
async fn a_poll_waits_for_the_app() {
    let (app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let poll = tokio::spawn(session.poll().send());
    app.heard(2).await;
    assert!(!poll.is_finished());
    app.push("42[\"news\"]");
    let answer = joined(poll).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "42[\"news\"]"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_megabyte_goes_both_ways() {
    let (_app, gate) = secure_pair(|settings| settings).await;
    for client in gate.clients() {
        let session = Session::open(&client, &Issuer::default().token("ana")).await;
        let packet = format!("42[\"{}\"]", "x".repeat(999_000));
        assert!(session.exchange(&packet).await == packet, "it came back as it was");
    }
}

#[tokio::test]
async fn an_answer_streams_as_it_comes() {
    let word = Arc::new(Notify::new());
    let (more, opened) = (word.clone(), OPEN_ANSWER);
    let app = App::scripted(move |seen| {
        Some(match seen.query("sid") {
            None => vec![Step::say(opened)],
            Some(_) => vec![
                Step::say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"),
                Step::Wait(more.clone()),
                Step::say("4\r\nlast\r\n0\r\n\r\n"),
            ],
        })
    })
    .await;
    let gate = before(&app, |settings| settings).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;

    let mut line = session.poll().begin().await.expect("connected");
    let (status, _) = within("the head", line.answer_head()).await.expect("readable").expect("there");
    assert_eq!(status, 200);
    assert_eq!(within("the first part", line.chunk()).await.expect("readable"), Some(b"first".to_vec()));
    word.notify_one();
    assert_eq!(within("the rest", line.chunk()).await.expect("readable"), Some(b"last".to_vec()));
    assert_eq!(within("the end", line.chunk()).await.expect("readable"), None);
}

#[tokio::test]
async fn a_client_that_aborts_its_poll_aborts_it_at_the_app() {
    let (app, gate) = secure_pair(|settings| settings).await;
    for (number, client) in gate.clients().into_iter().enumerate() {
        let session = Session::open(&client, &Issuer::default().token("ana")).await;
        let heard = app.requests().len();
        let poll = tokio::spawn(session.poll().try_send());
        app.heard(heard + 1).await;
        poll.abort();
        eventually("the app's poll is aborted", async || (app.aborted() == number + 1).then_some(())).await;
        assert_eq!(session.exchange("42[\"on\"]").await, "42[\"on\"]", "the session is the app's to end");
    }
}

#[tokio::test]
async fn a_session_that_its_app_gives_up_with_an_aborted_poll_was_left_by_its_client() {
    let word = Arc::new(Notify::new());
    let held = word.clone();
    // Node ends a session whose poll is aborted.
    let app = App::scripted(move |seen| match seen.method.as_str() {
        "GET" if seen.query("sid").is_some() => Some(vec![Step::Wait(held.clone()), Step::Close]),
        "POST" => Some(vec![Step::say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")]),
        _ => None,
    })
    .await;
    let gate = before(&app, |settings| settings).await;
    for (reason, is_cut) in [("client_gone", true), ("app_closed", false)] {
        let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
        if is_cut {
            let heard = app.requests().len();
            let poll = tokio::spawn(session.poll().try_send());
            app.heard(heard + 1).await;
            poll.abort();
            gate.record(&[("kind", "poll"), ("refusal", "client_gone")]).await;
        }
        assert_eq!(session.post("3").send().await.status, 400);
        gate.record(&[("message", "session ended"), ("reason", reason)]).await;
    }
}

#[tokio::test]
async fn a_session_has_so_many_requests_under_way() {
    let app = App::scripted(|seen| (seen.method == "POST").then(|| vec![Step::Hang])).await;
    let gate = before(&app, |settings| settings).await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    for ask in [session.poll(), session.post("42[\"x\"]")] {
        let heard = app.requests().len();
        let under_way = [ask.begin().await.expect("sent"), ask.begin().await.expect("sent")];
        app.heard(heard + 2).await;
        let answer = ask.clone().send().await;
        assert_eq!(answer.refusal(), (400, "bad_request".into()));
        answer.is_for_page(PAGE);
        assert_eq!(app.requests().len(), heard + 2, "nothing more reached the app");
        // Given up, they make room.
        drop(under_way);
        eventually("another one may come", async || {
            let mut line = ask.begin().await.expect("sent");
            let refused = tokio::select! {
                answer = line.expect_answer("GET") => answer.status == 400,
                _ = app.heard(heard + 3) => false,
            };
            (!refused).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn posts_reach_the_app_with_their_length() {
    let (app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let body = "42[\"in chunks\"]";
    let request = String::from_utf8(session.post("").to_bytes()).expect("text");
    let (first, rest) = body.split_at(5);
    let request = request.replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let chunks = format!("{:x}\r\n{first}\r\n{:x};name=value\r\n{rest}\r\n0\r\n\r\n", first.len(), rest.len());

    let mut line = gate.client().raw(format!("{request}{chunks}")).await;
    assert_eq!(line.expect_answer("POST").await.status, 200);

    let seen = app.last_request();
    assert_eq!(seen.header("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(seen.header("transfer-encoding"), None);
    assert_eq!(seen.text(), body);
}

#[tokio::test]
async fn trailers_go_no_further() {
    let (app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let request = String::from_utf8(session.post("").to_bytes()).expect("text");
    let request = request.replace("Content-Length: 0", "Transfer-Encoding: chunked\r\nTrailer: X-Auth-Subject");
    let body = "8\r\n42[\"tr\"]\r\n0\r\nX-Auth-Subject: root\r\nContent-Length: 5\r\n\r\n";
    let mut line = gate.client().raw(format!("{request}{body}")).await;
    assert_eq!(line.expect_answer("POST").await.status, 200);
    let seen = app.last_request();
    assert_eq!(seen.header("x-auth-subject"), Some("ana"));
    assert_eq!((seen.text().as_str(), seen.header("trailer")), ("42[\"tr\"]", None));
}

#[tokio::test]
async fn a_body_larger_than_allowed_is_refused_before_the_app_hears_of_it() {
    let (app, gate) = secure_pair(|settings| settings.set("socketio.max_payload", "10 KB")).await;
    for client in gate.clients() {
        let session = Session::open_from(&client, &Issuer::default().token("ana"), PAGE).await;
        assert_eq!(session.open["maxPayload"], 10_000);
        let heard = app.requests().len();
        let answer = session.post(&"x".repeat(10_001)).send().await;
        assert_eq!(answer.refusal(), (413, "payload_too_large".into()));
        answer.is_for_page(PAGE);
        assert_eq!(app.requests().len(), heard);
    }
}

#[tokio::test]
async fn a_chunked_body_larger_than_allowed_is_refused_too() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings.set("socketio.max_payload", "10 KB")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let request = String::from_utf8(session.post("").to_bytes()).expect("text");
    let request = request.replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let chunk = format!("{:x}\r\n{}\r\n", 6_000, "x".repeat(6_000));
    let mut line = gate.client().raw(format!("{request}{chunk}{chunk}")).await;
    assert_eq!(line.expect_answer("POST").await.refusal(), (413, "payload_too_large".into()));
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn with_every_app_down_the_answer_is_503_at_once() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings).await;
    app.stop();
    let token = Issuer::default().token("ana");
    let answer = eventually("the gate knows that nobody is there", async || {
        let answer = gate.client().get(OPEN).origin(PAGE).token(&token).send().await;
        assert!(matches!(answer.status, 502 | 503), "{answer:?}");
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(answer.refusal(), (503, "upstream_unavailable".into()));
    assert!(answer.json()["code"].is_u64());
    assert!(answer.header("retry-after").is_some());
    answer.is_for_page(PAGE);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_handshake_is_asked_of_another_member_when_the_first_cannot_be_reached() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    one.stop();
    let gate = Gate::start(Settings::before(&[&one, &two]).set_upstream("eject_after", 1000)).await;
    let token = Issuer::default().token("ana");
    for _ in 0..6 {
        let session = Session::open(&gate.client(), &token).await;
        assert_eq!(session.exchange("42[\"x\"]").await, "42[\"x\"]");
    }
    assert_eq!(two.sids().len(), 6);
    let members: Vec<_> = gate.records().into_iter().filter(|record| record["kind"] == "open").collect();
    assert!(members.len() == 6 && members.iter().all(|record| record["member"] == two.url()), "{members:?}");
}

#[tokio::test]
async fn nothing_is_asked_twice_of_an_app_that_breaks_off() {
    let app = App::scripted(|seen| match (seen.method.as_str(), seen.query("sid")) {
        ("POST", _) => Some(vec![Step::Close]),
        ("GET", Some(_)) => Some(vec![Step::Reset]),
        _ => None,
    })
    .await;
    let gate = before(&app, |settings| settings).await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    for ask in [session.post("42[\"once\"]"), session.poll()] {
        let answer = ask.send().await;
        assert_eq!(answer.refusal(), (502, "upstream_failed".into()));
        answer.is_for_page(PAGE);
    }
    assert_eq!(app.requests().len(), 3, "{:?}", app.requests());
}

#[tokio::test]
async fn an_app_that_hangs_meets_a_deadline() {
    let app = App::scripted(|seen| (seen.query("sid").is_none() || seen.method == "POST").then(|| vec![Step::Hang])).await;
    let gate = before(&app, |settings| settings.set("socketio.connect_timeout", "300ms")).await;
    let answer = gate.client().get(OPEN).origin(PAGE).token(&Issuer::default().token("ana")).send().await;
    assert_eq!(answer.refusal(), (504, "upstream_timeout".into()));
    answer.is_for_page(PAGE);
    eventually("the app's connection is given up", async || (app.aborted() == 1).then_some(())).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_post_that_is_not_answered_meets_a_deadline() {
    let app = App::scripted(|seen| (seen.method == "POST").then(|| vec![Step::Hang])).await;
    let gate = before(&app, |settings| settings.set_upstream("answer_deadline", "300ms")).await;
    let session = Session::open_from(&gate.client(), &Issuer::default().token("ana"), PAGE).await;
    let answer = session.post("42[\"x\"]").send().await;
    assert_eq!(answer.refusal(), (504, "upstream_timeout".into()));
    answer.is_for_page(PAGE);
}

#[tokio::test]
async fn an_answer_whose_rest_does_not_come_is_broken_off() {
    let app = App::scripted(|seen| {
        let began = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n42[\"half";
        seen.query("sid").map(|_| vec![Step::say(began), Step::Hang])
    })
    .await;
    let gate = before(&app, |settings| settings.set_upstream("answer_deadline", "300ms")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let mut line = session.poll().begin().await.expect("connected");
    let said = String::from_utf8(line.end().await).expect("text");
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("42[\"half"), "{said}");
    eventually("the app's connection is given up", async || (app.aborted() == 1).then_some(())).await;
}

#[tokio::test]
async fn a_poll_outlasts_every_other_deadline() {
    let app = App::start().await;
    let gate =
        before(&app, |settings| settings.set_upstream("answer_deadline", "200ms").set("socketio.connect_timeout", "200ms")).await;
    let token = Issuer::default().token("ana");
    let waiting = Session::open(&gate.client(), &token).await;
    let poll = tokio::spawn(waiting.poll().send());
    app.heard(2).await;
    // A request that hangs longer than both deadlines shows that they have passed.
    let hanging = App::scripted(|_| Some(vec![Step::Hang])).await;
    let other = before(&hanging, |settings| settings.set("socketio.connect_timeout", "1s")).await;
    assert_eq!(other.client().get(OPEN).token(&token).send().await.status, 504);
    assert!(!poll.is_finished());
    app.push("42[\"late\"]");
    assert_eq!(joined(poll).await.text(), "42[\"late\"]");
}

#[tokio::test]
async fn the_apps_own_refusal_is_passed_on_and_readable_by_the_page() {
    let app = App::saying(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nAccess-Control-Allow-Origin: *\r\nX-Why: mood\r\n\r\nnot today",
    )
    .await;
    let gate = before(&app, |settings| settings).await;
    let answer = gate.client().get(OPEN).origin(PAGE).token(&Issuer::default().token("ana")).send().await;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-why")), (403, "not today", Some("mood")));
    answer.is_for_page(PAGE);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_the_app_has_forgotten_ends_here_too() {
    let (app, gate) = pair().await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    assert_eq!(session.post("1").send().await.text(), "ok");
    assert_eq!(session.poll().send().await.status, 400);
    gate.is_empty().await;
    assert!(app.requests().len() >= 2);
}

#[tokio::test]
async fn sessions_may_have_connections_of_their_own() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings.set("listen.workers", 1).set_upstream("reuse", "session")).await;
    let token = Issuer::default().token("ana");
    let (one, two) = (Session::open(&gate.client(), &token).await, Session::open(&gate.client(), &token).await);
    for _ in 0..3 {
        one.exchange("42[1]").await;
        two.exchange("42[2]").await;
    }
    let sids = app.sids();
    let connections = |sid: &String| -> Vec<usize> {
        app.requests().iter().filter(|seen| seen.query("sid") == Some(sid)).map(|seen| seen.connection).collect()
    };
    let (first, second) = (connections(&sids[0]), connections(&sids[1]));
    assert!(first.iter().all(|connection| !second.contains(connection)), "{first:?} {second:?}");
}

#[tokio::test]
async fn connections_to_an_app_are_used_again() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings.set("listen.workers", 1)).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    for _ in 0..10 {
        session.exchange("42[1]").await;
    }
    assert!(app.connections() <= 3, "{} connections for 21 requests", app.connections());
}

#[tokio::test]
async fn unknown_parameters_reach_the_app_in_their_order() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let target = "/socket.io/?b=2&EIO=4&a=1&transport=polling&t=P%20x&a=1&empty=&flag";
    assert_eq!(gate.client().get(target).token(&token).send().await.status, 200);
    assert_eq!(app.only_request().target, target);
}
