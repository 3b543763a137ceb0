//! Under a service manager that holds the listening sockets: who comes too early is served once the gate is up, and nobody
//! notices that a gate is replaced.

use std::{
    io::Read,
    net::{SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use crate::support::{
    App, Certificates, Client, Gate, Issuer, Manager, OPEN, Settings, certificates, eventually,
    gate::PROGRAM,
    sample::{joined, with_plain_routes},
    within,
};

/// As the descriptors of a process are told to close when it starts another program.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

fn on(settings: Settings, public: SocketAddr) -> Settings {
    settings.set("listen.address", public.to_string().as_str())
}

#[tokio::test]
async fn who_connects_before_the_gate_is_up_is_served_once_it_is() {
    let app = App::start().await;
    let mut manager = Manager::new();
    let public = manager.open("sockgate.socket");
    let certificates = Certificates::new("gate");
    let client = Client::new(public, Some(certificates::client_config(&["http/1.1"])));
    let early: Vec<_> = (0..20).map(|_| tokio::spawn(client.get(OPEN).token(&Issuer::default().token("ana")).send())).collect();
    let gate = manager.start(on(Settings::before(&[&app]).tls(&certificates), public)).await;
    for early in early {
        assert_eq!(joined(early).await.status, 200);
    }
    assert_eq!(gate.public, public);
    gate.log_has(&["the socket comes from the service manager", "public"]).await;
}

#[tokio::test]
async fn a_gate_is_replaced_and_nobody_is_refused() {
    let app = App::start().await;
    let mut manager = Manager::new();
    let public = manager.open("public");
    let settings = on(with_plain_routes(Settings::before(&[&app])), public);
    let ask = Client::new(public, None).get("/api/").token(&Issuer::default().token("ana"));
    let (served, is_over) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (ask, served, is_over) = (ask.clone(), served.clone(), is_over.clone());
            tokio::spawn(async move {
                while !is_over.is_cancelled() {
                    assert_eq!(within("an answer", ask.clone().send()).await.status, 200);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let before = served.load(Ordering::Relaxed);
        let gate = manager.start(settings.clone()).await;
        eventually("this gate serves", async || (served.load(Ordering::Relaxed) > before + 50).then_some(())).await;
        gate.signal(Signal::TERM);
        assert_eq!(gate.exit_code().await, Some(0));
    }
    let _last = manager.start(settings).await;
    is_over.cancel();
    for client in clients {
        joined(client).await;
    }
}

#[tokio::test]
async fn doors_are_handed_over_by_name_and_the_others_are_bound() {
    let app = App::start().await;
    let mut manager = Manager::new();
    let (public, probe) = (manager.open("public"), manager.open("probe"));
    // Any port is the one that was handed over.
    let settings = Settings::before(&[&app]).set("admin.probe_address", "127.0.0.1:0");
    let gate = manager.start(settings).await;
    assert_eq!((gate.public, gate.probe), (public, Some(probe)));
    assert_eq!(Client::new(probe, None).get("/readyz").send().await.status, 200);
    assert_eq!(gate.admin_client().get("/readyz").send().await.status, 200);
}

#[tokio::test]
async fn programs_that_the_gate_would_start_get_none_of_its_sockets() {
    let app = App::start().await;
    let mut manager = Manager::new();
    let (_, _) = (manager.open("public"), manager.open("probe"));
    let gate = manager.start(Settings::before(&[&app]).set("admin.probe_address", "127.0.0.1:0")).await;
    let process = format!("/proc/{}", gate.pid());
    let mut sockets = 0;
    for entry in std::fs::read_dir(format!("{process}/fd")).expect("our own child") {
        let name = entry.expect("an entry").file_name().into_string().expect("a number");
        let is_socket =
            std::fs::read_link(format!("{process}/fd/{name}")).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
        let Ok(how) = std::fs::read_to_string(format!("{process}/fdinfo/{name}")) else { continue };
        let flags = how.lines().find_map(|line| line.strip_prefix("flags:")).expect("proc(5)");
        let flags = u32::from_str_radix(flags.trim(), 8).expect("octal");
        assert!(!is_socket || flags & CLOSE_ON_EXEC != 0, "{name}: {how}");
        sockets += usize::from(is_socket);
    }
    // Two workers take from the public one.
    assert!(sockets >= 3, "{sockets}");
}

#[tokio::test]
async fn sockets_of_another_process_are_not_taken() {
    let app = App::start().await;
    let mut alone = Command::new(PROGRAM);
    alone.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    alone.env("LISTEN_FDS", "1").env("LISTEN_PID", "1").env("LISTEN_FDNAMES", "public");
    let gate = Gate::start_by(alone, Settings::before(&[&app])).await;
    assert_eq!(gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await.status, 200);
}

#[tokio::test]
async fn what_does_not_fit_is_told_and_nothing_is_served() {
    let app = App::start().await;
    let mut other_name = Manager::new();
    let plain = other_name.open("plain");
    let mut other_address = Manager::new();
    let public = other_address.open("public");
    let mut nothing_there = Manager::new();
    nothing_there.set("LISTEN_FDS", "3");
    nothing_there.set("LISTEN_FDNAMES", "a:b:c");
    let mut too_many = Manager::new();
    too_many.set("LISTEN_FDS", "4294967295");
    let mut no_number = Manager::new();
    no_number.set("LISTEN_FDS", "-1");
    let mut unnamed = Manager::new();
    unnamed.open("public");
    unnamed.set("LISTEN_FDNAMES", "public:admin");
    for (manager, said) in [
        (&other_name, format!("listen.plain does not want the socket \"plain\" on {plain}")),
        (
            &other_address,
            format!("listens on {public}, and listen.address says 127.0.0.2:0; write listen.address = \"{public}\""),
        ),
        (&nothing_there, "descriptor 3 (\"a\") is no TCP socket that listens".into()),
        (&too_many, "LISTEN_FDS=\"4294967295\" is no number of sockets".into()),
        (&no_number, "LISTEN_FDS=\"-1\" is no number of sockets".into()),
        (&unnamed, "LISTEN_FDS counts 1 sockets and LISTEN_FDNAMES has 2 names".into()),
    ] {
        let (code, heard) = refused(manager.command(), &Settings::before(&[&app]).set("listen.address", "127.0.0.2:0"));
        assert_eq!(code, Some(1), "{heard}");
        assert!(heard.contains("sockgate does not start") && heard.contains(&said), "{said}\n{heard}");
    }
}

#[tokio::test]
async fn a_socket_of_another_kind_is_told() {
    let app = App::start().await;
    let manager = Manager::new();
    let mut command = manager.command();
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "public").stdin(Stdio::from(OwnedFd::from(datagrams)));
    let (code, heard) = refused(command, &Settings::before(&[&app]));
    assert_eq!(code, Some(1), "{heard}");
    assert!(heard.contains("descriptor 3 (\"public\") is no TCP socket that listens"), "{heard}");
}

#[tokio::test]
async fn sockets_that_a_wrapper_got_are_named_when_their_port_is_taken() {
    let app = App::start().await;
    let mut manager = Manager::new();
    let public = manager.open("public");
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let (code, heard) = refused(command, &on(Settings::before(&[&app]), public));
    assert_eq!(code, Some(1), "{heard}");
    assert!(heard.contains("LISTEN_FDS is for process \"1\" (LISTEN_PID), and this is another one: listen.address"), "{heard}");
    assert!(heard.contains("is taken"), "{heard}");
}

/// Exit code and last words of a gate that does not start.
fn refused(mut command: Command, settings: &Settings) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("sockgate.toml");
    std::fs::write(&file, settings.to_toml()).expect("a configuration file");
    let mut child =
        command.args(["run", "--config"]).arg(&file).stderr(Stdio::piped()).spawn().expect("the program can be started");
    let mut said = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
    (child.wait().expect("it is our child").code(), said)
}
