//! Certificates made for a test, in a folder that goes with it.

use std::{fs, path::PathBuf, sync::Arc};

use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use rustls::pki_types::CertificateDer;
use sockgate::{
    config::tls::{Certificate, Tls, Version},
    net::tls::{accept::server_config, store::Store, trust::client_config},
};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

pub struct Shelf {
    folder: TempDir,
}

impl Shelf {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A certificate for `names` that signed itself and lasts so many days.
    pub fn certificate(&self, file: &str, names: &[&str], days: i64) -> Certificate {
        self.certificate_with(file, names, days, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub fn certificate_with(&self, file: &str, names: &[&str], days: i64, kind: &'static SignatureAlgorithm) -> Certificate {
        let key = KeyPair::generate_for(kind).unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_before = OffsetDateTime::now_utc() - Duration::days(1_000);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        let certificate = params.self_signed(&key).unwrap();
        Certificate {
            certificate: self.write(&format!("{file}.crt"), &certificate.pem()),
            key: self.write(&format!("{file}.key"), &key.serialize_pem()),
        }
    }
}

/// `[tls]` with a first certificate and more.
pub fn tls(first: &Certificate, also: &[&Certificate]) -> Tls {
    Tls {
        certificate: Some(first.certificate.clone()),
        key: Some(first.key.clone()),
        also: also.iter().map(|one| (*one).clone()).collect(),
        ..Tls::default()
    }
}

pub fn store(tls: &Tls) -> Store {
    Store::read(tls, OffsetDateTime::now_utc()).unwrap()
}

pub fn der(certificate: &Certificate) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_file(&certificate.certificate).unwrap()
}

/// The server's side with these certificates.
pub fn server(tls: &Tls) -> Arc<rustls::ServerConfig> {
    Arc::new(server_config(Arc::new(store(tls)), tls.minimum, true).unwrap())
}

/// A client that trusts exactly this certificate and offers these protocols.
pub fn client(trusted: &Certificate, protocols: &[&str]) -> Arc<rustls::ClientConfig> {
    let mut config = client_config(Some(&trusted.certificate), None).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub const BOTH_VERSIONS: [Version; 2] = [Version::V12, Version::V13];
