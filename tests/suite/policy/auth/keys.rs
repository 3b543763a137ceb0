//! Which keys are accepted, from where, and which are not.

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use sockgate::{
    config::{
        Secret,
        auth::{Algorithm, Auth, Key},
    },
    policy::auth::{KeyRing, TokenRefusal, Verifier},
};

use super::issuer::{ED25519, P256, P384, P521, RSA, SECRET, Signer, encode, good, now, published};

fn flaw(key: Key) -> Option<String> {
    let auth = Auth { keys: vec![key], ..Auth::default() };
    Verifier::new(&auth, &[], None).err().map(|problems| problems[0].what.clone())
}

fn pem(text: &str) -> Key {
    Key { pem: Some(text.into()), ..Key::default() }
}

#[test]
fn public_keys_and_certificates_are_read_in_pem() {
    for signer in [&*RSA, &*P256, &*P384, &*ED25519] {
        let auth = Auth { keys: vec![pem(&signer.public_pem)], ..Auth::default() };
        let verifier = Verifier::new(&auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(verifier.verify(&signer.token(&good()), now()).is_ok());
    }
    for kind in [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519] {
        let pair = KeyPair::generate_for(kind).expect("a key");
        let certificate = CertificateParams::default().self_signed(&pair).expect("a certificate").pem();
        assert_eq!(flaw(pem(&certificate)), None);
        assert_eq!(flaw(pem(&format!("{certificate}{certificate}"))), None, "of a chain the first is taken");
    }
}

#[test]
fn keys_that_cannot_be_right_are_refused_with_a_reason() {
    let private = KeyPair::generate().expect("a key").serialize_pem();
    let two = format!("{}{}", RSA.public_pem, P256.public_pem);
    let cases = [
        (pem(&private), "it holds a private key"),
        (pem(&format!("{}{private}", P256.public_pem)), "it holds a private key"),
        (pem(&two), "it holds several things"),
        (pem("hello"), "it is not a public key that can be used"),
        (pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "it is not a public key that can be used"),
        (pem(WEAK_RSA), "the RSA key has less than 2048 or more than 8192 bits, or an unsafe exponent"),
        (pem(SECP256K1), "the key is not on P-256, P-384, P-521 or Ed25519"),
        (Key { secret: Some(Secret::from("x".repeat(31))), ..Key::default() }, "the secret is shorter than 32 bytes"),
        (Key { secret: Some(Secret::from(SECRET.to_owned())), ..pem(&RSA.public_pem) }, "it does not name exactly one source"),
        (Key::default(), "it does not name exactly one source"),
    ];
    for (key, what) in cases {
        assert_eq!(flaw(key.clone()).as_deref(), Some(what), "{key:?}");
    }
}

#[test]
fn a_key_has_algorithms_of_its_own_family_only() {
    let other = "its algorithms are not all ones that its key can be used with";
    let cases = [
        (&*RSA, vec![Algorithm::RS256, Algorithm::PS512], None),
        (&*RSA, vec![Algorithm::RS256, Algorithm::HS256], Some(other)),
        (&*RSA, vec![Algorithm::ES256], Some(other)),
        (&*P256, vec![Algorithm::ES384], Some(other)),
        (&*P256, vec![Algorithm::ES256, Algorithm::ES384], Some(other)),
        (&*P384, vec![Algorithm::ES384], None),
        (&*ED25519, vec![Algorithm::EdDSA], None),
        (&*ED25519, vec![Algorithm::ES256], Some(other)),
    ];
    for (signer, algorithms, what) in cases {
        let key = Key { algorithms: algorithms.clone(), ..pem(&signer.public_pem) };
        assert_eq!(flaw(key).as_deref(), what, "{algorithms:?}");
    }
    let secret = Key { secret: Some(Secret::from(SECRET.to_owned())), algorithms: vec![Algorithm::RS256], ..Key::default() };
    assert_eq!(flaw(secret).as_deref(), Some(other));
    let main = Auth { secret: Some(Secret::from(SECRET.to_owned())), algorithms: vec![Algorithm::RS256], ..Auth::default() };
    assert!(Verifier::new(&main, &[], None).is_err());
}

#[test]
fn es512_is_judged_like_the_others() {
    let signer = P521::new();
    let claims = good();
    let certificate = {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
        CertificateParams::default().self_signed(&pair).expect("a certificate").pem()
    };
    assert_eq!(flaw(pem(&certificate)), None);
    let of_pem = Key { algorithms: vec![Algorithm::ES512], id: "a".into(), ..pem(&signer.public_pem) };
    let of_jwk = Key { jwk: Some(Secret::from(signer.jwk("a").to_string())), ..Key::default() };
    for key in [pem(&signer.public_pem), of_pem, of_jwk] {
        let auth = Auth { keys: vec![key], ..Auth::default() };
        let verifier = Verifier::new(&auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
        let verify = |token: &str| verifier.verify(token, now()).map(drop);
        let honest = signer.token("ES512", "a", &claims);
        assert_eq!(verify(&honest), Ok(()));
        let (signed, _) = honest.rsplit_once('.').expect("three parts");
        let refused = [
            (signer.token("ES256", "a", &claims), TokenRefusal::Algorithm),
            (signer.token("ES384", "a", &claims), TokenRefusal::Algorithm),
            (signer.token("es512", "a", &claims), TokenRefusal::Algorithm),
            (Signer::secret(&signer.public_pem).token_of("a", &claims), TokenRefusal::Algorithm),
            (P521::new().token("ES512", "a", &claims), TokenRefusal::Signature),
            (format!("{signed}.{}", encode([0; 132])), TokenRefusal::Signature),
            (format!("{signed}.{}", encode([0; 131])), TokenRefusal::Signature),
            (format!("{signed}."), TokenRefusal::Signature),
            (honest.replacen(&encode(claims.to_string())[..6], "eyJzdW", 1) + "=", TokenRefusal::Signature),
        ];
        for (token, refusal) in refused {
            assert_eq!(verify(&token), Err(refusal), "{token}");
        }
    }
    let other = "its algorithms are not all ones that its key can be used with";
    for algorithms in [vec![Algorithm::ES256], vec![Algorithm::ES512, Algorithm::ES384]] {
        assert_eq!(flaw(Key { algorithms, ..pem(&signer.public_pem) }).as_deref(), Some(other));
    }
    let wrong = Key { algorithms: vec![Algorithm::ES512], ..pem(&P384.public_pem) };
    assert_eq!(flaw(wrong).as_deref(), Some(other));
    let published = |algorithms: &[Algorithm]| KeyRing::published(&published(&[signer.jwk("a")]), algorithms).map(|it| it.len());
    assert_eq!((published(&[]), published(&[Algorithm::ES512]), published(&[Algorithm::ES256])), (Some(1), Some(1), None));
}

#[test]
fn keys_come_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        Some(path)
    };
    let oct = json!({ "kty": "oct", "k": encode(SECRET), "kid": "shared", "alg": "HS256" });
    let set = json!({ "keys": [RSA.jwk("a"), P256.jwk("b"), { "kty": "strange" }] });
    let auth = Auth {
        secret_file: file("secret", &format!("{SECRET}\r\n")),
        keys: vec![
            Key { pem_file: file("key.pem", &ED25519.public_pem), ..Key::default() },
            Key { jwk_file: file("set.json", &set.to_string()), ..Key::default() },
            Key { jwk: Some(Secret::from(oct.to_string())), ..Key::default() },
            Key { jwk_file: file("named.json", &P384.jwk("inside").to_string()), id: "outside".into(), ..Key::default() },
        ],
        ..Auth::default()
    };
    let verifier = Verifier::new(&auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
    let tokens = [
        Signer::secret(SECRET).token(&good()),
        Signer::secret(SECRET).token_of("shared", &good()),
        ED25519.token(&good()),
        RSA.token_of("a", &good()),
        P256.token_of("b", &good()),
        P384.token_of("outside", &good()),
    ];
    for token in tokens {
        assert!(verifier.verify(&token, now()).is_ok());
    }
    let refusal = verifier.verify(&P384.token_of("inside", &good()), now()).map(drop);
    assert_eq!(refusal, Err(TokenRefusal::Algorithm), "the configured id counts");
    assert_eq!(flaw(Key { jwk_file: file("x.json", "[]"), ..Key::default() }).as_deref(), Some("it has no JWK that can be used"));
    let mut private = P256.jwk("x");
    private["d"] = "AAAA".into();
    assert_eq!(
        flaw(Key { jwk_file: file("d.json", &private.to_string()), ..Key::default() }).as_deref(),
        Some("it holds a private key")
    );
    let missing = flaw(Key { pem_file: Some(folder.path().join("missing")), ..Key::default() }).expect("there is no such file");
    assert!(missing.contains("missing cannot be read"), "{missing}");
}

#[test]
fn of_published_keys_only_sound_public_ones_count() {
    let with = |signer: &Signer, name: &str, value: Value| {
        let mut jwk = signer.jwk("k");
        jwk[name] = value;
        jwk
    };
    let p521 = |name: &str, value: Value| {
        let mut jwk = P521::new().jwk("k");
        jwk[name] = value;
        jwk
    };
    let unusable = [
        json!({ "kty": "oct", "k": encode(SECRET), "kid": "k" }),
        with(&RSA, "use", json!("enc")),
        with(&RSA, "key_ops", json!(["encrypt"])),
        with(&RSA, "alg", json!("RSA-OAEP")),
        with(&RSA, "alg", json!("HS256")),
        with(&RSA, "alg", json!("ES256")),
        with(&RSA, "alg", json!("none")),
        with(&RSA, "e", json!("AQ")),
        with(&RSA, "e", json!("Ag")),
        with(&RSA, "n", json!(encode([0xff; 128]))),
        with(&RSA, "n", json!("!!")),
        with(&RSA, "d", json!("AAAA")),
        with(&P256, "crv", json!("P-521")),
        with(&P256, "crv", json!("secp256k1")),
        with(&P256, "x", json!(encode([1; 32]))),
        with(&P256, "x", json!(encode([1; 31]))),
        with(&P256, "alg", json!("ES384")),
        with(&P256, "crv", json!("P-384")),
        p521("crv", json!("P-384")),
        p521("alg", json!("ES256")),
        p521("alg", json!("es512")),
        p521("x", json!(encode([1; 66]))),
        p521("x", json!(encode([1; 65]))),
        p521("d", json!("AAAA")),
        with(&ED25519, "crv", json!("X25519")),
        with(&ED25519, "x", json!(encode([1; 31]))),
        json!({}),
        json!("key"),
        json!(null),
    ];
    for key in unusable {
        assert!(KeyRing::published(&published(std::slice::from_ref(&key)), &[]).is_none(), "{key}");
        let beside = KeyRing::published(&published(&[key.clone(), P256.jwk("good")]), &[]).expect("one is good");
        assert_eq!(beside.len(), 1, "{key}");
    }
    for document in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "<html>", "{\"keys\":[],\"keys\":[]}"] {
        assert!(KeyRing::published(document.as_bytes(), &[]).is_none(), "{document}");
    }
    let narrowed = KeyRing::published(&published(&[RSA.jwk("a"), P256.jwk("b")]), &[Algorithm::ES256]).expect("one is good");
    assert_eq!(narrowed.len(), 1);
    let many: Vec<Value> = (0..500).map(|number| P256.jwk(&number.to_string())).collect();
    assert_eq!(KeyRing::published(&published(&many), &[]).map(|ring| ring.len()), Some(100));
}

/// 1024 bits.
const WEAK_RSA: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDG5nNzJyNaPUS+SQvt+n0QaEh3\n\
XusJcQC5phY+grNqqY0v0irG//TEA0VTctw57dt1nNbRuvNDESsJ5/JKmuanuRgs\n\
ePhAxBTJqm6BEfT5W9uMC3ud07/x6n/0NzpHSUhv7E0BlxiGMyGTnGlb3e6UeNoZ\n\
Zm0ehZ3LiBPKtJnNBwIDAQAB\n\
-----END PUBLIC KEY-----\n\
";

/// A point on a curve of the same size as P-256.
const SECP256K1: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAELDD55TeCYLzzxBKHCWAqfB22/WAcS+AF\n\
E9WF1C8FaRM5eGAbH8x+e4dhAeBcqqE/KHNiW2Ixc+SR6z2gelwF2w==\n\
-----END PUBLIC KEY-----\n\
";
