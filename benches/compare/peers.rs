//! The proxies: one folder each under `peers/`, with `peer.json` (the program, its command, what it claims) and a
//! configuration for each profile, in both of which `@NAMES@` are filled in. Started on a port that was free a moment ago,
//! stopped by their guard.

use std::{
    collections::BTreeMap,
    env, fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{
    child::Child,
    ground::{self, Ground, ORIGIN},
    tokens,
};

/// One row of the table: a proxy in one profile.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub profile: Profile,
    program: Program,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// TLS and the upgrade.
    Plain,
    /// All the proxy can do of what a gate does.
    Full,
}

/// What is asked of a proxy beside its profile.
#[derive(Clone, Debug)]
pub struct Setting {
    pub workers: usize,
    /// More arguments.
    pub arguments: Vec<String>,
}

/// A proxy that listens, until it is dropped.
pub struct Running {
    pub address: SocketAddr,
    child: Child,
    log: PathBuf,
}

#[derive(Clone, Debug)]
enum Program {
    /// This program's own.
    Relay,
    Peer {
        folder: PathBuf,
        binary: PathBuf,
        spec: Spec,
    },
}

/// `peer.json`.
#[derive(Clone, Debug, Deserialize)]
struct Spec {
    /// A variable that may name the program, and its name otherwise.
    bin: (String, String),
    cmd: Vec<String>,
    version: Vec<String>,
    profiles: BTreeMap<String, String>,
    /// What `full` does, for the table's legend.
    full_does: String,
    /// `full` refuses bad tokens.
    jwt: bool,
    /// `full` refuses other pages.
    #[serde(default)]
    origin: bool,
}

/// The relay that everything is compared with, then each peer that is installed, `full` before `plain`. The others are
/// named with the reason.
pub fn find(wanted: &[String], profiles: &[Profile]) -> anyhow::Result<(Vec<Row>, Vec<String>)> {
    let mut rows = vec![Row { name: RELAY.into(), profile: Profile::Plain, program: Program::Relay }];
    let mut missing = Vec::new();
    for profile in profiles {
        for name in wanted {
            match Row::of(name, *profile) {
                Ok(row) => rows.push(row),
                Err(error) => missing.push(format!("{name}: {error:#}")),
            }
        }
    }
    missing.dedup();
    Ok((rows, missing))
}

impl Row {
    pub fn of(name: &str, profile: Profile) -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/peers").join(name);
        let text = fs::read_to_string(folder.join("peer.json")).context("there is no such peer")?;
        let spec: Spec = serde_json::from_str(&text).context("peer.json cannot be read")?;
        let binary = binary(&spec)?;
        Ok(Self { name: name.into(), profile, program: Program::Peer { folder, binary, spec } })
    }

    pub fn is_relay(&self) -> bool {
        matches!(self.program, Program::Relay)
    }

    pub fn label(&self) -> String {
        match (&self.program, self.profile) {
            (Program::Relay, _) => self.name.clone(),
            (_, Profile::Full) => format!("{}, full", self.name),
            (_, Profile::Plain) => format!("{}, plain", self.name),
        }
    }

    /// Refuses bad tokens, as it says.
    pub fn claims_tokens(&self) -> bool {
        matches!(&self.program, Program::Peer { spec, .. } if spec.jwt) && self.profile == Profile::Full
    }

    /// Refuses other pages, as it says.
    pub fn claims_origin(&self) -> bool {
        matches!(&self.program, Program::Peer { spec, .. } if spec.origin) && self.profile == Profile::Full
    }

    /// What it does beside TLS and the upgrade.
    pub fn does(&self) -> &str {
        match (&self.program, self.profile) {
            (Program::Relay, _) => "tokio-rustls and a copy of bytes both ways; reads no HTTP",
            (Program::Peer { spec, .. }, Profile::Full) => &spec.full_does,
            (Program::Peer { .. }, Profile::Plain) => "TLS and the upgrade",
        }
    }

    /// What the program says of its version: the first words that have a number.
    pub fn version(&self) -> Option<String> {
        let Program::Peer { binary, spec, .. } = &self.program else { return None };
        let mut command = spec.version.iter().map(|word| word.replace("@BIN@", &binary.to_string_lossy()));
        let output = Command::new(command.next()?).args(command).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut words = said.split_whitespace();
        words.find_map(|word| {
            let version = word.rsplit('/').next().unwrap_or(word);
            version.starts_with(|letter: char| letter.is_ascii_digit()).then(|| version.to_string())
        })
    }

    /// Starts it and waits until it listens.
    pub fn start(&self, ground: &Ground, setting: &Setting) -> anyhow::Result<Running> {
        // Between looking for a free port and taking it, somebody else may.
        let mut last = self.try_start(ground, setting);
        for _ in 1..TRIES {
            if last.is_ok() {
                break;
            }
            last = self.try_start(ground, setting);
        }
        last
    }

    fn try_start(&self, ground: &Ground, setting: &Setting) -> anyhow::Result<Running> {
        let address = free_address()?;
        let log = ground.path().join(format!("{}-{}.log", self.file_name(), address.port()));
        let mut command = self.command(ground, setting, address)?;
        let child = Child::start(command.current_dir(ground.path()), &log).context("it cannot be started")?;
        let mut running = Running { address, child, log };
        let began = Instant::now();
        while TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_err() {
            if running.child.has_ended() {
                bail!("it ended at once: {}", running.last_words());
            }
            if began.elapsed() > START {
                bail!("it does not listen after {START:?}: {}", running.last_words());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    fn command(&self, ground: &Ground, setting: &Setting, address: SocketAddr) -> anyhow::Result<Command> {
        let (folder, binary, spec) = match &self.program {
            Program::Peer { folder, binary, spec } => (folder, binary, spec),
            Program::Relay => {
                let mut command = ground::role("relay")?;
                command.arg("--listen").arg(address.to_string()).arg("--upstream").arg(ground.members[0].to_string());
                command.arg("--certificate").arg(ground.certificate()).arg("--key").arg(ground.key());
                return Ok(command);
            }
        };
        let mut names = names(ground, setting, address);
        names.insert("BIN", binary.display().to_string());
        names.insert("NAME", self.file_name());
        let template = spec.profiles.get(self.profile.name()).context("it has no such profile")?;
        let template = folder.join(template);
        let file = ground.path().join(self.file_name()).with_extension(template.extension().unwrap_or_default());
        fs::write(&file, fill(&fs::read_to_string(&template)?, &names))?;
        names.insert("CONF", file.display().to_string());
        let mut words = spec.cmd.iter().map(|word| fill(word, &names));
        let mut command = Command::new(words.next().context("peer.json names no command")?);
        command.args(words).args(&setting.arguments);
        Ok(command)
    }

    fn file_name(&self) -> String {
        format!("{}-{}", self.name.replace(' ', "-"), self.profile.name())
    }
}

impl Running {
    pub fn id(&self) -> i32 {
        self.child.id()
    }

    /// The end of what it logged.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(6).collect();
        lines.reverse();
        lines.join(" | ")
    }
}

impl Profile {
    pub const BOTH: [Self; 2] = [Self::Full, Self::Plain];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Full => "full",
        }
    }
}

impl Default for Setting {
    fn default() -> Self {
        Self { workers: 1, arguments: Vec::new() }
    }
}

/// The gate of this build unless another is named; of the others what Debian installs, also where its folder is not searched.
fn binary(spec: &Spec) -> anyhow::Result<PathBuf> {
    let (variable, name) = &spec.bin;
    if let Some(named) = env::var_os(variable) {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { bail!("{variable} names {}, which is no file", named.display()) };
    }
    if name == "sockgate" {
        return Ok(env!("CARGO_BIN_EXE_sockgate").into());
    }
    let searched = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&searched).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut found = folders.map(|folder| folder.join(name)).filter(|file| file.is_file());
    found.next().with_context(|| format!("not installed (apt-get install {name}, or set {variable})"))
}

/// One that nobody listens on now.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn names(ground: &Ground, setting: &Setting, address: SocketAddr) -> BTreeMap<&'static str, String> {
    let files = sockgate::net::listen::half_of_files();
    BTreeMap::from([
        ("LISTEN", address.to_string()),
        ("CERT", ground.certificate().display().to_string()),
        ("KEY", ground.key().display().to_string()),
        ("BOTH", ground.both().display().to_string()),
        ("ORIGIN", ORIGIN.to_string()),
        ("SECRET", tokens::SECRET.to_string()),
        ("UPSTREAM", ground.members[0].to_string()),
        ("UPSTREAM2", ground.members[1].to_string()),
        ("WORKERS", setting.workers.to_string()),
        ("RUN", ground.path().display().to_string()),
        ("CONNECTIONS", files.min(MOST_CONNECTIONS).to_string()),
    ])
}

fn fill(text: &str, names: &BTreeMap<&str, String>) -> String {
    names.iter().fold(text.to_string(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

const RELAY: &str = "TLS relay";
const TRIES: usize = 3;
/// From the start of a program until it must listen.
const START: Duration = Duration::from_secs(10);
/// More than any measurement opens.
const MOST_CONNECTIONS: usize = 20_000;
