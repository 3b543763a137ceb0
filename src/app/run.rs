//! The life of the process: build the first generation, bind, start the workers, watch and reload, and leave when told to.
//! The main thread is the control thread: nothing on it touches a client's bytes.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, anyhow};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    doors::{self, Doors},
    drain, notify, pulse, reload,
    watch::{self, Watch},
    worker::{Bounds, Socket, Words, Worker},
};
use crate::{
    admin::{
        Admin,
        reload::{Report, Wish, Wishes},
        server::Door as AdminDoor,
    },
    config::{
        Config,
        load::{Loaded, Sources},
    },
    gate::{Gate, Generation, generation::Lasting},
    net::{accept::Door, inherit::Inherited, listen},
    policy::revoke::{Kept, Revocations},
    relay::{Ledger, Sealer},
    telemetry::{Metrics, log},
    upstream::connect::Quota,
};

/// How often tables are swept.
const SWEEP: Duration = Duration::from_secs(5);
/// How long workers may take to end after everything was cut.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// A gate that is up: what `run` waits on and `demo` talks to.
pub struct Running {
    pub gate: Arc<Gate>,
    lasting: Arc<Lasting>,
    workers: Vec<Worker>,
    words: Words,
    background: CancellationToken,
    /// Reloads that the admin door is asked for, one at a time.
    wishes: mpsc::Receiver<Wish>,
    /// Where clients connect, the real ports.
    pub public: SocketAddr,
    pub plain: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub probe: Option<SocketAddr>,
}

/// Serves until a signal says otherwise. `loaded` was judged already and has a configuration; `watch` looked at its files
/// before they were read; `inherited` are the sockets that a service manager handed over.
pub fn run(loaded: Loaded, watch: Watch, sources: Sources, inherited: Inherited) -> anyhow::Result<ExitCode> {
    let config = loaded.config.ok_or_else(|| anyhow!("the configuration was refused"))?;
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    control.block_on(async {
        // Heard from before the gate says that it listens: who is told that may tell it to end.
        let signals = Signals::listen()?;
        let running = start(config, inherited)?;
        attend(running, signals, watch, sources).await
    })
}

/// Builds, opens the doors and starts. Must be called inside a runtime, which becomes the control runtime.
pub fn start(config: Config, inherited: Inherited) -> anyhow::Result<Running> {
    let limit = listen::raise_file_limit();
    let metrics = Arc::new(Metrics::default());
    let revocations = Revocations::open(config.revocation.kept_in(), SystemTime::now()).context("revocation.file")?;
    let ledger = Arc::new(Ledger::heeding(Arc::new(revocations), metrics.clone()));
    let lasting =
        Arc::new(Lasting { ledger: ledger.clone(), metrics: metrics.clone(), ephemeral: Arc::new(Sealer::ephemeral()) });
    let generation = Generation::build(Arc::new(config), &lasting, None, Instant::now()).map_err(|obstacles| {
        let lines: Vec<String> =
            obstacles.iter().map(|obstacle| format!("{}: {}; {}", obstacle.key, obstacle.what, obstacle.instead)).collect();
        anyhow!("the configuration cannot be put in effect:\n  {}", lines.join("\n  "))
    })?;
    let config = generation.config.clone();
    let workers = worker_count(&config);
    let doors = Doors::open(&config, workers, inherited)?;

    generation.start_tasks();
    let gate = Arc::new(Gate::new(generation, ledger, metrics));
    // A trusted proxy brings many clients; theirs are the addresses that count.
    let exempt = config.limit.exempt.iter().chain(&config.listen.trusted_proxies).copied().collect();
    let door = Arc::new(Door::new(config.listen.connections, config.limit.connections_per_address, exempt, gate.metrics.clone()));
    let bounds = Bounds { door, upstream: Arc::new(Quota::new(listen::half_of_files())) };
    let words = Words::default();
    let background = CancellationToken::new();
    let public = doors::address(&doors.public)?.context("no listener")?;
    let plain = doors::address(&doors.plain)?;
    let workers = start_workers(&config, doors.public, doors.plain, &gate, &bounds, &words)?;
    let (asks, wishes) = mpsc::channel(1);
    let running = Running {
        admin: serve_admin(doors.admin, AdminDoor::Admin, Some(asks), &gate, &background)?,
        probe: serve_admin(doors.probe, AdminDoor::Probe, None, &gate, &background)?,
        gate,
        lasting,
        workers,
        words,
        background,
        wishes,
        public,
        plain,
    };
    running.announce(&config, limit);
    running.sweep();
    Ok(running)
}

fn worker_count(config: &Config) -> usize {
    match config.listen.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        named => named,
    }
}

fn start_workers(
    config: &Config,
    public: Vec<TcpListener>,
    plain: Vec<TcpListener>,
    gate: &Arc<Gate>,
    bounds: &Bounds,
    words: &Words,
) -> anyhow::Result<Vec<Worker>> {
    let mut plain = plain.into_iter();
    public
        .into_iter()
        .enumerate()
        .map(|(number, listener)| {
            let mut sockets = vec![Socket { listener, secure: config.tls.is_on() }];
            sockets.extend(plain.next().map(|listener| Socket { listener, secure: false }));
            Worker::start(number, sockets, gate.clone(), bounds.clone(), words.clone()).context("a worker cannot start")
        })
        .collect()
}

fn serve_admin(
    listener: Option<TcpListener>,
    door: AdminDoor,
    wishes: Option<Wishes>,
    gate: &Arc<Gate>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(listener) = listener else { return Ok(None) };
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::spawn(Admin { gate: gate.clone(), door, wishes }.serve(listener, stop.clone()));
    Ok(Some(address))
}

impl Running {
    fn announce(&self, config: &Config, files: Option<u64>) {
        let doors = [("public", Some(self.public)), ("plain", self.plain), ("admin", self.admin), ("probe", self.probe)];
        for (door, address) in doors {
            if let Some(address) = address {
                let tls = door == "public" && config.tls.is_on();
                tracing::info!(door, %address, tls, "listening");
            }
        }
        tracing::debug!(open_files = files, "limits");
        for (index, room) in self.gate.generation().rooms().iter().enumerate().filter(|(_, room)| !room.asks_who()) {
            tracing::warn!(route = index, path = room.path(), "auth.when is \"none\": everybody may pass, nobody is known");
        }
        let generation = self.gate.generation();
        if let Some(generated) = generation.certificates.as_ref().and_then(|store| store.generated.as_ref()) {
            let (authority, trust) = (generated.authority.display(), generated.how_to_trust());
            tracing::info!(%authority, is_new = generated.is_new, trust, "a development certificate is shown: clients must trust its authority");
        }
        self.announce_revocations(config);
        if config.seal.keys.is_empty() {
            tracing::warn!(
                "seal.keys is empty: session ids are sealed with a key of this process alone; they end with it, and no other gate knows them"
            );
        }
    }

    /// Whether what the admin door revokes will last.
    fn announce_revocations(&self, config: &Config) {
        if self.admin.is_none() || config.admin.token.is_none() {
            return;
        }
        let revocations = &self.gate.ledger.revocations;
        match revocations.kept() {
            // The first one should not be what finds out that the file cannot be written.
            Kept::OnDisk => match revocations.save() {
                Ok(_) => tracing::info!(held = revocations.len(), "revocations are kept in revocation.file"),
                Err(error) => tracing::error!(%error, "revocation.file: what is revoked will not outlive a restart"),
            },
            Kept::InMemory => tracing::warn!("revocation.file is not set: what the admin door revokes is forgotten at a restart"),
        }
    }

    fn sweep(&self) {
        let (gate, stop) = (self.gate.clone(), self.background.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                let generation = gate.generation();
                let now = Instant::now();
                gate.ledger.sweep(now);
                gate.tend(now);
                gate.ledger.revocations.sweep(SystemTime::now());
                let limiters: Vec<_> = generation.limiters().into_iter().cloned().collect();
                // Some tens of milliseconds when the tables are full.
                let _ = tokio::task::spawn_blocking(move || limiters.iter().for_each(|limiter| limiter.sweep(now))).await;
            }
        });
    }

    /// Tells a service manager that the gate serves, and goes on telling it that it lives, if it wants to hear that.
    fn report(&self) {
        notify::ready(&self.status());
        if let Some(patience) = notify::patience() {
            let pulses = self.workers.iter().map(Worker::pulse).collect();
            tokio::spawn(pulse::watchdog(patience, pulses, self.gate.clone(), self.background.clone()));
        }
    }

    fn status(&self) -> String {
        format!("Serving on {}, configuration {}", self.public, self.gate.generation().number)
    }

    /// Leaves in good order within the configured time.
    pub async fn leave(self) {
        let config = self.gate.generation().config.clone();
        let (sessions, longest) = (self.gate.ledger.count(), config.drain.delay.0 + config.drain.grace.0 + LAST_WAIT);
        notify::stopping(&format!("Leaving, {} sessions were open", sessions.polling + sessions.websocket), longest);
        let hurried = async {
            match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                (Ok(mut terminate), Ok(mut interrupt)) => {
                    tokio::select! {
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                    }
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = drain::leave(&self.gate, &self.words, config.drain.delay.0, config.drain.grace.0) => {}
            () = hurried => tracing::warn!("told twice to end: ending now"),
        }
        self.cut().await;
    }

    /// Ends everything now.
    pub async fn cut(self) {
        self.gate.leave();
        self.gate.shut();
        self.words.close.cancel();
        self.words.finish.cancel();
        self.words.stop.cancel();
        self.background.cancel();
        self.gate.generation().stop.cancel();
        let workers = self.workers;
        let joined = tokio::task::spawn_blocking(move || workers.into_iter().filter_map(|worker| worker.join().err()).count());
        match tokio::time::timeout(LAST_WAIT, joined).await {
            Ok(Ok(0)) => {}
            Ok(_) => tracing::error!("a worker ended by a panic"),
            Err(_) => tracing::warn!("a worker did not end in time"),
        }
    }

    /// Tries the configuration anew and says what to watch from here on: after a refusal also the files of before, whose
    /// return may be what mends it.
    fn reload(&self, sources: &Sources, before: Watch, why: &str) -> (Report, Watch) {
        notify::reloading();
        let (report, watch) = reload::reload(&self.gate, &self.lasting, sources, why);
        match report.is_taken {
            true => notify::ready(&self.status()),
            false => notify::ready(&format!("{}; a new one was refused, see the log", self.status())),
        }
        let watch = if report.is_taken { watch } else { watch.and(before) };
        (report, watch)
    }
}

/// What an operator or a manager says from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for signals and changed files.
async fn attend(mut running: Running, mut signals: Signals, mut watch: Watch, sources: Sources) -> anyhow::Result<ExitCode> {
    let mut look = tokio::time::interval(watch::EVERY);
    running.report();
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => watch = running.reload(&sources, watch, "SIGHUP").1,
            Some(wish) = running.wishes.recv() => {
                let (report, next) = running.reload(&sources, watch, "the admin door was asked to");
                watch = next;
                // Nobody may wait for it any more.
                let _ = wish.told.send(report);
            }
            _ = look.tick() => {
                let changed = watch.changed();
                if let Some(first) = changed.first() {
                    tracing::info!(file = %first.display(), "a watched file has changed");
                    watch = running.reload(&sources, watch, "a watched file has changed").1;
                }
            }
        }
    }
    running.leave().await;
    tracing::info!("ended");
    log::flush();
    Ok(ExitCode::SUCCESS)
}
