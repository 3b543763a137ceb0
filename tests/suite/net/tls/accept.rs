//! TLS toward clients: versions, ciphers, protocols, tickets, and certificates that change under open connections.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ProtocolVersion, ServerConfig, pki_types::ServerName};
use sockgate::{
    config::tls::{Tls, Version},
    net::tls::accept::{self, TlsFailure, secure},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client};

use super::{
    super::support::{pair, soon, until_end},
    support::{BOTH_VERSIONS, Shelf, client as client_of, server as server_of, tls},
};

const LONG: Duration = Duration::from_secs(10);

type Secured = Result<accept::Secured, TlsFailure>;

/// A handshake, seen from both sides.
async fn meet(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> (std::io::Result<client::TlsStream<TcpStream>>, Secured) {
    let (tcp, accepted) = pair().await;
    let connector = TlsConnector::from(client.clone());
    let name = ServerName::try_from("localhost").unwrap();
    let deadline = Instant::now() + LONG;
    soon("a handshake", async { tokio::join!(connector.connect(name, tcp), secure(accepted, server.clone(), deadline)) }).await
}

/// What the gate does with raw bytes: its verdict and what it wrote.
async fn raw(server: &Arc<ServerConfig>, bytes: &[u8], patience: Duration) -> (Secured, Vec<u8>) {
    let (mut client, accepted) = pair().await;
    client.write_all(bytes).await.unwrap();
    let result = soon("a verdict", secure(accepted, server.clone(), Instant::now() + patience)).await;
    (result, until_end(&mut client).await)
}

/// A ClientHello without extensions (RFC 5246 section 7.4.1.2).
fn hello(version: u16, cipher: u16) -> Vec<u8> {
    let version = version.to_be_bytes();
    let body = [&version[..], &[7; 32], &[0, 0, 2], &cipher.to_be_bytes(), &[1, 0]].concat();
    let handshake = [&[1, 0, 0, u8::try_from(body.len()).unwrap()], &body[..]].concat();
    [&[22, 3, 1, 0, u8::try_from(handshake.len()).unwrap()], &handshake[..]].concat()
}

#[tokio::test]
async fn http2_is_preferred_http1_is_possible_and_unknown_protocols_are_refused() {
    let shelf = Shelf::new();
    let certificate = shelf.certificate("gate", &["localhost"], 90);
    let server = server_of(&tls(&certificate, &[]));
    for (offered, chosen) in [(&["http/1.1", "h2"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)] {
        let (client, gate) = meet(&client_of(&certificate, offered), &server).await;
        assert_eq!(client.unwrap().get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
        assert_eq!(gate.unwrap().http2, chosen == Some("h2"));
    }
    let (_, gate) = meet(&client_of(&certificate, &["spdy/3"]), &server).await;
    assert!(matches!(gate, Err(TlsFailure::Handshake(_))));
}

#[tokio::test]
async fn the_lowest_version_is_what_the_operator_says() {
    let shelf = Shelf::new();
    let certificate = shelf.certificate("gate", &["localhost"], 90);
    for minimum in BOTH_VERSIONS {
        let server = server_of(&Tls { minimum, ..tls(&certificate, &[]) });
        for (version, is_good) in [(&rustls::version::TLS12, minimum == Version::V12), (&rustls::version::TLS13, true)] {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(super::support::der(&certificate)).unwrap();
            let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let (_client, gate) = meet(&Arc::new(client), &server).await;
            assert_eq!(gate.is_ok(), is_good, "{minimum:?} {version:?}");
        }
    }
}

#[tokio::test]
async fn old_versions_and_ciphers_without_authentication_get_an_alert() {
    let shelf = Shelf::new();
    let server = server_of(&tls(&shelf.certificate("gate", &["localhost"], 90), &[]));
    for (name, hello) in [
        ("SSL 3.0", hello(0x0300, 0xc013)),
        ("TLS 1.0", hello(0x0301, 0xc013)),
        ("TLS 1.1", hello(0x0302, 0xc013)),
        ("CBC", hello(0x0303, 0xc009)),
        ("RC4", hello(0x0303, 0x0005)),
        ("NULL", hello(0x0303, 0x0001)),
    ] {
        let (result, said) = raw(&server, &hello, LONG).await;
        assert!(matches!(result, Err(TlsFailure::Handshake(_))), "{name}: {result:?}");
        assert_eq!(said.first(), Some(&21), "{name}: {said:?}");
    }
}

#[tokio::test]
async fn silence_and_half_a_hello_end_at_the_deadline() {
    let shelf = Shelf::new();
    let server = server_of(&tls(&shelf.certificate("gate", &["localhost"], 90), &[]));
    let hello = hello(0x0303, 0xc02b);
    for bytes in [&b""[..], &hello[..1], &hello[..5], &hello[..hello.len() - 1]] {
        let (result, _) = raw(&server, bytes, Duration::from_millis(150)).await;
        assert!(matches!(result, Err(TlsFailure::Timeout)), "{} bytes: {result:?}", bytes.len());
    }
}

#[tokio::test]
async fn junk_is_refused() {
    let shelf = Shelf::new();
    let server = server_of(&tls(&shelf.certificate("gate", &["localhost"], 90), &[]));
    for junk in [&b"\0\0\0\0\0\0\0\0"[..], b"SSH-2.0-OpenSSH_9.9\r\n", &[0xff; 4096], b"\x16\x03\x01\xff\xff\x01"] {
        let (result, _) = raw(&server, junk, LONG).await;
        assert!(result.is_err(), "{junk:?}");
    }
}

#[tokio::test]
async fn who_forgot_the_s_is_told() {
    let shelf = Shelf::new();
    let server = server_of(&tls(&shelf.certificate("gate", &["localhost"], 90), &[]));
    for method in ["GET", "POST", "OPTIONS", "PUT", "HEAD"] {
        let (result, said) = raw(&server, format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(), LONG).await;
        assert!(matches!(result, Err(TlsFailure::PlainHttp)), "{method}");
        let said = String::from_utf8(said).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{said}");
        assert!(body.contains("https"), "{body}");
    }
}

#[tokio::test]
async fn a_session_is_resumed_without_memory_here() {
    let shelf = Shelf::new();
    let certificate = shelf.certificate("gate", &["localhost"], 90);
    for minimum in BOTH_VERSIONS {
        let (server, client) = (server_of(&Tls { minimum, ..tls(&certificate, &[]) }), client_of(&certificate, &["h2"]));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let (client, gate) = meet(&client, &server).await;
            let (mut client, gate) = (client.unwrap(), gate.unwrap());
            kinds.push(gate.resumed);
            let mut gate = gate.line;
            // The ticket travels in front of the first bytes.
            gate.write_all(b"x").await.unwrap();
            gate.flush().await.unwrap();
            assert_eq!(soon("a byte", client.read_u8()).await.unwrap(), b'x');
            assert_eq!(client.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        }
        assert_eq!(kinds, [false, true]);
        assert_eq!(server.max_early_data_size, 0, "early data can be replayed");
        assert_eq!(server.send_tls13_tickets, 1);
    }
}

#[tokio::test]
async fn new_certificates_are_for_new_connections_and_old_ones_live_on() {
    let shelf = Shelf::new();
    let old = shelf.certificate("gate", &["localhost"], 90);
    let before = server_of(&tls(&old, &[]));
    let (client, gate) = meet(&client_of(&old, &["http/1.1"]), &before).await;
    let (mut client, mut gate) = (client.unwrap(), gate.unwrap().line);

    let new = shelf.certificate("gate", &["localhost"], 90);
    let after = server_of(&tls(&new, &[]));
    drop(before);

    let (second, _gate) = meet(&client_of(&new, &["http/1.1"]), &after).await;
    assert_eq!(second.unwrap().get_ref().1.peer_certificates().unwrap()[0], super::support::der(&new));
    client.write_all(b"still here").await.unwrap();
    let mut heard = [0; 10];
    soon("bytes come through", gate.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"still here");
}
