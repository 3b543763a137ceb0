//! TLS records after the handshake: what one message of 64 bytes, 1 KiB or 16 KiB costs in each direction, and a read that
//! brings many small ones. TLS 1.3 with AES-128-GCM, which is what clients and this gate agree on first.

use std::{hint::black_box, sync::Arc};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, ServerName},
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, UnbufferedStatus},
    version::TLS13,
};
use sockgate::net::tls::record::{Cipher, FRAGMENT, ROOM, Records, Version};

use super::{Operation, again, on_fresh};

pub fn seal_64() -> Operation {
    seal(64)
}

pub fn seal_1_kib() -> Operation {
    seal(1024)
}

pub fn seal_16_kib() -> Operation {
    seal(FRAGMENT)
}

pub fn open_64() -> Operation {
    open(1, 64)
}

pub fn open_1_kib() -> Operation {
    open(1, 1024)
}

pub fn open_16_kib() -> Operation {
    open(1, FRAGMENT)
}

/// Sixteen messages in one read.
pub fn open_16_of_64() -> Operation {
    open(16, 64)
}

fn seal(size: usize) -> Operation {
    let (_, mut gate) = shaken();
    let payload = vec![b'x'; size];
    let mut out = vec![0; size + ROOM];
    let mut sealed = move || gate.seal(black_box(&payload), &mut out);
    assert!(sealed().is_ok_and(|length| length > size));
    again(sealed)
}

/// Records can be opened once, in their order: the client makes them anew.
fn open(records: usize, size: usize) -> Operation {
    let (mut client, mut gate) = shaken();
    let payload = vec![b'x'; size];
    let mut made = move || {
        let mut bytes = vec![0; records * (size + ROOM)];
        let mut length = 0;
        for _ in 0..records {
            length += client.seal(APPLICATION_DATA, &payload, &mut bytes[length..]).expect("there is room");
        }
        bytes.truncate(length);
        bytes
    };
    let mut reply = Vec::new();
    let mut opened = move |bytes: &mut Vec<u8>| gate.open(black_box(bytes), &mut reply).expect("the client's next records");
    let mut first = made();
    let whole = opened(&mut first);
    assert_eq!((whole.payload, whole.taken), (records * size, first.len()));
    assert!(first[..whole.payload].iter().all(|byte| *byte == b'x'));
    on_fresh(made, opened)
}

/// A handshake in memory: the client's sending key, and the gate's records.
fn shaken() -> (Cipher, Records) {
    let (client, server) = configs();
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").expect("a name")).expect("a client");
    let mut gate = UnbufferedServerConnection::new(server).expect("a server");
    let (mut heard, mut said) = (Vec::new(), Vec::new());
    loop {
        client.write_tls(&mut heard).expect("memory takes everything");
        let UnbufferedStatus { discard, state, .. } = gate.process_tls_records(&mut heard);
        let mut is_done = false;
        match state.expect("a good handshake") {
            ConnectionState::EncodeTlsData(mut flight) => {
                let start = said.len();
                let Err(EncodeError::InsufficientSize(size)) = flight.encode(&mut []) else { panic!("nothing to say") };
                said.resize(start + size.required_size, 0);
                flight.encode(&mut said[start..]).expect("there is room");
            }
            ConnectionState::TransmitTlsData(flight) => {
                flight.done();
                let mut said = &*std::mem::take(&mut said);
                while !said.is_empty() {
                    client.read_tls(&mut said).expect("memory gives everything");
                    client.process_new_packets().expect("a good handshake");
                }
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
    let cipher = |(sequence, secrets)| Cipher::new(Version::Tls13, sequence, &secrets).expect("a suite of ours");
    let (secrets, later) = gate.dangerous_into_kernel_connection().expect("a whole handshake");
    let records = Records::new(Version::Tls13, cipher(secrets.rx), cipher(secrets.tx), later);
    (cipher(client.dangerous_extract_secrets().expect("a whole handshake").tx), records)
}

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a root");
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("one version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("one version")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate and its key");
    server.enable_secret_extraction = true;
    // What rustls would send behind the handshake is not what is measured.
    server.send_tls13_tickets = 0;
    (Arc::new(client), Arc::new(server))
}

const APPLICATION_DATA: u8 = 23;
