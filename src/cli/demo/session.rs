//! A Socket.IO session of a demo's client, by polling: what it asks, and the small conversations that a client library would
//! have. It answers the app's pings and numbers its acknowledgements.

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use super::client::{Answer, Ask, Client, Token};

/// A session and whose it is.
#[derive(Clone)]
pub struct Session {
    pub token: Token,
    /// The session id as the gate sealed it.
    pub sid: String,
    page: Option<&'static str>,
    acks: u32,
}

/// The path of the demo's Socket.IO route.
pub const PATH: &str = "/socket.io/";

/// The request that opens a session by polling.
pub fn opening(token: &Token, page: Option<&'static str>) -> Ask {
    Ask { page, ..Ask::get(format!("{PATH}?EIO=4&transport=polling")) }.with(token)
}

impl Session {
    /// The session that an answer to `opening` gives.
    pub fn read(answer: &Answer, token: &Token, page: Option<&'static str>) -> anyhow::Result<Self> {
        answer.expect(200)?;
        let first = packets(&answer.body).next().unwrap_or_default();
        let open: Value = first.strip_prefix('0').and_then(|json| serde_json::from_str(json).ok()).context("no open packet")?;
        let sid = open["sid"].as_str().context("no session id in the open packet")?.to_string();
        Ok(Self { token: token.clone(), sid, page, acks: 0 })
    }

    /// The same session in the hands of somebody else.
    pub fn held_by(&self, token: &Token) -> Self {
        Self { token: token.clone(), ..self.clone() }
    }

    /// Opens one and joins the main namespace.
    pub async fn open(client: &Client, token: &Token, page: Option<&'static str>) -> anyhow::Result<Self> {
        let session = Self::read(&client.ask(&opening(token, page)).await?, token, page)?;
        client.ask(&session.post("40")).await?.expect(200)?;
        session.wait_for(client, "40").await?;
        Ok(session)
    }

    pub fn poll(&self) -> Ask {
        self.beside(Ask::get(self.target("polling")))
    }

    pub fn post(&self, packets: &str) -> Ask {
        self.beside(Ask::post(self.target("polling"), packets))
    }

    /// The handshake that goes on by WebSocket. A browser cannot send Authorization with it.
    pub fn upgrade(&self) -> Ask {
        Ask { token: None, ..self.beside(Ask::get(self.target("websocket"))) }
    }

    /// An event that asks for an acknowledgement, and the beginning of that.
    pub fn event(&mut self, name_and_arguments: &Value) -> (String, String) {
        let ack = self.acks;
        self.acks += 1;
        (format!("42{ack}{name_and_arguments}"), format!("43{ack}["))
    }

    /// Sends an event and waits for what the app acknowledges.
    pub async fn call(&mut self, client: &Client, name_and_arguments: &Value) -> anyhow::Result<Value> {
        let (event, ack) = self.event(name_and_arguments);
        client.ask(&self.post(&event)).await?.expect(200)?;
        acknowledged(&self.wait_for(client, &ack).await?)
    }

    /// The name of the app server it is on.
    pub async fn server(&mut self, client: &Client) -> anyhow::Result<String> {
        let me = self.call(client, &serde_json::json!(["whoami"])).await?;
        Ok(me["server"].as_str().context("the app did not say who it is")?.to_string())
    }

    /// Says goodbye. The answer to one more poll is where the gate learns that the app has ended the session.
    pub async fn close(&self, client: &Client) -> anyhow::Result<()> {
        client.ask(&self.post("1")).await?.expect(200)?;
        for _ in 0..MOST_POLLS {
            if client.ask(&self.poll()).await?.status != 200 {
                return Ok(());
            }
        }
        bail!("the session does not end")
    }

    async fn wait_for(&self, client: &Client, prefix: &str) -> anyhow::Result<String> {
        for _ in 0..MOST_POLLS {
            let answer = client.ask(&self.poll()).await?;
            answer.expect(200)?;
            if packets(&answer.body).any(|packet| packet == "2") {
                client.ask(&self.post("3")).await?.expect(200)?;
            }
            if let Some(packet) = packets(&answer.body).find(|packet| packet.starts_with(prefix)) {
                return Ok(packet.to_string());
            }
        }
        bail!("{prefix:?} did not come in {MOST_POLLS} polls")
    }

    fn target(&self, transport: &str) -> String {
        format!("{PATH}?EIO=4&transport={transport}&sid={}", self.sid)
    }

    fn beside(&self, ask: Ask) -> Ask {
        Ask { page: self.page, ..ask }.with(&self.token)
    }
}

/// The packets of a polling body.
pub fn packets(body: &str) -> impl Iterator<Item = &str> {
    body.split('\u{1e}')
}

/// The first value of an acknowledgement.
pub fn acknowledged(packet: &str) -> anyhow::Result<Value> {
    let start = packet.find('[').ok_or_else(|| anyhow!("{packet:?} is no acknowledgement"))?;
    let values: Vec<Value> = serde_json::from_str(&packet[start..]).context("an acknowledgement is a JSON list")?;
    Ok(values.into_iter().next().unwrap_or_default())
}

/// The app sends a ping, a greeting and an answer; more than these few it has nothing to say.
const MOST_POLLS: usize = 6;
