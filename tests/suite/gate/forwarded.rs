//! What the app is told about the client's connection, and whom the gate believes about it: forwarded headers and the PROXY
//! protocol.

use crate::support::{
    App, Gate, Issuer, OPEN, PAGE, Settings,
    sample::{before, pair, pair_with, secure_pair, with_plain_routes},
};

#[tokio::test]
async fn the_app_is_told_the_clients_address_host_and_scheme() {
    let (app, gate) = secure_pair(|settings| settings).await;
    for client in gate.clients() {
        let ask = client.get(OPEN).host(&format!("localhost:{}", gate.public.port())).token(&Issuer::default().token("ana"));
        assert_eq!(ask.send().await.status, 200);
        let seen = app.last_request();
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
        assert!(seen.header("x-forwarded-host").is_some_and(|host| host.starts_with("localhost")));
        assert_eq!(seen.header("host"), Some(format!("localhost:{}", gate.public.port()).as_str()));
        assert!(seen.header("forwarded").is_some_and(|told| told.contains("proto=https")));
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_not_believed() {
    let (app, gate) = pair().await;
    let mut ask = gate.client().get(OPEN).token(&Issuer::default().token("ana"));
    for name in [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "Forwarded",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Real-IP",
        "X_Real_IP",
        "True-Client-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Proxy",
    ] {
        ask = ask.header(name, "forged.example.net");
    }
    assert_eq!(ask.send().await.status, 200);
    let seen = app.only_request();
    let forged: Vec<_> = seen.headers.0.iter().filter(|(_, value)| value.contains("forged")).collect();
    assert!(forged.is_empty(), "{forged:?}");
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
}

#[tokio::test]
async fn a_trusted_proxys_chain_is_kept_and_goes_on() {
    let (app, gate) =
        pair_with(|settings| settings.set("listen.trusted_proxies", ["127.0.0.1"]).set("listen.behind_proxy", true)).await;
    let ask = gate.client().get(OPEN).token(&Issuer::default().token("ana"));
    let ask = ask
        .header("X-Forwarded-For", "203.0.113.1, 192.0.2.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "app.example.com");
    assert_eq!(ask.send().await.status, 200);
    let seen = app.only_request();
    let chain = seen.header("x-forwarded-for").expect("a chain");
    assert!(chain.ends_with("127.0.0.1") && chain.contains("192.0.2.7"), "{chain}");
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("app.example.com"));
    gate.record(&[("message", "request"), ("address", "192.0.2.7")]).await;
}

#[tokio::test]
async fn the_public_page_is_the_gates_own_behind_a_trusted_proxy() {
    let (_app, gate) = pair_with(|settings| settings.set("listen.trusted_proxies", ["127.0.0.1"])).await;
    let ask = gate
        .client()
        .get(OPEN)
        .token(&Issuer::default().token("ana"))
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "public.example.org");
    let answer = ask.origin("https://public.example.org").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.is_for_page("https://public.example.org");
}

#[tokio::test]
async fn each_request_has_an_id_that_client_app_and_log_share() {
    let (app, gate) = pair().await;
    let answer = gate.client().get(OPEN).header("X-Request-Id", "forged").token(&Issuer::default().token("ana")).send().await;
    let id = answer.header("x-request-id").expect("an id").to_string();
    assert_ne!(id, "forged");
    let seen = app.only_request();
    assert_eq!(seen.header("x-request-id"), Some(id.as_str()));
    assert!(seen.header("traceparent").is_some_and(|trace| trace.starts_with("00-") && trace.len() == 55));
    gate.record(&[("message", "request"), ("id", &id)]).await;
    let refused = gate.client().get("/nowhere").send().await;
    assert!(refused.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_trace_that_is_one_goes_on() {
    let (app, gate) = pair_with(|settings| settings.set("listen.trusted_proxies", ["127.0.0.1"])).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let token = Issuer::default().token("ana");
    gate.client().get(OPEN).header("traceparent", trace).token(&token).send().await;
    assert!(app.last_request().header("traceparent").is_some_and(|told| told.contains("4bf92f3577b34da6a3ce929d0e0e4736")));
    gate.client().get(OPEN).header("traceparent", "nonsense").token(&token).send().await;
    assert!(app.last_request().header("traceparent").is_some_and(|told| told.len() == 55));
}

/// A PROXY header of version 2 for TCP over IPv4.
fn version_2(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(source);
    header.extend([127, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb]);
    header
}

fn behind_balancer(app: &App) -> Settings {
    with_plain_routes(Settings::before(&[app])).set("listen.proxy_protocol", true).set("listen.trusted_proxies", ["127.0.0.1"])
}

#[tokio::test]
async fn the_proxy_header_says_who_the_client_is() {
    let app = App::start().await;
    let gate = Gate::start(behind_balancer(&app)).await;
    let token = Issuer::default().token("ana");
    for (preface, address) in
        [(b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 443\r\n".to_vec(), "192.0.2.7"), (version_2([192, 0, 2, 8]), "192.0.2.8")]
    {
        let client = gate.client().with_preface(&preface);
        assert_eq!(client.get(OPEN).token(&token).send().await.status, 200);
        let told = app.last_request().header("x-forwarded-for").map(str::to_string);
        assert_eq!(told.as_deref(), Some(address));
        gate.record(&[("message", "request"), ("address", address)]).await;
        let mut websocket = client.upgrade("/ws").token(&token).open_well().await;
        websocket.text("x").await;
        assert_eq!(websocket.next_text().await, "x");
    }
}

#[tokio::test]
async fn the_proxy_header_stands_before_tls() {
    let app = App::start().await;
    let certificates = crate::support::Certificates::new("gate");
    let gate = Gate::start(behind_balancer(&app).tls(&certificates)).await;
    for client in gate.clients() {
        let client = client.with_preface(version_2([192, 0, 2, 9]));
        assert_eq!(client.get(OPEN).token(&Issuer::default().token("ana")).send().await.status, 200);
        assert_eq!(app.last_request().header("x-forwarded-for"), Some("192.0.2.9"));
    }
}

#[tokio::test]
async fn a_connection_without_a_good_proxy_header_is_closed() {
    let app = App::start().await;
    let gate = Gate::start(behind_balancer(&app).set("listen.proxy_deadline", "300ms")).await;
    let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
    for bytes in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "PROXY TCP4 192.0.2.7 nonsense\r\n", &long, "PROXY", ""] {
        let mut line = gate.client().raw(bytes).await;
        assert_eq!(line.end().await, b"", "{bytes:?}");
    }
    let mut line = gate.client().from("127.0.0.2").raw("PROXY TCP4 192.0.2.7 127.0.0.1 12345 443\r\n").await;
    assert_eq!(line.end().await, b"", "nobody else may say who the client is");
    app.heard_nothing();
    gate.is_empty().await;
}

#[tokio::test]
async fn a_python_apps_own_origin_check_is_satisfied() {
    // python-engineio compares Origin with {X-Forwarded-Proto}://{X-Forwarded-Host} and lets requests without Origin pass.
    let app = App::start().await;
    let gate = before(&app, |settings| settings).await;
    gate.client().get(OPEN).origin(PAGE).token(&Issuer::default().token("ana")).send().await;
    let seen = app.only_request();
    assert_eq!(seen.header("origin"), None);
    assert!(seen.header("x-forwarded-proto").is_some() && seen.header("x-forwarded-host").is_some());
}
