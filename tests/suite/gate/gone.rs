//! Clients that go away before they are answered: each leaves one record and is counted, as those who waited are.

use rustix::process::Signal;

use crate::support::{
    App, Gate, Issuer, OPEN, PAGE, Session, Step, eventually,
    h2::Multiplex,
    sample::{before, pair_with, secure_pair, with_plain_routes},
};

/// The records of requests of this kind.
fn records(gate: &Gate, kind: &str) -> Vec<serde_json::Value> {
    gate.records().into_iter().filter(|record| record["message"] == "request" && record["kind"] == kind).collect()
}

async fn is_noted(gate: &Gate, kind: &str, times: f64) {
    let noted = [("message", "request"), ("kind", kind), ("refusal", "client_gone"), ("status", "499"), ("subject", "ana")];
    let record = gate.record(&noted).await;
    assert!(record["ms"].is_u64() && record["member"].as_str().is_some_and(|member| !member.is_empty()), "{record}");
    assert_eq!(gate.refusals("client_gone").await, times);
    assert_eq!(gate.metric(&format!("sockgate_requests_total{{kind=\"{kind}\",status=\"4xx\"}}")).await, times);
}

#[tokio::test]
async fn a_poll_whose_connection_is_closed_leaves_a_record() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    let poll = session.poll().begin().await.expect("connected");
    app.heard(2).await;
    drop(poll);
    is_noted(&gate, "poll", 1.0).await;
    gate.has_sessions("polling", 1).await;
    assert_eq!(records(&gate, "poll").len(), 1);
}

#[tokio::test]
async fn a_poll_whose_stream_is_reset_leaves_a_record() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let client = gate.client_h2();
    let connection = Multiplex::connect(&client).await.expect("connected");
    let session = Session::open(&client, &Issuer::default().token("ana")).await;
    let poll = tokio::spawn({
        let (connection, poll) = (connection.clone(), session.poll());
        async move { connection.send(poll).await }
    });
    app.heard(2).await;
    poll.abort();
    is_noted(&gate, "poll", 1.0).await;
    assert_eq!(connection.send(client.get("/nowhere")).await.expect("the connection goes on").status, 404);
}

#[tokio::test]
async fn a_handshake_that_nobody_waits_for_leaves_a_record() {
    let app = App::scripted(|_| Some(vec![Step::Hang])).await;
    let gate = before(&app, |settings| settings).await;
    let ask = gate.client().get(OPEN).origin(PAGE).token(&Issuer::default().token("ana"));
    let open = ask.begin().await.expect("connected");
    app.heard(1).await;
    drop(open);
    is_noted(&gate, "open", 1.0).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn who_waits_leaves_one_record_and_is_not_gone() {
    let (_app, gate) = pair_with(|settings| settings).await;
    let session = Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    session.exchange("42[\"x\"]").await;
    assert_eq!(gate.client().get("/nowhere").send().await.status, 404);
    gate.record(&[("message", "request"), ("refusal", "not_found")]).await;
    eventually("nobody is connected", async || (gate.status().await["connections"] == 0).then_some(())).await;
    assert_eq!(gate.refusals("client_gone").await, 0.0);
    for kind in ["open", "none"] {
        assert_eq!(records(&gate, kind).len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn what_the_gate_cuts_when_it_leaves_is_not_called_the_clients_doing() {
    let app = App::scripted(|_| Some(vec![Step::Hang])).await;
    let gate = before(&app, |settings| with_plain_routes(settings).set("drain.grace", "500ms")).await;
    let _waits = gate.client().get("/api/x").token(&Issuer::default().token("ana")).begin().await.expect("connected");
    app.heard(1).await;
    gate.signal(Signal::TERM);
    gate.record(&[("message", "request"), ("kind", "http"), ("refusal", "draining")]).await;
    eventually("the gate ends", async || (!gate.is_running()).then_some(())).await;
    assert!(records(&gate, "http").len() == 1, "{:?}", records(&gate, "http"));
}
