//! Why a page was turned away. Refusing is cheap: a category and what the client showed. The sentence that helps an
//! operator is made by `Judge::suggest`, only when somebody reads it; the client never sees it.

use std::fmt;

use super::cors::Cors;

/// One refusal.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{category}: {shown}")]
pub struct OriginRefusal {
    pub category: Category,
    /// What the client showed, as far as it is worth telling: escaped, and cut at 256 bytes.
    pub shown: Box<str>,
    /// Present when the page as such is allowed: then it may read why this request was refused.
    pub cors: Option<Cors>,
}

/// What was wrong. A closed set with stable names, because metrics and the admin page count by it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Category {
    /// No Origin, and the configuration wants one.
    Missing,
    /// Not an origin as browsers write it.
    Malformed,
    /// Right host, wrong scheme.
    Scheme,
    /// A host that is not allowed.
    Host,
    /// Right scheme and host, wrong port.
    Port,
    /// Allowed by `*` alone, and the token came by cookie, which any page can make a browser send.
    WildcardWithCredentials,
    /// A page without an origin.
    Null,
    PreflightMethod,
    PreflightHeader,
    /// The browser says that another site's page asked.
    CrossSite,
    /// The double-submit token is missing or differs.
    Csrf,
}

impl OriginRefusal {
    pub(super) fn new(category: Category, shown: &[u8]) -> Self {
        Self { category, shown: printable(shown), cors: None }
    }

    pub(super) fn readable(mut self, cors: &Cors) -> Self {
        self.cors = Some(cors.clone());
        self
    }
}

impl Category {
    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Port => "port",
            Self::WildcardWithCredentials => "wildcard_with_credentials",
            Self::Null => "null",
            Self::PreflightMethod => "preflight_method",
            Self::PreflightHeader => "preflight_header",
            Self::CrossSite => "cross_site",
            Self::Csrf => "csrf",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A client's bytes, safe to print: ASCII with escapes, not longer than 256 bytes.
pub fn printable(bytes: &[u8]) -> Box<str> {
    let mut text = String::new();
    for byte in bytes {
        let escaped = byte.escape_ascii();
        if text.len() + escaped.len() > LONGEST_SHOWN {
            text.push('…');
            break;
        }
        text.extend(escaped.map(char::from));
    }
    text.into()
}

/// Leaves room for the mark that says it was cut.
const LONGEST_SHOWN: usize = 256 - '…'.len_utf8();
