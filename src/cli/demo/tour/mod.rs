//! The steps of the tour, in the order in which they are shown. Each is a function that acts, prints what it sent and heard, and
//! compares; it gives back what was seen, or an error that says what was expected instead.

mod echo;
mod limits;
mod pages;
mod sessions;
mod stickiness;
mod tokens;

use std::{net::SocketAddr, sync::Arc};

use super::{
    apps::Apps,
    client::{Answer, Ask, Client},
    plan::Plan,
    script::Script,
    session::Session,
};
use crate::gate::Gate;

/// What the steps act on.
pub struct Stage {
    pub client: Client,
    pub gate: Arc<Gate>,
    pub admin: SocketAddr,
    pub plan: Plan,
    pub apps: Apps,
    /// Sessions spread over the app servers by one step, for the next.
    pub guests: Vec<Guest>,
}

/// A session and the app server it was found on.
pub struct Guest {
    pub session: Session,
    pub server: String,
}

/// All steps.
pub async fn take(stage: &mut Stage, mut script: Script) -> Script {
    script.step("preflight from an allowed page", async |script| pages::preflight(stage, script).await).await;
    script.step("a page that is not allowed", async |script| pages::refused(stage, script).await).await;
    script.step("polling: handshake, poll, post, acknowledgement", async |script| sessions::polling(stage, script).await).await;
    script.step("upgrade from polling to WebSocket", async |script| sessions::upgrade(stage, script).await).await;
    script.step("WebSocket alone", async |script| sessions::websocket(stage, script).await).await;
    script.step("no token", async |script| tokens::absent(stage, script).await).await;
    script.step("an expired token", async |script| tokens::expired(stage, script).await).await;
    script.step("a token of the wrong algorithm", async |script| tokens::other_algorithm(stage, script).await).await;
    script.step("a stolen session id", async |script| tokens::stolen(stage, script).await).await;
    script.step("a plain WebSocket app, its token in the subprotocol", async |script| echo::echo(stage, script).await).await;
    script.step("sessions spread over two app servers and stay", async |script| stickiness::spread(stage, script).await).await;
    script.step("an app server stops", async |script| stickiness::stop(stage, script).await).await;
    script.step("too many handshakes from one address", async |script| limits::rate(stage, script).await).await;
    script.step("the status page", async |script| limits::status(stage, script).await).await;
    script
}

impl Stage {
    /// Asks, and prints both directions.
    async fn told(&self, script: &Script, ask: &Ask) -> anyhow::Result<Answer> {
        script.sent(ask);
        let answer = self.client.ask(ask).await?;
        script.came(&answer);
        Ok(answer)
    }
}
