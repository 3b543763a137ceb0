//! Certificates for development: a local authority and a certificate for localhost, 127.0.0.1 and ::1, made once and used
//! again. The authority is good for those names alone, so that trusting it costs nothing.

use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use memchr::memmem;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};

use super::expiry;

/// Where generated certificates are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Generated {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Made just now rather than found.
    pub is_new: bool,
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("{} cannot be written: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("the certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

const AUTHORITY_LASTS: Duration = Duration::days(365);
/// Under the 398 days that browsers accept, and short enough that a lost key does not matter for long.
const CERTIFICATE_LASTS: Duration = Duration::days(90);
/// One that expires sooner than this is made anew.
const RENEWED_BEFORE: Duration = Duration::days(7);

/// Finds the certificates in `directory`, or makes them.
pub fn ensure(directory: &Path, now: OffsetDateTime) -> Result<Generated, GenerateError> {
    let mut generated = Generated {
        authority: directory.join("ca.pem"),
        certificate: directory.join("gate.crt"),
        key: directory.join("gate.key"),
        is_new: false,
    };
    let has_authority = is_good(&generated.authority, now);
    if has_authority && is_good(&generated.certificate, now) && key_of(&generated.certificate, &generated.key).is_some() {
        return Ok(generated);
    }
    fs::create_dir_all(directory).map_err(|error| GenerateError::Io { path: directory.into(), error })?;
    let authority_key_file = directory.join("ca.key");
    // With its key still here the old authority signs again, and nobody needs to trust a new one.
    let kept = key_of(&generated.authority, &authority_key_file).filter(|_| has_authority);
    let is_kept = kept.is_some();
    let authority_key = kept.map_or_else(KeyPair::generate, Ok)?;
    let params = authority_params(now);
    if !is_kept {
        let authority = params.self_signed(&authority_key)?;
        write_secret(&authority_key_file, &authority_key.serialize_pem())?;
        write(&generated.authority, &authority.pem())?;
    }
    let key = KeyPair::generate()?;
    let certificate = leaf(&key, &Issuer::new(params, authority_key), now)?;
    write_secret(&generated.key, &key.serialize_pem())?;
    write(&generated.certificate, &certificate.pem())?;
    generated.is_new = true;
    Ok(generated)
}

impl Generated {
    /// How to make clients trust it, for people.
    pub fn how_to_trust(&self) -> String {
        let authority = self.authority.display();
        format!(
            "curl --cacert {authority} …   ·   NODE_EXTRA_CA_CERTS={authority} node …   ·   SSL_CERT_FILE={authority} python …   ·   \
             browsers: import {authority} as a certificate authority"
        )
    }
}

fn is_good(file: &Path, now: OffsetDateTime) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_file(file) else { return false };
    expiry::of(&certificate).is_some_and(|end| end - now > RENEWED_BEFORE)
}

/// The key in a file, if it is the one that a certificate is for. Half a pair is left when making it was interrupted.
fn key_of(certificate: &Path, key: &Path) -> Option<KeyPair> {
    let certificate = CertificateDer::from_pem_file(certificate).ok()?;
    let key = KeyPair::from_pem(&fs::read_to_string(key).ok()?).ok()?;
    memmem::find(&certificate, key.public_key_raw()).map(|_| key)
}

fn authority_params(now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("sockgate development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".into()),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(IpAddr::V4(Ipv4Addr::LOCALHOST), 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(IpAddr::V6(Ipv6Addr::LOCALHOST), 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    // Clocks that are behind shall accept it too.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + AUTHORITY_LASTS;
    params
}

fn leaf(key: &KeyPair, issuer: &Issuer<'_, KeyPair>, now: OffsetDateTime) -> Result<Certificate, rcgen::Error> {
    let mut params = CertificateParams::new(vec!["localhost".to_string()])?;
    params.distinguished_name = named("localhost");
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - Duration::hours(1);
    params.not_after = now + CERTIFICATE_LASTS;
    params.signed_by(key, issuer)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn write(path: &Path, text: &str) -> Result<(), GenerateError> {
    fs::write(path, text).map_err(|error| GenerateError::Io { path: path.into(), error })
}

/// Readable by its owner alone, from its first byte on.
fn write_secret(path: &Path, text: &str) -> Result<(), GenerateError> {
    let failed = |error| GenerateError::Io { path: path.into(), error };
    let beside = path.with_extension("key.new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}
