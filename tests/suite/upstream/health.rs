use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::StatusCode;
use sockgate::{
    config::{
        Period,
        socketio::SocketIo,
        upstream::{Probe, Upstream},
    },
    net::dial::DialError,
    telemetry::Metrics,
    upstream::{
        ExchangeError, Pool, Standing,
        health::{ProbeFailure, probe, read_open, watch},
    },
};
use tokio_util::sync::CancellationToken;

use super::support::{After, App, config, pool, until};
use crate::support::Nowhere;

const OPEN: &str = r#"0{"sid":"abc-_123","upgrades":["websocket"],"pingInterval":7000,"pingTimeout":3000,"maxPayload":1000000}"#;

fn asking(kind: Probe, url: &str) -> Upstream {
    Upstream { probe: kind, probe_interval: Period(Duration::from_millis(10)), probe_fall: 2, probe_rise: 2, ..config(&[url]) }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn probed(pool: &Pool) -> Result<(), ProbeFailure> {
    probe(pool, &pool.members()[0]).await
}

#[tokio::test]
async fn a_port_that_takes_connections_passes() {
    let app = App::saying("", After::Hang).await;
    assert_eq!(probed(&pool(&asking(Probe::Tcp, &app.url))).await, Ok(()));
    let nowhere = Nowhere::new();
    let refused = probed(&pool(&asking(Probe::Tcp, &nowhere.url))).await;
    assert_eq!(refused, Err(ProbeFailure::Dial(DialError::Connect(std::io::ErrorKind::ConnectionRefused))));
}

#[tokio::test]
async fn http_passes_with_2xx_and_3xx() {
    for (status, passes) in
        [("200 OK", true), ("204 No Content", true), ("302 Found", true), ("404 Not Found", false), ("503 X", false)]
    {
        let app = App::saying(answer(status, ""), After::Keep).await;
        assert_eq!(probed(&pool(&asking(Probe::Http, &app.url))).await.is_ok(), passes, "{status}");
    }
}

#[tokio::test]
async fn an_engine_probe_opens_a_session_learns_and_closes_it() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let app = App::new(move |mut link| {
        let seen = seen.clone();
        async move {
            while let Some(request) = link.request().await {
                let said = if request.starts_with("GET") { answer("200 OK", OPEN) } else { answer("200 OK", "ok") };
                seen.lock().expect("whole").push(request);
                link.write(said).await;
            }
        }
    })
    .await;
    let pool = pool(&asking(Probe::Engine, &app.url));
    assert_eq!(probed(&pool).await, Ok(()));
    assert_eq!(pool.members()[0].ping(&SocketIo::default()), (Duration::from_secs(7), Duration::from_secs(3)));
    let asked = asked.lock().expect("whole").clone();
    assert!(asked[0].starts_with("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].starts_with("POST /socket.io/?EIO=4&transport=polling&sid=abc-_123 HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].ends_with("\r\n\r\n1"), "{asked:?}");
    until("the probe's connections are closed", || app.hung_up() == 2).await;
}

#[tokio::test]
async fn what_is_no_engine_fails() {
    for (said, failure) in [
        (answer("200 OK", "hello"), ProbeFailure::NotEngine),
        (answer("200 OK", ""), ProbeFailure::NotEngine),
        (answer("200 OK", &"0".repeat(9_000)), ProbeFailure::NotEngine),
        (answer("400 Bad Request", OPEN), ProbeFailure::Status(StatusCode::BAD_REQUEST)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n0{".into(), ProbeFailure::NotEngine),
    ] {
        let app = App::saying(said.clone(), After::Close).await;
        assert_eq!(probed(&pool(&asking(Probe::Engine, &app.url))).await, Err(failure), "{said}");
    }
}

#[tokio::test]
async fn a_probe_has_a_deadline() {
    let app = App::saying("", After::Hang).await;
    for kind in [Probe::Http, Probe::Engine] {
        let config = Upstream { probe_deadline: Period(Duration::from_millis(50)), ..asking(kind, &app.url) };
        let failure = probed(&pool(&config)).await.expect_err("no answer ever comes");
        assert!(matches!(failure, ProbeFailure::Timeout | ProbeFailure::Exchange(ExchangeError::Timeout)), "{failure:?}");
    }
    until("the probe's connections are closed", || app.hung_up() == 2).await;
}

#[tokio::test]
async fn a_watch_follows_an_app_down_and_up_and_ends_when_told() {
    let healthy = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let health = healthy.clone();
    let app = App::new(move |mut link| {
        let health = health.clone();
        async move {
            while link.request().await.is_some() {
                let status = if health.load(std::sync::atomic::Ordering::SeqCst) { "200 OK" } else { "500 X" };
                link.write(answer(status, "")).await;
            }
        }
    })
    .await;
    let metrics = Metrics::default();
    let pool = Pool::renew(None, &asking(Probe::Http, &app.url), &metrics, Instant::now()).expect("a good pool");
    let pool = Arc::new(pool);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch(pool.clone(), stop.clone()));
    let standing = || pool.members()[0].standing(Instant::now());
    until("down", || standing() == Standing::Down).await;
    assert!(metrics.page().contains("sockgate_member_up{upstream=\"app\""));
    healthy.store(true, std::sync::atomic::Ordering::SeqCst);
    until("up again", || matches!(standing(), Standing::SlowStart(_))).await;
    stop.cancel();
    watching.await.expect("an orderly end");
    until("nothing holds the pool", || Arc::strong_count(&pool) == 1).await;
}

#[test]
fn open_packets_are_read_from_the_start_of_a_payload() {
    let with_more = format!("{OPEN}\u{1e}2");
    for text in [OPEN, with_more.as_str()] {
        let opened = read_open(text.as_bytes()).expect("an open packet");
        assert_eq!((opened.sid.as_str(), opened.ping_interval, opened.ping_timeout), ("abc-_123", 7_000, 3_000));
    }
    for text in [
        "",
        "0",
        "0{}",
        "4{\"sid\":\"a\"}",
        "\u{1e}0{}",
        r#"0{"sid":"a","pingInterval":-1,"pingTimeout":1}"#,
        r#"0{"sid":1,"pingInterval":1,"pingTimeout":1}"#,
    ] {
        assert_eq!(read_open(text.as_bytes()), None, "{text:?}");
    }
}
