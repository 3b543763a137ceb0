//! Whether workers are felt to live: who answers, who is stuck, who is gone.

use std::time::Duration;

use sockgate::app::pulse::{Felt, pair, unwell};

const WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn workers_that_answer_are_well() {
    let pulses: Vec<_> = (0..3)
        .map(|_| {
            let (pulse, heart) = pair();
            tokio::spawn(heart.beat());
            pulse
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(unwell(&pulses, WITHIN, || false).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_stuck_is_found_each_time_and_is_well_again_when_it_goes_on() {
    let (well, heart) = pair();
    tokio::spawn(heart.beat());
    let (stuck, heart) = pair();
    let pulses = [well, stuck];
    // More often than its questions have room.
    for _ in 0..5 {
        assert_eq!(unwell(&pulses, WITHIN, || false).await, Some((1, Felt::Silent)));
    }
    tokio::spawn(heart.beat());
    assert_eq!(unwell(&pulses, WITHIN, || false).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ended_is_missed_unless_the_gate_leaves() {
    let (pulse, heart) = pair();
    drop(heart);
    assert_eq!(unwell(std::slice::from_ref(&pulse), WITHIN, || false).await, Some((0, Felt::Gone)));
    assert_eq!(unwell(&[pulse], WITHIN, || true).await, None);
}
