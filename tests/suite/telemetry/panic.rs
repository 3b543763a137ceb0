//! Panics that are caught: what is left of them, in the log and in the metric.

use std::future::{pending, ready};

use futures_util::FutureExt;
use sockgate::telemetry::{
    Metrics,
    panic::{Panicked, catch, caught},
};

use super::log::{json, written};

/// What is logged while `act` runs.
fn logged(act: impl FnOnce()) -> Vec<serde_json::Value> {
    let lines = written(&json("info"), |_| act());
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn panics_later(text: Option<String>) -> u32 {
    tokio::task::yield_now().await;
    match text {
        Some(text) => panic!("{text}"),
        None => std::panic::panic_any(7_u32),
    }
}

#[tokio::test]
async fn what_does_not_panic_passes() {
    let metrics = Metrics::default();
    assert_eq!(catch(&metrics, || 7), Ok(7));
    assert_eq!(caught(&metrics, ready(7)).await, Ok(7));
    assert_eq!(caught(&metrics, pending::<()>()).now_or_never(), None, "and waits as it did");
    assert_eq!(metrics.panics.get(), 0);
}

#[test]
fn a_panic_is_counted_and_logged_once_with_its_text() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (text, told) in [(Some("as a bug would".to_string()), "as a bug would"), (None, "no text")] {
        let metrics = Metrics::default();
        let lines = logged(|| assert_eq!(runtime.block_on(caught(&metrics, panics_later(text))), Err(Panicked)));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!((&lines[0]["level"], metrics.panics.get()), (&"ERROR".into(), 1));
        assert!(lines[0].to_string().contains(told), "{lines:?}");
    }
    let metrics = Metrics::default();
    let lines = logged(|| assert_eq!(catch(&metrics, || panic!("at once")), Err::<(), _>(Panicked)));
    assert!(lines.len() == 1 && lines[0].to_string().contains("at once"), "{lines:?}");
    assert_eq!(metrics.panics.get(), 1);
}

#[test]
fn the_text_of_a_panic_is_one_short_line_of_the_log() {
    let lines = logged(|| {
        let text = format!("a\r\n{}", "x".repeat(10_000));
        let _ = catch(&Metrics::default(), || panic!("{text}"));
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].to_string().len() < 2_000, "{}", lines[0].to_string().len());
}
