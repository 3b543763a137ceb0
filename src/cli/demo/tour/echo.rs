//! An app that knows nothing of Socket.IO.

use anyhow::ensure;

use super::{
    Stage,
    sessions::{say, shake},
};
use crate::cli::demo::{client::Ask, plan::PAGE, script::Script};

/// A page can send nothing but subprotocols with a WebSocket, so the token is one. Neither it nor its marker reaches the app.
pub async fn echo(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let token = stage.plan.token("ana")?;
    let ask = Ask::get("/echo").from_page(PAGE);
    let mut socket = shake(&stage.client, script, &ask, &["bearer", &token.text]).await?;
    ensure!(socket.protocol.as_deref() == Some("bearer"), "expected the subprotocol bearer to be answered");
    say(script, &mut socket, "good morning").await?;
    let heard = socket.hear().await?;
    script.came(format!("message {heard}"));
    ensure!(heard == "good morning", "expected the message back, got {heard:?}");
    socket.close().await;
    let answer = stage.told(script, &Ask::get("/echo").with(&token)).await?;
    answer.expect_refusal(426, "upgrade_required")?;
    Ok("judged by the same rules; anything but a WebSocket is refused there".into())
}
