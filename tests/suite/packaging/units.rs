//! The units of `examples/systemd`: they agree with the configuration beside them, and where systemd's own tools are installed
//! these find nothing to complain of.

use std::{fs, path::PathBuf, process::Command};

use clap::Parser;
use sockgate::{
    cli::args::{Cli, Verb},
    net::inherit::Door,
};

use super::page;

/// What `systemd-analyze security` may find at most, in tenths; of ten, where 0 is a service that can do nothing.
const EXPOSURE: &str = "15";

const CREDENTIALS: &str = "/run/credentials/sockgate.service/";

/// The values of a key of a unit, in their order.
fn all(unit: &str, key: &str) -> Vec<String> {
    let text = page(&format!("examples/systemd/{unit}"));
    let of_key = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_string);
    text.lines().filter_map(of_key).collect()
}

fn only(unit: &str, key: &str) -> String {
    let found = all(unit, key);
    assert_eq!(found.len(), 1, "{unit}: {key}");
    found.concat()
}

fn configuration() -> toml::Table {
    page("examples/systemd/sockgate.toml").parse().expect("TOML")
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text} is no number of seconds"))
}

#[test]
fn the_socket_is_a_door_of_the_gate_where_its_option_says() {
    let name = only("sockgate.socket", "FileDescriptorName");
    let door = Door::named(&name).unwrap_or_else(|| panic!("{name} is no door"));
    let (table, key) = door.key().split_once('.').expect("a table and a key");
    assert_eq!(configuration()[table][key].as_str(), Some(&*only("sockgate.socket", "ListenStream")));
    assert!(all("sockgate.socket", "Accept").is_empty(), "one gate for all");
    assert_eq!(only("sockgate.service", "Requires"), "sockgate.socket");
}

#[test]
fn the_service_runs_what_the_program_offers() {
    let line = only("sockgate.service", "ExecStart");
    let run = Cli::try_parse_from(line.split_whitespace()).expect("a verb");
    assert!(matches!(run.verb, Verb::Run));
    assert!(line.ends_with("/etc/sockgate/sockgate.toml"), "where its README puts it");
    assert_eq!(only("sockgate.service", "Type"), "notify");
}

#[test]
fn credentials_are_given_for_each_secret_that_is_named_and_no_other() {
    let given: Vec<String> = all("sockgate.service", "LoadCredential")
        .iter()
        .map(|given| {
            let (name, file) = given.split_once(':').expect("a name and a file");
            assert_eq!(file, format!("/etc/sockgate/secrets/{name}"));
            format!("{CREDENTIALS}{name}")
        })
        .collect();
    let text = page("examples/systemd/sockgate.toml");
    for given in &given {
        assert!(text.contains(&format!("\"{given}\"")), "{given} is for nobody");
    }
    assert_eq!(text.matches(CREDENTIALS).count(), given.len());
}

#[test]
fn the_service_may_do_what_its_configuration_asks() {
    let configuration = configuration();
    let admin = configuration["admin"]["address"].as_str().expect("an address");
    let (_, port) = admin.rsplit_once(':').expect("a port");
    assert_eq!(only("sockgate.service", "SocketBindAllow"), format!("ipv4:tcp:{port}"));
    let kept = configuration["revocation"]["file"].as_str().expect("a file");
    assert!(kept.starts_with(&format!("/var/lib/{}/", only("sockgate.service", "StateDirectory"))), "{kept}");
    let grace = seconds(configuration["drain"]["grace"].as_str().expect("a time"));
    assert!(seconds(&only("sockgate.service", "TimeoutStopSec")) > grace + 2, "killed while it leaves");
}

#[test]
fn the_socket_unit_tells_the_name_of_each_door() {
    let unit = page("examples/systemd/sockgate.socket");
    for door in [Door::Public, Door::Plain, Door::Admin, Door::Probe] {
        assert!(unit.contains(door.name()), "{}", door.name());
    }
}

#[test]
fn systemd_finds_nothing_to_complain_of() {
    let desk = tempfile::tempdir().expect("a directory for one test");
    let units = ["sockgate.socket", "sockgate.service"].map(|name| {
        // It wants the program to be there.
        let text = page(&format!("examples/systemd/{name}")).replace("/usr/local/bin/sockgate", "/bin/true");
        let path: PathBuf = desk.path().join(name);
        fs::write(&path, text).expect("written");
        path
    });
    let service = units[1].display().to_string();
    let verify =
        ["verify", "--man=no"].map(str::to_string).into_iter().chain(units.iter().map(|unit| unit.display().to_string()));
    let security = ["security", "--offline=true", "--threshold", EXPOSURE, &service].map(str::to_string);
    for arguments in [verify.collect::<Vec<_>>(), security.to_vec()] {
        let Ok(output) = Command::new("systemd-analyze").args(&arguments).output() else {
            eprintln!("left out: systemd-analyze is not installed");
            return;
        };
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}\n{said}");
        // Unknown keys are told on the side.
        assert!(!said.contains("ignoring") && !said.contains("Unknown"), "{said}");
    }
}
