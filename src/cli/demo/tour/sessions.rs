//! One session each way: by polling, by polling and then WebSocket, and by WebSocket from the start.

use anyhow::{bail, ensure};
use http::header;
use serde_json::json;

use super::Stage;
use crate::cli::demo::{
    client::{Answer, Ask, Client, Socket},
    plan::PAGE,
    script::Script,
    session::{self, Session, acknowledged, packets},
};

/// Handshake, joining the namespace, an event and its acknowledgement; every request on a connection of its own.
pub async fn polling(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let token = stage.plan.token("ana")?;
    let opened = stage.told(script, &session::opening(&token, Some(PAGE))).await?;
    opened.expect_readable_by(PAGE)?;
    ensure!(opened.header(&header::SET_COOKIE).is_none(), "expected no Set-Cookie");
    let mut session = Session::read(&opened, &token, Some(PAGE))?;
    stage.told(script, &session.post("40")).await?.expect(200)?;
    let hello = poll_for(stage, script, &session, "42[\"hello\"").await?;
    ensure!(hello.contains("\"ana\""), "expected the app to know its client as ana, got {hello}");
    let (event, ack) = session.event(&json!(["sum", 19, 23]));
    stage.told(script, &session.post(&event)).await?.expect(200)?;
    expect_sum(&poll_for(stage, script, &session, &ack).await?)?;
    session.close(&stage.client).await?;
    Ok("one session, six connections; its id is sealed by the gate and names the app server to nobody else".into())
}

/// As client libraries do it, and from a page: without a token, because a browser cannot send one here.
pub async fn upgrade(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let token = stage.plan.token("ana")?;
    let mut session = Session::open(&stage.client, &token, Some(PAGE)).await?;
    script.note("a session that was opened by polling, as above");
    let mut socket = shake(&stage.client, script, &session.upgrade(), &[]).await?;
    let poll = session.poll();
    say(script, &mut socket, "2probe").await?;
    // The poll that waits is answered as soon as the app has seen the probe.
    let (heard, released) = tokio::join!(socket.hear(), release(&stage.client, &session, &poll));
    let heard = heard?;
    script.came(format!("message {heard}"));
    ensure!(heard == "3probe", "expected 3probe, got {heard:?}");
    script.sent(&poll);
    script.came(released?);
    say(script, &mut socket, "5").await?;
    let (event, ack) = session.event(&json!(["sum", 19, 23]));
    say(script, &mut socket, &event).await?;
    expect_sum(&hear_for(script, &mut socket, &ack).await?)?;
    socket.close().await;
    Ok("the same session goes on by WebSocket".into())
}

/// Without polling; the token travels in the query, as from a browser, and does not reach the app's URL.
pub async fn websocket(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let token = stage.plan.token("ana")?;
    let ask = Ask::get(format!("{}?EIO=4&transport=websocket&token={}", session::PATH, token.text)).from_page(PAGE);
    let mut socket = shake(&stage.client, script, &ask, &[]).await?;
    hear_for(script, &mut socket, "0{").await?;
    say(script, &mut socket, "40").await?;
    let hello = hear_for(script, &mut socket, "42[\"hello\"").await?;
    ensure!(hello.contains("\"ana\""), "expected the app to know its client as ana, got {hello}");
    ensure!(!hello.contains("token="), "expected no token in the app's URL");
    say(script, &mut socket, r#"420["sum",19,23]"#).await?;
    expect_sum(&hear_for(script, &mut socket, "430[").await?)?;
    socket.close().await;
    Ok("opened with a token in the query, which is cut out before the app".into())
}

/// Makes a WebSocket handshake and prints it.
pub async fn shake(client: &Client, script: &Script, ask: &Ask, protocols: &[&str]) -> anyhow::Result<Socket> {
    match protocols {
        [] => script.sent(format!("{ask}  Upgrade: websocket")),
        _ => script.sent(format!("{ask}  Upgrade: websocket, Sec-WebSocket-Protocol: {}", protocols.join(", "))),
    }
    match client.websocket(ask, protocols).await? {
        Ok(socket) => {
            let protocol = socket.protocol.as_ref().map(|protocol| format!("  Sec-WebSocket-Protocol: {protocol}"));
            script.came(format!("101{}", protocol.unwrap_or_default()));
            Ok(socket)
        }
        Err(answer) => {
            script.came(&answer);
            bail!("expected a WebSocket, got status {}", answer.status)
        }
    }
}

pub async fn say(script: &Script, socket: &mut Socket, text: &str) -> anyhow::Result<()> {
    script.sent(format!("message {text}"));
    socket.say(text).await
}

/// Polls until a packet comes that begins so.
async fn poll_for(stage: &Stage, script: &Script, session: &Session, prefix: &str) -> anyhow::Result<String> {
    for _ in 0..MOST_PACKETS {
        let answer = stage.told(script, &session.poll()).await?;
        answer.expect(200)?;
        pong(&stage.client, session, &answer).await?;
        if let Some(packet) = packets(&answer.body).find(|packet| packet.starts_with(prefix)) {
            return Ok(packet.to_string());
        }
    }
    bail!("expected a packet that begins with {prefix}")
}

/// Polls until the app says that there is nothing more to poll for.
async fn release(client: &Client, session: &Session, poll: &Ask) -> anyhow::Result<Answer> {
    for _ in 0..MOST_PACKETS {
        let answer = client.ask(poll).await?;
        answer.expect(200)?;
        pong(client, session, &answer).await?;
        if packets(&answer.body).any(|packet| packet == "6") {
            return Ok(answer);
        }
    }
    bail!("expected the waiting poll to be released with 6")
}

async fn pong(client: &Client, session: &Session, answer: &Answer) -> anyhow::Result<()> {
    if packets(&answer.body).any(|packet| packet == "2") {
        client.ask(&session.post("3")).await?.expect(200)?;
    }
    Ok(())
}

/// Hears messages until one begins so.
async fn hear_for(script: &Script, socket: &mut Socket, prefix: &str) -> anyhow::Result<String> {
    for _ in 0..MOST_PACKETS {
        let heard = socket.hear().await?;
        script.came(format!("message {heard}"));
        if heard == "2" {
            say(script, socket, "3").await?;
        }
        if heard.starts_with(prefix) {
            return Ok(heard);
        }
    }
    bail!("expected a message that begins with {prefix}")
}

fn expect_sum(packet: &str) -> anyhow::Result<()> {
    let answer = acknowledged(packet)?;
    ensure!(answer == json!(42), "expected the acknowledgement 42, got {answer}");
    Ok(())
}

/// The app has less to say than this.
const MOST_PACKETS: usize = 6;
