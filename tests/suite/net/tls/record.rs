//! TLS records after the handshake, against rustls on the other side and against a client that has its keys and no manners.

use std::{
    io::{ErrorKind, Read, Write},
    sync::Arc,
};

use proptest::prelude::*;
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, UnbufferedStatus},
    version::{TLS12, TLS13},
};
use sockgate::net::tls::{
    accept::secure,
    record::{Cipher, FRAGMENT, HEADER, Line, ROOM, RecordError, Records, Version},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::support::{pair, soon, until_end},
    support::{Shelf, der, server as server_of, tls},
};

const SUITES: [(&SupportedProtocolVersion, CipherSuite); 6] = [
    (&TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
    (&TLS13, CipherSuite::TLS13_AES_256_GCM_SHA384),
    (&TLS13, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
];
const TLS13_SUITE: usize = 0;
const TLS12_SUITE: usize = 3;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// A client that speaks one version with one suite, and a gate that speaks all.
fn configs(suite: usize) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let shelf = Shelf::new();
    let certificate = shelf.certificate("gate", &["localhost"], 90);
    let (version, name) = SUITES[suite];
    let mut provider: CryptoProvider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == name);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der(&certificate)).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    (Arc::new(client), server_of(&tls(&certificate, &[])))
}

/// A handshake in memory: rustls on the client's side, our records on the gate's, which may wear its key out after `most` records.
fn shaken(suite: usize, most: u64) -> (ClientConnection, Records) {
    let (client, server) = configs(suite);
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut gate = UnbufferedServerConnection::new(server).unwrap();
    let (mut heard, mut said) = (Vec::new(), Vec::new());
    loop {
        client.write_tls(&mut heard).unwrap();
        let UnbufferedStatus { discard, state, .. } = gate.process_tls_records(&mut heard);
        let mut is_done = false;
        match state.unwrap() {
            ConnectionState::EncodeTlsData(mut data) => {
                let start = said.len();
                let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else { panic!("nothing to say") };
                said.resize(start + size.required_size, 0);
                data.encode(&mut said[start..]).unwrap();
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                hear(&mut client, &std::mem::take(&mut said));
            }
            ConnectionState::BlockedHandshake => {}
            ConnectionState::WriteTraffic(_) => is_done = !client.is_handshaking(),
            other => panic!("{other:?}"),
        }
        heard.drain(..discard);
        if is_done {
            break;
        }
    }
    assert!(heard.is_empty());
    let version = if suite < TLS12_SUITE { Version::Tls13 } else { Version::Tls12 };
    let (secrets, later) = gate.dangerous_into_kernel_connection().unwrap();
    let receive = Cipher::new(version, secrets.rx.0, &secrets.rx.1).unwrap();
    let send = Cipher::new(version, secrets.tx.0, &secrets.tx.1).unwrap().with_most(most);
    (client, Records::new(version, receive, send, later))
}

fn hear(client: &mut ClientConnection, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        client.process_new_packets().unwrap();
    }
}

/// A client that seals whatever it likes.
fn rude(suite: usize) -> (Cipher, Records) {
    let (client, records) = shaken(suite, u64::MAX);
    let version = if suite < TLS12_SUITE { Version::Tls13 } else { Version::Tls12 };
    let secrets = client.dangerous_extract_secrets().unwrap();
    (Cipher::new(version, secrets.tx.0, &secrets.tx.1).unwrap(), records)
}

fn record(cipher: &mut Cipher, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; payload.len() + ROOM];
    let length = cipher.seal(kind, payload, &mut out).unwrap();
    out.truncate(length);
    out
}

/// What the gate makes of some bytes.
fn opened(records: &mut Records, bytes: &[u8]) -> Result<(Vec<u8>, bool), RecordError> {
    let mut bytes = bytes.to_vec();
    let opened = records.open(&mut bytes, &mut Vec::new())?;
    assert_eq!(opened.taken, bytes.len(), "all of them");
    Ok((bytes[..opened.payload].to_vec(), opened.is_end))
}

/// A connection over a socket, seen from both sides.
async fn connected(suite: usize) -> (tokio_rustls::client::TlsStream<TcpStream>, Line) {
    let (client, server) = configs(suite);
    let (tcp, accepted) = pair().await;
    let connector = tokio_rustls::TlsConnector::from(client);
    let name = ServerName::try_from("localhost").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let (client, gate) =
        soon("a handshake", async { tokio::join!(connector.connect(name, tcp), secure(accepted, server, deadline)) }).await;
    (client.unwrap(), gate.unwrap().line)
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

#[tokio::test]
async fn bytes_go_both_ways_in_every_suite() {
    for (suite, (_, name)) in SUITES.into_iter().enumerate() {
        let (mut client, mut gate) = connected(suite).await;
        for length in [1, 16_383, 16_384, 16_385, 300_000] {
            let sent = sample(length);
            let echo = async {
                let mut heard = vec![0; length];
                gate.read_exact(&mut heard).await.unwrap();
                gate.write_all(&heard).await.unwrap();
                gate.flush().await.unwrap();
            };
            let ask = async {
                client.write_all(&sent).await.unwrap();
                client.flush().await.unwrap();
                let mut heard = vec![0; length];
                client.read_exact(&mut heard).await.unwrap();
                assert!(heard == sent, "{name:?} {length}");
            };
            // Both at once: what neither reads neither can write for ever.
            soon("an echo", async { tokio::join!(echo, ask) }).await;
        }
    }
}

#[tokio::test]
async fn a_record_that_comes_byte_by_byte_is_put_together() {
    let (client, mut gate) = connected(TLS13_SUITE).await;
    let (mut tcp, mut tls) = client.into_inner();
    tls.writer().write_all(b"in pieces").unwrap();
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes).unwrap();
    let sending = async {
        for byte in bytes {
            tcp.write_all(&[byte]).await.unwrap();
        }
    };
    let mut heard = [0; 9];
    let reading = async { gate.read_exact(&mut heard).await.unwrap() };
    soon("the record", async { tokio::join!(sending, reading) }).await;
    assert_eq!(&heard, b"in pieces");
}

#[tokio::test]
async fn a_reader_with_little_room_gets_everything() {
    let (mut client, mut gate) = connected(TLS13_SUITE).await;
    let sent = sample(40_000);
    let mut heard = Vec::new();
    let reading = async {
        let mut little = [0; 7];
        while heard.len() < sent.len() {
            let count = gate.read(&mut little).await.unwrap();
            heard.extend_from_slice(&little[..count]);
        }
    };
    let writing = async {
        client.write_all(&sent).await.unwrap();
        client.flush().await.unwrap();
    };
    soon("all of it", async { tokio::join!(reading, writing) }).await;
    assert!(heard == sent);
}

/// A handshake whose last flight carries more in the same segment; the gate's side, and the client once all is out.
async fn in_one_flight(suite: usize, more: fn(&mut ClientConnection)) -> (Line, (std::net::TcpStream, ClientConnection)) {
    let (client, server) = configs(suite);
    let (tcp, accepted) = pair().await;
    let mut tls = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = tcp.into_std().unwrap();
    tcp.set_nonblocking(false).unwrap();
    let shaking = tokio::task::spawn_blocking(move || {
        let mut flight = Vec::new();
        // A client of TLS 1.2 has said its last word before the server has.
        let is_last = |tls: &ClientConnection| !tls.is_handshaking();
        loop {
            while tls.wants_write() {
                tls.write_tls(&mut flight).unwrap();
            }
            if is_last(&tls) {
                more(&mut tls);
                while tls.wants_write() {
                    tls.write_tls(&mut flight).unwrap();
                }
                tcp.write_all(&flight).unwrap();
                return (tcp, tls);
            }
            tcp.write_all(&std::mem::take(&mut flight)).unwrap();
            tls.read_tls(&mut tcp).unwrap();
            tls.process_new_packets().unwrap();
        }
    });
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let gate = secure(accepted, server, deadline).await.unwrap().line;
    (gate, shaking.await.unwrap())
}

#[tokio::test]
async fn what_comes_behind_the_handshake_is_not_lost() {
    let mores: [(&str, fn(&mut ClientConnection)); 4] = [
        ("a request", |tls| tls.writer().write_all(b"at once").unwrap()),
        ("a new key, one wanted, and a request", |tls| {
            tls.refresh_traffic_keys().unwrap();
            tls.writer().write_all(b"at once").unwrap();
        }),
        ("a request and a goodbye", |tls| {
            tls.writer().write_all(b"at once").unwrap();
            tls.send_close_notify();
        }),
        ("a request in many records", |tls| {
            for byte in b"at once" {
                tls.writer().write_all(&[*byte]).unwrap();
            }
        }),
    ];
    for (what, more) in mores {
        let (mut gate, (mut tcp, mut tls)) = in_one_flight(TLS13_SUITE, more).await;
        let mut heard = [0; 7];
        soon(what, gate.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"at once", "{what}");
        gate.write_all(b"answer").await.unwrap();
        gate.flush().await.unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = [0; 6];
            loop {
                match tls.reader().read(&mut answer) {
                    Ok(6) => return answer,
                    _ => {
                        assert!(tls.read_tls(&mut tcp).unwrap() > 0);
                        tls.process_new_packets().expect("under the keys that were agreed");
                    }
                }
            }
        });
        assert_eq!(&answer.await.unwrap(), b"answer", "{what}");
    }
}

/// Nothing was on its way to the client: what is put on the wire beside the records is the first that comes.
fn assert_silent(gate: &Line, tcp: &mut std::net::TcpStream) {
    assert_eq!(gate.tcp().try_write(b"mark").unwrap(), 4);
    let mut first = [0; 4];
    tcp.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"mark");
}

/// The next bytes for a client.
fn next(tcp: &mut std::net::TcpStream, tls: &mut ClientConnection, length: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    while heard.len() < length {
        assert!(tls.read_tls(tcp).unwrap() > 0, "an end instead of {length} bytes");
        tls.process_new_packets().unwrap();
        // Without a goodbye the end of what there is is an error.
        let _ = tls.reader().read_to_end(&mut heard);
    }
    heard
}

#[tokio::test]
async fn a_ticket_goes_out_with_the_first_data() {
    let (mut gate, (mut tcp, mut tls)) = in_one_flight(TLS13_SUITE, |_| {}).await;
    gate.flush().await.unwrap();
    assert_silent(&gate, &mut tcp);
    gate.write_all(b"answer").await.unwrap();
    assert_eq!(next(&mut tcp, &mut tls, 6), b"answer");
    assert_eq!(tls.tls13_tickets_received(), 1);
    gate.write_all(b"more").await.unwrap();
    assert_eq!(next(&mut tcp, &mut tls, 4), b"more", "what follows goes out at once");
}

#[tokio::test]
async fn last_words_are_gathered_until_a_flush_or_the_goodbye() {
    let (mut gate, (mut tcp, mut tls)) = in_one_flight(TLS13_SUITE, |_| {}).await;
    gate.gather();
    gate.write_all(b"first").await.unwrap();
    assert_silent(&gate, &mut tcp);
    gate.flush().await.unwrap();
    assert_eq!(next(&mut tcp, &mut tls, 5), b"first");
    gate.write_all(b"last").await.unwrap();
    gate.write_all(b" words").await.unwrap();
    assert_silent(&gate, &mut tcp);
    gate.shutdown().await.unwrap();
    assert_eq!(next(&mut tcp, &mut tls, 10), b"last words");
    while !tls.process_new_packets().unwrap().peer_has_closed() {
        assert!(tls.read_tls(&mut tcp).unwrap() > 0, "an end without a goodbye");
    }
    // However much there is, not much of it is kept back.
    let (mut gate, (mut tcp, mut tls)) = in_one_flight(TLS13_SUITE, |_| {}).await;
    gate.gather();
    for _ in 0..4 {
        gate.write_all(&sample(FRAGMENT)).await.unwrap();
    }
    assert_eq!(next(&mut tcp, &mut tls, 3 * FRAGMENT).len(), 3 * FRAGMENT);
}

#[tokio::test]
async fn a_handshake_that_goes_wrong_half_way_gets_an_alert_and_harms_nobody() {
    let (_, server) = configs(TLS13_SUITE);
    for (what, bytes) in [
        ("an alert within a hello", &b"\x16\x03\x01\x00\x01\x01\x15\x03\x01\x00\x02\x02\x28"[..]),
        ("a bad header within a hello", b"\x16\x03\x01\x00\x01\x01\xff\xff\xff\xff\xff"),
        ("a hello that is none, and more", b"\x16\x03\x01\x00\x0c\x01\x00\x00\x04abcd\x01\x00\x00\x00"),
        ("an empty record", b"\x16\x03\x01\x00\x00"),
        ("a record longer than allowed", b"\x16\x03\x01\xff\xff"),
    ] {
        let (mut client, accepted) = pair().await;
        client.write_all(bytes).await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let refused = soon(what, secure(accepted, server.clone(), deadline)).await;
        assert!(refused.is_err(), "{what}");
        let said = until_end(&mut client).await;
        // rustls has nothing to say to somebody who gave up.
        assert_eq!(said.first() == Some(&ALERT), what != "an alert within a hello", "{what}: {said:?}");
    }
}

#[tokio::test]
async fn a_goodbye_is_an_end_and_anything_else_is_told_apart() {
    for suite in [TLS13_SUITE, TLS12_SUITE] {
        let (mut client, mut gate) = connected(suite).await;
        client.write_all(b"last words").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        soon("the end", gate.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"last words");
        assert_eq!(gate.read(&mut [0; 8]).await.unwrap(), 0, "it stays an end");
        // The other half is still open.
        gate.write_all(b"answer").await.unwrap();
        gate.shutdown().await.unwrap();
        let mut answer = Vec::new();
        soon("the answer", client.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, b"answer");

        let (client, mut gate) = connected(suite).await;
        let (mut tcp, _) = client.into_inner();
        tcp.shutdown().await.unwrap();
        let cut = soon("the end", gate.read(&mut [0; 8])).await;
        assert_eq!(cut.unwrap_err().kind(), ErrorKind::UnexpectedEof, "no goodbye");
        assert_eq!(gate.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::UnexpectedEof, "and none later");
    }
}

#[tokio::test]
async fn a_record_that_breaks_off_is_no_end() {
    let (client, mut gate) = connected(TLS13_SUITE).await;
    let (mut tcp, mut tls) = client.into_inner();
    tls.writer().write_all(b"never whole").unwrap();
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes).unwrap();
    tcp.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
    tcp.shutdown().await.unwrap();
    assert_eq!(soon("the end", gate.read(&mut [0; 64])).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_a_slow_reader_does_not_take_waits_and_arrives() {
    let (mut client, mut gate) = connected(TLS13_SUITE).await;
    let sent = sample(8_000_000);
    let writing = async {
        gate.write_all(&sent).await.unwrap();
        gate.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let reading = async { client.read_to_end(&mut heard).await.unwrap() };
    soon("all of it", async { tokio::join!(writing, reading) }).await;
    assert!(heard == sent);
}

#[tokio::test]
async fn a_new_key_of_the_client_is_taken_and_answered() {
    let (mut client, mut gate) = connected(TLS13_SUITE).await;
    for round in 0..40_u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round; 100]).await.unwrap();
        client.flush().await.unwrap();
        let mut heard = [0; 100];
        soon("under the new key", gate.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, [round; 100]);
        // The answer has a new key as well.
        gate.write_all(&heard).await.unwrap();
        gate.flush().await.unwrap();
        soon("an answer", client.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, [round; 100]);
    }
}

#[test]
fn a_worn_key_is_replaced_before_it_is_used_on() {
    let (mut client, mut records) = shaken(TLS13_SUITE, 3);
    let mut out = vec![0; 100 + ROOM];
    for round in 0..20_u8 {
        let length = records.seal(&[round; 100], &mut out).unwrap();
        hear(&mut client, &out[..length]);
        let mut heard = [0; 100];
        client.reader().read_exact(&mut heard).unwrap();
        assert_eq!(heard, [round; 100]);
    }
    // TLS 1.2 has no other key to offer.
    let (_, mut records) = shaken(TLS12_SUITE, 3);
    let sealed: Vec<_> = (0..5).map(|_| records.seal(b"x", &mut out).map(|_| ())).collect();
    assert_eq!(sealed.last(), Some(&Err(RecordError::Worn)));
}

#[test]
fn what_has_no_place_after_the_handshake_is_refused() {
    let update = |wish: u8| vec![24, 0, 0, 1, wish];
    for (what, suite, kind, payload, verdict) in [
        ("data", TLS13_SUITE, DATA, b"x".to_vec(), Ok(())),
        ("no data", TLS13_SUITE, DATA, vec![], Ok(())),
        ("a new key", TLS13_SUITE, HANDSHAKE, update(0), Ok(())),
        ("a new key, and one wanted", TLS13_SUITE, HANDSHAKE, update(1), Ok(())),
        ("a new key, and nonsense wanted", TLS13_SUITE, HANDSHAKE, update(2), Err(RecordError::Illegal)),
        ("a new key and more", TLS13_SUITE, HANDSHAKE, [update(0), update(0)].concat(), Err(RecordError::Unexpected)),
        ("half a new key", TLS13_SUITE, HANDSHAKE, vec![24, 0, 0], Err(RecordError::Unexpected)),
        ("a hello", TLS13_SUITE, HANDSHAKE, vec![1, 0, 0, 0], Err(RecordError::Unexpected)),
        ("an empty message", TLS13_SUITE, HANDSHAKE, vec![], Err(RecordError::Unexpected)),
        ("a change of ciphers", TLS13_SUITE, 20, vec![1], Err(RecordError::Unexpected)),
        ("an unknown kind", TLS13_SUITE, 99, vec![1], Err(RecordError::Unexpected)),
        ("nothing but padding", TLS13_SUITE, 0, vec![0; 30], Err(RecordError::Unexpected)),
        ("a cancellation", TLS13_SUITE, ALERT, vec![1, 90], Ok(())),
        ("a warning, which TLS 1.3 does not have", TLS13_SUITE, ALERT, vec![1, 100], Err(RecordError::Alerted(100))),
        ("half an alert", TLS13_SUITE, ALERT, vec![1], Err(RecordError::Malformed)),
        ("an alert", TLS13_SUITE, ALERT, vec![2, 48], Err(RecordError::Alerted(48))),
        ("a payload longer than allowed", TLS13_SUITE, DATA, vec![1; FRAGMENT + 1], Err(RecordError::TooLong)),
        ("data in TLS 1.2", TLS12_SUITE, DATA, b"x".to_vec(), Ok(())),
        ("a renegotiation", TLS12_SUITE, HANDSHAKE, vec![1, 0, 0, 0], Err(RecordError::Unexpected)),
        ("a change of ciphers in TLS 1.2", TLS12_SUITE, 20, vec![1], Err(RecordError::Unexpected)),
        ("a warning in TLS 1.2", TLS12_SUITE, ALERT, vec![1, 100], Ok(())),
        ("a payload longer than allowed in TLS 1.2", TLS12_SUITE, DATA, vec![1; FRAGMENT + 1], Err(RecordError::TooLong)),
    ] {
        let (mut client, mut records) = rude(suite);
        let sealed = record(&mut client, kind, &payload);
        let mut reply = Vec::new();
        let seen = records.open(&mut sealed.clone(), &mut reply).map(|_| ());
        assert_eq!(seen, verdict, "{what}");
        // Whoever is refused is told, unless they gave up themselves.
        let is_told = matches!(verdict, Err(error) if !matches!(error, RecordError::Alerted(_)));
        assert_eq!(!reply.is_empty(), is_told, "{what}");
    }
}

#[test]
fn padding_does_not_make_a_record_longer_than_allowed() {
    for (padding, is_good) in [(FRAGMENT - 1, true), (FRAGMENT, false)] {
        let (mut client, mut records) = rude(TLS13_SUITE);
        // A byte of data, its kind, and zeros: sealed as padding of kind 0, the last zero is the kind.
        let inner = [&[b'x', DATA][..], &vec![0; padding - 1]].concat();
        let verdict = opened(&mut records, &record(&mut client, 0, &inner));
        assert_eq!(verdict.is_ok(), is_good, "{padding}: {:?}", verdict.map(|(payload, _)| payload.len()));
    }
}

#[test]
fn however_often_a_new_key_is_wanted_one_is_given_before_the_next_data() {
    let (mut client, mut records) = shaken(TLS13_SUITE, u64::MAX);
    let mut reply = Vec::new();
    for _ in 0..1000 {
        for _ in 0..31 {
            client.refresh_traffic_keys().unwrap();
        }
        client.writer().write_all(b"x").unwrap();
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        assert_eq!(records.open(&mut wire, &mut reply).unwrap().payload, 1);
    }
    assert!(reply.is_empty(), "nothing is kept for a client that does not read");
    let mut out = vec![0; 10 + ROOM];
    let length = records.seal(b"data", &mut out).unwrap();
    hear(&mut client, &out[..length]);
    let mut heard = [0; 4];
    client.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"data");
}

#[test]
fn messages_without_data_are_bounded() {
    let (mut client, mut records) = rude(TLS13_SUITE);
    let mut verdicts = Vec::new();
    for _ in 0..40 {
        verdicts.push(opened(&mut records, &record(&mut client, DATA, b"")));
    }
    assert!(verdicts[..32].iter().all(Result::is_ok));
    assert_eq!(verdicts[32], Err(RecordError::Flood));
    // Data between them forgives.
    let (mut client, mut records) = rude(TLS13_SUITE);
    for _ in 0..10 {
        for _ in 0..30 {
            opened(&mut records, &record(&mut client, DATA, b"")).unwrap();
        }
        assert_eq!(opened(&mut records, &record(&mut client, DATA, b"x")), Ok((b"x".to_vec(), false)));
    }
}

#[test]
fn an_altered_record_is_refused_whichever_bit_it_is() {
    for suite in [TLS13_SUITE, 2, TLS12_SUITE, 5] {
        let length = {
            let (mut client, _) = rude(suite);
            record(&mut client, DATA, b"0123456789").len()
        };
        for bit in (0..length * 8).step_by(5) {
            let (mut client, mut records) = rude(suite);
            let mut sealed = record(&mut client, DATA, b"0123456789");
            sealed[bit / 8] ^= 1 << (bit % 8);
            let mut reply = Vec::new();
            match records.open(&mut sealed, &mut reply) {
                Err(_) => assert!(!reply.is_empty()),
                // A longer length makes it a record that is not all here yet.
                Ok(opened) => assert_eq!((opened.taken, opened.payload, bit / 8), (0, 0, bit / 8)),
            }
            assert!(bit / 8 == 3 || bit / 8 == 4 || !reply.is_empty(), "bit {bit}");
        }
    }
}

#[test]
fn a_replayed_or_reordered_record_is_refused() {
    for suite in 0..SUITES.len() {
        let (mut client, mut records) = rude(suite);
        let (one, two) = (record(&mut client, DATA, b"one"), record(&mut client, DATA, b"two"));
        assert_eq!(opened(&mut records, &two), Err(RecordError::Forged), "{suite}");
        let (mut client, mut records) = rude(suite);
        let first = record(&mut client, DATA, b"one");
        assert!(opened(&mut records, &first).is_ok());
        assert_eq!(opened(&mut records, &first), Err(RecordError::Forged), "{suite}");
        drop(one);
    }
}

#[test]
fn a_length_beyond_all_limits_is_refused_before_its_record_has_come() {
    let (_, mut records) = rude(TLS13_SUITE);
    let mut reply = Vec::new();
    assert_eq!(records.open(&mut [23, 3, 3, 0xff, 0xff], &mut reply), Err(RecordError::TooLong));
    assert!(!reply.is_empty());
}

#[tokio::test]
async fn a_client_that_talks_nonsense_gets_an_alert_and_an_end() {
    let (client, mut gate) = connected(TLS13_SUITE).await;
    let (mut tcp, _tls) = client.into_inner();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let refused = soon("a verdict", gate.read(&mut [0; 64])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    assert_eq!(gate.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe, "nothing more is said");
    drop(gate);
    let said = until_end(&mut tcp).await;
    assert_eq!(said.first(), Some(&DATA), "an alert, sealed: {said:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_records_are_cut_the_payload_is_the_same(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..12), cuts in prop::collection::vec(1_usize..700, 1..20)) {
        let (mut client, mut records) = rude(TLS13_SUITE);
        let wire: Vec<u8> = payloads.iter().flat_map(|payload| record(&mut client, DATA, payload)).collect();
        let (mut held, mut heard, mut at) = (Vec::new(), Vec::new(), 0);
        let mut cuts = cuts.iter().cycle();
        while at < wire.len() {
            let end = (at + cuts.next().unwrap()).min(wire.len());
            held.extend_from_slice(&wire[at..end]);
            at = end;
            let opened = records.open(&mut held, &mut Vec::new()).unwrap();
            heard.extend_from_slice(&held[..opened.payload]);
            held.drain(..opened.taken);
        }
        prop_assert!(held.is_empty());
        prop_assert_eq!(heard, payloads.concat());
    }

    #[test]
    fn hostile_bytes_are_refused_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..600), suite in 0..SUITES.len()) {
        let (_, mut records) = rude(suite);
        if let Ok(opened) = records.open(&mut bytes.clone(), &mut Vec::new()) {
            prop_assert_eq!((opened.payload, opened.taken), (0, 0));
            prop_assert!(bytes.len() < HEADER || bytes[1] == 3);
        }
    }
}
