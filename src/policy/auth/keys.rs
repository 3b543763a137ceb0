//! The keys that make tokens good. Each key fixes the algorithms it is used with (RFC 8725 section 3.1): what a token says
//! about its algorithm can only fail to agree. Keys come from the operator (secrets, PEM, JWK files) or from an issuer's
//! JWKS document (RFC 7517); the first kind is refused with a reason when it is odd, the second left out.

use std::path::Path;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{
    AlgorithmFamily, DecodingKey,
    crypto::{self, aws_lc::DEFAULT_PROVIDER},
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    server::ParsedCertificate,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Thumbprint, TokenRefusal, claims::Opened, problem::AuthProblem, strict};
use crate::config::{
    Secret,
    auth::{Algorithm, Auth, Key as Configured},
};

/// Some keys, in the order they are tried.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<Key>);

/// One key. Its material does not print.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Where it is from, for `explain`: `auth.secret`, `auth.keys[0]`, `JWKS`.
    pub origin: String,
    pub id: Option<String>,
    pub algorithms: Vec<Algorithm>,
    material: DecodingKey,
    /// Of a configured key, its name with each of its algorithms.
    thumbprints: Vec<(Algorithm, Thumbprint)>,
}

/// No key fits a token. Whether another set of keys could is for the caller to ask the issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Miss {
    pub refusal: TokenRefusal,
    pub may_be_newer: bool,
}

impl KeyRing {
    /// The operator's own keys: `secret` and `keys`, every problem at once.
    pub fn configured(auth: &Auth, problems: &mut Vec<AuthProblem>) -> Self {
        use_backend();
        let mut ring = Self::default();
        match main_key(auth) {
            Ok(key) => ring.0.extend(key.map(Key::named)),
            Err(flaw) => problems.push(flaw.at("auth.secret")),
        }
        for (index, key) in auth.keys.iter().enumerate() {
            match read_configured(key) {
                Ok(keys) => {
                    ring.0.extend(keys.into_iter().map(|read| Key { origin: format!("auth.keys[{index}]"), ..read }.named()));
                }
                Err(flaw) => problems.push(flaw.at(&format!("auth.keys[{index}]"))),
            }
        }
        ring
    }

    /// The usable public keys of an issuer's JWKS document. Keys for encryption, of unknown types, shared secrets and private
    /// keys are left out: of a set that anybody can read none of them makes a token good. None when nothing is left.
    pub fn published(document: &[u8], algorithms: &[Algorithm]) -> Option<Self> {
        use_backend();
        let document = strict::object(document).ok()?;
        let entries = document.get("keys")?.as_array()?;
        let keys: Vec<Key> = entries
            .iter()
            .take(PUBLISHED_KEYS)
            .filter_map(|entry| Key::of_jwk(entry, algorithms).ok())
            .filter(|key| key.material.family() != AlgorithmFamily::Hmac)
            .map(|key| Key { origin: "JWKS".into(), ..key })
            .collect();
        if keys.is_empty() { None } else { Some(Self(keys)) }
    }

    /// Whether one of them has this name.
    pub fn has(&self, thumbprint: Thumbprint) -> bool {
        self.0.iter().flat_map(|key| &key.thumbprints).any(|(_, own)| *own == thumbprint)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The keys an issuer publishes, as far as they are known, and the algorithms it may use (none: any for public keys).
#[derive(Clone, Copy)]
pub(super) struct Published<'k> {
    pub ring: &'k KeyRing,
    pub algorithms: &'k [Algorithm],
}

/// The key that signed the token.
pub(super) fn signer<'k>(own: &'k KeyRing, published: Option<Published<'k>>, token: &Opened<'_>) -> Result<&'k Key, Miss> {
    let Some(named) = algorithm(&token.header.algorithm) else {
        return Err(Miss { refusal: TokenRefusal::Algorithm, may_be_newer: false });
    };
    let id = token.header.key.as_deref();
    let keys = || own.0.iter().chain(published.iter().flat_map(|published| published.ring.0.iter()));
    let asked = || keys().filter(|key| key.answers_to(id));
    let fitting = || asked().filter(|key| key.algorithms.contains(&named)).take(TRIED_KEYS);
    if let Some(key) = fitting().find(|key| key.has_signed(token, named)) {
        return Ok(key);
    }
    let is_known_id = id.is_some() && keys().any(|key| key.id.as_deref() == id);
    let may_be_newer = !is_known_id && published.is_some_and(|published| published.could_use(named));
    let refusal = if may_be_newer && published.is_some_and(|published| published.ring.is_empty()) {
        TokenRefusal::KeysUnavailable
    } else if may_be_newer && id.is_some() {
        TokenRefusal::UnknownKey
    } else if fitting().next().is_some() {
        TokenRefusal::Signature
    } else if asked().next().is_none() && keys().any(|key| key.algorithms.contains(&named)) {
        TokenRefusal::UnknownKey
    } else {
        TokenRefusal::Algorithm
    };
    Err(Miss { refusal, may_be_newer })
}

impl Published<'_> {
    fn could_use(&self, named: Algorithm) -> bool {
        family(named) != AlgorithmFamily::Hmac && (self.algorithms.is_empty() || self.algorithms.contains(&named))
    }
}

impl Key {
    /// With its names.
    fn named(self) -> Self {
        let material = material(&self.material);
        let thumbprints = self.algorithms.iter().map(|named| (*named, Thumbprint::new(&material, *named))).collect();
        Self { thumbprints, ..self }
    }

    /// The name under which it has signed this token.
    pub fn thumbprint(&self, token: &Opened<'_>) -> Option<Thumbprint> {
        let named = algorithm(&token.header.algorithm)?;
        self.thumbprints.iter().find(|(own, _)| *own == named).map(|(_, thumbprint)| *thumbprint)
    }

    /// A key without an id answers to every token, and a token without one asks every key.
    fn answers_to(&self, id: Option<&str>) -> bool {
        self.id.is_none() || id.is_none() || self.id.as_deref() == id
    }

    /// For people: where it is configured, its id, what it is used with.
    pub fn describe(&self) -> String {
        let id = self.id.as_deref().map_or_else(|| "no id".to_owned(), |id| format!("id {id:?}"));
        format!("{} ({id}, {:?})", self.origin, self.algorithms)
    }

    /// `named` must be one of the key's own algorithms.
    fn has_signed(&self, token: &Opened<'_>, named: Algorithm) -> bool {
        match library(named) {
            Some(named) => crypto::verify(token.signature, token.signed.as_bytes(), &self.material, named).unwrap_or(false),
            None => self.has_signed_on_p521(token),
        }
    }

    /// ES512, which the library has not: two numbers of 66 bytes (RFC 7518 section 3.4).
    fn has_signed_on_p521(&self, token: &Opened<'_>) -> bool {
        let (Ok(point), Ok(signature)) = (self.material.try_get_as_bytes(), URL_SAFE_NO_PAD.decode(token.signature)) else {
            return false;
        };
        UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(token.signed.as_bytes(), &signature).is_ok()
    }

    fn of_secret(secret: &Secret, algorithms: &[Algorithm]) -> Result<Self, Flaw> {
        if secret.expose().len() < SECRET_SIZE {
            return Err(Flaw::ShortSecret);
        }
        Self::fit(DecodingKey::from_secret(secret.expose().as_bytes()), algorithms)
    }

    fn of_pem(text: &str, algorithms: &[Algorithm]) -> Result<Self, Flaw> {
        let pem = public_pem(text)?;
        let read = |reader: fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>| reader(pem.as_bytes()).ok();
        let material = read(DecodingKey::from_rsa_pem)
            .or_else(|| read(DecodingKey::from_ec_pem))
            .or_else(|| read(DecodingKey::from_ed_pem))
            .ok_or(Flaw::UnknownPem)?;
        Self::fit(material, algorithms)
    }

    fn of_jwk(entry: &Value, algorithms: &[Algorithm]) -> Result<Self, Flaw> {
        if entry.get("d").is_some() {
            return Err(Flaw::Private);
        }
        let jwk: Jwk = serde_json::from_value(entry.clone()).map_err(|_| Flaw::UnusableJwk)?;
        let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature))
            && jwk.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !is_for_signatures {
            return Err(Flaw::UnusableJwk);
        }
        let curve_fits = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(ec) => matches!(
                (&ec.curve, coordinate_sizes(&ec.x, &ec.y)),
                (EllipticCurve::P256, Some((32, 32)))
                    | (EllipticCurve::P384, Some((48, 48)))
                    | (EllipticCurve::P521, Some((66, 66)))
            ),
            AlgorithmParameters::OctetKeyPair(pair) => pair.curve == EllipticCurve::Ed25519,
            AlgorithmParameters::RSA(_) | AlgorithmParameters::OctetKey(_) => true,
            _ => false,
        };
        if !curve_fits {
            return Err(Flaw::UnusableJwk);
        }
        let material = DecodingKey::from_jwk(&jwk).map_err(|_| Flaw::UnusableJwk)?;
        let mut fitting: Vec<Algorithm> = able(&material)?.to_vec();
        // As it is written: the library knows neither ES512 nor what it does not know.
        if let Some(own) = entry.get("alg") {
            fitting.retain(|able| own.as_str().and_then(algorithm) == Some(*able));
        }
        if algorithms.is_empty() {
            fitting.truncate(1);
        } else {
            fitting.retain(|able| algorithms.contains(able));
        }
        if fitting.is_empty() {
            return Err(Flaw::OtherAlgorithm);
        }
        Ok(Self { origin: String::new(), id: jwk.common.key_id, algorithms: fitting, material, thumbprints: Vec::new() })
    }

    /// A key with the algorithms it is used with: all of its own kind, the usual one when none is named.
    fn fit(material: DecodingKey, algorithms: &[Algorithm]) -> Result<Self, Flaw> {
        let able = able(&material)?;
        let algorithms = match algorithms {
            [] => able[..1].to_vec(),
            _ if algorithms.iter().all(|named| able.contains(named)) => algorithms.to_vec(),
            _ => return Err(Flaw::OtherAlgorithm),
        };
        Ok(Self { origin: String::new(), id: None, algorithms, material, thumbprints: Vec::new() })
    }
}

/// jsonwebtoken chooses its cryptography once a process. A second call finds it chosen, which is as good.
pub(super) fn use_backend() {
    let _ = DEFAULT_PROVIDER.install_default();
}

/// The secret text of an option or of the file beside it. `config` has read the file; read here for whoever built the
/// configuration without it.
pub(super) fn secret_of(inline: Option<&Secret>, file: Option<&Path>) -> Result<Option<Secret>, Flaw> {
    match (inline, file) {
        (Some(secret), _) => Ok(Some(secret.clone())),
        (None, Some(path)) => {
            let text = Zeroizing::new(read_file(path)?);
            let line = text.strip_suffix('\n').unwrap_or(&text);
            Ok(Some(Secret::from(line.strip_suffix('\r').unwrap_or(line).to_owned())))
        }
        (None, None) => Ok(None),
    }
}

/// The algorithm of our configuration as the library calls it. None: it has no name for it.
fn library(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    Some(match algorithm {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::HS384 => jsonwebtoken::Algorithm::HS384,
        Algorithm::HS512 => jsonwebtoken::Algorithm::HS512,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::ES512 => return None,
    })
}

pub(super) fn family(algorithm: Algorithm) -> AlgorithmFamily {
    library(algorithm).map_or(AlgorithmFamily::Ec, |algorithm| algorithm.family())
}

/// The algorithms of this family among some.
pub(super) fn of_family(algorithms: &[Algorithm], wanted: AlgorithmFamily) -> Vec<Algorithm> {
    algorithms.iter().copied().filter(|named| family(*named) == wanted).collect()
}

/// By its exact name: `hs256`, `none` and everything else are no algorithm.
fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
}

/// The key of `auth.secret`, used with those of `auth.algorithms` that are for secrets.
fn main_key(auth: &Auth) -> Result<Option<Key>, Flaw> {
    let Some(secret) = secret_of(auth.secret.as_ref(), auth.secret_file.as_deref())? else { return Ok(None) };
    let algorithms = of_family(&auth.algorithms, AlgorithmFamily::Hmac);
    if algorithms.is_empty() && !auth.algorithms.is_empty() {
        return Err(Flaw::NoneForSecret);
    }
    let key = Key::of_secret(&secret, &algorithms)?;
    Ok(Some(Key { origin: "auth.secret".into(), ..key }))
}

/// Keys of one `[[auth.keys]]`, which names exactly one source.
fn read_configured(key: &Configured) -> Result<Vec<Key>, Flaw> {
    let id = (!key.id.is_empty()).then(|| key.id.clone());
    let with_id = |read: Key| Key { id: id.clone().or(read.id), ..read };
    let sources = [
        key.secret.is_some() || key.secret_file.is_some(),
        key.pem.is_some() || key.pem_file.is_some(),
        key.jwk.is_some() || key.jwk_file.is_some(),
    ];
    if sources.iter().filter(|is_there| **is_there).count() != 1 {
        return Err(Flaw::Sources);
    }
    if let Some(secret) = secret_of(key.secret.as_ref(), key.secret_file.as_deref())? {
        return Ok(vec![with_id(Key::of_secret(&secret, &key.algorithms)?)]);
    }
    if let Some(text) = secret_of(key.jwk.as_ref(), key.jwk_file.as_deref())? {
        return Ok(read_jwks(text.expose(), &key.algorithms)?.into_iter().map(with_id).collect());
    }
    let pem = match (&key.pem, &key.pem_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read_file(path)?,
        (None, None) => return Err(Flaw::Sources),
    };
    Ok(vec![with_id(Key::of_pem(&pem, &key.algorithms)?)])
}

/// One JWK, or the usable ones of a set. Of a set of our own every key must be public or a secret; a lone one must be usable.
fn read_jwks(text: &str, algorithms: &[Algorithm]) -> Result<Vec<Key>, Flaw> {
    let document = strict::object(text.as_bytes()).map_err(|_| Flaw::UnusableJwk)?;
    let Some(entries) = document.get("keys") else {
        return Ok(vec![Key::of_jwk(&Value::Object(document), algorithms)?]);
    };
    let entries = entries.as_array().ok_or(Flaw::UnusableJwk)?;
    if entries.iter().any(|entry| entry.get("d").is_some()) {
        return Err(Flaw::Private);
    }
    let keys: Vec<Key> = entries.iter().filter_map(|entry| Key::of_jwk(entry, algorithms).ok()).collect();
    if keys.is_empty() { Err(Flaw::UnusableJwk) } else { Ok(keys) }
}

/// A public key in PEM whatever it was wrapped in. Of a certificate (the first of a chain) only the key is taken: its dates
/// and its issuer say nothing about tokens.
fn public_pem(text: &str) -> Result<String, Flaw> {
    let labels: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")).collect();
    match labels[..] {
        [] => Err(Flaw::UnknownPem),
        _ if labels.iter().any(|label| label.contains("PRIVATE KEY")) => Err(Flaw::Private),
        ["PUBLIC KEY" | "RSA PUBLIC KEY"] => Ok(text.to_owned()),
        ["CERTIFICATE", ..] if labels.iter().all(|label| *label == "CERTIFICATE") => certified_key(text),
        [_] => Err(Flaw::UnknownPem),
        _ => Err(Flaw::SeveralPem),
    }
}

fn certified_key(text: &str) -> Result<String, Flaw> {
    let certificate = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| Flaw::UnknownPem)?;
    let parsed = ParsedCertificate::try_from(&certificate).map_err(|_| Flaw::UnknownPem)?;
    let key = STANDARD.encode(parsed.subject_public_key_info());
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    // RFC 7468 section 2: lines of 64 characters.
    for line in key.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    Ok(pem)
}

/// What a key can be used with, the usual algorithm first. Weak and broken keys are found here, before any token is.
fn able(material: &DecodingKey) -> Result<&'static [Algorithm], Flaw> {
    match material.family() {
        AlgorithmFamily::Hmac => {
            let is_long = material.try_get_as_bytes().is_ok_and(|secret| secret.len() >= SECRET_SIZE);
            if is_long { Ok(&HMAC) } else { Err(Flaw::ShortSecret) }
        }
        AlgorithmFamily::Rsa => {
            if has_good_modulus(material)? {
                Ok(&RSA)
            } else {
                Err(Flaw::WeakRsa)
            }
        }
        AlgorithmFamily::Ec => {
            let point = material.try_get_as_bytes().map_err(|_| Flaw::UnknownPem)?;
            // An uncompressed point: one byte and two coordinates. Other curves of the same length fail to parse.
            match point.len() {
                65 if is_point(&ECDSA_P256_SHA256_FIXED, point) => Ok(&P256),
                97 if is_point(&ECDSA_P384_SHA384_FIXED, point) => Ok(&P384),
                133 if is_point(&ECDSA_P521_SHA512_FIXED, point) => Ok(&P521),
                _ => Err(Flaw::Curve),
            }
        }
        AlgorithmFamily::Ed => {
            let point = material.try_get_as_bytes().map_err(|_| Flaw::UnknownPem)?;
            if point.len() == 32 && is_point(&ED25519, point) { Ok(&ED) } else { Err(Flaw::Curve) }
        }
    }
}

fn is_point(algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> bool {
    ParsedPublicKey::new(algorithm, bytes).is_ok()
}

/// RFC 7518 section 6.2.1.2: each coordinate has the full size of its curve's.
fn coordinate_sizes(x: &str, y: &str) -> Option<(usize, usize)> {
    let size = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| bytes.len());
    Some((size(x)?, size(y)?))
}

/// What makes a key this one and no other, however it was written: a secret or a point as it is, of RSA the two numbers.
fn material(key: &DecodingKey) -> Zeroizing<Vec<u8>> {
    // Of RSA the library keeps what it was given.
    if let (AlgorithmFamily::Rsa, Ok((modulus, exponent))) = (key.family(), rsa_numbers(key)) {
        return Zeroizing::new([exponent, modulus].concat());
    }
    Zeroizing::new(key.try_get_as_bytes().map(<[u8]>::to_vec).unwrap_or_default())
}

/// The modulus and the exponent, without zeros before them.
fn rsa_numbers(key: &DecodingKey) -> Result<(Vec<u8>, Vec<u8>), Flaw> {
    let jwk = Jwk::from_decoding_key(key, None).map_err(|_| Flaw::UnknownPem)?;
    let AlgorithmParameters::RSA(parts) = jwk.algorithm else { return Err(Flaw::UnknownPem) };
    let number = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Flaw::UnusableJwk)?;
        Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
    };
    Ok((number(&parts.n)?, number(&parts.e)?))
}

/// At least 2048 bits (RFC 7518 section 3.3) and not beyond what the library checks; an exponent that hides what it signs.
fn has_good_modulus(material: &DecodingKey) -> Result<bool, Flaw> {
    let (modulus, exponent) = rsa_numbers(material)?;
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let exponent_fits = match exponent[..] {
        [] => false,
        [one] => one >= 3 && one % 2 == 1,
        [.., last] => exponent.len() <= 4 && last % 2 == 1,
    };
    Ok((2048..=8192).contains(&bits) && exponent_fits)
}

fn read_file(path: &Path) -> Result<String, Flaw> {
    let size = std::fs::metadata(path).map_err(|error| Flaw::unreadable(path, &error))?.len();
    if size > KEY_FILE_SIZE {
        return Err(Flaw::Unreadable(format!("{} is larger than a key can be", path.display())));
    }
    std::fs::read_to_string(path).map_err(|error| Flaw::unreadable(path, &error))
}

/// What is wrong with a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Flaw {
    ShortSecret,
    NoneForSecret,
    Private,
    UnknownPem,
    SeveralPem,
    UnusableJwk,
    WeakRsa,
    Curve,
    OtherAlgorithm,
    Sources,
    Unreadable(String),
}

impl Flaw {
    pub fn at(self, key: &str) -> AuthProblem {
        let (what, instead) = match self {
            Self::ShortSecret => ("the secret is shorter than 32 bytes", "make one with `openssl rand -base64 48`"),
            Self::NoneForSecret => ("`auth.algorithms` names none that works with a secret", "add HS256, HS384 or HS512 to it"),
            Self::Private => {
                ("it holds a private key", "give the gate the public key only, and replace a private key that was shared")
            }
            Self::UnknownPem => (
                "it is not a public key that can be used",
                "give a PEM public key (\"PUBLIC KEY\" or \"RSA PUBLIC KEY\") or certificate of RSA, P-256, P-384, P-521 or Ed25519",
            ),
            Self::SeveralPem => ("it holds several things", "give each key its own [[auth.keys]]"),
            Self::UnusableJwk => (
                "it has no JWK that can be used",
                "give a JWK or JWK set of RSA, P-256, P-384, P-521, Ed25519 or oct keys for signatures",
            ),
            Self::WeakRsa => (
                "the RSA key has less than 2048 or more than 8192 bits, or an unsafe exponent",
                "use a key of at least 2048 bits",
            ),
            Self::Curve => ("the key is not on P-256, P-384, P-521 or Ed25519", "use ES256, ES384, ES512 or EdDSA keys"),
            Self::OtherAlgorithm => (
                "its algorithms are not all ones that its key can be used with",
                "one key is of one family: HS for secrets, RS and PS for RSA, ES256 for P-256, ES384 for P-384, ES512 for P-521, EdDSA for Ed25519",
            ),
            Self::Sources => {
                ("it does not name exactly one source", "give it one of secret, secret_file, pem, pem_file, jwk, jwk_file")
            }
            Self::Unreadable(what) => return AuthProblem::new(key, what, "check its path and permissions"),
        };
        AuthProblem::new(key, what, instead)
    }

    fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::Unreadable(format!("{} cannot be read: {}", path.display(), error.kind()))
    }
}

const ALGORITHMS: [(&str, Algorithm); 13] = [
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("ES512", Algorithm::ES512),
    ("EdDSA", Algorithm::EdDSA),
];

/// What each kind of key can be used with, the usual first.
const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
const P256: [Algorithm; 1] = [Algorithm::ES256];
const P384: [Algorithm; 1] = [Algorithm::ES384];
const P521: [Algorithm; 1] = [Algorithm::ES512];
const ED: [Algorithm; 1] = [Algorithm::EdDSA];

/// RFC 7518 section 3.2 for HS256. Shorter ones are guessed.
pub(super) const SECRET_SIZE: usize = 32;

/// Signature checks a single token can cause: a token without a key id asks every key.
const TRIED_KEYS: usize = 16;

/// Keys looked at of a published set. Issuers have two to ten.
const PUBLISHED_KEYS: usize = 100;

/// Far more than any key or set of keys needs.
const KEY_FILE_SIZE: u64 = 1024 * 1024;
