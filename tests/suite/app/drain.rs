//! Leaving in good order: said at once, nobody new, everybody told, nothing lost, exit 0.

use rustix::process::Signal;

use crate::support::{
    Event, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, WebSocket, eventually,
    frames::TEXT,
    h2::Multiplex,
    sample::{joined, pair_with, secure_pair, with_plain_routes},
};

#[tokio::test]
async fn sessions_are_told_to_go_and_the_gate_ends_with_zero() {
    let (app, gate) = pair_with(with_plain_routes).await;
    let token = Issuer::default().token("ana");
    let polling = Session::open_from(&gate.client(), &token, PAGE).await;
    let poll = tokio::spawn(polling.poll().send());
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&token).open_well().await;
    websocket.next_text().await;
    let mut plain = gate.client().upgrade("/ws").token(&token).open_well().await;
    app.heard(4).await;

    gate.signal(Signal::TERM);

    let answer = joined(poll).await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    assert_eq!(answer.json()["code"], 1);
    answer.is_for_page(PAGE);
    for websocket in [&mut websocket, &mut plain] {
        assert_eq!(websocket.close_code().await, Some(1012));
        websocket.close(1012, "").await;
    }
    assert_eq!(gate.exit_code().await, Some(0));
    gate.record(&[("message", "session ended"), ("reason", "draining"), ("code", "1012")]).await;
}

#[tokio::test]
async fn readiness_ends_at_once_and_service_after_the_delay() {
    let (app, gate) = pair_with(|settings| settings.set("drain.delay", "60s")).await;
    gate.signal(Signal::TERM);
    eventually("the gate says that it is leaving", async || {
        (gate.admin_client().get("/readyz").send().await.status == 503).then_some(())
    })
    .await;
    assert_eq!(gate.admin_client().get("/healthz").send().await.status, 200);
    assert_eq!(
        gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await.status,
        200,
        "load balancers need a moment"
    );
    assert_eq!(app.requests().len(), 1);
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0), "told twice: now");
}

#[tokio::test]
async fn what_a_client_says_before_its_own_goodbye_reaches_the_app() {
    let (app, gate) = pair_with(|settings| with_plain_routes(settings).set("drain.grace", "10s")).await;
    let token = Issuer::default().token("ana");
    let mut websockets = Vec::new();
    for _ in 0..20 {
        websockets.push(gate.client().upgrade("/ws").token(&token).open_well().await);
    }
    let numbers: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    for websocket in &mut websockets {
        for number in &numbers {
            websocket.text(number).await;
        }
    }
    gate.signal(Signal::TERM);
    // They are told one after the other, and each has its own two seconds to answer.
    let goodbyes: Vec<_> = websockets.into_iter().map(|websocket| tokio::spawn(say_goodbye(websocket))).collect();
    for goodbye in goodbyes {
        let heard = joined(goodbye).await;
        assert!(numbers.starts_with(&heard), "in order, none left out: {heard:?}");
    }
    assert_eq!(gate.exit_code().await, Some(0));
    let texts: Vec<String> = app.frames().iter().filter(|frame| frame.opcode() == TEXT).map(|frame| frame.text()).collect();
    assert_eq!(texts.len(), 20 * 11);
    assert_eq!(texts.iter().filter(|text| *text == "last words").count(), 20);
}

/// Reads up to the gate's goodbye and answers it after a last word; gives what was heard before.
async fn say_goodbye(mut websocket: WebSocket) -> Vec<String> {
    let mut heard = Vec::new();
    let code = loop {
        match websocket.next().await {
            Event::Text(text) => heard.push(text),
            Event::Close(closing) => break closing.map(|(code, _)| code),
            other => panic!("{other:?} before the goodbye"),
        }
    };
    assert_eq!(code, Some(1012));
    websocket.text("last words").await;
    websocket.close(1012, "").await;
    heard
}

#[tokio::test]
async fn nobody_new_is_let_in_while_leaving() {
    let (app, gate) = pair_with(|settings| with_plain_routes(settings).set("drain.grace", "60s")).await;
    let token = Issuer::default().token("ana");
    let mut kept = gate.client().raw(gate.client().get("/nowhere").to_bytes()).await;
    kept.expect_answer("GET").await;
    // Somebody who does not say goodbye keeps the gate from ending.
    let waiting = Session::open(&gate.client(), &token).await;
    let other = Session::open(&gate.client(), &token).await;
    let polls = [tokio::spawn(waiting.poll().send()), tokio::spawn(other.poll().send())];
    let heard = app.heard(4).await.len();

    gate.signal(Signal::TERM);
    eventually("nobody accepts any more", async || gate.client().connect_tcp().await.is_err().then_some(())).await;
    kept.write(gate.client().get(OPEN).origin(PAGE).token(&token).to_bytes()).await.expect("the gate reads");
    let answer = kept.expect_answer("GET").await;
    assert_eq!(answer.refusal(), (503, "draining".into()));
    assert!(answer.header("retry-after").is_some());
    answer.is_for_page(PAGE);
    assert_eq!(app.requests().len(), heard);
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
    drop(polls);
}

#[tokio::test]
async fn a_request_for_a_new_session_while_leaving_is_refused_with_its_reason() {
    let (app, gate) = secure_pair(|settings| with_plain_routes(settings).set("drain.grace", "60s")).await;
    let client = gate.client_h2();
    let token = Issuer::default().token("ana");
    let connection = Multiplex::connect(&client).await.expect("connected");
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let opened = connection.send(client.get(OPEN).token(&token)).await.expect("opened");
        sessions.push(Session::of(&client, &opened, Some(&token), None));
    }
    let poll = {
        let (connection, session) = (connection.clone(), sessions[2].clone());
        tokio::spawn(async move { connection.send(session.poll()).await })
    };
    app.heard(4).await;
    gate.signal(Signal::TERM);
    let refused = eventually("new sessions are refused", async || {
        let answer = connection.send(client.get(OPEN).origin(PAGE).token(&token)).await.ok()?;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.refusal(), (503, "draining".into()));
    refused.is_for_page(PAGE);
    drop(poll);
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn posts_are_taken_until_the_session_has_been_told() {
    let (app, gate) = pair_with(|settings| settings.set("drain.grace", "60s")).await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&gate.client(), &token).await;
    let mut poll = session.poll().begin().await.expect("connected");
    let mut post = gate.client().raw("").await;
    app.heard(2).await;
    post.write(session.post("42[\"before\"]").to_bytes()).await.expect("the gate reads");
    assert_eq!(post.expect_answer("POST").await.text(), "ok");
    assert_eq!(poll.expect_answer("GET").await.text(), "42[\"before\"]");
    // Nobody waits now: the session can only be told at its next poll, on a connection that is open already.
    poll.write(session.poll().to_bytes()).await.expect("the gate reads");
    app.heard(4).await;
    gate.signal(Signal::TERM);
    assert_eq!(poll.expect_answer("GET").await.refusal(), (400, "session_unknown".into()));
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn what_the_app_holds_for_a_client_reaches_it_before_the_goodbye() {
    let (app, gate) = pair_with(|settings| settings.set("drain.grace", "60s")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    // A connection that is open, with nothing under way: the client is between two polls.
    let mut line = gate.client().raw(gate.client().get("/nowhere").to_bytes()).await;
    line.expect_answer("GET").await;
    gate.signal(Signal::TERM);
    eventually("nobody accepts any more", async || gate.client().connect_tcp().await.is_err().then_some(())).await;
    app.push("42[\"held\"]");
    line.write(session.poll().to_bytes()).await.expect("the gate reads");
    let answer = line.expect_answer("GET").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "42[\"held\"]"));
    line.write(session.poll().to_bytes()).await.expect("the gate reads");
    let answer = line.expect_answer("GET").await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    assert_eq!(answer.header("connection"), Some("close"), "nobody starts over at a gate that leaves");
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_client_of_http2_is_not_kept_by_a_gate_that_leaves() {
    let (app, gate) = secure_pair(|settings| settings.set("drain.grace", "60s")).await;
    let client = gate.client_h2();
    let token = Issuer::default().token("ana");
    let connection = Multiplex::connect(&client).await.expect("connected");
    let opened = connection.send(client.get(OPEN).token(&token)).await.expect("opened");
    let session = Session::of(&client, &opened, Some(&token), None);
    let poll = {
        let connection = connection.clone();
        tokio::spawn(async move { connection.send(session.poll()).await })
    };
    app.heard(2).await;
    gate.signal(Signal::TERM);
    assert_eq!(joined(poll).await.expect("answered").refusal(), (400, "session_unknown".into()));
    // Its reconnect finds the connection gone and looks for another gate.
    eventually("the connection is let go", async || connection.send(client.get(OPEN).token(&token)).await.err()).await;
    assert_eq!(app.requests().len(), 2);
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_session_that_is_told_leaves_its_connection_to_the_others() {
    let (app, gate) = secure_pair(|settings| settings.set("drain.grace", "60s")).await;
    let client = gate.client_h2();
    let token = Issuer::default().token("ana");
    let connection = Multiplex::connect(&client).await.expect("connected");
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let opened = connection.send(client.get(OPEN).token(&token)).await.expect("opened");
        sessions.push(Session::of(&client, &opened, Some(&token), None));
    }
    let polls: Vec<_> = sessions
        .iter()
        .map(|session| {
            let (connection, poll) = (connection.clone(), session.poll());
            tokio::spawn(async move { connection.send(poll).await.expect("answered") })
        })
        .collect();
    app.heard(4).await;
    gate.signal(Signal::TERM);
    // One is told at once, the other has half of the grace period left.
    eventually("one is told", async || polls.iter().any(|poll| poll.is_finished()).then_some(())).await;
    let left = polls.iter().position(|poll| !poll.is_finished()).expect("the other has time");
    let answer = connection.send(sessions[left].post("42[\"still here\"]")).await.expect("the connection is there");
    assert_eq!(answer.text(), "ok");
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_everything_now() {
    let (_app, gate) = pair_with(|settings| with_plain_routes(settings).set("drain.grace", "60s")).await;
    let token = Issuer::default().token("ana");
    let mut websocket = gate.client().upgrade("/ws").token(&token).open_well().await;
    let session = Session::open(&gate.client(), &token).await;
    let poll = tokio::spawn(session.poll().try_send());
    gate.signal(Signal::TERM);
    gate.log_has(&["leaving"]).await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
    loop {
        if matches!(websocket.next().await, Event::End | Event::Broken) {
            break;
        }
    }
    let _ = joined(poll).await;
}

#[tokio::test]
async fn an_interrupt_from_the_keyboard_is_a_goodbye_too() {
    let (_app, gate) = pair_with(|settings| settings).await;
    gate.signal(Signal::INT);
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_gate_without_clients_does_not_wait() {
    let (_app, gate) = pair_with(|settings| settings.set("drain.grace", "60s")).await;
    // Somebody who left without a word is nobody to wait for.
    Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
}
