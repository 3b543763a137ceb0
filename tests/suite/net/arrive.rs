//! From an accepted socket to a connection that can speak HTTP.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use sockgate::{
    net::{
        Peer, Stream,
        accept::{Door, TurnedAway},
        arrive::{Arrival, Turned, arrive},
        proxy::ProxyError,
        tls::accept::TlsFailure,
    },
    telemetry::Metrics,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    support::{pair, soon, until_end},
    tls::support::{Shelf, client, server, tls},
};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(150);

fn arrival() -> Arrival {
    Arrival {
        tls: None,
        proxy_protocol: false,
        trusted: vec!["127.0.0.0/8".parse().unwrap()],
        proxy_deadline: LONG,
        tls_deadline: LONG,
    }
}

fn door(per_address: usize) -> Arc<Door> {
    Arc::new(Door::new(100, per_address, vec!["127.0.0.0/8".parse().unwrap()], Arc::new(Metrics::default())))
}

async fn arrived(accepted: TcpStream, door: &Arc<Door>, arrival: &Arrival) -> Result<(Stream, Peer), Turned> {
    let address = accepted.peer_addr().unwrap();
    let mut pass = door.admit(address.ip()).unwrap();
    soon("a verdict", arrive(accepted, address, &mut pass, arrival)).await
}

#[tokio::test]
async fn a_plain_connection_is_there_at_once() {
    let (client, accepted) = pair().await;
    let (stream, peer) = arrived(accepted, &door(0), &arrival()).await.unwrap();

    assert!(matches!(stream, Stream::Plain(_)));
    let us = client.local_addr().unwrap();
    let expected = Peer { address: us.ip(), port: us.port(), secure: false, http2: false, resumed: false };
    assert_eq!(peer, expected);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_whom_the_header_names() {
    let (mut client, accepted) = pair().await;
    client.write_all(b"PROXY TCP4 192.0.2.1 127.0.0.1 4000 443\r\nafter").await.unwrap();
    let (mut stream, peer) = arrived(accepted, &door(0), &Arrival { proxy_protocol: true, ..arrival() }).await.unwrap();

    assert_eq!((peer.address.to_string(), peer.port), ("192.0.2.1".into(), 4000));
    let mut after = [0; 5];
    soon("what follows", stream.read_exact(&mut after)).await.unwrap();
    assert_eq!(&after, b"after");
}

#[tokio::test]
async fn a_proxy_that_speaks_for_itself_stays_itself() {
    let (mut client, accepted) = pair().await;
    client.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
    let (_stream, peer) = arrived(accepted, &door(0), &Arrival { proxy_protocol: true, ..arrival() }).await.unwrap();
    assert_eq!(peer.address, client.local_addr().unwrap().ip());
}

#[tokio::test]
async fn a_header_from_anyone_else_or_none_at_all_closes_the_connection() {
    let proxied = Arrival { proxy_protocol: true, ..arrival() };
    let hasty = Arrival { proxy_deadline: SHORT, ..proxied.clone() };
    let untrusted = Arrival { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..proxied.clone() };
    let header = &b"PROXY TCP4 192.0.2.1 127.0.0.1 4000 443\r\n"[..];
    type Check = fn(&Turned) -> bool;
    let rows: [(&str, &Arrival, &[u8], Check); 4] = [
        ("untrusted", &untrusted, header, |turned| matches!(turned, Turned::Untrusted)),
        ("silent", &hasty, b"", |turned| matches!(turned, Turned::ProxyTimeout)),
        ("half", &hasty, &header[..20], |turned| matches!(turned, Turned::ProxyTimeout)),
        ("a request", &proxied, b"GET / HTTP/1.1\r\n\r\n", |turned| matches!(turned, Turned::Proxy(ProxyError::Absent))),
    ];
    for (name, arrival, bytes, check) in rows {
        let (mut client, accepted) = pair().await;
        client.write_all(bytes).await.unwrap();
        let turned = arrived(accepted, &door(0), arrival).await.map(|_| ()).unwrap_err();
        assert!(check(&turned), "{name}: {turned}");
        assert_eq!((turned.name(), turned.handshake()), ("proxy_header", None), "{name}");
        assert_eq!(until_end(&mut client).await, b"", "{name}");
    }
}

#[tokio::test]
async fn clients_behind_one_proxy_are_limited_each_by_itself() {
    let (door, arrival) = (door(1), Arrival { proxy_protocol: true, ..arrival() });
    let mut inside = Vec::new();
    for (client, expected) in [("192.0.2.1", None), ("192.0.2.2", None), ("192.0.2.1", Some(TurnedAway::Address))] {
        let (mut tcp, accepted) = pair().await;
        tcp.write_all(format!("PROXY TCP4 {client} 127.0.0.1 4000 443\r\n").as_bytes()).await.unwrap();
        let address = accepted.peer_addr().unwrap();
        let mut pass = door.admit(address.ip()).unwrap();
        match (soon("a verdict", arrive(accepted, address, &mut pass, &arrival)).await, expected) {
            (Ok(_), None) => inside.push(pass),
            (Err(Turned::TooMany(why)), Some(expected)) => assert_eq!(why, expected),
            (result, expected) => panic!("{client}: {:?} instead of {expected:?}", result.map(drop)),
        }
    }
}

#[tokio::test]
async fn tls_follows_the_proxy_header_and_tells_what_was_agreed() {
    let shelf = Shelf::new();
    let certificate = shelf.certificate("gate", &["localhost"], 90);
    let arrival = Arrival { tls: Some(server(&tls(&certificate, &[]))), proxy_protocol: true, ..arrival() };
    for (offered, http2) in [("h2", true), ("http/1.1", false)] {
        let (mut tcp, accepted) = pair().await;
        let connecting = async {
            tcp.write_all(b"PROXY TCP6 2001:db8::1 ::1 4000 443\r\n").await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            TlsConnector::from(client(&certificate, &[offered])).connect(name, tcp).await
        };
        let door = door(0);
        let (connected, arrived) = tokio::join!(connecting, arrived(accepted, &door, &arrival));
        let (stream, peer) = arrived.unwrap();

        connected.unwrap();
        assert!(matches!(stream, Stream::Tls(_)));
        assert_eq!(peer.address.to_string(), "2001:db8::1");
        assert_eq!((peer.secure, peer.http2), (true, http2));
    }
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_come_ends_the_connection() {
    let shelf = Shelf::new();
    let arrival = Arrival {
        tls: Some(server(&tls(&shelf.certificate("gate", &["localhost"], 90), &[]))),
        tls_deadline: SHORT,
        ..arrival()
    };
    let (mut client, accepted) = pair().await;

    let turned = arrived(accepted, &door(0), &arrival).await.map(|_| ()).unwrap_err();

    assert!(matches!(turned, Turned::Tls(TlsFailure::Timeout)), "{turned}");
    assert_eq!((turned.name(), turned.handshake()), ("tls", Some("timeout")));
    assert_eq!(until_end(&mut client).await, b"");
}
