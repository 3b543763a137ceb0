//! A key that is taken out of the configuration: what it has signed ends with it, on every transport, and nothing else does.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    App, Event, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Settings, WebSocket,
    client::Ask,
    eventually,
    issuer::{SECRET, now},
    sample::{before, joined, with_plain_routes},
    settings::Literal,
};

const NEXT: &str = "the secret that takes its place, 32 bytes and more";

/// These secrets, the first of them as `auth.secret`.
fn with_keys(settings: Settings, secrets: &[&str]) -> Settings {
    let listed: Vec<String> = secrets[1..].iter().map(|secret| format!("{{ secret = '{secret}' }}")).collect();
    settings.set("auth.secret", secrets[0]).set("auth.keys", Literal::raw(&format!("[{}]", listed.join(", "))))
}

fn judged(settings: Settings) -> Settings {
    settings.set("socketio.judge", "always")
}

fn revoked() -> (u16, String) {
    (401, "revoked".into())
}

/// Sessions of one token: a WebSocket, a plain one, one that has upgraded, one whose poll waits.
struct Open {
    websockets: Vec<WebSocket>,
    session: Session,
    poll: tokio::task::JoinHandle<crate::support::client::Answer>,
    upgraded: Session,
}

impl Open {
    async fn new(app: &App, gate: &Gate, token: &str) -> Self {
        let mut websockets = vec![gate.client().upgrade("/ws").token(token).open_well().await];
        let mut direct = gate.client().upgrade(OPEN_WEBSOCKET).token(token).open_well().await;
        assert!(direct.next_text().await.starts_with("0{"));
        direct.text("40").await;
        assert_eq!(direct.next_text().await, "40{\"sid\":\"public\"}");
        websockets.push(direct);
        let upgraded = Session::open(&gate.client(), token).await;
        websockets.push(upgraded.upgrade_well().await);
        let session = Session::open(&gate.client(), token).await;
        assert_eq!(session.exchange("40").await, "40{\"sid\":\"public\"}");
        let heard = app.requests().len();
        let poll = tokio::spawn(session.poll().send());
        app.heard(heard + 1).await;
        Self { websockets, session, poll, upgraded }
    }

    async fn have_ended(mut self, app: &App, is_judged: bool) {
        for websocket in &mut self.websockets {
            assert_eq!(websocket.closing().await, Some((4403, "revoked".into())));
        }
        let answer = joined(self.poll).await;
        let late = |session: &Session| session.post("42[\"late\"]").send();
        if is_judged {
            // It is said in packets, so that its client stays away and says goodbye.
            assert_eq!(answer.text(), "41");
            assert_eq!(late(&self.session).await.text(), "ok");
            assert_eq!(self.session.post("1").send().await.text(), "ok");
        } else {
            assert_eq!(answer.refusal(), revoked());
            assert_eq!(late(&self.session).await.refusal(), revoked());
            assert_eq!(self.session.poll().send().await.refusal(), revoked());
        }
        assert_ne!(late(&self.upgraded).await.status, 200);
        assert!(!app.requests().iter().any(|seen| seen.text().contains("late")));
    }

    async fn go_on(&mut self) {
        for websocket in &mut self.websockets[..2] {
            websocket.text("42[\"on\"]").await;
            assert_eq!(websocket.next_text().await, "42[\"on\"]");
        }
        assert!(!self.poll.is_finished());
        assert_eq!(self.session.post("3").send().await.text(), "ok");
    }
}

#[tokio::test]
async fn sessions_of_a_dropped_key_end_and_those_of_a_kept_one_stay() {
    for is_judged in [false, true] {
        let app = App::start().await;
        let settings = |secrets: &[&str]| {
            let settings = with_keys(with_plain_routes(Settings::before(&[&app])), secrets);
            if is_judged { judged(settings) } else { settings }
        };
        let gate = Gate::start(settings(&[SECRET])).await;
        let (old, new) = (Issuer::default().token("ana"), Issuer::with(NEXT).token("ben"));
        let mut of_old = Open::new(&app, &gate, &old).await;

        gate.reload(&settings(&[NEXT, SECRET])).await;
        let mut of_new = Open::new(&app, &gate, &new).await;
        of_old.go_on().await;

        gate.reload(&settings(&[NEXT])).await;
        let dropped = Instant::now();
        of_old.have_ended(&app, is_judged).await;
        assert!(dropped.elapsed() < Duration::from_secs(5), "at once, on whatever machine this is");
        of_new.go_on().await;
        eventually("four sessions have ended of it", async || {
            (gate.metric("sockgate_sessions_closed_total{reason=\"revoked\"}").await == 4.0).then_some(())
        })
        .await;
        assert_eq!(gate.client().get(OPEN).origin(PAGE).token(&old).send().await.refusal(), (401, "token_invalid".into()));
    }
}

#[tokio::test]
async fn other_changes_of_keys_end_nothing() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let mut open = Open::new(&app, &gate, &Issuer::default().token("ana")).await;
    let listed = |key: &str| Literal::raw(&format!("[{key}]"));
    for keys in [
        // The same key elsewhere, under a name, and used with more.
        listed(&format!("{{ secret = '{SECRET}' }}")),
        listed(&format!("{{ id = 'main', secret = '{SECRET}', algorithms = ['HS512', 'HS256'] }}")),
    ] {
        gate.reload(&with_plain_routes(Settings::before(&[&app])).set("auth.secret", NEXT).set("auth.keys", keys)).await;
        open.go_on().await;
    }
    gate.reload(&with_plain_routes(Settings::before(&[&app])).set("auth.when", "none").without("auth.secret")).await;
    open.go_on().await;
}

#[tokio::test]
async fn another_gate_refuses_what_a_key_that_it_has_not_has_opened() {
    let app = App::start().await;
    let one = before(&app, |settings| with_keys(settings, &[SECRET])).await;
    let both = before(&app, |settings| with_keys(settings, &[NEXT, SECRET])).await;
    let other = before(&app, |settings| with_keys(settings, &[NEXT])).await;
    let session = Session::open(&one.client(), &Issuer::default().token("ana")).await;
    let asks = |session: &Session| -> [Ask; 3] { [session.poll(), session.post("42[\"x\"]"), session.upgrade()] };
    assert_eq!(session.with_client(&both.client()).post("42[\"x\"]").send().await.text(), "ok");
    let heard = app.requests().len();
    // With the old token, and with a good one of the same person.
    for token in [Issuer::default().token("ana"), Issuer::with(NEXT).token("ana")] {
        for ask in asks(&session.with_client(&other.client()).with_token(Some(&token))) {
            assert_eq!(ask.send().await.refusal(), revoked());
        }
    }
    assert_eq!(app.requests().len(), heard);
}

/// A carriage goes on under the configuration it began with, but not with its keys.
#[tokio::test]
async fn an_open_session_is_refreshed_with_keys_of_now() {
    let app = App::start().await;
    let settings = |secrets: &[&str]| with_keys(judged(Settings::before(&[&app])), secrets);
    let gate = Gate::start(settings(&[NEXT, SECRET])).await;
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&Issuer::with(NEXT).token("ana")).open_well().await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket.text("40").await;
    assert_eq!(websocket.next_text().await, "40{\"sid\":\"public\"}");
    gate.reload(&settings(&[NEXT, "a third secret, of which nobody has heard before"])).await;

    let later = |secret: &str| Issuer::with(secret).claims(&json!({ "sub": "ana", "exp": now() + 7200 }));
    let refresh = |token: String| format!("421{}", json!(["sockgate:refresh", token]));
    websocket.text(&refresh(later(SECRET))).await;
    let answer = websocket.next_text().await;
    assert!(answer.starts_with("431") && answer.contains("token_invalid"), "{answer}");
    for secret in ["a third secret, of which nobody has heard before", NEXT] {
        websocket.text(&refresh(later(secret))).await;
        let answer = websocket.next_text().await;
        assert!(answer.starts_with("431") && answer.contains("\"ok\":true"), "{answer}");
    }
    // It is a session of the key that signed last.
    gate.reload(&settings(&["a third secret, of which nobody has heard before"])).await;
    loop {
        match websocket.next().await {
            Event::Close(closing) => break assert_eq!(closing, Some((4403, "revoked".into()))),
            Event::Text(text) => assert_eq!(text, "41"),
            other => panic!("{other:?}"),
        }
    }
}
