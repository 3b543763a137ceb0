//! The development certificate: accepted by a strict client for the names of this machine and nothing else, made once,
//! renewed in time.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use sockgate::{
    config::tls::Tls,
    net::tls::generate::{Generated, ensure},
};
use time::{Duration, OffsetDateTime};

use super::support::{Shelf, store};

/// Whether a client that trusts the authority accepts a certificate for a name.
fn is_accepted(generated: &Generated, leaf: &CertificateDer<'_>, name: &str, now: OffsetDateTime) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&generated.authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name.to_string()).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.unix_timestamp().try_into().unwrap()));
    verifier.verify_server_cert(leaf, &[], &name, &[], now).is_ok()
}

fn leaf(generated: &Generated) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&generated.certificate).unwrap()
}

#[test]
fn it_is_good_for_this_machine_and_nothing_else() {
    let (shelf, now) = (Shelf::new(), OffsetDateTime::now_utc());
    let made = ensure(&shelf.path("certs"), now).unwrap();

    assert!(made.is_new);
    for name in ["localhost", "127.0.0.1", "::1"] {
        assert!(is_accepted(&made, &leaf(&made), name, now), "{name}");
    }
    assert!(!is_accepted(&made, &leaf(&made), "example.com", now));
}

#[test]
fn a_stolen_authority_cannot_speak_for_other_names() {
    let (shelf, now) = (Shelf::new(), OffsetDateTime::now_utc());
    let made = ensure(&shelf.path("certs"), now).unwrap();
    let stolen = KeyPair::from_pem(&fs::read_to_string(shelf.path("certs/ca.key")).unwrap()).unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name = rcgen::DistinguishedName::new();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "sockgate development authority");
    let issuer = Issuer::new(authority, stolen);

    for (name, is_good) in [("localhost", true), ("bank.example", false), ("192.0.2.1", false), ("fd00::1", false)] {
        let key = KeyPair::generate().unwrap();
        let forged = CertificateParams::new(vec![name.to_string()]).unwrap().signed_by(&key, &issuer).unwrap();
        assert_eq!(is_accepted(&made, forged.der(), name, now), is_good, "{name}");
    }
}

#[test]
fn keys_are_for_their_owner_alone() {
    let shelf = Shelf::new();
    ensure(&shelf.path("certs"), OffsetDateTime::now_utc()).unwrap();
    for file in ["certs/gate.key", "certs/ca.key"] {
        assert_eq!(fs::metadata(shelf.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn it_is_used_again_and_renewed_under_the_same_authority() {
    let (shelf, now) = (Shelf::new(), OffsetDateTime::now_utc());
    let first = ensure(&shelf.path("certs"), now).unwrap();
    let (authority, certificate) = (fs::read(&first.authority).unwrap(), fs::read(&first.certificate).unwrap());

    let again = ensure(&shelf.path("certs"), now + Duration::days(30)).unwrap();
    assert!(!again.is_new);
    assert_eq!(fs::read(&again.certificate).unwrap(), certificate);

    let later = now + Duration::days(85);
    let renewed = ensure(&shelf.path("certs"), later).unwrap();
    assert!(renewed.is_new);
    assert_ne!(fs::read(&renewed.certificate).unwrap(), certificate);
    assert_eq!(fs::read(&renewed.authority).unwrap(), authority, "nobody needs to trust anew");
    assert!(is_accepted(&renewed, &leaf(&renewed), "localhost", later + Duration::days(80)));

    let next_year = ensure(&shelf.path("certs"), now + Duration::days(364)).unwrap();
    assert_ne!(fs::read(&next_year.authority).unwrap(), authority);
    assert!(is_accepted(&next_year, &leaf(&next_year), "localhost", now + Duration::days(364)));
}

#[test]
fn no_certificate_outlives_its_authority() {
    let (shelf, now) = (Shelf::new(), OffsetDateTime::now_utc());
    ensure(&shelf.path("certs"), now).unwrap();
    let late = now + Duration::days(350);
    let made = ensure(&shelf.path("certs"), late).unwrap();
    for days in [1, 20, 80] {
        let day = late + Duration::days(days);
        let current = ensure(&shelf.path("certs"), day).unwrap();
        assert!(is_accepted(&current, &leaf(&current), "localhost", day), "{days} days on");
    }
    drop(made);
}

#[test]
fn damaged_files_are_made_anew() {
    let (shelf, now) = (Shelf::new(), OffsetDateTime::now_utc());
    for (file, text) in [("certs/gate.crt", ""), ("certs/ca.pem", "junk"), ("certs/ca.key", "junk"), ("certs/gate.key", "junk")] {
        ensure(&shelf.path("certs"), now).unwrap();
        shelf.write(file, text);
        let tls = Tls { generate: true, directory: shelf.path("certs"), ..Tls::default() };
        let store = store(&tls);
        assert!(is_accepted(&store.generated.clone().unwrap(), &store.choose(None).cert[0], "localhost", now), "{file}");
    }
}

#[test]
fn a_key_that_is_not_the_certificates_is_made_anew() {
    let (shelf, now) = (Shelf::new(), OffsetDateTime::now_utc());
    for file in ["certs/gate.key", "certs/ca.key"] {
        let made = ensure(&shelf.path("certs"), now).unwrap();
        shelf.write(file, &KeyPair::generate().unwrap().serialize_pem());
        fs::remove_file(made.certificate).unwrap();
        let tls = Tls { generate: true, directory: shelf.path("certs"), ..Tls::default() };
        let store = store(&tls);
        assert!(is_accepted(&store.generated.clone().unwrap(), &store.choose(None).cert[0], "localhost", now), "{file}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let shelf = Shelf::new();
    let file = shelf.write("a-file", "");
    let error = ensure(&file, OffsetDateTime::now_utc()).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
}

#[test]
fn how_to_trust_it_names_the_authority() {
    let shelf = Shelf::new();
    let made = ensure(&shelf.path("certs"), OffsetDateTime::now_utc()).unwrap();
    assert!(made.how_to_trust().contains(made.authority.to_str().unwrap()));
}
