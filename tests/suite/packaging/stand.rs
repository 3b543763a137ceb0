//! Where a gate of a manifest stands: its files as it would find them, under a directory of one test, so that its configuration
//! can be judged as `sockgate check` judges it, and told what it listens on.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use sockgate::{
    app::rehearse,
    config::{
        Config,
        load::{Sources, load},
    },
    net::tls::generate,
};
use tempfile::TempDir;
use time::OffsetDateTime;

/// Where the image looks for its configuration.
pub const CONFIGURATION: &str = "/etc/sockgate/sockgate.toml";

/// The root of a container.
pub struct Stand {
    root: TempDir,
    mounts: Vec<String>,
}

impl Stand {
    pub fn new() -> Self {
        let stand = Self { root: tempfile::tempdir().expect("a directory for one test"), mounts: Vec::new() };
        fs::create_dir_all(stand.path("/etc/sockgate")).expect("it can be made");
        stand
    }

    /// A folder or a file that comes from outside, so that configurations may name what is in it.
    pub fn mount(&mut self, path: &str) {
        self.mounts.push(path.trim_end_matches('/').to_string());
    }

    /// An empty folder.
    pub fn folder(&mut self, path: &str) {
        self.mount(path);
        fs::create_dir_all(self.path(path)).expect("it can be made");
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    /// A secret of this name; a certificate and its key where the name says so.
    pub fn secret(&self, path: &str) {
        if !path.ends_with(".crt") && !path.ends_with(".key") {
            return self.file(path, &format!("{path:.<44}"));
        }
        let made = self.root.path().join("made");
        fs::create_dir_all(&made).expect("it can be made");
        generate::ensure(&made, OffsetDateTime::now_utc()).expect("a certificate");
        let which = if path.ends_with(".crt") { "gate.crt" } else { "gate.key" };
        self.file(path, &fs::read_to_string(made.join(which)).expect("it was made"));
    }

    /// The configuration of a gate that stands here, or everything that is wrong with it.
    pub fn judge(&self, variables: &[(String, String)], strict: bool) -> Result<Config, String> {
        let file = self.path(CONFIGURATION);
        let has_file = file.is_file();
        if has_file {
            let text = fs::read_to_string(&file).expect("it can be read");
            fs::write(&file, self.here(&text)).expect("it can be written");
        }
        let loaded = rehearse::complete(load(&Sources {
            files: has_file.then_some(file).into_iter().collect(),
            env: variables.iter().map(|(name, value)| (name.clone(), self.here(value))).collect(),
            directory: self.path("/etc/sockgate"),
            strict,
            ..Sources::default()
        }));
        let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        loaded.config.ok_or_else(|| said.join("\n"))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// The same text with the paths of what is mounted as they are here.
    fn here(&self, text: &str) -> String {
        let root = self.root.path().display();
        self.mounts.iter().fold(text.to_string(), |text, mount| match text.as_str() == mount {
            true => format!("{root}{mount}"),
            false => text
                .replace(&format!("{mount}/"), &format!("{root}{mount}/"))
                .replace(&format!("\"{mount}\""), &format!("\"{root}{mount}\"")),
        })
    }
}

/// The doors of a gate and which of them are open to others.
pub struct Doors {
    pub public: u16,
    pub probe: Option<u16>,
    /// Ports that other machines or pods reach.
    pub outside: Vec<u16>,
}

pub fn doors(config: &Config) -> Doors {
    let texts = [&config.listen.address, &config.admin.address, &config.admin.probe_address];
    let doors = texts.into_iter().chain(&config.listen.plain).filter_map(|text| text.parse::<SocketAddr>().ok());
    let port = |text: &str| text.parse::<SocketAddr>().ok().map(|address| address.port());
    Doors {
        public: port(&config.listen.address).expect("it was judged"),
        probe: port(&config.admin.probe_address),
        outside: doors.filter(|door| !door.ip().to_canonical().is_loopback()).map(|door| door.port()).collect(),
    }
}

/// How long a gate takes to leave.
pub fn leaving(config: &Config) -> Duration {
    config.drain.delay.0 + config.drain.grace.0
}
