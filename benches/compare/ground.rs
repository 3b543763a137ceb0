//! What stands around every proxy: a temporary folder with a certificate of this run, the upstream, and the load that is
//! sent through. Everything goes when it is dropped.

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::{
    child::{self, Child},
    peers::Running,
    task::{Outcome, Span, Task, Work},
    tokens, wire,
};

/// The page that may connect.
pub const ORIGIN: &str = "https://app.example";

pub struct Ground {
    // Stopped before the folder goes.
    upstream: Child,
    /// Where the upstream listens.
    pub members: Vec<SocketAddr>,
    folder: TempDir,
}

impl Ground {
    /// With an upstream on this many ports.
    pub fn prepare(ports: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sockgate-compare-").tempdir()?;
        child::stop_all_on_signal(folder.path().to_path_buf())?;
        // Workers of nginx that give up their rights still have to find their way.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        make_certificate(folder.path()).context("no certificate can be made")?;
        let mut upstream = Child::start_role(role("upstream")?.arg("--ports").arg(ports.to_string()))?;
        let said = upstream.hear(Duration::from_secs(10)).context("the upstream does not start")?;
        Ok(Self { upstream, members: serde_json::from_str(&said)?, folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn certificate(&self) -> PathBuf {
        self.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.path().join("key.pem")
    }

    /// Certificate and key in one file.
    pub fn both(&self) -> PathBuf {
        self.path().join("both.pem")
    }

    /// Work for the load, with the token and the origin that proxies let pass.
    pub fn task(&self, running: &Running, work: Work, span: Span) -> Task {
        Task {
            work,
            address: running.address,
            certificate: self.certificate(),
            token: Some(tokens::good()),
            origin: Some(ORIGIN.into()),
            proxy: running.id(),
            upstream: self.members[0],
            span,
            addresses: None,
        }
    }

    /// Has a task done, in a process of its own, and waits for what was seen.
    pub fn load(&self, task: &Task) -> anyhow::Result<Outcome> {
        Ok(self.begin(task)?.1)
    }

    /// The same; the process is given as well, for work that goes on.
    pub fn begin(&self, task: &Task) -> anyhow::Result<(Child, Outcome)> {
        let mut load = Child::start_role(role("load")?.arg("--task").arg(serde_json::to_string(task)?))?;
        let heard = load.hear(patience(task));
        let said = heard.with_context(|| format!("the load said nothing to {:?} within {:?}", task.work, patience(task)))?;
        Ok((load, serde_json::from_str(&said)?))
    }

    /// Fails when the upstream is gone, and with it the meaning of every figure.
    pub fn must_stand(&mut self) -> anyhow::Result<()> {
        if self.upstream.has_ended() {
            bail!("the upstream has ended");
        }
        Ok(())
    }
}

/// This program once more, in another role.
pub fn role(name: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--role", name]);
    Ok(command)
}

/// Long enough for a slow machine, and an end all the same.
fn patience(task: &Task) -> Duration {
    let steps = match &task.work {
        Work::Idle { connections, touches, left } => {
            let left = left.iter().max().copied().unwrap_or(0) as usize;
            20 + connections / 100 * (1 + touches.len()) + touches.iter().sum::<usize>() / 10_000 + left
        }
        Work::Hold { connections } => 20 + connections / 100,
        Work::Refused { most: Some(most), .. } => 20 + *most as usize / 1000,
        _ => 20 + (task.span.warm_up + task.span.window) as usize,
    };
    Duration::from_secs(steps as u64)
}

fn make_certificate(folder: &Path) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![wire::HOST.to_string()])?.self_signed(&key)?;
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    private(&folder.join("certificate.pem"), &certificate)?;
    private(&folder.join("key.pem"), &key)?;
    private(&folder.join("both.pem"), &format!("{certificate}{key}"))?;
    Ok(())
}

fn private(file: &Path, text: &str) -> io::Result<()> {
    fs::write(file, text)?;
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}
