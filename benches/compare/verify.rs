//! What a row does before it is measured, from outside: a good handshake passes and its echo comes back as it went, by the
//! one cipher suite; and where the row claims to judge tokens or pages, bad ones are refused. Who lets nothing pass, or
//! passes what it claims to refuse, has no place in the table.

use anyhow::{Context, bail};

use crate::{
    ground::Ground,
    peers::{Row, Running},
    task::{Outcome, Probe, Span, Task, Work},
    tokens,
};

/// Fails with the first thing that is not as it should be.
pub fn verify(row: &Row, running: &Running, ground: &Ground) -> anyhow::Result<()> {
    let good = ground.task(running, Work::Probe, Span { warm_up: 0.0, window: 0.0 });
    let probe = ask(ground, &good)?;
    if probe.status != 101 {
        bail!("a good handshake got {}", probe.status);
    }
    if !probe.echoed {
        bail!("an echo came back changed");
    }
    if !(probe.tls.contains("TLSv1_3") && probe.tls.contains("AES_128_GCM")) {
        bail!("it speaks {}", probe.tls);
    }
    if row.claims_tokens() {
        let bad = [("forged", tokens::forged()), ("unsigned", tokens::unsigned()), ("expired", tokens::expired())];
        for (what, token) in bad {
            refuses(ground, &Task { token: Some(token), ..good.clone() }, &format!("the {what} token"))?;
        }
        refuses(ground, &Task { token: None, ..good.clone() }, "no token")?;
    }
    if row.claims_origin() {
        refuses(ground, &Task { origin: Some("https://evil.example".into()), ..good }, "another page")?;
    }
    Ok(())
}

fn refuses(ground: &Ground, bad: &Task, what: &str) -> anyhow::Result<()> {
    let status = ask(ground, bad)?.status;
    if !matches!(status, 401 | 403) {
        bail!("{what} got {status}");
    }
    Ok(())
}

fn ask(ground: &Ground, task: &Task) -> anyhow::Result<Probe> {
    let outcome: Outcome = ground.load(task)?;
    let complaints = outcome.complaints();
    outcome.probe.with_context(|| format!("a handshake failed: {complaints}"))
}
