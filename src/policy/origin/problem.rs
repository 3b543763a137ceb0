//! What can be wrong with `[origin]`, in words for the operator: which key, what was written, what to write instead.

use crate::config::pattern::PatternError;

/// One thing that keeps the list of origins from being built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key}: {written:?}: {cause}")]
pub struct OriginProblem {
    /// The option, with the entry counted from 0: `origin.allow[2]`.
    pub key: String,
    pub written: String,
    pub cause: Cause,
}

/// Why; the text says what to write.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Cause {
    #[error("{0}")]
    Pattern(PatternError),
    #[error(
        "* together with credentials would hand every user's session to every page; name the origins, or set origin.credentials = false"
    )]
    WildcardWithCredentials,
    #[error("a wildcard below {0} lets in everybody who has a name there; write your own domain, such as https://*.example.{0}")]
    PublicDomain(String),
    #[error("in production origins of plain http are named one by one; write https, or the whole origin")]
    OpenHttp,
    #[error("only the host, such as app.example.com; ports go to origin.ports, whole origins and patterns to origin.allow")]
    NotHost,
    #[error("a port is a number from 1 to 65535")]
    Port,
    #[error("one whole origin, such as https://gate.example.com")]
    NotExact,
    #[error("not the name of a header; write each name, such as content-type, without *")]
    HeaderName,
    #[error("not the name of a method; write each name, such as POST, without *")]
    MethodName,
}

impl OriginProblem {
    pub fn new(key: String, written: &str, cause: Cause) -> Self {
        Self { key, written: written.to_string(), cause }
    }
}
