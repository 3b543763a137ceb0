//! Why a token was not believed, one name a cause. `policy/refusal` gives each its status; here are the stable names (for
//! logs, metrics and tests) and the sentences a client may read. Neither ever holds a part of the token.

use std::{borrow::Cow, fmt};

/// Why a token was not believed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum TokenRefusal {
    /// No configured place has a token.
    Absent,
    /// Not a JWT in compact form, or its header or claims are not JSON objects.
    Malformed,
    /// Larger than [`TOKEN_SIZE`](super::TOKEN_SIZE), or nested deeper than anybody needs.
    TooLarge,
    /// A place holds two tokens.
    Repeated,
    /// Two places hold different tokens.
    Disagree,
    /// A JSON object in it has the same key twice: readers would differ on what it says.
    DuplicateKey,
    /// Its header asks for an extension (`crit`, `b64`, `zip`) that the gate does not know.
    Critical,
    /// Its `typ` says that it is another kind of JWT (a logout token, a DPoP proof), made for another use.
    Kind,
    /// Its algorithm is not one its key is used with.
    Algorithm,
    /// No key has its `kid`.
    UnknownKey,
    /// The keys could not be fetched yet. Not the client's fault.
    KeysUnavailable,
    /// The authorizer said no.
    Denied,
    /// The authorizer did not answer, or not as it should. Not the client's fault.
    AuthorizerUnavailable,
    /// No key made its signature.
    Signature,
    /// `exp`, `nbf` or `iat` is not a plain number of seconds.
    Timestamp,
    /// It never expires, and must.
    MissingExpiry,
    Expired,
    NotYetValid,
    IssuedInFuture,
    /// `iss` is missing or not a configured one.
    Issuer,
    /// `aud` is missing or names nobody here.
    Audience,
    /// The subject is missing, or neither printable ASCII of at most 256 characters nor a whole number.
    Subject,
    /// The roles are neither a text nor a list of texts.
    Roles,
    /// The tenant is neither printable ASCII of at most 256 characters nor a whole number.
    Tenant,
    /// A required claim (its path) is missing or has another value.
    Claim(Box<str>),
}

impl TokenRefusal {
    /// A stable name from a closed set.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Absent => "token_absent",
            Self::Malformed => "token_malformed",
            Self::TooLarge => "token_too_large",
            Self::Repeated => "token_repeated",
            Self::Disagree => "tokens_disagree",
            Self::DuplicateKey => "token_duplicate_key",
            Self::Critical => "token_critical",
            Self::Kind => "token_kind",
            Self::Algorithm => "token_algorithm",
            Self::UnknownKey => "token_unknown_key",
            Self::KeysUnavailable => "token_keys_unavailable",
            Self::Denied => "token_denied",
            Self::AuthorizerUnavailable => "token_authorizer_unavailable",
            Self::Signature => "token_signature",
            Self::Timestamp => "token_timestamp",
            Self::MissingExpiry => "token_without_expiry",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::IssuedInFuture => "token_issued_in_future",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::Subject => "token_subject",
            Self::Roles => "token_roles",
            Self::Tenant => "token_tenant",
            Self::Claim(_) => "token_claim",
        }
    }

    /// One sentence for whoever sent the token. It holds nothing of the token and no secret of ours.
    pub fn message(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Absent => "A token is required and none was sent.",
            Self::Malformed => "The token is not a well-formed JWT.",
            Self::TooLarge => "The token is larger or deeper than allowed.",
            Self::Repeated => "The token was sent twice in the same place.",
            Self::Disagree => "Two different tokens were sent in two places.",
            Self::DuplicateKey => "The token has a key twice in one of its JSON objects.",
            Self::Critical => "The token's header demands an extension that is not supported.",
            Self::Kind => "The token is of a kind that is not meant for access.",
            Self::Algorithm => "The token's algorithm is not accepted.",
            Self::UnknownKey => "The token was signed with a key that is not known here.",
            Self::KeysUnavailable => "Tokens cannot be checked at the moment because the keys are not available; try again soon.",
            Self::Denied => "The token was not accepted by the server that knows it.",
            Self::AuthorizerUnavailable => {
                "Tokens cannot be checked at the moment because nobody says whether they are good; try again soon."
            }
            Self::Signature => "The token's signature is wrong.",
            Self::Timestamp => "The token's exp, nbf or iat is not a plain number of seconds.",
            Self::MissingExpiry => "The token has no expiry (exp).",
            Self::Expired => "The token has expired.",
            Self::NotYetValid => "The token is not valid yet (nbf).",
            Self::IssuedInFuture => "The token was issued in the future (iat).",
            Self::Issuer => "The token's issuer (iss) is not accepted.",
            Self::Audience => "The token is meant for another audience (aud).",
            Self::Subject => "The token names no acceptable subject.",
            Self::Roles => "The token's roles are neither a text nor a list of texts.",
            Self::Tenant => "The token's tenant is not acceptable.",
            Self::Claim(path) => return Cow::Owned(format!("The token's claim \"{path}\" does not have the required value.")),
        })
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message())
    }
}

impl std::error::Error for TokenRefusal {}
