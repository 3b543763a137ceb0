//! The real program, as a child process with a configuration file in a directory of its own: started, watched through its log
//! and its admin door, told things by signals, and gone when dropped.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;

use super::{Answer, Client, Settings, certificates, eventually};

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sockgate");

/// A running gate.
pub struct Gate {
    child: Mutex<Child>,
    pid: Pid,
    directory: tempfile::TempDir,
    log: Arc<Mutex<Vec<String>>>,
    secure: bool,
    admin_token: Option<String>,
    /// Where clients connect.
    pub public: SocketAddr,
    pub plain: Option<SocketAddr>,
    pub admin: SocketAddr,
    pub probe: Option<SocketAddr>,
}

impl Gate {
    /// One whose admin door wants this token.
    pub async fn start_with_admin_token(settings: Settings, token: &str) -> Self {
        let mut gate = Self::start(settings).await;
        gate.admin_token = Some(token.into());
        gate
    }

    /// Starts it and waits until it listens.
    pub async fn start(settings: Settings) -> Self {
        let mut alone = Command::new(PROGRAM);
        alone.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        Self::start_by(alone, settings).await
    }

    /// The same by a command that becomes the program, and has nothing of this process's environment.
    pub async fn start_by(command: Command, settings: Settings) -> Self {
        let mut gate = Self::spawn(command, &settings);
        let doors = [
            ("public", true),
            ("admin", true),
            ("plain", settings.has("listen.plain")),
            ("probe", settings.has("admin.probe_address")),
        ];
        let doors: Vec<&str> = doors.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(door, _)| door).collect();
        eventually("the gate listens", async || {
            if let Some(code) = gate.child.lock().expect("nobody panicked").try_wait().expect("it is our child") {
                panic!("the gate ended at once ({code}):\n{}", gate.log().join("\n"));
            }
            doors.iter().all(|door| gate.door(door).is_some()).then_some(())
        })
        .await;
        gate.public = gate.door("public").expect("it listens");
        gate.admin = gate.door("admin").expect("it listens");
        gate.plain = gate.door("plain");
        gate.probe = gate.door("probe");
        gate
    }

    fn spawn(mut command: Command, settings: &Settings) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("sockgate.toml");
        std::fs::write(&file, settings.to_toml()).expect("a configuration file");
        let mut child = command
            .args(["run", "--config"])
            .arg(&file)
            .current_dir(directory.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (log.clone(), child.stderr.take().expect("it is piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                lines.lock().expect("nobody panicked").push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let pid = Pid::from_child(&child);
        let secure = settings.has("tls.certificate");
        Self {
            child: Mutex::new(child),
            pid,
            directory,
            log,
            secure,
            admin_token: None,
            public: nowhere,
            plain: None,
            admin: nowhere,
            probe: None,
        }
    }

    /// Where it runs; generated files are here.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A client of HTTP/1.1, over TLS where the gate has it.
    pub fn client(&self) -> Client {
        let tls = self.secure.then(|| certificates::client_config(&["http/1.1"]));
        Client::new(self.public, tls)
    }

    /// A client of HTTP/2.
    pub fn client_h2(&self) -> Client {
        assert!(self.secure, "HTTP/2 is agreed on in TLS");
        Client::new(self.public, Some(certificates::client_config(&["h2"]))).with_http2()
    }

    /// One client for each version of HTTP.
    pub fn clients(&self) -> [Client; 2] {
        [self.client(), self.client_h2()]
    }

    /// A client of the admin door.
    pub fn admin_client(&self) -> Client {
        Client::new(self.admin, None)
    }

    pub async fn status(&self) -> Value {
        self.ask_admin("/status").await.json()
    }

    pub async fn metrics(&self) -> String {
        self.ask_admin("/metrics").await.text()
    }

    async fn ask_admin(&self, page: &str) -> Answer {
        let ask = self.admin_client().get(page);
        match &self.admin_token {
            Some(token) => ask.token(token).send().await,
            None => ask.send().await,
        }
    }

    /// The value of one series, 0 where it is not there yet: `sockgate_refusals_total{reason="token_absent"}`.
    pub async fn metric(&self, series: &str) -> f64 {
        let page = self.metrics().await;
        page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// How often this was refused.
    pub async fn refusals(&self, name: &str) -> f64 {
        self.metric(&format!("sockgate_refusals_total{{reason=\"{name}\"}}")).await
    }

    /// Waits until nothing is held any more.
    pub async fn is_empty(&self) {
        let mut last = Value::Null;
        let mut looks = 0;
        eventually("sessions, requests and connections return to zero", async || {
            let status = self.status().await;
            looks += 1;
            if looks % 500 == 0 && status != last {
                eprintln!("not yet empty: {status}");
                last = status.clone();
            }
            let sessions = &status["sessions"];
            let leases = status["upstreams"].as_array()?.iter().flat_map(|pool| pool["members"].as_array().into_iter().flatten());
            let held = leases.filter_map(|member| member["sessions"].as_u64()).sum::<u64>();
            let open = [&sessions["polling"], &sessions["websocket"], &status["requests_in_flight"], &status["connections"]];
            (held == 0 && open.iter().all(|figure| **figure == 0)).then_some(())
        })
        .await;
    }

    /// Waits for so many sessions on this transport.
    pub async fn has_sessions(&self, transport: &str, count: u64) {
        eventually(&format!("{count} sessions by {transport}"), async || {
            (self.status().await["sessions"][transport] == count).then_some(())
        })
        .await;
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("nobody panicked").clone()
    }

    /// Log lines as they mean to be read.
    pub fn records(&self) -> Vec<Value> {
        self.log().iter().filter_map(|line| serde_json::from_str(line).ok()).map(flatten).collect()
    }

    /// Waits for a line that says all of this.
    pub async fn log_has(&self, words: &[&str]) -> String {
        eventually(&format!("the log says {words:?}"), async || {
            self.log().into_iter().find(|line| words.iter().all(|word| line.contains(word)))
        })
        .await
    }

    /// Waits for a record with these fields.
    pub async fn record(&self, fields: &[(&str, &str)]) -> Value {
        eventually(&format!("a record with {fields:?}"), async || {
            let is_it = |record: &Value| fields.iter().all(|(name, value)| as_text(&record[*name]) == *value);
            self.records().into_iter().find(is_it)
        })
        .await
    }

    /// Whether the log, the metrics or the status page say any of this.
    pub async fn tells(&self, secrets: &[&str]) -> Option<String> {
        let pages = [self.log().join("\n"), self.metrics().await, self.status().await.to_string()];
        let told = |secret: &&&str| pages.iter().any(|page| page.contains(**secret));
        secrets.iter().find(told).map(|secret| (*secret).to_string())
    }

    /// Another file in place of the old one, at once. The gate sees it when it looks, or is told.
    pub fn rewrite(&self, settings: &Settings) {
        self.rewrite_raw(&settings.to_toml());
    }

    pub fn rewrite_raw(&self, file: &str) {
        let (path, next) = (self.directory.path().join("sockgate.toml"), self.directory.path().join("next.toml"));
        std::fs::write(&next, file).expect("a configuration file");
        std::fs::rename(next, path).expect("the file can be replaced");
    }

    /// Rewrites, says so, and waits until it is in effect.
    pub async fn reload(&self, settings: &Settings) {
        let before = self.generation().await;
        self.rewrite(settings);
        self.signal(Signal::HUP);
        eventually("the new configuration is in effect", async || (self.generation().await > before).then_some(())).await;
    }

    pub async fn generation(&self) -> u64 {
        self.status().await["generation"].as_u64().expect("a number")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it is our child");
    }

    /// It gets no new descriptor until the limit it gives back is set again.
    pub fn take_files(&self) -> Rlimit {
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(Some(self.pid), Resource::Nofile, Rlimit { current: Some(3), maximum }).expect("it is our child")
    }

    pub fn give_files(&self, limit: Rlimit) {
        prlimit(Some(self.pid), Resource::Nofile, limit).expect("it is our child");
    }

    /// As what the system knows it.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for its end.
    pub async fn exit_code(&self) -> Option<i32> {
        eventually("the gate ends", async || {
            self.child.lock().expect("nobody panicked").try_wait().expect("it is our child").map(|status| status.code())
        })
        .await
    }

    pub fn is_running(&self) -> bool {
        self.child.lock().expect("nobody panicked").try_wait().expect("it is our child").is_none()
    }

    fn door(&self, name: &str) -> Option<SocketAddr> {
        let records = self.records();
        let record = records.iter().find(|record| record["message"] == "listening" && record["door"] == name)?;
        record["address"].as_str()?.parse().ok()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(40);
            eprintln!("--- the gate's last words ---\n{}", log[tail..].join("\n"));
        }
    }
}

/// Fields may stand beside the message or in a table of their own.
fn flatten(mut record: Value) -> Value {
    if let Some(Value::Object(fields)) = record.as_object_mut().and_then(|record| record.remove("fields")) {
        for (name, value) in fields {
            record[name] = value;
        }
    }
    record
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
