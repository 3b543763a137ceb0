//! The demo's configuration: the TOML an operator would write, in files of their own under `certs/`, and loaded the way `run`
//! loads it, so that nothing in the demo works by other means than a user has. The files stay: `sockgate token --config
//! certs/demo.toml` and the other verbs work with them while the demo is up.

use std::{
    fs, io,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow, bail};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{apps::Apps, client::Token};
use crate::{
    cli::token::{MintAsk, mint},
    config::{
        Config, Sources,
        auth::{Algorithm, Auth},
        load,
    },
    net::listen,
};

/// The page of the tour that is allowed, and one that is not.
pub const PAGE: &str = "https://app.example.com";
pub const OTHER_PAGE: &str = "https://app.example.com:4443";

/// Handshakes per minute that one address may have: enough to play with, soon used up by the tour.
pub const HANDSHAKES: usize = 100;

/// Where everything is kept, below the working directory.
pub const DIRECTORY: &str = "certs";

/// A demo's files and what they say.
pub struct Plan {
    members: [SocketAddr; 2],
    echo: SocketAddr,
    auth: Auth,
}

impl Plan {
    /// Makes the secret, below the working directory, and loads the configuration of a gate on these addresses.
    pub fn make(gate: &str, admin: &str, apps: &Apps) -> anyhow::Result<(Self, Config)> {
        let mut plan =
            Self { members: [apps.pool[0].address, apps.pool[1].address], echo: apps.echo.address, auth: Auth::default() };
        fs::create_dir_all(DIRECTORY).with_context(|| format!("the directory {DIRECTORY} cannot be made here"))?;
        write_private(&secret_file(), &secret()?)?;
        let config = load_text(&plan.text(gate, admin))?;
        plan.auth = config.auth.clone();
        Ok((plan, config))
    }

    /// Writes the configuration with the addresses that were found in the end.
    pub fn write(&self, gate: &str, admin: &str) -> anyhow::Result<()> {
        write_private(&Self::file(), &self.text(gate, admin))
    }

    /// The configuration file, as seen from the working directory.
    pub fn file() -> PathBuf {
        Path::new(DIRECTORY).join("demo.toml")
    }

    /// What stands in it.
    pub fn text(&self, gate: &str, admin: &str) -> String {
        let [one, other] = self.members;
        let (echo, secret) = (self.echo, secret_file().display().to_string());
        format!(
            r#"[listen]
address = "{gate}"

[tls]
generate = true                  # {DIRECTORY}/ca.pem is the authority to trust

[origin]
allow = ["{PAGE}", "http://localhost:*"]

[auth]
secret_file = "{secret}"    # HS256

[limit]
handshakes_per_address = "{HANDSHAKES}/1m"

[drain]
grace = "2s"

[admin]
address = "{admin}"

[[upstream]]
name = "app"
members = ["http://{one}", "http://{other}"]

[[upstream]]
name = "echo"
members = ["http://{echo}"]

[[route]]
path = "/socket.io/"
upstream = "app"

[[route]]
path = "/echo"
kind = "websocket"
upstream = "echo"
"#
        )
    }

    /// A development token that the gate accepts.
    pub fn token(&self, subject: &str) -> anyhow::Result<Token> {
        self.mint(subject, &format!("{subject}'s token"), &self.auth, SystemTime::now())
    }

    /// One that was good an hour ago.
    pub fn expired_token(&self, subject: &str) -> anyhow::Result<Token> {
        let then = SystemTime::now() - 2 * LIFETIME;
        self.mint(subject, &format!("{subject}'s expired token"), &self.auth, then)
    }

    /// One with a good signature of an algorithm that is not configured.
    pub fn token_of_other_algorithm(&self, subject: &str) -> anyhow::Result<Token> {
        let auth = Auth { algorithms: vec![Algorithm::HS512], ..self.auth.clone() };
        self.mint(subject, &format!("{subject}'s token, HS512"), &auth, SystemTime::now())
    }

    /// One that says it needs no signature.
    pub fn unsigned_token(&self, subject: &str) -> anyhow::Result<Token> {
        let good = self.token(subject)?.text;
        let claims = good.split('.').nth(1).context("a token has three parts")?;
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        Ok(Token { whose: format!("{subject}'s token, alg none"), text: format!("{header}.{claims}.") })
    }

    fn mint(&self, subject: &str, whose: &str, auth: &Auth, now: SystemTime) -> anyhow::Result<Token> {
        let ask = MintAsk { subject: subject.into(), expires: Some(LIFETIME), ..MintAsk::default() };
        let text = mint(auth, &ask, now).map_err(|why| anyhow!("no token for {subject}: {why}"))?;
        Ok(Token { whose: whose.into(), text })
    }
}

fn load_text(text: &str) -> anyhow::Result<Config> {
    // Another demo may start here at the same moment: each reads a file of its own.
    let file = Plan::file().with_extension(format!("{}.toml", std::process::id()));
    write_private(&file, text)?;
    // No environment: the demo is the same wherever it is shown.
    let loaded = load(&Sources { files: vec![file.clone()], ..Sources::default() });
    // A leftover would disturb nobody.
    let _ = fs::remove_file(&file);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    loaded.config.ok_or_else(|| anyhow!("the demo's own configuration is refused:\n{}", problems.join("\n")))
}

/// Whether the port is free; 0 always is. Asked before anything is written, so that a demo that is up keeps its files.
pub fn check_port(port: u16) -> anyhow::Result<()> {
    if port == 0 {
        return Ok(());
    }
    match listen::bind(&gate_address(port), 1) {
        Ok(_) => Ok(()),
        Err(error) => bail!("{error} (--port chooses another, --port 0 any that is free)"),
    }
}

pub fn gate_address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The usual admin address, or any free one where that is taken or the gate's own port is any as well.
pub fn admin_address(port: u16) -> &'static str {
    if port != 0 && listen::bind(USUAL_ADMIN, 1).is_ok() { USUAL_ADMIN } else { "127.0.0.1:0" }
}

fn secret_file() -> PathBuf {
    Path::new(DIRECTORY).join("demo.secret")
}

/// Fresh for every run, so that tokens of an earlier one open nothing.
fn secret() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system gives no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Readable by its owner alone, from its first byte on.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || -> io::Result<()> {
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&beside);
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?.write_all(text.as_bytes())?;
        fs::rename(&beside, path)
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}

const USUAL_ADMIN: &str = "127.0.0.1:9090";
/// How long the demo's tokens are good for.
const LIFETIME: Duration = Duration::from_secs(8 * 3600);
