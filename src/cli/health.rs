//! `sockgate health`: asks the running gate whether it is ready, for container health checks. It reads the same configuration
//! as the gate to find the door, and says in one line what it heard.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

use crate::config::{
    Config,
    load::{self, Sources},
};

/// The answer's status line and a short body.
const LARGEST_ANSWER: u64 = 4096;

/// Asks and tells; the exit code is 0 only when the gate is ready.
pub fn health(sources: &Sources, timeout: Duration) -> ExitCode {
    let loaded = load::load(sources);
    let Some(config) = loaded.config else {
        for problem in &loaded.problems {
            eprintln!("{problem}");
        }
        return ExitCode::FAILURE;
    };
    match ask(&config, timeout) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn ask(config: &Config, timeout: Duration) -> Result<String, String> {
    let door = match (config.admin.probe_address.as_str(), config.admin.address.as_str()) {
        ("", "") => return Err("neither admin.address nor admin.probe_address is set: there is nobody to ask".into()),
        ("", admin) => admin,
        (probe, _) => probe,
    };
    let address = reachable(door)?;
    let failed = |error: std::io::Error| format!("the gate cannot be asked at {address}: {error}");
    let mut connection = TcpStream::connect_timeout(&address, timeout).map_err(failed)?;
    connection.set_read_timeout(Some(timeout)).map_err(failed)?;
    let token = config.admin.token.as_ref().map(|token| format!("Authorization: Bearer {}\r\n", token.expose()));
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\n{}Connection: close\r\n\r\n", token.unwrap_or_default());
    connection.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    connection.take(LARGEST_ANSWER).read_to_string(&mut answer).map_err(failed)?;
    let status = answer.lines().next().unwrap_or_default().to_string();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    // The first line repeats the status; the others say what is missing.
    let missing = body.lines().skip_while(|line| matches!(*line, "ready" | "not ready")).collect::<Vec<_>>().join("; ");
    match status.contains(" 200 ") {
        true if missing.is_empty() => Ok(format!("ready at {address}")),
        true => Ok(format!("ready at {address}, though {missing}")),
        false => Err(format!("not ready: {missing} ({status})")),
    }
}

/// Where the door can be reached from this machine: an address of all interfaces means the loopback one.
fn reachable(door: &str) -> Result<SocketAddr, String> {
    let address = door
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| format!("{door} is not an address and a port"))?;
    Ok(match address.ip() {
        ip if !ip.is_unspecified() => address,
        ip if ip.is_ipv4() => SocketAddr::from(([127, 0, 0, 1], address.port())),
        _ => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, address.port())),
    })
}
