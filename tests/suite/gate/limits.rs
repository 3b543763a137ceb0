//! How much one address and one user may have.

use serde_json::json;

use crate::support::{
    App, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Settings, eventually,
    h2::Multiplex,
    issuer::now,
    sample::{before, joined, pair_with, secure_pair, with_plain_routes},
    within,
};

#[tokio::test]
async fn an_address_that_comes_too_often_is_told_when_to_come_again() {
    let (app, gate) = pair_with(|settings| settings.set("limit.handshakes_per_address", "3/1h")).await;
    let issuer = Issuer::default();
    for number in 0..3 {
        assert_eq!(gate.client().get(OPEN).token(&issuer.token(&format!("user-{number}"))).send().await.status, 200);
    }
    let answer = gate.client().get(OPEN).origin(PAGE).token(&issuer.token("ana")).send().await;
    assert_eq!(answer.refusal(), (429, "address_rate".into()));
    answer.is_for_page(PAGE);
    let wait: u64 = answer.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=1200).contains(&wait), "{wait}");
    let exposed = answer.header("access-control-expose-headers").expect("exposed").to_ascii_lowercase();
    assert!(exposed.contains("retry-after"));
    let answer =
        gate.client().upgrade(OPEN_WEBSOCKET).token(&issuer.token("ana")).open().await.expect_err("one count for all transports");
    assert_eq!(answer.status, 429);
    assert_eq!(
        gate.client().from("127.0.0.2").get(OPEN).token(&issuer.token("ana")).send().await.status,
        200,
        "others are not held to it"
    );
    assert_eq!(app.requests().len(), 4);
    assert_eq!(gate.refusals("address_rate").await, 2.0);
    assert!(!gate.log().iter().any(|line| line.contains("trusted_proxies")), "nobody speaks for others");
    gate.client().get(OPEN).header("X-Forwarded-For", "192.0.2.1").token(&issuer.token("ana")).send().await;
    gate.log_has(&["address_rate", "127.0.0.1 is not in listen.trusted_proxies"]).await;
}

#[tokio::test]
async fn polls_of_an_open_session_do_not_count() {
    let (_app, gate) = pair_with(|settings| settings.set("limit.handshakes_per_address", "1/1h")).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    for _ in 0..10 {
        session.exchange("42[\"x\"]").await;
    }
    let _upgraded = session.upgrade_well().await;
}

#[tokio::test]
async fn requests_that_are_refused_for_their_token_count_as_well() {
    let (_app, gate) = pair_with(|settings| settings.set("limit.handshakes_per_address", "5/1h")).await;
    for _ in 0..5 {
        assert_eq!(gate.client().get(OPEN).token("nonsense").send().await.status, 401);
    }
    assert_eq!(gate.client().get(OPEN).token("nonsense").send().await.status, 429, "guessing is counted");
}

#[tokio::test]
async fn a_made_up_forwarded_address_changes_nothing() {
    let (app, gate) = pair_with(|settings| settings.set("limit.handshakes_per_address", "3/1h")).await;
    let token = Issuer::default().token("ana");
    let mut statuses = Vec::new();
    for number in 0..6 {
        let address = format!("198.51.100.{number}");
        let ask = gate
            .client()
            .get(OPEN)
            .token(&token)
            .header("X-Forwarded-For", &address)
            .header("Forwarded", &format!("for={address}"));
        statuses.push(ask.header("X-Real-IP", &address).header("True-Client-IP", &address).send().await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
    assert!(app.requests().iter().all(|seen| seen.header("x-forwarded-for") == Some("127.0.0.1")));
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_count() {
    let (_app, gate) = pair_with(|settings| {
        settings.set("limit.handshakes_per_address", "1/1h").set("listen.trusted_proxies", ["127.0.0.0/8", "10.0.0.0/8"])
    })
    .await;
    let token = Issuer::default().token("ana");
    let ask = |chain: &str| gate.client().get(OPEN).token(&token).header("X-Forwarded-For", chain).send();
    assert_eq!(ask("192.0.2.1").await.status, 200);
    assert_eq!(ask("192.0.2.2").await.status, 200);
    assert_eq!(ask("192.0.2.1").await.status, 429);
    assert_eq!(ask("203.0.113.9, 192.0.2.1, 10.1.2.3").await.status, 429, "counted from the right, past trusted proxies");
    assert_eq!(ask("192.0.2.1, 192.0.2.3").await.status, 200);
}

#[tokio::test]
async fn a_user_is_held_to_a_rate_from_whatever_address() {
    let (app, gate) = pair_with(|settings| settings.set("limit.handshakes_per_user", "2/1h")).await;
    let issuer = Issuer::default();
    let mut statuses = Vec::new();
    for number in 1..5 {
        let client = gate.client().from(&format!("127.0.0.{number}"));
        statuses.push(client.get(OPEN).origin(PAGE).token(&issuer.token("ana")).send().await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    assert_eq!(gate.client().get(OPEN).token(&issuer.token("bob")).send().await.status, 200);
    assert_eq!(gate.refusals("user_rate").await, 2.0);
    assert_eq!(app.requests().len(), 3);
}

#[tokio::test]
async fn a_user_has_so_many_sessions_at_once_whatever_they_travel_on() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("limit.sessions_per_user", 3)).await;
    let issuer = Issuer::default();
    let token = issuer.token("ana");
    let polling = Session::open(&gate.client(), &token).await;
    let websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&token).open_well().await;
    let _plain = gate.client().upgrade("/ws").token(&token).open_well().await;

    let answer = gate.client().get(OPEN).origin(PAGE).token(&token).send().await;
    assert_eq!(answer.refusal(), (429, "user_sessions".into()));
    answer.is_for_page(PAGE);
    let answer = gate.client().upgrade("/ws").token(&token).open().await.expect_err("refused");
    assert_eq!(answer.refusal(), (429, "user_sessions".into()));
    assert_eq!(gate.client().get(OPEN).token(&issuer.token("bob")).send().await.status, 200);
    polling.upgrade_well().await;

    drop(websocket);
    eventually("a place is free again", async || {
        (gate.client().get(OPEN).token(&token).send().await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn users_of_the_same_name_of_two_tenants_or_issuers_do_not_share_limits() {
    let (_app, gate) = pair_with(|settings| {
        settings.set("auth.tenant", "org").set("limit.handshakes_per_user", "1/1h").set("limit.sessions_per_user", 1)
    })
    .await;
    let open = async |issuer: &str, tenant: &str| {
        let token = Issuer::default().claims(&json!({ "sub": "ana", "iss": issuer, "org": tenant, "exp": now() + 600 }));
        gate.client().get(OPEN).token(&token).send().await.status
    };
    assert_eq!([open("one", "acme").await, open("one", "globex").await, open("two", "acme").await], [200, 200, 200]);
    assert_eq!([open("one", "acme").await, open("one", "globex").await, open("two", "acme").await], [429, 429, 429]);
}

#[tokio::test]
async fn an_address_has_so_many_sessions_at_once() {
    let (_app, gate) = pair_with(|settings| settings.set("limit.sessions_per_address", 2)).await;
    let issuer = Issuer::default();
    for user in ["ana", "bob"] {
        Session::open(&gate.client(), &issuer.token(user)).await;
    }
    let answer = gate.client().get(OPEN).origin(PAGE).token(&issuer.token("eve")).send().await;
    assert_eq!(answer.refusal(), (429, "address_sessions".into()));
    answer.is_for_page(PAGE);
    assert_eq!(gate.client().from("127.0.0.2").get(OPEN).token(&issuer.token("eve")).send().await.status, 200);
}

#[tokio::test]
async fn a_session_that_could_not_be_opened_holds_no_place() {
    let app = App::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
    let gate = before(&app, |settings| settings.set("limit.sessions_per_user", 1).set_upstream("eject_after", 1000)).await;
    for _ in 0..5 {
        let answer = gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await;
        assert_eq!(answer.status, 502, "{}", answer.text());
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn abandoned_sessions_are_forgotten() {
    let (_app, gate) =
        pair_with(|settings| settings.set("socketio.abandoned_after", "500ms").set("limit.sessions_per_user", 1)).await;
    let token = Issuer::default().token("ana");
    Session::open(&gate.client(), &token).await;
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.status, 429);
    gate.is_empty().await;
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.status, 200);
    assert_eq!(gate.metric("sockgate_sessions_closed_total{reason=\"abandoned\"}").await, 1.0);
}

#[tokio::test]
async fn a_poll_that_waits_is_not_abandoned() {
    let (app, gate) = pair_with(|settings| settings.set("socketio.abandoned_after", "500ms")).await;
    let token = Issuer::default().token("ana");
    let waiting = Session::open(&gate.client(), &token).await;
    let poll = tokio::spawn(waiting.poll().send());
    app.heard(2).await;
    Session::open(&gate.client(), &token).await;
    // The other one is gone when its time and the next sweep have passed; this one was there as long.
    gate.has_sessions("polling", 1).await;
    app.push("42[\"news\"]");
    assert_eq!(joined(poll).await.text(), "42[\"news\"]");
}

#[tokio::test]
async fn connections_of_one_address_are_bounded_and_a_websocket_counts() {
    let app = App::start().await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("limit.connections_per_address", 3)).await;
    let token = Issuer::default().token("ana");
    let mut websockets = Vec::new();
    for _ in 0..3 {
        websockets.push(gate.client().upgrade("/ws").token(&token).open_well().await);
    }
    let refused = gate.client().get(OPEN).token(&token).try_send().await;
    assert!(refused.is_err(), "closed without a word: {refused:?}");
    assert_eq!(gate.client().from("127.0.0.2").get(OPEN).token(&token).send().await.status, 200);
    assert!(
        gate.metric("sockgate_connections_turned_away_total{reason=\"address\"}")
            .await
            .max(gate.metric("sockgate_connections_turned_away_total{cause=\"address\"}").await)
            >= 1.0
    );
    drop(websockets.pop());
    eventually("a place is free again", async || gate.client().get(OPEN).token(&token).try_send().await.ok()).await;
}

#[tokio::test]
async fn connections_are_bounded_in_total() {
    let (_app, gate) = pair_with(|settings| settings.set("listen.connections", 2)).await;
    let token = Issuer::default().token("ana");
    let one = gate.client().from("127.0.0.2").connect_tcp().await.expect("connected");
    let two = gate.client().from("127.0.0.3").connect_tcp().await.expect("connected");
    let mut three = gate.client().from("127.0.0.4").raw("").await;
    assert_eq!(three.end().await, b"");
    drop((one, two));
    eventually("a place is free again", async || gate.client().get(OPEN).token(&token).try_send().await.ok()).await;
}

#[tokio::test]
async fn handshakes_on_their_way_are_bounded_and_open_sessions_go_on() {
    let word = std::sync::Arc::new(tokio::sync::Notify::new());
    let wait = word.clone();
    let app = App::scripted(move |seen| {
        (seen.query("slow").is_some()).then(|| vec![crate::support::Step::Wait(wait.clone()), crate::support::Step::Close])
    })
    .await;
    let gate = before(&app, |settings| settings.set("limit.handshakes_in_flight", 2)).await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&gate.client(), &token).await;
    let slow: Vec<_> = (0..2).map(|_| tokio::spawn(gate.client().get(&format!("{OPEN}&slow=1")).token(&token).send())).collect();
    app.heard(3).await;

    let answer = gate.client().get(OPEN).origin(PAGE).token(&token).send().await;
    assert_eq!(answer.refusal(), (503, "overloaded".into()));
    assert!(answer.header("retry-after").is_some());
    answer.is_for_page(PAGE);
    assert_eq!(session.exchange("42[\"on\"]").await, "42[\"on\"]");

    word.notify_waiters();
    for task in slow {
        joined(task).await;
    }
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.status, 200);
}

#[tokio::test]
async fn a_gate_out_of_descriptors_says_so_and_blames_no_app() {
    let (_app, gate) = secure_pair(|settings| settings.set_upstream("reuse", "off")).await;
    let client = gate.client_h2();
    let connection = Multiplex::connect(&client).await.expect("connected");
    let token = Issuer::default().token("ana");
    let opened = connection.send(client.get(OPEN).origin(PAGE).token(&token)).await.expect("opened");
    let session = Session::of(&client, &opened, Some(&token), Some(PAGE));

    let files = gate.take_files();
    for ask in [client.get(OPEN).origin(PAGE).token(&token), session.post("42[\"x\"]"), session.poll()] {
        let answer = connection.send(ask).await.expect("answered");
        assert_eq!(answer.refusal(), (503, "overloaded".into()));
        assert!(answer.header("retry-after").is_some());
        answer.is_for_page(PAGE);
    }
    gate.give_files(files);

    assert_eq!(connection.send(session.post("42[\"x\"]")).await.expect("answered").status, 200, "the session goes on");
    assert!(!gate.metrics().await.contains("cause=\"refused\""));
}

#[tokio::test]
async fn an_exempt_network_is_not_counted() {
    let (_app, gate) =
        pair_with(|settings| settings.set("limit.handshakes_per_address", "1/1h").set("limit.exempt", ["127.0.0.0/8"])).await;
    for _ in 0..5 {
        assert_eq!(gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await.status, 200);
    }
}

#[tokio::test]
async fn a_route_may_have_limits_of_its_own() {
    let app = App::start().await;
    let settings = Settings::before(&[&app]).set_route("limit.handshakes_per_address", "1/1h").route(&[
        ("path", "/api/".into()),
        ("kind", "http".into()),
        ("upstream", "app".into()),
    ]);
    let gate = Gate::start(settings).await;
    let token = Issuer::default().token("ana");
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.status, 200);
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.status, 429);
    for _ in 0..3 {
        assert_eq!(within("an answer", gate.client().get("/api/x").token(&token).send()).await.status, 200);
    }
}
