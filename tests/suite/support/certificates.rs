//! A certificate authority of the tests, made once, and leaves it signs for gates.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};

/// A leaf for localhost in files of its own.
pub struct Certificates {
    directory: tempfile::TempDir,
}

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

static AUTHORITY: OnceLock<Authority> = OnceLock::new();

/// Picks the cryptography of this process, which has two users that would each want to.
pub fn use_backend() {
    // Somebody else may have been first; it is the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

impl Certificates {
    /// A leaf with this common name for localhost.
    pub fn new(name: &str) -> Self {
        let certificates = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        certificates.renew(name);
        certificates
    }

    /// Another leaf in the same files.
    pub fn renew(&self, name: &str) {
        let (certificate, key) = leaf(name);
        // The key first: a gate that looks in between finds a pair that does not match and keeps what it has.
        std::fs::write(self.key_file(), key).expect("a key file");
        std::fs::write(self.certificate_file(), certificate).expect("a certificate file");
    }

    pub fn certificate_file(&self) -> String {
        self.file("gate.crt")
    }

    pub fn key_file(&self) -> String {
        self.file("gate.key")
    }

    fn file(&self, name: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        path.to_str().expect("temporary paths are text").to_string()
    }
}

/// What a client of these certificates trusts and offers.
pub fn client_config(alpn: &[&str]) -> Arc<ClientConfig> {
    use_backend();
    let mut config = ClientConfig::builder().with_root_certificates(roots()).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// The tests' authority alone.
pub fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority().certificate.clone()).expect("our own authority");
    roots
}

fn authority() -> &'static Authority {
    AUTHORITY.get_or_init(|| {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "the tests' authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("an authority");
        Authority { certificate: certificate.der().clone(), issuer: Issuer::new(params, key) }
    })
}

fn leaf(name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
    let mut params = CertificateParams::new(names).expect("names of a certificate");
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &authority().issuer).expect("a leaf");
    (certificate.pem(), key.serialize_pem())
}

/// The common name inside a certificate: enough of DER to tell two of ours apart.
pub fn is_named(certificate: &CertificateDer<'_>, name: &str) -> bool {
    super::wire::find(certificate, name.as_bytes()).is_some()
}
