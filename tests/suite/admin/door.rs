//! The admin door: probes and pages for the operator, nothing for anybody else.

use crate::http::pages::{Page, Pages};
use crate::policy::auth::issuer::{RSA, published};
use crate::support::{
    App, Client, Gate, Issuer, OPEN, OPEN_WEBSOCKET, PAGE, Session, Settings, eventually,
    issuer::SECRET,
    sample::{before, pair, pair_with, with_plain_routes},
    settings::SEAL,
};

const TOKEN: &str = "the operator's own token";

fn with_token(settings: Settings) -> Settings {
    settings.set("admin.token", crate::support::settings::Literal::raw(&format!("\"{TOKEN}\"")))
}

#[tokio::test]
async fn probes_metrics_and_status_are_served() {
    let (_app, gate) = pair().await;
    let client = gate.admin_client();
    assert_eq!(client.get("/healthz").send().await.text(), "ok\n");
    assert_eq!(client.get("/readyz").send().await.text(), "ready\n");
    let metrics = client.get("/metrics").send().await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    assert!(metrics.text().ends_with("# EOF\n"));
    let status = client.get("/status").send().await;
    assert_eq!(status.header("content-type"), Some("application/json"));
    assert_eq!(status.json()["generation"], 1);
    assert_eq!(client.get("/").send().await.status, 404);
    assert_eq!(client.get("/config").send().await.status, 404);
}

#[tokio::test]
async fn the_public_door_serves_none_of_it() {
    let (_app, gate) = pair().await;
    for path in ["/healthz", "/readyz", "/metrics", "/status"] {
        assert_eq!(gate.client().get(path).send().await.status, 404);
    }
}

#[tokio::test]
async fn pages_are_kept_out() {
    let (_app, gate) = pair().await;
    for origin in [PAGE, "null", "http://localhost", &format!("http://{}", gate.admin)] {
        let answer = gate.admin_client().get("/status").origin(origin).send().await;
        assert_eq!(answer.status, 403, "{origin}");
        answer.headers.0.iter().for_each(|(name, _)| assert!(!name.to_ascii_lowercase().starts_with("access-control-")));
    }
}

#[tokio::test]
async fn a_rebound_name_reads_nothing() {
    let (_app, gate) = pair_with(|settings| settings.set("admin.hosts", ["gate.internal"])).await;
    for (host, status) in [
        ("evil.example.net", 403),
        ("localhost.evil.example.net", 403),
        ("127.0.0.1.evil.example.net", 403),
        ("localhost", 200),
        ("127.0.0.1", 200),
        ("[::1]", 200),
        ("gate.internal:9090", 200),
    ] {
        assert_eq!(gate.admin_client().get("/status").host(host).send().await.status, status, "{host}");
    }
    let mut line = gate.admin_client().raw("GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example.net\r\n\r\n").await;
    assert_eq!(line.expect_answer("GET").await.status, 403);
}

#[tokio::test]
async fn a_token_opens_the_door_where_there_is_one() {
    let app = App::start().await;
    let gate = Gate::start_with_admin_token(with_token(Settings::before(&[&app])), TOKEN).await;
    let client = gate.admin_client();
    for ask in [
        client.get("/status"),
        client.get("/status").token("another token of the same"),
        client.get("/status").token(&format!("{TOKEN}x")),
        client.get("/status").token(TOKEN).token(TOKEN),
        client.get(&format!("/status?token={TOKEN}").replace(' ', "%20").replace('\'', "%27")),
    ] {
        assert_eq!(ask.send().await.status, 401);
    }
    for path in ["/healthz", "/readyz", "/metrics", "/status"] {
        assert_eq!(client.get(path).token(TOKEN).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_probe_door_tells_little_and_needs_no_token() {
    let app = App::start().await;
    let settings = with_token(Settings::before(&[&app])).set("admin.probe_address", "127.0.0.1:0");
    let gate = Gate::start_with_admin_token(settings, TOKEN).await;
    let client = Client::new(gate.probe.expect("a probe door"), None);
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/status", 404)] {
        assert_eq!(client.get(path).host("10.0.0.7:9091").send().await.status, status, "{path}");
    }
}

#[tokio::test]
async fn pages_are_only_read() {
    let (_app, gate) = pair().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for path in ["/status", "/metrics", "/sessions", "/sessions/5f1c2a9b03de4471", "/revocations"] {
            let answer = gate.admin_client().ask(method, path).send().await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_on_any_page() {
    let app = App::start().await;
    let gate = Gate::start_with_admin_token(with_token(with_plain_routes(Settings::before(&[&app]))), TOKEN).await;
    let token = Issuer::default().token("ana");
    let session = Session::open_from(&gate.client(), &token, PAGE).await;
    let _websocket = gate.client().upgrade("/ws").token(&token).open_well().await;
    let own = app.sids().pop().expect("a session");
    assert_eq!(gate.tells(&[SECRET, SEAL, TOKEN, &token, &session.sid, &own]).await, None);
}

#[tokio::test]
async fn labels_do_not_grow_with_clients() {
    let (_app, gate) = pair().await;
    let issuer = Issuer::default();
    gate.client().get(OPEN).origin(PAGE).token(&issuer.token("warm")).send().await;
    gate.client().get("/nowhere").origin(PAGE).send().await;
    let before = gate.metrics().await.lines().count();
    for number in 0..30 {
        gate.client().get(OPEN).origin(PAGE).token(&issuer.token(&format!("user-{number}"))).send().await;
        gate.client().get(&format!("/nowhere/{number}")).origin(PAGE).send().await;
    }
    let page = gate.metrics().await;
    assert_eq!(page.lines().count(), before);
    assert!(!page.contains("user-") && !page.contains("/nowhere") && !page.contains("example.com"));
}

#[tokio::test]
async fn readiness_follows_the_app() {
    let app = App::start().await;
    let gate = before(&app, |settings| {
        settings.set_upstream("probe", "tcp").set_upstream("probe_interval", "100ms").set_upstream("probe_fall", 1)
    })
    .await;
    eventually("the gate is ready", async || (gate.admin_client().get("/readyz").send().await.status == 200).then_some(())).await;
    app.stop();
    eventually("it is not ready any more", async || {
        (gate.admin_client().get("/readyz").send().await.status == 503).then_some(())
    })
    .await;
    assert_eq!(gate.admin_client().get("/healthz").send().await.status, 200, "alive all the same");
    let status = gate.status().await;
    assert_eq!(status["upstreams"][0]["members"][0]["state"], "down");
}

#[tokio::test]
async fn one_app_of_several_that_is_down_is_told_and_takes_nobody_away() {
    let (app, other) = (App::start().await, App::start().await);
    let probed = |settings: Settings| {
        settings.set_upstream("probe", "tcp").set_upstream("probe_interval", "100ms").set_upstream("probe_fall", 1)
    };
    let settings = probed(probed(Settings::before(&[&app])).upstream("other", &[&other]))
        .route(&[("path", "/other/".into()), ("upstream", "other".into())]);
    // Nobody is led to this one, so nobody misses it.
    let settings = probed(settings.upstream_of("spare", &["http://127.0.0.1:9".into()]));
    let gate = Gate::start(settings).await;
    let ready = async || {
        let answer = gate.admin_client().get("/readyz").send().await;
        (answer.status, answer.text())
    };
    eventually("all apps are there", async || (ready().await == (200, "ready\n".into())).then_some(())).await;
    other.stop();
    let told = "upstream \"other\" has no member that takes new sessions\n";
    eventually("the loss is told", async || (ready().await == (200, format!("ready\n{told}"))).then_some(())).await;
    app.stop();
    eventually("it is not ready any more", async || {
        let (status, text) = ready().await;
        (status == 503 && text.starts_with("not ready\n") && text.contains("\"app\"") && text.contains("\"other\"")).then_some(())
    })
    .await;
    assert!(!ready().await.1.contains("spare"));
}

#[tokio::test]
async fn a_gate_without_its_issuers_keys_is_not_ready() {
    let app = App::start().await;
    let issuer = Pages::start().await;
    issuer.put("/keys?secret=1", Page::Status(500));
    let url = issuer.url("/keys");
    let settings = || Settings::before(&[&app]).without("auth.secret").set("auth.jwks_url", format!("{url}?secret=1").as_str());
    let gate = Gate::start(settings()).await;
    let answer = eventually("the first failure is told", async || {
        let answer = gate.admin_client().get("/readyz").send().await;
        answer.text().contains("status 500").then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), format!("not ready\nno keys have been fetched from {url} yet: the answer has status 500\n"));
    let status = gate.status().await;
    assert_eq!((&status["ready"], &status["jwks"][0]["keys"]), (&false.into(), &0.into()));
    assert_eq!(status["jwks"][0]["last_error"], "the answer has status 500");
    let series = |name: &str| format!("sockgate_jwks_{name}{{source=\"{url}\"}}");
    assert_eq!((gate.metric(&series("keys")).await, gate.metric(&series("failing")).await), (0.0, 1.0));

    issuer.put("/keys?secret=1", Page::Document(published(&[RSA.jwk("a")])));
    eventually("it is ready", async || (gate.admin_client().get("/readyz").send().await.status == 200).then_some(())).await;
    let status = gate.status().await;
    assert_eq!((&status["ready"], &status["jwks"][0]["keys"]), (&true.into(), &1.into()));
    assert_eq!(status["jwks"].as_array().map(Vec::len), Some(1));
    assert!(status["jwks"][0]["last_success_seconds"].is_u64() && status["jwks"][0]["last_error"].is_null(), "{status}");
    assert_eq!((gate.metric(&series("keys")).await, gate.metric(&series("failing")).await), (1.0, 0.0));
    assert!(gate.metrics().await.contains("sockgate_jwks_age_seconds{"));
    assert_eq!(gate.tells(&["secret=1"]).await, None);

    issuer.put("/keys?secret=1", Page::Status(500));
    gate.reload(&settings().set("auth.leeway", "61s")).await;
    assert_eq!(gate.admin_client().get("/readyz").send().await.status, 200, "keys that were fetched once stay through a reload");
    gate.reload(&Settings::before(&[&app])).await;
    assert!(!gate.metrics().await.contains("sockgate_jwks_keys{"), "an issuer of before is not shown");
}

#[tokio::test]
async fn an_issuer_that_is_away_takes_no_other_route_away() {
    let app = App::start().await;
    let issuer = Pages::start().await;
    issuer.put("/keys", Page::Status(500));
    let other = [("path", "/other/".into()), ("upstream", "app".into()), ("auth.jwks_url", issuer.url("/keys").as_str().into())];
    let gate = Gate::start(Settings::before(&[&app])).await;
    gate.reload(&Settings::before(&[&app]).route(&other)).await;
    let answer = eventually("the issuer that is away is told", async || {
        let answer = gate.admin_client().get("/readyz").send().await;
        answer.text().contains("no keys have been fetched").then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn the_status_page_counts_what_is_there() {
    let (_app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let _polling = Session::open(&gate.client(), &token).await;
    let mut websocket = gate.client().upgrade(OPEN_WEBSOCKET).token(&token).open_well().await;
    websocket.next_text().await;
    let status = eventually("both are counted", async || {
        let status = gate.status().await;
        (status["sessions"]["polling"] == 1 && status["sessions"]["websocket"] == 1).then_some(status)
    })
    .await;
    assert_eq!(status["connections"], 1);
    assert_eq!(status["upstreams"][0]["name"], "app");
    assert_eq!(status["upstreams"][0]["members"][0]["sessions"], 2);
    assert_eq!(gate.metric("sockgate_sessions{transport=\"websocket\"}").await, 1.0);
    assert_eq!(gate.metric("sockgate_sessions{transport=\"polling\"}").await, 1.0);
}

#[tokio::test]
async fn a_slow_client_of_the_door_keeps_nobody_waiting() {
    let (_app, gate) = pair().await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(gate.admin_client().raw("GET /status HTTP/1.1\r\n").await);
    }
    assert_eq!(gate.admin_client().get("/healthz").send().await.status, 200);
}
