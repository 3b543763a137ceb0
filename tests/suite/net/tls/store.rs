//! Certificates by name, and what an operator reads when their files are not good.

use std::fs;

use sockgate::{
    config::tls::{Certificate, Tls},
    net::tls::store::{Store, TlsProblem},
};
use time::{Duration, OffsetDateTime};

use super::support::{Shelf, der, store, tls};

fn problems(tls: &Tls) -> Vec<TlsProblem> {
    Store::read(tls, OffsetDateTime::now_utc()).map(|_| ()).unwrap_err()
}

#[test]
fn the_server_name_chooses_the_certificate() {
    let shelf = Shelf::new();
    let first = shelf.certificate("first", &["gate.example.com"], 90);
    let wild = shelf.certificate("wild", &["*.example.com", "example.org"], 90);
    let second = shelf.certificate("second", &["chat.example.com", "gate.example.com"], 90);
    let store = store(&tls(&first, &[&wild, &second]));

    for (asked, expected) in [
        (None, &first),
        (Some("gate.example.com"), &first),
        (Some("GATE.example.COM"), &first),
        (Some("gate.example.com."), &first),
        (Some("chat.example.com"), &second),
        (Some("other.example.com"), &wild),
        (Some("example.org"), &wild),
        (Some("example.com"), &first),
        (Some("a.b.example.com"), &first),
        (Some("www.example.org"), &first),
        (Some(""), &first),
        (Some("."), &first),
    ] {
        assert_eq!(store.choose(asked).cert[0], der(expected), "{asked:?}");
    }
}

#[test]
fn keys_of_every_common_kind_are_taken() {
    let shelf = Shelf::new();
    for (name, kind) in [
        ("p256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("ed25519", &rcgen::PKCS_ED25519),
        ("rsa", &rcgen::PKCS_RSA_SHA256),
    ] {
        let certificate = shelf.certificate_with(name, &["localhost"], 90, kind);
        assert_eq!(store(&tls(&certificate, &[])).choose(None).cert[0], der(&certificate), "{name}");
    }
}

#[test]
fn the_first_expiry_of_all_is_known() {
    let shelf = Shelf::new();
    let (long, short) = (shelf.certificate("long", &["a.example"], 90), shelf.certificate("short", &["b.example"], 10));
    let left = store(&tls(&long, &[&short])).expires().unwrap() - OffsetDateTime::now_utc();
    assert!((Duration::days(9)..=Duration::days(10)).contains(&left), "{left}");
}

#[test]
fn every_bad_file_is_told_at_once_and_no_key_is_repeated() {
    let shelf = Shelf::new();
    let good = shelf.certificate("good", &["localhost"], 90);
    let other = shelf.certificate("other", &["localhost"], 90);
    let expired = shelf.certificate("expired", &["localhost"], -1);
    let pair = |certificate, key| Certificate { certificate, key };
    let secret = "-----BEGIN PRIVATE KEY-----\nVERYSECRET?\n-----END PRIVATE KEY-----\n";
    let all = [
        pair(shelf.path("missing.crt"), good.key.clone()),
        pair(good.certificate.clone(), shelf.path("missing.key")),
        pair(shelf.write("empty.crt", ""), good.key.clone()),
        pair(good.key.clone(), good.key.clone()),
        pair(good.certificate.clone(), shelf.write("broken.key", secret)),
        pair(good.certificate.clone(), good.certificate.clone()),
        pair(good.certificate.clone(), other.key.clone()),
        pair(shelf.write("junk.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), good.key.clone()),
        expired.clone(),
    ];
    let problems = problems(&tls(&good, &all.iter().collect::<Vec<_>>()));

    assert_eq!(problems.len(), all.len(), "{problems:#?}");
    for (problem, pair) in problems.iter().zip(&all) {
        let text = problem.to_string();
        let names_file = [&pair.certificate, &pair.key].into_iter().any(|path| text.contains(path.to_str().unwrap()));
        assert!(names_file, "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }
    assert!(matches!(problems[6], TlsProblem::Mismatch { .. }), "{}", problems[6]);
    assert!(matches!(problems[8], TlsProblem::Expired { .. }), "{}", problems[8]);
}

#[test]
fn half_a_pair_is_incomplete() {
    let shelf = Shelf::new();
    let good = shelf.certificate("good", &["localhost"], 90);
    for (certificate, key) in [(None, None), (Some(good.certificate.clone()), None), (None, Some(good.key.clone()))] {
        let tls = Tls { certificate, key, ..Tls::default() };
        assert!(matches!(problems(&tls)[..], [TlsProblem::Incomplete]));
    }
}

#[test]
fn the_files_to_watch_are_all_of_them() {
    let shelf = Shelf::new();
    let (first, second) = (shelf.certificate("first", &["a.example"], 90), shelf.certificate("second", &["b.example"], 90));
    let files = store(&tls(&first, &[&second])).files;
    assert_eq!(files, [first.certificate, first.key, second.certificate, second.key]);
    assert!(files.iter().all(|file| fs::exists(file).unwrap()));
}
