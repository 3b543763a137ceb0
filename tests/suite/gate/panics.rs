//! A bug of ours in the middle of a request: the client is told, and it leaves its record. Nothing from outside is known to
//! bring one about, so what catches it is tried here with panics of our own.

use std::{net::Ipv4Addr, panic, sync::Arc};

use http_body_util::BodyExt;
use sockgate::{
    gate::{reply, story::Story},
    http::body,
    net::Peer,
    policy::{Refusal, Refused},
    relay::admission::Bench,
    telemetry::{Metrics, panic::caught},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

fn begin(metrics: &Arc<Metrics>) -> Story {
    let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), port: 1, secure: false, http2: false, resumed: false };
    let bench = Bench { connections: Arc::default(), tasks: TaskTracker::new(), stop: CancellationToken::new() };
    Story::begin(metrics, &Arc::new(bench), &peer)
}

fn refusals(metrics: &Metrics, refusal: Refusal) -> u64 {
    metrics.refusals.get_or_create_owned(&[("reason", refusal.name())]).get()
}

#[tokio::test]
async fn a_panic_while_a_request_is_told_is_a_refusal_like_any_other() {
    let metrics = Arc::new(Metrics::default());
    let mut story = begin(&metrics);
    let told = caught(&metrics, async { panic!("as a bug would") }).await;
    let answer = reply::told(told, &mut story);
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (500, &"application/json".parse().unwrap()));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), Refusal::Internal.body());

    let answer = reply::told(Ok(Err(Refused::from(Refusal::NotFound))), &mut story);
    assert_eq!(answer.status(), 404);
    let answer = reply::told(Ok(Ok(http::Response::new(body::empty()))), &mut story);
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_story_that_a_panic_unwinds_does_not_blame_the_client() {
    let metrics = Arc::new(Metrics::default());
    let unwound = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let _story = begin(&metrics);
        panic!("as a bug would");
    }));
    assert!(unwound.is_err());
    assert_eq!((refusals(&metrics, Refusal::Internal), refusals(&metrics, Refusal::ClientGone)), (1, 0));
    drop(begin(&metrics));
    assert_eq!((refusals(&metrics, Refusal::Internal), refusals(&metrics, Refusal::ClientGone)), (1, 1));
}
