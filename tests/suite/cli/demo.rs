use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::fs::MetadataExt,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use sockgate::{cli::demo::script::short, net::listen};
use tempfile::TempDir;

const STEPS: [&str; 14] = [
    "preflight from an allowed page",
    "a page that is not allowed",
    "polling: handshake, poll, post, acknowledgement",
    "upgrade from polling to WebSocket",
    "WebSocket alone",
    "no token",
    "an expired token",
    "a token of the wrong algorithm",
    "a stolen session id",
    "a plain WebSocket app, its token in the subprotocol",
    "sessions spread over two app servers and stay",
    "an app server stops",
    "too many handshakes from one address",
    "the status page",
];

fn demo(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockgate"));
    command.arg("demo").args(arguments).current_dir(directory.path()).env_clear();
    command
}

fn empty() -> TempDir {
    TempDir::new().expect("a directory for one test")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn every_step_of_the_tour_goes_as_expected_in_an_empty_directory() {
    let directory = empty();
    let output = demo(&directory, &["--once", "--port", "0"]).output().expect("the program starts");
    let told = out(&output);
    for (number, step) in STEPS.iter().enumerate() {
        assert!(told.contains(&format!("\n{:>2} {step}\n", number + 1)), "{step} in\n{told}");
    }
    assert_eq!(told.matches("\n   ✓ ").count(), STEPS.len(), "{told}\n{}", err(&output));
    assert!(told.contains("14 of 14 steps went as expected"), "{told}");
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", err(&output));
    assert!(!told.contains('\u{1b}'), "colours are for terminals");
    let longest = told.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter)).map(str::len).max();
    assert!(longest < Some(60), "tokens and session ids are shortened:\n{told}");
    let secret = directory.path().join("certs/demo.secret").metadata().expect("it is kept");
    assert_eq!(secret.mode() & 0o077, 0, "the secret is its owner's alone");
}

#[test]
fn a_taken_port_is_told_with_the_way_out_and_nothing_is_written() {
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = stranger.local_addr().expect("it is bound").port();
    refuses_to_share(port);
}

#[test]
fn a_port_of_another_gate_is_taken_as_well() {
    let gate = listen::bind("127.0.0.1:0", 2).expect("a free port");
    let port = gate[0].local_addr().expect("it is bound").port();
    refuses_to_share(port);
}

fn refuses_to_share(port: u16) {
    let directory = empty();
    let output = demo(&directory, &["--once", "--port", &port.to_string()]).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let told = err(&output);
    assert!(told.contains(&format!("127.0.0.1:{port} is taken")) && told.contains("--port"), "{told}");
    assert_eq!(directory.path().read_dir().expect("it is there").count(), 0, "another demo's files stay as they are");
}

#[test]
fn own_configuration_is_not_silently_ignored() {
    let output = demo(&empty(), &["--once", "--set", "limit.keys=7"]).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("--set"), "{}", err(&output));
}

/// Ends with the test, however that ends.
struct Shown(Child);

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_stays_up_with_ways_to_connect_and_leaves_on_interrupt() {
    let directory = empty();
    let child = demo(&directory, &["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut shown = Shown(child.expect("the program starts"));
    let mut lines = BufReader::new(shown.0.stdout.take().expect("it is piped")).lines();
    let mut told = String::new();
    for line in lines.by_ref() {
        let line = line.expect("text");
        told.push_str(&line);
        told.push('\n');
        if line.starts_with("A page:") {
            break;
        }
    }
    for way in
        ["curl --cacert certs/ca.pem", "socket.io-client", "socketio.Client", "/status", "[[upstream]]", "export TOKEN=eyJ"]
    {
        assert!(told.contains(way), "{way} in\n{told}");
    }
    let minted = Command::new(env!("CARGO_BIN_EXE_sockgate"))
        .args(["token", "--config", "certs/demo.toml", "--subject", "ben"])
        .current_dir(directory.path())
        .env_clear()
        .output()
        .expect("the program starts");
    assert!(out(&minted).starts_with("eyJ"), "the other verbs work with the demo's configuration: {}", err(&minted));
    kill_process(Pid::from_child(&shown.0), Signal::INT).expect("it runs");
    let status = shown.0.wait().expect("it ends");
    let mut log = String::new();
    let _ = shown.0.stderr.take().expect("it is piped").read_to_string(&mut log);
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn long_words_keep_their_ends_and_control_characters_are_shown() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEiLCJleHAiOjE3OTU3NzAwMDB9.c2lnbmF0dXJl";
    let table = [
        ("40", "40".to_string()),
        ("2\u{1e}42[\"hello\"]", "2 ␞ 42[\"hello\"]".to_string()),
        (token, "eyJhbG…dXJl".to_string()),
        ("a\u{1b}[31mb\r\n", "a\\u{1b}[31mb\\r\\n".to_string()),
        ("https://app.example.com:4443", "https://app.example.com:4443".to_string()),
    ];
    for (text, shown) in table {
        assert_eq!(short(text), shown);
    }
    assert!(short(&"word ".repeat(500)).chars().count() <= 401);
}
