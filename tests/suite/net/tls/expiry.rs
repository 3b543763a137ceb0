//! The end of a certificate's validity, found in real certificates and in damaged ones.

use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair};
use sockgate::net::tls::expiry;
use time::{OffsetDateTime, macros::datetime};

fn certificate(end: OffsetDateTime) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    params.not_before = datetime!(2000-01-01 0:00 UTC);
    params.not_after = end;
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

#[test]
fn both_forms_of_time_are_read() {
    for end in [
        datetime!(2026-11-21 4:05:06 UTC),
        datetime!(2049-12-31 23:59:59 UTC),
        datetime!(2050-01-01 0:00:00 UTC),
        datetime!(2096-02-29 12:00:00 UTC),
        datetime!(9999-12-31 23:59:59 UTC),
    ] {
        assert_eq!(expiry::of(&certificate(end)), Some(end));
    }
}

#[test]
fn a_cut_certificate_has_no_end() {
    let whole = certificate(datetime!(2030-01-01 0:00 UTC));
    for length in 0..whole.len() {
        assert_eq!(expiry::of(&whole[..length]), None, "{length} bytes of it");
    }
}

proptest! {
    #[test]
    fn no_bytes_upset_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        expiry::of(&bytes);
    }

    #[test]
    fn no_damage_upsets_it(place in 0..300_usize, byte: u8) {
        let mut certificate = certificate(datetime!(2030-01-01 0:00 UTC));
        let place = place % certificate.len();
        certificate[place] = byte;
        expiry::of(&certificate);
    }
}
