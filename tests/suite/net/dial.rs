use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use sockgate::net::{
    dial::{DialError, Line, Secure, Target, alternate, dial},
    tls::trust::{TrustProblem, client_config},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

/// A self-signed certificate for `app.internal` in a folder, and a server's configuration that shows it.
fn certificate() -> (tempfile::TempDir, Arc<rustls::ServerConfig>) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["app.internal".into()]).expect("a name").self_signed(&key).expect("signed");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("written");
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).expect("written");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (folder, Arc::new(config))
}

fn secure(ca: &Path, name: &str) -> Secure {
    let config = client_config(Some(ca), None).expect("a configuration");
    Secure { config: Arc::new(config), server_name: ServerName::try_from(name.to_owned()).expect("a name") }
}

#[tokio::test]
async fn a_name_and_a_literal_address_lead_to_the_same_place() {
    let (listener, port) = listener().await;
    for host in ["127.0.0.1", "localhost"] {
        let target = Target::new(host, port, None);
        for _ in 0..2 {
            let mut line = dial(&target, soon()).await.expect("a line");
            let Line::Plain(stream) = &line else { panic!("plain") };
            assert!(stream.nodelay().expect("a live socket"));
            let (mut there, _) = listener.accept().await.expect("a connection");
            line.write_all(b"hello").await.expect("written");
            line.shutdown().await.expect("closed");
            let mut heard = String::new();
            there.read_to_string(&mut heard).await.expect("read");
            assert_eq!(heard, "hello");
        }
    }
}

#[tokio::test]
async fn sources_take_turns_and_one_that_cannot_be_used_is_passed_over() {
    let (listener, port) = listener().await;
    let sources: Vec<IpAddr> = ["127.0.0.2", "::1", "127.0.0.3"].map(|source| source.parse().expect("an address")).to_vec();
    let target = Target::new("127.0.0.1", port, None).dialed_from(&sources);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let _line = dial(&target, soon()).await.expect("a line");
        seen.push(listener.accept().await.expect("a connection").1.ip().to_string());
    }
    assert_eq!(seen, ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"]);

    // An address for documentation is no machine's.
    let strange: IpAddr = "192.0.2.77".parse().expect("an address");
    let target = Target::new("127.0.0.1", port, None).dialed_from(&[strange, sources[0]]);
    for _ in 0..2 {
        let _line = dial(&target, soon()).await.expect("a line");
        assert_eq!(listener.accept().await.expect("a connection").1.ip(), sources[0]);
    }
    let nowhere = dial(&Target::new("127.0.0.1", port, None).dialed_from(&[strange]), soon()).await;
    assert_eq!(nowhere.err(), Some(DialError::Local("192.0.2.77 is not an address of this machine".into())));
    // None of the address's family: the system chooses.
    let _line = dial(&Target::new("127.0.0.1", port, None).dialed_from(&[sources[1]]), soon()).await.expect("a line");
}

#[tokio::test]
async fn what_goes_wrong_is_named() {
    let port = listener().await.1;
    let refused = dial(&Target::new("127.0.0.1", port, None), soon()).await;
    assert_eq!(refused.err(), Some(DialError::Connect(ErrorKind::ConnectionRefused)));
    let refused = dial(&Target::new("localhost", port, None), soon()).await;
    assert_eq!(refused.err(), Some(DialError::Connect(ErrorKind::ConnectionRefused)));
    let unknown = dial(&Target::new("no such name", 80, None), soon()).await;
    assert_eq!(unknown.err(), Some(DialError::Unresolved));
    let (listener, port) = listener().await;
    let (folder, _) = certificate();
    let target = Target::new("127.0.0.1", port, Some(secure(&folder.path().join("ca.pem"), "app.internal")));
    let hanging = dial(&target, Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(hanging.err(), Some(DialError::Timeout), "nobody shakes hands");
    drop(listener);
}

#[tokio::test]
async fn tls_is_spoken_to_whom_the_authorities_vouch_for() {
    let (listener, port) = listener().await;
    let (folder, server) = certificate();
    let (_other, _) = certificate();
    let acceptor = TlsAcceptor::from(server);
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut heard = [0; 5];
                stream.read_exact(&mut heard).await.expect("read");
                stream.write_all(&heard).await.expect("written");
            }
        }
    });
    let ca = folder.path().join("ca.pem");
    let mut line = dial(&Target::new("localhost", port, Some(secure(&ca, "app.internal"))), soon()).await.expect("a line");
    let Line::Tls(stream) = &line else { panic!("tls") };
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    line.write_all(b"hello").await.expect("written");
    let mut heard = [0; 5];
    line.read_exact(&mut heard).await.expect("read");
    assert_eq!(&heard, b"hello");

    let misnamed = dial(&Target::new("localhost", port, Some(secure(&ca, "other.internal"))), soon()).await;
    assert!(matches!(misnamed, Err(DialError::Tls(_))), "{misnamed:?}");
    let strangers = secure(&_other.path().join("ca.pem"), "app.internal");
    let stranger = dial(&Target::new("localhost", port, Some(strangers)), soon()).await;
    assert!(matches!(stranger, Err(DialError::Tls(_))), "{stranger:?}");
    serving.abort();
}

#[tokio::test]
async fn something_that_is_not_tls_is_an_error() {
    let (listener, port) = listener().await;
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 512]).await;
    });
    let (folder, _) = certificate();
    let target = Target::new("127.0.0.1", port, Some(secure(&folder.path().join("ca.pem"), "app.internal")));
    assert!(matches!(dial(&target, soon()).await, Err(DialError::Tls(_))));
    serving.abort();
}

#[test]
fn files_that_make_no_trust_are_named() {
    let (folder, _) = certificate();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("empty.pem"), "nothing here").expect("written");
    assert_eq!(
        client_config(Some(&file("empty.pem")), None).err(),
        Some(TrustProblem::NoCertificate { path: file("empty.pem") })
    );
    let missing = client_config(Some(&file("missing.pem")), None).err();
    assert!(matches!(missing, Some(TrustProblem::Unreadable { path, .. }) if path == file("missing.pem")));
    assert!(client_config(Some(&file("ca.pem")), Some((&file("ca.pem"), &file("key.pem")))).is_ok());
    let (other, _) = certificate();
    let wrong = client_config(Some(&file("ca.pem")), Some((&file("ca.pem"), &other.path().join("key.pem")))).err();
    assert!(matches!(wrong, Some(TrustProblem::Mismatch { .. })), "{wrong:?}");
}

#[test]
fn want_of_our_own_is_told_from_the_targets_refusal() {
    for (errno, is_local) in
        [(24, true), (23, true), (99, true), (105, true), (12, true), (111, false), (113, false), (104, false)]
    {
        assert_eq!(DialError::from(std::io::Error::from_raw_os_error(errno)).is_local(), is_local, "errno {errno}");
    }
}

#[test]
fn address_families_take_turns() {
    let read = |list: &[&str]| list.iter().map(|text| text.parse().expect("an address")).collect::<Vec<SocketAddr>>();
    for (given, mixed) in [
        (vec![], vec![]),
        (vec!["[::1]:1", "[::2]:1", "1.1.1.1:1"], vec!["[::1]:1", "1.1.1.1:1", "[::2]:1"]),
        (vec!["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "[::1]:1"], vec!["1.1.1.1:1", "[::1]:1", "2.2.2.2:1", "3.3.3.3:1"]),
    ] {
        assert_eq!(alternate(read(&given)), read(&mixed));
    }
}
