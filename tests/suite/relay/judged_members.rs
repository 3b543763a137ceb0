//! Where sessions go whose CONNECT packet tells whose they are: the member is chosen once somebody was accepted, and another one
//! is asked when it cannot be reached.

use serde_json::json;

use crate::support::{App, Gate, Issuer, Nowhere, OPEN_WEBSOCKET, PAGE, Session, Settings, issuer::now, sample::joined};

fn connect(token: &str) -> String {
    format!("40{}", json!({ "token": token }))
}

/// A gate before these, that asks by CONNECT and hashes this.
async fn hashing(apps: &[&App], hash: &str, when: &str) -> Gate {
    let settings = Settings::before(apps).set_upstream("balance", "hash").set_upstream("hash", hash).set("auth.when", when);
    Gate::start(settings).await
}

/// A token whose user lives in a room.
fn token(subject: &str, room: &str) -> String {
    Issuer::default().claims(&json!({ "sub": subject, "room": room, "exp": now() + 600 }))
}

/// What each of the apps has heard, in requests that open a session.
fn opened(apps: &[App; 3]) -> Vec<usize> {
    let opens = |app: &App| app.requests().iter().filter(|seen| seen.query("sid").is_none()).count();
    apps.iter().map(opens).collect()
}

async fn by_polling(gate: &Gate, token: &str) -> Session {
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    assert_eq!(session.exchange(&connect(token)).await, "40{\"sid\":\"public\"}");
    session
}

async fn by_websocket(gate: &Gate, token: &str) -> crate::support::WebSocket {
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).origin(PAGE).open_well().await;
    websocket.next_text().await;
    websocket.text(&connect(token)).await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    websocket
}

#[tokio::test]
async fn a_user_goes_to_the_member_that_a_handshake_with_the_token_would_go_to() {
    let apps = [App::named("a").await, App::named("b").await, App::named("c").await];
    let all = [&apps[0], &apps[1], &apps[2]];
    for hash in ["subject", "claim:room"] {
        let (early, late) = (hashing(&all, hash, "handshake").await, hashing(&all, hash, "connect").await);
        let mut used = [false; 3];
        // Ports are the system's to choose, and so are the members of the first users.
        for number in 0.. {
            if number >= 6 && used.iter().filter(|used| **used).count() > 1 {
                break;
            }
            let token = token(&format!("user-{number}"), &format!("room-{number}"));
            let before = opened(&apps);
            Session::open(&early.client(), &token).await;
            let own = opened(&apps).iter().zip(&before).position(|(now, before)| now > before).expect("one was asked");
            used[own] = true;
            let session = by_polling(&late, &token).await;
            let _websocket = by_websocket(&late, &token).await;
            assert_eq!(opened(&apps)[own], before[own] + 3, "{hash} {number}");
            // What follows finds it there.
            assert_eq!(session.exchange("42[\"x\"]").await, "42[\"x\"]");
            let mut upgraded = session.upgrade_well().await;
            upgraded.text("42[\"y\"]").await;
            assert_eq!(upgraded.next_text().await, "42[\"y\"]");
        }
    }
}

#[tokio::test]
async fn the_member_that_carries_a_session_is_the_one_that_is_told() {
    let apps = [App::named("a").await, App::named("b").await, App::named("c").await];
    let gate = hashing(&[&apps[0], &apps[1], &apps[2]], "subject", "connect").await;
    for number in 0..6 {
        let before = opened(&apps);
        let session = by_polling(&gate, &token(&format!("user-{number}"), "")).await;
        let own = opened(&apps).iter().zip(&before).position(|(now, before)| now > before).expect("one was asked");
        let status = gate.status().await;
        let counted = |app: &App| {
            let members = status["upstreams"][0]["members"].as_array().expect("a list");
            members.iter().find(|member| member["url"] == app.url()).expect("it is listed")["sessions"].as_u64()
        };
        assert_eq!(apps.each_ref().map(counted).iter().flatten().sum::<u64>(), 1, "{status}");
        assert_eq!(counted(&apps[own]), Some(1), "{status}");
        assert_eq!(session.post("1").send().await.text(), "ok");
        let fields = [("message", "session ended"), ("subject", &format!("user-{number}")), ("member", &apps[own].url())];
        gate.record(&fields).await;
    }
    gate.is_empty().await;
}

#[tokio::test]
async fn turns_are_taken_as_without_a_token_in_the_packet() {
    let apps = [App::named("a").await, App::named("b").await, App::named("c").await];
    let settings = Settings::before(&[&apps[0], &apps[1], &apps[2]]);
    let gate = Gate::start(settings.set_upstream("balance", "round_robin").set("auth.when", "connect")).await;
    for _ in 0..3 {
        by_polling(&gate, &token("ana", "")).await;
        let _websocket = by_websocket(&gate, &token("ana", "")).await;
    }
    assert_eq!(opened(&apps), [2, 2, 2]);
}

#[tokio::test]
async fn another_member_is_asked_when_the_chosen_one_cannot_be_reached() {
    let app = App::start().await;
    let nowhere = Nowhere::new();
    let gone = nowhere.url.clone();
    for balance in ["round_robin", "hash"] {
        let settings = Settings::bare()
            .upstream_of("app", &[gone.clone(), app.url()])
            .set_upstream("balance", balance)
            .set_upstream("eject_after", 1000)
            .route(&[("path", "/socket.io/".into()), ("upstream", "app".into())]);
        let gate = Gate::start(settings.set("auth.when", "connect")).await;
        for number in 0..6 {
            let token = token(&format!("user-{number}"), "");
            let session = by_polling(&gate, &token).await;
            let _websocket = by_websocket(&gate, &token).await;
            assert_eq!(session.upgrade_well().await.answer.status, 101);
        }
        let labels = format!("member=\"{gone}\",cause=\"refused\"");
        let page = gate.metrics().await;
        assert!(page.lines().any(|line| line.contains("member_failures") && line.contains(&labels)), "{balance}: {page}");
    }
}

#[tokio::test]
async fn a_member_that_fails_in_a_row_is_left_alone() {
    let app = App::start().await;
    let nowhere = Nowhere::new();
    let gone = nowhere.url.clone();
    let settings = Settings::bare()
        .upstream_of("app", &[gone.clone(), app.url()])
        .set_upstream("balance", "round_robin")
        .set_upstream("eject_after", 2)
        .route(&[("path", "/socket.io/".into()), ("upstream", "app".into())]);
    let gate = Gate::start(settings.set("auth.when", "connect")).await;
    for _ in 0..6 {
        by_polling(&gate, &token("ana", "")).await;
    }
    gate.log_has(&["left alone", &gone]).await;
}

#[tokio::test]
async fn without_any_other_member_the_client_is_told_to_start_over() {
    let nowhere = Nowhere::new();
    let gone = nowhere.url.clone();
    let settings =
        Settings::bare().upstream_of("app", &[gone]).route(&[("path", "/socket.io/".into()), ("upstream", "app".into())]);
    let gate = Gate::start(settings.set("auth.when", "connect")).await;
    let session = Session::open_as(&gate.client(), None, Some(PAGE)).await;
    let poll = tokio::spawn(session.poll().send());
    let answer = session.post(&connect(&token("ana", ""))).send().await;
    assert_eq!(answer.refusal(), (400, "session_unknown".into()));
    assert_eq!(joined(poll).await.refusal(), (400, "session_unknown".into()));
    gate.record(&[("message", "session ended"), ("reason", "member_gone")]).await;
    gate.is_empty().await;
}
