//! The story of `sockgate demo`: start the app servers and the gate, take the tour, and stay up until told to end.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, anyhow, bail};
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    apps::{App, Apps},
    client::Client,
    connect,
    plan::{self, Plan},
    script::Script,
    tour::{self, Stage},
};
use crate::{
    app::run::{self, Running},
    cli::args::{Demo, Settings},
    config::log::Log,
    net::{
        inherit::Inherited,
        tls::{generate, trust},
    },
    telemetry::log,
};

/// Shows everything; the exit code is 0 only when every step went as expected.
pub fn demo(how: &Demo, settings: &Settings) -> ExitCode {
    let shown = refuse_settings(settings).and_then(|()| {
        let control = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        control.block_on(show(how))
    });
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sockgate demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn refuse_settings(settings: &Settings) -> anyhow::Result<()> {
    if settings.config.is_empty() && settings.set.is_empty() {
        return Ok(());
    }
    bail!(
        "the demo brings its own configuration and takes no --config or --set; it is written to {}, where sockgate run can use it",
        Plan::file().display()
    )
}

async fn show(how: &Demo) -> anyhow::Result<bool> {
    plan::check_port(how.port)?;
    let apps = Apps::start().context("the app servers cannot be started")?;
    let (gate, admin) = (plan::gate_address(how.port), plan::admin_address(how.port));
    let (plan, config) = Plan::make(&gate, admin, &apps)?;
    // The tour tells what happens; lines of the log would fall in between.
    log::init(&Log { level: "off".into(), ..Log::default() }).map_err(|error| anyhow!("log: {error}"))?;
    let running = run::start(config, Inherited::default())?;
    let admin = running.admin.context("the demo's admin door is not open")?;
    plan.write(&running.public.to_string(), &admin.to_string())?;

    let authority = generate::ensure(Path::new(plan::DIRECTORY), OffsetDateTime::now_utc())?.authority;
    let client = Client::new(running.public, trust::client_config(Some(&authority), None)?);
    let script = Script::new();
    introduce(&script, &running, &apps);
    let mut stage = Stage { client, gate: running.gate.clone(), admin, plan, apps, guests: Vec::new() };
    let script = tour::take(&mut stage, script).await;
    script.verdict();
    if how.once {
        running.cut().await;
    } else {
        stay(&script, running, stage).await?;
    }
    Ok(script.is_good())
}

fn introduce(script: &Script, running: &Running, apps: &Apps) {
    script.heading(&format!("sockgate demo: a gate on https://localhost:{}", running.public.port()));
    let [one, other] = &apps.pool;
    script
        .text(&format!("  before two Socket.IO servers, {} ({}) and {} ({}),", one.name, one.address, other.name, other.address));
    script.text(&format!("  and a plain WebSocket server ({})", apps.echo.address));
}

async fn stay(script: &Script, running: Running, mut stage: Stage) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    for app in stage.apps.pool.iter_mut().filter(|app| app.is_stopped()) {
        *app = App::socketio(app.name, app.address).context("an app server cannot be started again")?;
    }
    connect::tell(script, &stage, &running)?;
    log::change(&Log::default()).map_err(|error| anyhow!("log: {error}"))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    running.leave().await;
    log::flush();
    Ok(())
}
