//! TLS at the gate's door.

use crate::support::{
    App, Certificates, Gate, Issuer, OPEN, Settings,
    certificates::client_config,
    client::{Client, Stream},
    sample::{before, pair_with, secure_pair},
};

#[tokio::test]
async fn a_plain_request_to_a_tls_door_is_told_so_and_no_more() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let plain = Client::new(gate.public, None);
    let mut line = plain.raw("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let said = line.end().await;
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("https"), "{said}");
    app.heard_nothing();
}

#[tokio::test]
async fn an_additional_plain_door_serves_the_same() {
    let app = App::start().await;
    let certificates = Certificates::new("gate");
    let gate = Gate::start(Settings::before(&[&app]).tls(&certificates).set("listen.plain", "127.0.0.1:0")).await;
    let plain = Client::new(gate.plain.expect("a plain door"), None);
    let token = Issuer::default().token("ana");
    assert_eq!(plain.get(OPEN).token(&token).send().await.status, 200);
    assert_eq!(app.last_request().header("x-forwarded-proto"), Some("http"));
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.status, 200);
    assert_eq!(app.last_request().header("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn the_protocol_is_what_both_can() {
    let (_app, gate) = secure_pair(|settings| settings).await;
    for (offered, agreed) in [(vec!["h2", "http/1.1"], Some("h2")), (vec!["http/1.1"], Some("http/1.1")), (vec![], None)] {
        let client = Client::new(gate.public, Some(client_config(&offered)));
        let line = client.connect().await.expect("connected");
        let Stream::Tls(tls) = &line.stream else { panic!("TLS") };
        assert_eq!(tls.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes));
    }
}

#[tokio::test]
async fn a_client_that_speaks_only_13_or_only_12_is_served_unless_told_otherwise() {
    crate::support::certificates::use_backend();
    for (minimum, with_12) in [("1.2", true), ("1.3", false)] {
        let (_app, gate) = secure_pair(|settings| settings.set("tls.minimum", minimum)).await;
        for (version, expected) in [(&rustls::version::TLS12, with_12), (&rustls::version::TLS13, true)] {
            let roots = crate::support::certificates::roots();
            let config = rustls::ClientConfig::builder_with_protocol_versions(&[version])
                .with_root_certificates(roots)
                .with_no_client_auth();
            let client = Client::new(gate.public, Some(std::sync::Arc::new(config)));
            let answer = client.get(OPEN).token(&Issuer::default().token("ana")).try_send().await;
            assert_eq!(answer.is_ok(), expected, "{minimum} {version:?}");
        }
    }
}

#[tokio::test]
async fn https_is_insisted_on_in_production_only() {
    let app = App::start().await;
    let certificates = Certificates::new("gate");
    let gate = Gate::start(Settings::before(&[&app]).tls(&certificates).set("environment", "production")).await;
    let token = Issuer::default().token("ana");
    for target in [OPEN, "/nowhere"] {
        let answer = gate.client().get(target).token(&token).send().await;
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"), "{target}");
    }
    let (_app, gate) = secure_pair(|settings| settings).await;
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.header("strict-transport-security"), None);
}

#[tokio::test]
async fn a_certificate_is_made_where_asked_for() {
    let (_app, gate) = pair_with(|settings| settings.set("tls.generate", true)).await;
    let authority = std::fs::read_dir(gate.directory().join("certs")).expect("generated").filter_map(Result::ok);
    let names: Vec<String> = authority.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() >= 2, "{names:?}");
}

#[tokio::test]
async fn junk_before_tls_harms_nobody() {
    let (_app, gate) = secure_pair(|settings| settings).await;
    for round in 0..50_u8 {
        let mut tcp = crate::support::wire::Line::new(gate.client().connect_tcp().await.expect("connected"));
        let _ = tcp.write(vec![round; 600]).await;
    }
    assert_eq!(gate.client().get("/nowhere").send().await.status, 404);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_gate_without_tls_speaks_plainly_on_loopback() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings).await;
    assert_eq!(gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await.status, 200);
}
