//! Clients of Socket.IO 2 (Engine.IO 3) on plain routes: who is let in, how their open packet is exchanged, and that everything
//! else passes as it came.

use serde_json::Value;

use crate::support::{
    Answer, App, Client, Event, Gate, Issuer, OPEN_THREE, Session, Settings, Step,
    client::Ask,
    sample::{before, joined, pair, pair_with, secure_pair},
};

pub const OPEN_WEBSOCKET_THREE: &str = "/socket.io/?EIO=3&transport=websocket";

pub fn served(settings: Settings) -> Settings {
    settings.set("socketio.eio3", true)
}

/// Packets in one body.
pub fn body(packets: &[&str]) -> String {
    packets.iter().map(|packet| format!("{}:{packet}", packet.encode_utf16().count())).collect()
}

/// A session of such a client, by polling.
#[derive(Clone)]
pub struct Old {
    client: Client,
    token: String,
    pub sid: String,
    pub open: Value,
}

impl Old {
    pub async fn open(client: &Client, subject: &str) -> Self {
        let token = Issuer::default().token(subject);
        let answer = client.get(OPEN_THREE).token(&token).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self::of(client, &token, &answer)
    }

    pub fn of(client: &Client, token: &str, answer: &Answer) -> Self {
        let (length, text) =
            answer.text().split_once(':').map(|(length, text)| (length.to_string(), text.to_string())).expect("a length");
        let packet: Vec<u16> = text.encode_utf16().take(length.parse().expect("a number")).collect();
        let packet = String::from_utf16(&packet).expect("whole characters");
        let open: Value = serde_json::from_str(packet.strip_prefix('0').expect("an open packet")).expect("JSON");
        let sid = open["sid"].as_str().expect("a sid is text").to_string();
        Self { client: client.clone(), token: token.into(), sid, open }
    }

    pub fn target(&self) -> String {
        format!("{OPEN_THREE}&sid={}", self.sid)
    }

    pub fn poll(&self) -> Ask {
        self.client.get(&self.target()).token(&self.token)
    }

    pub fn post(&self, packets: &[&str]) -> Ask {
        self.client.post(&self.target(), body(packets)).token(&self.token).header("Content-Type", "text/plain;charset=UTF-8")
    }

    pub async fn exchange(&self, packets: &[&str]) -> String {
        let answer = self.post(packets).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        self.poll().send().await.text()
    }

    pub fn upgrade(&self) -> Ask {
        self.client.upgrade(&format!("{OPEN_WEBSOCKET_THREE}&sid={}", self.sid)).token(&self.token)
    }
}

async fn old_pair() -> (App, Gate) {
    pair_with(served).await
}

#[tokio::test]
async fn old_clients_are_refused_where_nobody_said_otherwise() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    for target in [OPEN_THREE, OPEN_WEBSOCKET_THREE] {
        let client = gate.client();
        let ask = if target == OPEN_THREE { client.get(target) } else { client.upgrade(target) };
        let answer = ask.token(&token).send().await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &5.into()), "{target}");
    }
    assert!(app.requests().is_empty());
    gate.record(&[("refusal", "unsupported_protocol_version"), ("detail", "socketio.eio3 is off")]).await;
}

#[tokio::test]
async fn a_route_that_needs_a_connect_packet_refuses_old_clients() {
    let (app, gate) =
        pair_with(|settings| served(settings).set("auth.when", "connect").set("auth.from", ["connect:token"])).await;
    let answer = gate.client().get(OPEN_THREE).send().await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &5.into()));
    assert!(app.requests().is_empty());
    let why = "clients of Engine.IO 3 have no CONNECT payload for auth.when = \"connect\"";
    gate.record(&[("refusal", "unsupported_protocol_version"), ("detail", why)]).await;
}

#[tokio::test]
async fn packets_go_both_ways_in_both_versions_of_http() {
    let (app, gate) = secure_pair(served).await;
    for client in gate.clients() {
        let session = Old::open(&client, "ana").await;
        assert!(!session.sid.contains("own-sid"), "the app's own id stays here");
        assert_eq!(session.open["upgrades"], serde_json::json!(["websocket"]));
        assert_eq!(app.last_request().query("b64"), Some("1"));
        assert_eq!(session.poll().send().await.text(), "2:40", "the main namespace is joined by the app");
        assert_eq!(session.exchange(&["2"]).await, "1:3");
        assert_eq!(session.exchange(&["42[\"\u{e4}\u{1f600}\"]"]).await, body(&["42[\"\u{e4}\u{1f600}\"]"]));
        assert_eq!(session.exchange(&["40/chat?ns=1,", "4212[1]"]).await, body(&["40/chat,", "4312[1]"]));
        let heard = app.requests().len();
        let poll = tokio::spawn(session.poll().send());
        app.heard(heard + 1).await;
        assert_eq!(session.post(&["42[\"x\"]", "1"]).send().await.text(), "ok");
        joined(poll).await;
        let answer = session.poll().send().await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &1.into()));
    }
    gate.is_empty().await;
}

const OPENED: &str =
    r#"0{"sid":"abc","name":"Größe 😀","upgrades":["websocket","webtransport"],"pingInterval":25000,"pingTimeout":20000}"#;

#[tokio::test]
async fn what_follows_the_open_packet_is_kept_and_lengths_count_as_javascript_counts() {
    let rest = "2:4016:42[\"hello\",\"😀\"]";
    let app = App::scripted(move |seen| {
        let said = format!("{}{rest}", body(&[OPENED]));
        seen.query("sid")
            .is_none()
            .then(|| vec![Step::say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len()))])
    })
    .await;
    let gate = before(&app, served).await;
    let client = gate.client();
    let answer = client.get(OPEN_THREE).token(&Issuer::default().token("ana")).send().await;
    let session = Old::of(&client, "", &answer);
    assert_eq!((&session.open["name"], &session.open["upgrades"]), (&"Größe 😀".into(), &serde_json::json!(["websocket"])));
    assert!(answer.text().ends_with(rest), "{}", answer.text());
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
}

#[tokio::test]
async fn an_open_packet_among_bytes_is_exchanged_among_bytes() {
    let app = App::scripted(move |seen| {
        let open = r#"0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
        let digits = open.len().to_string().bytes().map(|digit| digit - b'0').collect::<Vec<_>>();
        let said = [&[0][..], &digits, &[0xff], open.as_bytes(), &[1, 4, 0xff, 4, 1, 2, 0xfe]].concat();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n", said.len());
        seen.query("sid").is_none().then(|| vec![Step::Say([head.as_bytes(), &said].concat())])
    })
    .await;
    let gate = before(&app, served).await;
    let answer = gate.client().get(OPEN_THREE).token(&Issuer::default().token("ana")).send().await;
    let end = answer.body.iter().position(|byte| *byte == 0xff).expect("an end of the length");
    let length: usize = answer.body[1..end].iter().fold(0, |length, digit| length * 10 + usize::from(*digit));
    let (open, rest) = answer.body[end + 1..].split_at(length);
    assert_eq!((answer.body[0], rest), (0, &[1, 4, 0xff, 4, 1, 2, 0xfe][..]));
    let open: Value = serde_json::from_slice(&open[1..]).expect("JSON");
    assert_ne!(open["sid"], "abc");
}

#[tokio::test]
async fn a_body_of_the_other_revision_opens_nothing() {
    for said in [OPENED.to_string(), format!("3:{OPENED}"), "2:40".into(), "0:".into(), String::new()] {
        let told = said.clone();
        let app = App::scripted(move |_| {
            Some(vec![Step::say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len()))])
        })
        .await;
        let gate = before(&app, served).await;
        let answer = gate.client().get(OPEN_THREE).token(&Issuer::default().token("ana")).send().await;
        assert_eq!(answer.refusal(), (502, "upstream_invalid".into()), "{said:?}");
    }
}

#[tokio::test]
async fn a_session_is_asked_for_in_its_own_revision() {
    let (app, gate) = old_pair().await;
    let client = gate.client();
    let old = Old::open(&client, "ana").await;
    let new = Session::open(&client, &Issuer::default().token("ana")).await;
    let heard = app.requests().len();
    let other = |target: String| target.replace("EIO=3", "EIO=X").replace("EIO=4", "EIO=3").replace("EIO=X", "EIO=4");
    for mut ask in [old.poll(), old.post(&["2"]), old.upgrade(), new.poll(), new.post("3"), new.upgrade()] {
        ask.target = other(ask.target);
        let answer = ask.send().await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &3.into()));
    }
    assert_eq!(app.requests().len(), heard, "an app would read what follows in another way");
}

#[tokio::test]
async fn an_app_that_closes_the_session_by_polling_has_ended_it() {
    let (app, gate) = old_pair().await;
    let session = Old::open(&gate.client(), "ana").await;
    session.poll().send().await;
    app.push("42[\"1:1\"]");
    session.poll().send().await;
    app.push("44/chat1:1");
    assert_eq!(session.poll().send().await.text(), "10:44/chat1:1");
    gate.has_sessions("polling", 1).await; // It only looks like a close packet.
    app.push("1");
    assert_eq!(session.poll().send().await.text(), "1:1");
    gate.is_empty().await;
}

#[tokio::test]
async fn an_old_client_may_begin_as_a_websocket_or_upgrade_to_one() {
    let (_app, gate) = secure_pair(served).await;
    for client in gate.clients() {
        let mut websocket = client.upgrade(OPEN_WEBSOCKET_THREE).token(&Issuer::default().token("ana")).open_well().await;
        let open = websocket.next_text().await;
        assert!(open.starts_with("0{\"sid\":\"") && !open.contains("own-sid"), "{open}");
        assert_eq!(websocket.next_text().await, "40");
        websocket.text("2").await;
        assert_eq!(websocket.next_text().await, "3");
        websocket.binary(&[4, 1, 2]).await;
        assert_eq!(websocket.next().await, Event::Binary(vec![4, 1, 2]));

        let session = Old::open(&client, "ben").await;
        assert_eq!(session.poll().send().await.text(), "2:40");
        let mut websocket = session.upgrade().open_well().await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        websocket.text("5").await;
        websocket.text("421[7]").await;
        assert_eq!(websocket.next_text().await, "431[7]");
    }
}

#[tokio::test]
async fn heartbeats_keep_no_session_that_must_speak() {
    let (_app, gate) = pair_with(|settings| served(settings).set("limit.session_idle", "1s")).await;
    let session = Old::open(&gate.client(), "ana").await;
    session.poll().send().await;
    loop {
        if session.post(&["2"]).send().await.status != 200 {
            break;
        }
        if session.poll().send().await.status != 200 {
            break;
        }
    }
    gate.record(&[("message", "session ended"), ("reason", "session_idle")]).await;
}
