//! `[tls]`: the certificates shown to clients.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Certificates and protocol versions toward clients.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain, leaf first.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key (RSA, ECDSA or Ed25519). May be readable by its owner only.
    pub key: Option<PathBuf>,
    /// More certificates, chosen by the server name the client asks for (SNI). The one above answers everybody else.
    pub also: Vec<Certificate>,
    /// Make a local certificate authority and a certificate for localhost, 127.0.0.1 and ::1 in `directory`, and use
    /// them again next time. Never in production.
    pub generate: bool,
    /// Where generated certificates are kept.
    pub directory: PathBuf,
    /// The lowest protocol version: `1.2` or `1.3`.
    pub minimum: Version,
    /// `Strict-Transport-Security` max-age in days, sent over TLS in production. 0: not sent.
    pub hsts_days: u32,
}

/// One certificate and its key.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// PEM file with the certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// A TLS protocol version.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Version {
    #[default]
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            also: Vec::new(),
            generate: false,
            directory: PathBuf::from("certs"),
            minimum: Version::V12,
            hsts_days: 365,
        }
    }
}

impl Tls {
    /// Whether the main listener speaks TLS.
    pub fn is_on(&self) -> bool {
        self.generate || self.certificate.is_some()
    }
}
