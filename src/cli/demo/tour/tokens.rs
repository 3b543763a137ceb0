//! Tokens that are not good enough, and a session id that is not enough without one.

use anyhow::{bail, ensure};
use serde_json::json;

use super::Stage;
use crate::cli::demo::{
    client::{Ask, Token},
    plan::PAGE,
    script::Script,
    session::{self, Session},
};

pub async fn absent(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let ask = Ask::get(format!("{}?EIO=4&transport=polling", session::PATH)).from_page(PAGE);
    let answer = stage.told(script, &ask).await?;
    answer.expect_refusal(401, "token_absent")?;
    answer.expect_readable_by(PAGE)?;
    Ok("refused, and an allowed page can read why".into())
}

pub async fn expired(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    refuse(stage, script, &stage.plan.expired_token("ana")?, "token_expired").await?;
    Ok("refused".into())
}

/// The gate says which algorithms count, never the token.
pub async fn other_algorithm(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    refuse(stage, script, &stage.plan.token_of_other_algorithm("ana")?, "token_invalid").await?;
    refuse(stage, script, &stage.plan.unsigned_token("ana")?, "token_invalid").await?;
    Ok("the configuration chooses the algorithm, not the token".into())
}

async fn refuse(stage: &Stage, script: &Script, token: &Token, name: &str) -> anyhow::Result<()> {
    let answer = stage.told(script, &session::opening(token, Some(PAGE))).await?;
    answer.expect_refusal(401, name)?;
    answer.expect_readable_by(PAGE)
}

/// Whoever has ana's session id and not her token reads nothing, writes nothing and takes nothing over; ana goes on.
pub async fn stolen(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let mut session = Session::open(&stage.client, &stage.plan.token("ana")?, Some(PAGE)).await?;
    script.note("ana's session id in other hands");
    let thief = session.held_by(&stage.plan.token("mallory")?);
    stage.told(script, &thief.poll()).await?.expect_refusal(403, "session_subject")?;
    let nobody = |ask: Ask| Ask { token: None, ..ask };
    stage.told(script, &nobody(session.poll())).await?.expect_refusal(401, "token_absent")?;
    stage.told(script, &nobody(session.post(r#"42["echo","mine now"]"#))).await?.expect_refusal(401, "token_absent")?;
    take_over(stage, script, &Ask { page: None, ..session.upgrade() }).await?;
    let echoed = session.call(&stage.client, &json!(["echo", "still mine"])).await?;
    ensure!(echoed == "still mine", "expected ana's session to go on");
    session.close(&stage.client).await?;
    Ok("a session id alone opens nothing; ana's session goes on".into())
}

async fn take_over(stage: &Stage, script: &Script, upgrade: &Ask) -> anyhow::Result<()> {
    script.sent(format!("{upgrade}  Upgrade: websocket"));
    match stage.client.websocket(upgrade, &[]).await? {
        Ok(_) => bail!("expected the upgrade to be refused"),
        Err(answer) => {
            script.came(&answer);
            answer.expect_refusal(401, "token_absent")
        }
    }
}
