//! Whom the gate trusts when it is itself the TLS client: toward https members and toward servers of keys. Built once a
//! configuration; every connection shares the result.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Why no client configuration could be built. The operator is to blame: each names the file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TrustProblem {
    #[error("{} cannot be read as PEM: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} holds no certificate", path.display())]
    NoCertificate { path: PathBuf },
    #[error("{} holds a certificate that cannot be used: {reason}", path.display())]
    UnusableCertificate { path: PathBuf, reason: String },
    #[error("the system has no certificate authorities; name a file of them")]
    NoSystemRoots,
    #[error("{} does not go with its key: {reason}", path.display())]
    Mismatch { path: PathBuf, reason: String },
}

/// A client configuration that speaks HTTP/1.1 over TLS 1.2 or 1.3, trusts the authorities in `ca` (None: the system's), and
/// shows the `client` certificate (chain file, key file) where a server asks for one. Reads files; not for hot paths.
pub fn client_config(ca: Option<&Path>, client: Option<(&Path, &Path)>) -> Result<ClientConfig, TrustProblem> {
    let roots = match ca {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for both default versions")
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(certificates(chain)?, private_key(key)?)
            .map_err(|error| TrustProblem::Mismatch { path: chain.into(), reason: error.to_string() })?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots_of(path: &Path) -> Result<RootCertStore, TrustProblem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TrustProblem::UnusableCertificate { path: path.into(), reason: error.to_string() })?;
    }
    Ok(roots)
}

/// Systems ship odd certificates now and then; those are left out, and only an empty store is a problem.
fn system_roots() -> Result<RootCertStore, TrustProblem> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TrustProblem::NoSystemRoots) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustProblem> {
    let unreadable =
        |error: rustls::pki_types::pem::Error| TrustProblem::Unreadable { path: path.into(), reason: error.to_string() };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if certificates.is_empty() { Err(TrustProblem::NoCertificate { path: path.into() }) } else { Ok(certificates) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TrustProblem> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TrustProblem::Unreadable { path: path.into(), reason: error.to_string() })
}
