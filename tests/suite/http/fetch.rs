//! The client for keys and discovery pages, against servers that behave and servers that do not.

use std::{io, sync::Arc, time::Duration};

use http::Uri;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer};
use sockgate::http::fetch::{FetchError, Fetcher, Question, Reply, is_address};

use super::pages::{Page, Pages};

fn fetcher() -> Fetcher {
    Fetcher { trust: None, size: 1024 * 1024, deadline: Duration::from_secs(5) }
}

async fn get(address: &str) -> Result<Vec<u8>, FetchError> {
    fetcher().get(&address.parse::<Uri>().expect("a URI")).await.map(Vec::from)
}

#[tokio::test]
async fn a_document_comes_however_it_is_framed() {
    let pages = Pages::start().await;
    let document = vec![b'x'; 5000];
    pages.put("/length?a=1", Page::Document(document.clone()));
    pages.put("/chunked", Page::Chunked(document.clone()));
    pages.put("/unframed", Page::Unframed(document.clone()));
    pages.put("/", Page::Document(Vec::new()));
    for path in ["/length?a=1", "/chunked", "/unframed"] {
        assert_eq!(get(&pages.url(path)).await, Ok(document.clone()), "{path}");
    }
    assert_eq!(get(&pages.url("")).await, Ok(Vec::new()));
    let head = pages.heads()[0].to_ascii_lowercase();
    assert!(head.contains(&format!("host: {}\r\n", pages.address)), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
}

#[tokio::test]
async fn a_server_that_errs_is_told_by_cause() {
    let pages = Pages::start().await;
    let cases = [
        ("/500", Page::Status(500), FetchError::Status(500)),
        ("/204", Page::Status(204), FetchError::Status(204)),
        ("/garbage", Page::Raw(b"SSH-2.0-OpenSSH\r\n\r\n"), FetchError::Protocol),
        ("/nothing", Page::Raw(b""), FetchError::Protocol),
        ("/both", Page::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\n{}  "), FetchError::Protocol),
        ("/cut", Page::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{}"), FetchError::Protocol),
        ("/huge", Page::Huge { bytes: 60_000_000, says_so: true }, FetchError::TooLarge),
        ("/endless", Page::Huge { bytes: 60_000_000, says_so: false }, FetchError::TooLarge),
    ];
    for (path, page, error) in cases {
        pages.put(path, page);
        assert_eq!(get(&pages.url(path)).await, Err(error), "{path}");
    }
}

#[tokio::test]
async fn a_head_has_a_limit() {
    let pages = Pages::start().await;
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(100_000));
    pages.put("/head", Page::Raw(head.leak().as_bytes()));
    assert_eq!(get(&pages.url("/head")).await, Err(FetchError::Protocol));
}

#[tokio::test]
async fn a_server_that_hangs_costs_one_deadline() {
    let pages = Pages::start().await;
    pages.put("/silence", Page::Silence);
    pages.put("/half", Page::Half);
    let impatient = Fetcher { deadline: Duration::from_millis(100), ..fetcher() };
    for path in ["/silence", "/half"] {
        let address = pages.url(path).parse().expect("a URI");
        assert_eq!(impatient.get(&address).await, Err(FetchError::TooSlow), "{path}");
    }
}

#[tokio::test]
async fn redirects_stay_where_the_operator_pointed() {
    let (pages, elsewhere) = (Pages::start().await, Pages::start().await);
    elsewhere.put("/keys", Page::Document(b"evil".to_vec()));
    pages.put("/keys", Page::Document(b"good".to_vec()));
    pages.put("/path", Page::Redirect("/keys".into()));
    pages.put("/whole", Page::Redirect(pages.url("/keys#x")));
    pages.put("/twice", Page::Redirect("/path".into()));
    pages.put("/circle", Page::Redirect("/circle".into()));
    pages.put("/elsewhere", Page::Redirect(elsewhere.url("/keys")));
    pages.put("/slashes", Page::Redirect(format!("//{}/keys", elsewhere.address)));
    pages.put("/scheme", Page::Redirect(pages.url("/keys").replace("http:", "https:")));
    pages.put("/file", Page::Redirect("file:///etc/passwd".into()));
    for path in ["/path", "/whole", "/twice"] {
        assert_eq!(get(&pages.url(path)).await, Ok(b"good".to_vec()), "{path}");
    }
    for path in ["/circle", "/elsewhere", "/slashes", "/scheme", "/file"] {
        assert_eq!(get(&pages.url(path)).await, Err(FetchError::Redirect), "{path}");
    }
    assert_eq!(elsewhere.asked("/keys"), 0);
}

#[tokio::test]
async fn a_question_is_answered_with_any_status_and_goes_nowhere_else() {
    let pages = Pages::start().await;
    pages.put("/yes", Page::Document(b"{}".to_vec()));
    pages.put("/no", Page::Status(401));
    pages.put("/elsewhere", Page::Redirect("/yes".into()));
    let question = Question { authorization: Some("Bearer abc".parse().expect("a value")), form: Some("a=b".into()) };
    for (path, status, body) in [("/yes", 200, "{}"), ("/no", 401, ""), ("/elsewhere", 302, "")] {
        let address = pages.url(path).parse().expect("a URI");
        let reply = fetcher().ask(&address, &question).await.expect("an answer");
        assert_eq!(reply, Reply { status: status.try_into().expect("a status"), body: body.into() }, "{path}");
    }
    assert_eq!(pages.asked("/yes"), 1);
    let sent = pages.heads()[0].to_ascii_lowercase();
    assert!(sent.starts_with("post /yes http/1.1\r\n") && sent.ends_with("\r\n\r\na=b"), "{sent}");
    assert!(sent.contains("\r\nauthorization: bearer abc\r\n") && sent.contains("\r\ncontent-length: 3\r\n"), "{sent}");
}

#[tokio::test]
async fn https_is_spoken_with_whom_it_trusts_only() {
    let pair = KeyPair::generate().expect("a key");
    let certificate =
        CertificateParams::new(["localhost".to_owned()]).expect("a name").self_signed(&pair).expect("a certificate");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(pair.serialize_der()).into())
        .expect("they go together");
    let pages = Pages::start_with_tls(server).await;
    pages.put("/keys", Page::Document(b"{}".to_vec()));
    let trusting = |roots: RootCertStore| {
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Fetcher { trust: Some(Arc::new(config)), ..fetcher() }
    };
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a certificate");
    let address: Uri = format!("https://localhost:{}/keys", pages.address.port()).parse().expect("a URI");
    assert_eq!(trusting(roots.clone()).get(&address).await.map(Vec::from), Ok(b"{}".to_vec()));
    assert!(matches!(trusting(RootCertStore::empty()).get(&address).await, Err(FetchError::Tls(_))));
    let other_name: Uri = format!("https://127.0.0.1:{}/keys", pages.address.port()).parse().expect("a URI");
    assert!(matches!(trusting(roots).get(&other_name).await, Err(FetchError::Tls(_))));
    assert_eq!(fetcher().get(&address).await, Err(FetchError::NoTrust));
}

#[tokio::test]
async fn nobody_at_home_is_told() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("its address")
    };
    assert_eq!(get(&format!("http://{gone}/")).await, Err(FetchError::Connect(io::ErrorKind::ConnectionRefused)));
}

#[test]
fn only_plain_addresses_can_be_fetched() {
    for good in ["http://a/", "https://a.example:8443/x?y=1", "http://127.0.0.1:9", "http://[::1]:80/"] {
        assert!(is_address(&good.parse().expect("a URI")), "{good}");
    }
    for bad in ["ftp://a/", "/path", "a:80", "http://user:pass@a/", "*"] {
        assert!(!is_address(&bad.parse().expect("a URI")), "{bad}");
    }
}
