//! A token's own name, as it is kept: whatever the issuer writes, the token can be found by it again.

use serde_json::{Value, json};
use sockgate::policy::auth::{Verifier, token_id};

use super::issuer::{NOW, SECRET, Signer, good_but, good_without, now, with_secret};

#[test]
fn short_plain_names_are_kept_and_others_are_told_apart_by_a_hash() {
    let longest = "x".repeat(128);
    for plain in ["7", "7d3f0a52-6f0e-4d4c-9d7b-1f5f5a0c8f11", "~!{}\"\\", longest.as_str()] {
        assert_eq!(token_id(plain), plain);
    }
    let odd = ["", " ", "a b", "a\n", "größe", &"x".repeat(129), &"y".repeat(129), &"x".repeat(8_000)];
    let mut kept: Vec<String> = odd.into_iter().map(token_id).collect();
    assert!(kept.iter().all(|id| id.starts_with("sha256:") && id.len() == 50), "{kept:?}");
    kept.sort();
    kept.dedup();
    assert_eq!(kept.len(), odd.len(), "two names stay two");
}

#[test]
fn an_identity_knows_its_token_and_when_it_was_issued() {
    let verifier = Verifier::new(&with_secret(), &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
    let identity = |claims: &Value| verifier.verify(&Signer::secret(SECRET).token(claims), now()).expect("an honest token");
    let long = "x".repeat(500);
    for (jti, id) in [
        (json!("a-1"), Some("a-1".to_string())),
        (json!(17), Some("17".into())),
        (json!(long), Some(token_id(&long))),
        (json!(1.5), None),
        (json!(["a"]), None),
        (json!(null), None),
    ] {
        assert_eq!(identity(&good_but("jti", jti.clone())).token_id(), id.as_deref(), "{jti}");
    }
    assert_eq!(identity(&good_but("iat", json!(NOW - 3))).issued(), Some(NOW - 3));
    assert_eq!(identity(&good_without("iat")).issued(), None);
}
