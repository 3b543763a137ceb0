//! An issuer of tokens, good and bad: keys made for this run, tokens of any header and claims, its keys as PEM and JWK.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, crypto, jwk::Jwk};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use sockgate::config::{Secret, auth::Auth};

/// A secret of the right length.
pub const SECRET: &str = "correct horse battery staple correct horse";

/// The time of all these tests, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A key pair, or a shared secret.
pub struct Signer {
    private: EncodingKey,
    pub public_pem: String,
    pub algorithm: Algorithm,
}

pub static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::pair(&PKCS_RSA_SHA256, Algorithm::RS256));
pub static OTHER_RSA: LazyLock<Signer> = LazyLock::new(|| Signer::pair(&PKCS_RSA_SHA256, Algorithm::RS256));
pub static P256: LazyLock<Signer> = LazyLock::new(|| Signer::pair(&PKCS_ECDSA_P256_SHA256, Algorithm::ES256));
pub static P384: LazyLock<Signer> = LazyLock::new(|| Signer::pair(&PKCS_ECDSA_P384_SHA384, Algorithm::ES384));
pub static ED25519: LazyLock<Signer> = LazyLock::new(|| Signer::pair(&PKCS_ED25519, Algorithm::EdDSA));

impl Signer {
    pub fn secret(text: &str) -> Self {
        Self { private: EncodingKey::from_secret(text.as_bytes()), public_pem: String::new(), algorithm: Algorithm::HS256 }
    }

    fn pair(kind: &'static rcgen::SignatureAlgorithm, algorithm: Algorithm) -> Self {
        let pair = rcgen::KeyPair::generate_for(kind).expect("the library makes keys of this kind");
        let pem = pair.serialize_pem();
        let read = match algorithm.family() {
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem,
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem,
            AlgorithmFamily::Ed => EncodingKey::from_ed_pem,
            AlgorithmFamily::Hmac => unreachable!("a secret is no pair"),
        };
        Self { private: read(pem.as_bytes()).expect("our own key"), public_pem: pair.public_key_pem(), algorithm }
    }

    /// The public key as an issuer publishes it.
    pub fn jwk(&self, id: &str) -> Value {
        let pem = self.public_pem.as_bytes();
        let key = match self.algorithm.family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
            AlgorithmFamily::Hmac => unreachable!("a secret is not published"),
        };
        let mut jwk = serde_json::to_value(Jwk::from_decoding_key(&key.expect("our own key"), None).expect("our own key"))
            .expect("a JWK is JSON");
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token of these claims with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": format!("{:?}", self.algorithm), "typ": "JWT" }).to_string(), &claims.to_string())
    }

    /// A token that names its key.
    pub fn token_of(&self, id: &str, claims: &Value) -> String {
        self.sign(&json!({ "alg": format!("{:?}", self.algorithm), "kid": id }).to_string(), &claims.to_string())
    }

    /// A token of any two texts, truly signed.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        self.sign_as(self.algorithm, header, claims)
    }

    pub fn sign_as(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = crypto::sign(signed.as_bytes(), &self.private, algorithm).expect("the key is of this algorithm");
        format!("{signed}.{signature}")
    }
}

/// ES512, which the library of the others has not.
pub struct P521 {
    pair: EcdsaKeyPair,
    pub public_pem: String,
}

impl P521 {
    pub fn new() -> Self {
        let pair = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).expect("the library makes keys of this kind");
        let public_pem = pair.public_key_pem();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P521_SHA512_FIXED_SIGNING, &pair.serialize_der()).expect("our own key");
        Self { pair, public_pem }
    }

    pub fn jwk(&self, id: &str) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(66);
        json!({ "kty": "EC", "crv": "P-521", "kid": id, "use": "sig", "alg": "ES512", "x": encode(x), "y": encode(y) })
    }

    /// A token whose header names this algorithm.
    pub fn token(&self, algorithm: &str, id: &str, claims: &Value) -> String {
        let header = json!({ "alg": algorithm, "kid": id }).to_string();
        let signed = format!("{}.{}", encode(header), encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("the key is of this algorithm");
        format!("{signed}.{}", encode(signature))
    }
}

pub fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Claims that nobody can object to.
pub fn good() -> Value {
    json!({ "sub": "ana", "exp": NOW + 600, "iat": NOW - 10, "roles": ["admin", "editor"] })
}

/// The good claims with one changed, or removed when it is null.
pub fn good_but(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

pub fn good_without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().expect("claims are an object").remove(name);
    claims
}

/// A configuration that knows the secret.
pub fn with_secret() -> Auth {
    Auth { secret: Some(Secret::from(SECRET.to_owned())), ..Auth::default() }
}

pub fn published(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}
