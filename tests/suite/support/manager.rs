//! A service manager as sd_listen_fds(3) and sd_notify(3) describe it: it holds listening sockets, hands them to gates that it
//! starts, one after the other, and hears what they say.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use super::{Gate, Settings, eventually, gate::PROGRAM};

/// The shell knows its own process id and keeps it when it becomes the program; descriptors come as its input and output.
const HAND_OVER: &str = r#"export LISTEN_PID=$$; exec "$@" 3<&0 4<&1 </dev/null >/dev/null"#;

/// Holds the sockets until it is dropped.
pub struct Manager {
    sockets: Vec<(String, TcpListener)>,
    variables: Vec<(String, String)>,
    /// Where `NOTIFY_SOCKET` is.
    _directory: tempfile::TempDir,
    said: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ear = UnixDatagram::bind(directory.path().join("notify")).expect("a socket in a directory of our own");
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        // Ends with the test's process, as nothing else has this socket.
        std::thread::spawn(move || hear(&ear, &heard));
        let notify = directory.path().join("notify").display().to_string();
        Self { sockets: Vec::new(), variables: vec![("NOTIFY_SOCKET".into(), notify)], _directory: directory, said }
    }

    /// Opens one more socket to hand over, on a port of the system's choice.
    pub fn open(&mut self, name: &str) -> SocketAddr {
        assert!(self.sockets.len() < 2, "input and output carry two");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        self.sockets.push((name.into(), listener));
        address
    }

    /// Wants to hear within this time that the gate lives.
    pub fn watch(&mut self, microseconds: u64) {
        self.set("WATCHDOG_USEC", &microseconds.to_string());
    }

    /// One more variable, or another value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.into(), value.into()));
    }

    /// What starts the program with everything that it is handed.
    pub fn command(&self) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", HAND_OVER, "sh", PROGRAM]).env_clear();
        let names: Vec<&str> = self.sockets.iter().map(|(name, _)| name.as_str()).collect();
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        command.envs(self.variables.iter().cloned());
        command.stdin(self.descriptor(0)).stdout(self.descriptor(1));
        command
    }

    pub async fn start(&self, settings: Settings) -> Gate {
        Gate::start_by(self.command(), settings).await
    }

    /// Everything that was said, a line for each assignment.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("nobody panicked").clone()
    }

    /// Waits until something like this is said for the `count`th time.
    pub async fn hears(&self, words: &str, count: usize) {
        eventually(&format!("the gate says {words:?} {count} times"), async || {
            (self.said().iter().filter(|line| line.starts_with(words)).count() >= count).then_some(())
        })
        .await;
    }

    fn descriptor(&self, index: usize) -> Stdio {
        self.sockets
            .get(index)
            .map_or_else(Stdio::null, |(_, listener)| Stdio::from(OwnedFd::from(listener.try_clone().expect("a descriptor"))))
    }
}

fn hear(ear: &UnixDatagram, said: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut message = [0; 4096];
    loop {
        let length = ear.recv(&mut message)?;
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        said.lock().expect("nobody panicked").extend(text.lines().map(str::to_string));
    }
}
