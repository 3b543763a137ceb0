//! A Socket.IO client's side of one session, by polling: knows the sealed id and repeats what every request must show.

use serde_json::Value;

use super::{
    Client, OPEN, WebSocket,
    client::{Answer, Ask},
};

/// One session as its client sees it.
#[derive(Clone)]
pub struct Session {
    pub client: Client,
    /// The sealed id.
    pub sid: String,
    /// The open packet.
    pub open: Value,
    token: Option<String>,
    origin: Option<String>,
}

impl Session {
    /// Opens one with a token in the header, as a client without a page does.
    pub async fn open(client: &Client, token: &str) -> Self {
        Self::open_as(client, Some(token), None).await
    }

    /// Opens one from a page.
    pub async fn open_from(client: &Client, token: &str, origin: &str) -> Self {
        Self::open_as(client, Some(token), Some(origin)).await
    }

    pub async fn open_as(client: &Client, token: Option<&str>, origin: Option<&str>) -> Self {
        let answer = show(client.get(OPEN), token, origin).send().await;
        assert_eq!(answer.status, 200, "the session opens: {}", answer.text());
        Self::of(client, &answer, token, origin)
    }

    /// The session an answer has opened.
    pub fn of(client: &Client, answer: &Answer, token: Option<&str>, origin: Option<&str>) -> Self {
        let open = open_packet(&answer.text());
        let sid = open["sid"].as_str().expect("a sid is text").to_string();
        Self { client: client.clone(), sid, open, token: token.map(str::to_string), origin: origin.map(str::to_string) }
    }

    /// The same session with another token.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_string), ..self.clone() }
    }

    /// The same session asked for by another page.
    pub fn with_origin(&self, origin: Option<&str>) -> Self {
        Self { origin: origin.map(str::to_string), ..self.clone() }
    }

    pub fn with_sid(&self, sid: &str) -> Self {
        Self { sid: sid.into(), ..self.clone() }
    }

    pub fn with_client(&self, client: &Client) -> Self {
        Self { client: client.clone(), ..self.clone() }
    }

    pub fn target(&self) -> String {
        format!("{OPEN}&sid={}", self.sid)
    }

    /// The next packets.
    pub fn poll(&self) -> Ask {
        self.show(self.client.get(&self.target()))
    }

    pub fn post(&self, packets: &str) -> Ask {
        self.show(self.client.post(&self.target(), packets)).header("Content-Type", "text/plain;charset=UTF-8")
    }

    /// The upgrade of this session.
    pub fn upgrade(&self) -> Ask {
        let target = format!("/socket.io/?EIO=4&transport=websocket&sid={}", self.sid);
        self.show(self.client.upgrade(&target))
    }

    /// Sends packets and waits for what comes back by the next poll.
    pub async fn exchange(&self, packets: &str) -> String {
        let answer = self.post(packets).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        let answer = self.poll().send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// The whole dance of an upgrade.
    pub async fn upgrade_well(&self) -> WebSocket {
        let mut websocket = self.upgrade().open_well().await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        websocket.text("5").await;
        websocket
    }

    fn show(&self, ask: Ask) -> Ask {
        show(ask, self.token.as_deref(), self.origin.as_deref())
    }
}

/// The open packet at the beginning of a payload.
pub fn open_packet(payload: &str) -> Value {
    let first = payload.split('\u{1e}').next().unwrap_or_default();
    let json = first.strip_prefix('0').unwrap_or_else(|| panic!("no open packet: {payload:?}"));
    serde_json::from_str(json).expect("an open packet is JSON")
}

fn show(mut ask: Ask, token: Option<&str>, origin: Option<&str>) -> Ask {
    if let Some(token) = token {
        ask = ask.token(token);
    }
    if let Some(origin) = origin {
        ask = ask.origin(origin);
    }
    ask
}
