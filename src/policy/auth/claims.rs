//! What a token says, read strictly (RFC 7515 compact form, RFC 7519): three parts, each with one reading only, every member
//! of the type it must have. Wrong types are refused and never skipped. Nothing here says that a token is true: `keys` and
//! `rules` do.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    TokenRefusal,
    strict::{self, StrictError},
    token::TOKEN_SIZE,
};

/// A token taken apart, its header read, nothing believed.
pub(super) struct Opened<'a> {
    pub header: Header,
    /// What was signed: header and claims as they came.
    pub signed: &'a str,
    pub signature: &'a str,
    claims: &'a str,
}

/// The members of a token's header that the gate looks at. `jwk`, `jku`, `x5u` and the like are never read: a token does
/// not bring its own key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    pub algorithm: String,
    pub key: Option<String>,
}

/// The claims of a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl<'a> Opened<'a> {
    pub fn new(token: &'a str) -> Result<Self, TokenRefusal> {
        if token.len() > TOKEN_SIZE {
            return Err(TokenRefusal::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenRefusal::Malformed)?;
        if claims.contains('.') {
            return Err(TokenRefusal::Malformed);
        }
        Ok(Self { header: Header::read(&decode(header)?)?, signed, signature, claims })
    }

    pub fn claims(&self) -> Result<Claims, TokenRefusal> {
        Claims::read(&decode(self.claims)?)
    }
}

impl Header {
    /// Reads the JSON of a header.
    pub fn read(json: &[u8]) -> Result<Self, TokenRefusal> {
        let mut members = strict::object(json)?;
        if EXTENSIONS.iter().any(|name| members.contains_key(*name)) {
            return Err(TokenRefusal::Critical);
        }
        if let Some(kind) = text(&mut members, "typ")?
            && !is_access_kind(&kind)
        {
            return Err(TokenRefusal::Kind);
        }
        let algorithm = text(&mut members, "alg")?.ok_or(TokenRefusal::Malformed)?;
        Ok(Self { algorithm, key: text(&mut members, "kid")? })
    }
}

impl Claims {
    /// Reads the JSON of claims.
    pub fn read(json: &[u8]) -> Result<Self, TokenRefusal> {
        Ok(Self(strict::object(json)?))
    }

    /// Claims that somebody else has read as strictly.
    pub(super) fn of(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// With those of another in their place, who may say that it ends earlier, not later.
    pub(super) fn overlaid(mut self, other: &Self) -> Result<Self, TokenRefusal> {
        let earlier = match (self.seconds("exp")?, other.seconds("exp")?) {
            (Some(own), Some(others)) if own < others => self.0.get("exp").cloned(),
            _ => None,
        };
        self.0.extend(other.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.0.extend(earlier.map(|expires| ("exp".to_owned(), expires)));
        Ok(self)
    }

    /// The claim at a path: the claim that is called exactly so (`https://example.com/roles`), else `user.id` as `id` in
    /// `user`.
    pub fn at(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(path) {
            return Some(value);
        }
        let mut steps = path.split('.');
        let first = self.0.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.as_object()?.get(step))
    }

    /// A time in seconds since 1970. A fraction is cut off.
    pub fn seconds(&self, name: &str) -> Result<Option<u64>, TokenRefusal> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..=LATEST).contains(seconds)).ok_or(TokenRefusal::Timestamp)?;
        Ok(Some(seconds as u64))
    }

    /// A name in printable ASCII, or a whole number as text. `wrong` when it is neither.
    pub fn label(&self, path: &str, wrong: TokenRefusal) -> Result<Option<String>, TokenRefusal> {
        match self.at(path) {
            None => Ok(None),
            Some(Value::String(text)) if is_label(text) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Ok(Some(number.to_string())),
            Some(_) => Err(wrong),
        }
    }

    /// A list of texts, or one text that spaces or commas divide. Missing is empty.
    pub fn texts(&self, path: &str, wrong: TokenRefusal) -> Result<Vec<String>, TokenRefusal> {
        match self.at(path) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => {
                let words: Vec<String> = text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
                if words.iter().all(|word| is_plain(word)) { Ok(words) } else { Err(wrong) }
            }
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().filter(|text| is_plain(text)).map(str::to_owned).ok_or_else(|| wrong.clone()))
                .collect(),
            Some(_) => Err(wrong),
        }
    }

    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The claims at these paths, each under its path.
    pub fn chosen(&self, paths: &[String]) -> Map<String, Value> {
        paths.iter().filter_map(|path| Some((path.clone(), self.at(path)?.clone()))).collect()
    }
}

/// `^[\x21-\x7e]{1,256}$`: safe in a header, a log line and a key, and without a second spelling that looks the same.
pub(super) fn is_label(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

/// A role may have a space or a letter of any language in it, but nothing that steers a terminal.
fn is_plain(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Strict base64url: no padding, no other alphabet, no bits left over, so that a part has one spelling.
fn decode(part: &str) -> Result<Vec<u8>, TokenRefusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefusal::Malformed)
}

/// A member that must be a text where it is there.
fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, TokenRefusal> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenRefusal::Malformed),
    }
}

/// RFC 8725 section 3.11: a token with an explicit type of another use is not an access token. Types that say nothing
/// (`JWT`, made-up ones) pass.
fn is_access_kind(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    kind == "at+jwt" || !kind.ends_with("+jwt")
}

impl From<StrictError> for TokenRefusal {
    fn from(error: StrictError) -> Self {
        match error {
            StrictError::Malformed => Self::Malformed,
            StrictError::DuplicateKey => Self::DuplicateKey,
            StrictError::TooDeep => Self::TooLarge,
        }
    }
}

/// Header members that change what the other parts mean. The gate knows no extension, so any of them is refused.
const EXTENSIONS: [&str; 3] = ["crit", "b64", "zip"];

/// 2^53: whole seconds up to here are exact in every JSON library.
const LATEST: f64 = 9_007_199_254_740_992.0;
