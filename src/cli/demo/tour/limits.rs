//! The limits, shown last because they take something away; and the page where an operator sees the rest.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use http::header;
use serde_json::Value;

use super::Stage;
use crate::cli::demo::{
    client::{Ask, ask_admin},
    plan::{HANDSHAKES, PAGE},
    script::Script,
    session::{self, Session},
};

/// Handshakes until the gate has enough. They bring no token: addresses are counted before tokens are looked at, so that
/// guessing tokens is limited as well. From another address, so that the one of this demo stays free.
pub async fn rate(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let mut line = stage.client.line(Some(other)).await?;
    let ask = Ask::get(format!("{}?EIO=4&transport=polling", session::PATH)).from_page(PAGE);
    script.sent(format!("{ask} from {other}, again and again"));
    for asked in 0..HANDSHAKES * 2 {
        let answer = stage.client.ask_on(&mut line, &ask).await?;
        if answer.status == 401 {
            continue;
        }
        script.came(format!("401, {asked} times; then"));
        script.came(&answer);
        answer.expect_refusal(429, "address_rate")?;
        answer.expect_readable_by(PAGE)?;
        ensure!(asked >= HANDSHAKES, "expected {HANDSHAKES} handshakes to pass, got {asked}");
        let wait = answer.header(&header::RETRY_AFTER).context("expected Retry-After")?;
        script.came(format!("     retry-after: {wait}"));
        ensure!(wait.parse::<u64>().is_ok_and(|seconds| seconds >= 1), "expected whole seconds in Retry-After, got {wait:?}");
        let token = stage.plan.token("ana")?;
        Session::open(&stage.client, &token, Some(PAGE)).await?.close(&stage.client).await?;
        return Ok(format!("{HANDSHAKES} a minute for one address; others are not held up"));
    }
    bail!("expected 429 after {HANDSHAKES} handshakes")
}

/// On a door of its own, never on the public one. The tour has ended its sessions, and the gate has kept nothing of them.
pub async fn status(stage: &Stage, script: &Script) -> anyhow::Result<String> {
    script.sent(format!("GET     http://{}/status", stage.admin));
    let status = settled(stage).await?;
    script.came(format!("200  sessions {}, requests in flight {}", status["sessions"], status["requests_in_flight"]));
    let upstreams = status["upstreams"].as_array().context("expected upstreams")?;
    let members: Vec<&Value> = upstreams.iter().flat_map(|upstream| upstream["members"].as_array()).flatten().collect();
    for member in &members {
        script.came(format!("     {} {}, sessions {}", member["url"], member["state"], member["sessions"]));
    }
    ensure!(members.len() == 3, "expected three app servers");
    ensure!(count(&status["sessions"]) == 0, "expected no session to be left");
    ensure!(members.iter().all(|member| member["sessions"] == 0), "expected no session to be counted on an app server");
    let outside = stage.told(script, &Ask::get("/status")).await?;
    outside.expect_refusal(404, "not_found")?;
    Ok("nothing of the tour is left; the public door knows no such page".into())
}

/// The page once goodbyes that are still on their way have arrived, or as it is when they do not.
async fn settled(stage: &Stage) -> anyhow::Result<Value> {
    let began = Instant::now();
    loop {
        let answer = ask_admin(stage.admin, "/status").await?;
        answer.expect(200)?;
        let status = answer.json();
        if count(&status["sessions"]) == 0 || began.elapsed() > PATIENCE {
            return Ok(status);
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

fn count(sessions: &Value) -> u64 {
    sessions.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

const PATIENCE: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_millis(20);
