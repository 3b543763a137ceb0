//! Which app server a session is on: any at first, the same one ever after, and another one only when that is gone.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::{Guest, Stage};
use crate::cli::demo::{client::Client, plan::PAGE, script::Script, session::Session};

/// Sessions of several users, asked several times, every time on a fresh connection.
pub async fn spread(stage: &mut Stage, script: &Script) -> anyhow::Result<String> {
    for name in GUESTS {
        let token = stage.plan.token(name)?;
        let mut session = Session::open(&stage.client, &token, Some(PAGE)).await?;
        let server = session.server(&stage.client).await?;
        let mut found = vec![server.clone()];
        for _ in 1..ASKED {
            found.push(session.server(&stage.client).await?);
        }
        script.note(format!("{name:<6} {}", found.join(" ")));
        ensure!(found.iter().all(|other| *other == server), "expected {name}'s session to stay on {server}");
        stage.guests.push(Guest { session, server });
    }
    let counts = stage.apps.pool.each_ref().map(|app| {
        let count = stage.guests.iter().filter(|guest| guest.server == app.name).count();
        (app.name, count)
    });
    ensure!(counts.iter().all(|(_, count)| *count > 0), "expected sessions on both app servers");
    let [(one, ones), (other, others)] = counts;
    Ok(format!("{ones} sessions on {one}, {others} on {other}, each request on a connection of its own"))
}

/// The sessions of a stopped app server are told that they are over, and start anew on the other; the others notice nothing.
pub async fn stop(stage: &mut Stage, script: &Script) -> anyhow::Result<String> {
    let [stopped, left] = &mut stage.apps.pool;
    stopped.stop();
    script.note(format!("{} is stopped", stopped.name));
    let (mut moved, mut stayed) = (0, 0);
    for guest in &mut stage.guests {
        let whose = guest.session.token.whose.trim_end_matches("'s token").to_string();
        if guest.server == stopped.name {
            let heard = end(&stage.client, &guest.session).await?;
            let mut session = Session::open(&stage.client, &guest.session.token, Some(PAGE)).await?;
            let server = session.server(&stage.client).await?;
            script.note(format!("{whose:<6} {heard}, then anew on {server}"));
            ensure!(server == left.name, "expected the new session on {}", left.name);
            guest.session = session;
            moved += 1;
        } else {
            let server = guest.session.server(&stage.client).await.context("a session of the other app server broke")?;
            script.note(format!("{whose:<6} stays on {server}"));
            ensure!(server == left.name, "expected the session to stay on {}", left.name);
            stayed += 1;
        }
        guest.session.close(&stage.client).await?;
    }
    ensure!(moved > 0 && stayed > 0, "expected sessions on both app servers; see the step before");
    Ok(format!("{moved} sessions started anew on {}, {stayed} went on undisturbed", left.name))
}

/// Polls until the gate says that the session is over (code 1, which client libraries answer by starting anew). Before it is sure
/// that the app server is gone it may say that it cannot be reached.
async fn end(client: &Client, session: &Session) -> anyhow::Result<String> {
    let mut heard: Vec<String> = Vec::new();
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let answer = client.ask(&session.poll()).await?;
        let said = format!("{} code {}", answer.status, answer.json()["code"]);
        if heard.last() != Some(&said) {
            heard.push(said);
        }
        match (answer.status, answer.json()["code"].as_u64()) {
            (400, Some(1)) => {
                answer.expect_readable_by(PAGE)?;
                return Ok(heard.join(", "));
            }
            (502 | 503, _) => tokio::time::sleep(BETWEEN).await,
            _ => bail!("expected 400 code 1, got {answer}"),
        }
    }
    bail!("expected 400 code 1 within {PATIENCE:?}, got {}", heard.join(", "))
}

const GUESTS: [&str; 6] = ["ben", "cleo", "dan", "eva", "finn", "gus"];
/// How often each session is asked where it is.
const ASKED: usize = 3;
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(50);
