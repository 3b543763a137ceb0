//! What the service manager hears: ready, reloading, stopping, and within each time it set that the gate lives.

use rustix::process::Signal;

use crate::support::{App, Manager, Settings};

#[tokio::test]
async fn ready_reloading_and_stopping_are_told_in_their_order() {
    let app = App::start().await;
    let manager = Manager::new();
    let settings = Settings::before(&[&app]).set("drain.delay", "1s");
    let gate = manager.start(settings.clone()).await;
    manager.hears("READY=1", 1).await;
    assert_eq!(manager.said(), ["READY=1".to_string(), format!("STATUS=Serving on {}, configuration 1", gate.public)]);

    gate.reload(&settings.set("limit.sessions_per_user", 7)).await;
    manager.hears("READY=1", 2).await;
    let said = manager.said()[2..].to_vec();
    assert_eq!(said[0], "RELOADING=1");
    let time = said[1].strip_prefix("MONOTONIC_USEC=").expect("the time belongs to it");
    assert!(time.parse::<u64>().is_ok_and(|time| time > 0), "{time}");
    assert_eq!(said[3..], ["READY=1".to_string(), format!("STATUS=Serving on {}, configuration 2", gate.public)]);

    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
    manager.hears("STATUS=Leaving", 1).await;
    // A second of delay, five of grace, and a moment for the last.
    assert_eq!(manager.said()[7..9], ["STOPPING=1", "EXTEND_TIMEOUT_USEC=8000000"]);
}

#[tokio::test]
async fn a_refused_reload_is_over_too_and_says_so() {
    let app = App::start().await;
    let manager = Manager::new();
    let gate = manager.start(Settings::before(&[&app])).await;
    gate.rewrite_raw("this is no configuration");
    gate.signal(Signal::HUP);
    manager.hears("READY=1", 2).await;
    let refused = format!("STATUS=Serving on {}, configuration 1; a new one was refused, see the log", gate.public);
    manager.hears(&refused, 1).await;
}

#[tokio::test]
async fn a_watchdog_hears_that_the_gate_lives_until_it_ends() {
    let app = App::start().await;
    let mut manager = Manager::new();
    manager.watch(100_000);
    let gate = manager.start(Settings::before(&[&app]).set("drain.delay", "60s")).await;
    manager.hears("WATCHDOG=1", 3).await;
    gate.signal(Signal::TERM);
    manager.hears("STOPPING=1", 1).await;
    let before = manager.said().len();
    manager.hears("WATCHDOG=1", before).await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_watchdog_of_another_process_hears_nothing() {
    let app = App::start().await;
    let mut manager = Manager::new();
    manager.watch(1_000);
    manager.set("WATCHDOG_PID", "1");
    let gate = manager.start(Settings::before(&[&app])).await;
    manager.hears("READY=1", 1).await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.exit_code().await, Some(0));
    assert!(!manager.said().iter().any(|line| line.starts_with("WATCHDOG")), "{:?}", manager.said());
}
