//! The certificates shown to clients, chosen by the server name they ask for. Read whole or not at all: a new store takes the
//! old one's place only when every file of it is good.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use time::OffsetDateTime;

use super::{
    expiry,
    generate::{self, GenerateError, Generated},
};
use crate::config::tls::Tls;

/// Certificates by name.
#[derive(Debug)]
pub struct Store {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what stands behind `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    /// For clients that name nobody, or nobody we know.
    default: Arc<CertifiedKey>,
    expires: Option<OffsetDateTime>,
    /// Files it was made of.
    pub files: Vec<PathBuf>,
    /// The development certificate, where it is one.
    pub generated: Option<Generated>,
}

/// Why the certificates cannot be used. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    #[error("{} cannot be read as PEM: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} holds no certificate", path.display())]
    Empty { path: PathBuf },
    #[error("the key {} cannot be used: {reason}", path.display())]
    Key { path: PathBuf, reason: String },
    #[error("the key {} does not belong to the certificate {}", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("the certificate {} expired on {}", path.display(), end.date())]
    Expired { path: PathBuf, end: OffsetDateTime },
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error("[tls] needs certificate and key, or generate = true")]
    Incomplete,
}

impl Store {
    /// Reads every certificate of `[tls]`, or says all that is wrong. The development certificate is made here when asked for.
    pub fn read(tls: &Tls, now: OffsetDateTime) -> Result<Self, Vec<TlsProblem>> {
        let generated = match tls.generate && tls.certificate.is_none() {
            true => Some(generate::ensure(&tls.directory, now).map_err(|error| vec![error.into()])?),
            false => None,
        };
        let first = match (&generated, &tls.certificate, &tls.key) {
            (Some(made), ..) => (made.certificate.clone(), made.key.clone()),
            (None, Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, ..) => return Err(vec![TlsProblem::Incomplete]),
        };
        let pairs: Vec<(PathBuf, PathBuf)> =
            [first].into_iter().chain(tls.also.iter().map(|pair| (pair.certificate.clone(), pair.key.clone()))).collect();
        let mut problems = Vec::new();
        let mut loaded = Vec::new();
        for (certificate, key) in &pairs {
            match load(certificate, key, now) {
                Ok(pair) => loaded.push(pair),
                Err(problem) => problems.push(problem),
            }
        }
        match (problems.is_empty(), loaded.first().cloned()) {
            (true, Some(first)) => Ok(Self::of(first, loaded, pairs, generated)),
            _ => Err(problems),
        }
    }

    fn of(
        first: Arc<CertifiedKey>,
        loaded: Vec<Arc<CertifiedKey>>,
        pairs: Vec<(PathBuf, PathBuf)>,
        generated: Option<Generated>,
    ) -> Self {
        let mut store = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            default: first,
            expires: loaded.iter().filter_map(|pair| expiry::of(pair.cert.first()?)).min(),
            files: pairs.into_iter().flat_map(|(certificate, key)| [certificate, key]).collect(),
            generated,
        };
        for pair in loaded {
            for name in names(&pair) {
                // The first certificate that names a host is the one for it.
                match name.strip_prefix("*.") {
                    Some(suffix) => store.wildcard.entry(suffix.to_string()).or_insert(pair.clone()),
                    None => store.exact.entry(name).or_insert(pair.clone()),
                };
            }
        }
        store
    }

    /// When the certificate that expires first does.
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.expires
    }

    /// The certificate for a server name.
    pub fn choose(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name else { return &self.default };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let by_wildcard = || name.split_once('.').and_then(|(_, suffix)| self.wildcard.get(suffix));
        self.exact.get(&name).or_else(by_wildcard).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.server_name()).clone())
    }
}

fn load(certificate: &Path, key: &Path, now: OffsetDateTime) -> Result<Arc<CertifiedKey>, TlsProblem> {
    let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| TlsProblem::Unreadable {
        path: path.into(),
        reason: match error {
            rustls::pki_types::pem::Error::Io(error) => error.to_string(),
            // The error of a PEM reader may repeat what it read, and that may be a key.
            _ => "it is not PEM, or not of the expected kind".into(),
        },
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificate, error))?;
    let Some(leaf) = chain.first() else { return Err(TlsProblem::Empty { path: certificate.into() }) };
    if let Some(end) = expiry::of(leaf).filter(|end| *end <= now) {
        return Err(TlsProblem::Expired { path: certificate.into(), end });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let private = aws_lc_rs::sign::any_supported_type(&private)
        .map_err(|error| TlsProblem::Key { path: key.into(), reason: error.to_string() })?;
    let pair = CertifiedKey::new(chain, private);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Arc::new(pair)),
        Err(_) => Err(TlsProblem::Mismatch { certificate: certificate.into(), key: key.into() }),
    }
}

/// The DNS names in a certificate (RFC 5280 section 4.2.1.6).
fn names(pair: &CertifiedKey) -> Vec<String> {
    let leaf = pair.cert.first().and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
    leaf.map(|leaf| leaf.valid_dns_names().map(str::to_ascii_lowercase).collect()).unwrap_or_default()
}
