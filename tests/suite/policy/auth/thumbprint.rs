//! The names of configured keys: one a key and algorithm, however it is written, and none for an issuer's keys.

use serde_json::json;
use sockgate::{
    config::{
        Secret,
        auth::{Algorithm, Auth, Key},
    },
    policy::auth::{Identity, SealedIdentity, Thumbprint, Verifier},
};

use super::issuer::{ED25519, OTHER_RSA, P256, P384, P521, RSA, SECRET, Signer, good, now};

fn verifier(keys: Vec<Key>) -> Verifier {
    Verifier::new(&Auth { keys, ..Auth::default() }, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn secret(text: &str) -> Key {
    Key { secret: Some(Secret::from(text.to_owned())), ..Key::default() }
}

fn pem(signer: &Signer) -> Key {
    Key { pem: Some(signer.public_pem.clone()), ..Key::default() }
}

fn jwk(signer: &Signer) -> Key {
    Key { jwk: Some(Secret::from(json!({ "keys": [signer.jwk("some-id")] }).to_string())), ..Key::default() }
}

fn who(verifier: &Verifier, token: &str) -> Identity {
    verifier.verify(token, now()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

#[test]
fn a_key_is_known_again_however_it_is_written() {
    let signers = [&*RSA, &*P256, &*P384, &*ED25519];
    for signer in signers {
        let identity = who(&verifier(vec![pem(signer)]), &signer.token(&good()));
        assert!(identity.signed_by().is_some());
        for again in [pem(signer), jwk(signer), Key { id: "other".into(), ..pem(signer) }] {
            assert!(verifier(vec![again]).has_key_of(&identity));
        }
        for other in signers.into_iter().filter(|other| other.public_pem != signer.public_pem) {
            assert!(!verifier(vec![pem(other)]).has_key_of(&identity));
        }
    }
    let of_rsa = who(&verifier(vec![pem(&RSA)]), &RSA.token(&good()));
    assert!(!verifier(vec![pem(&OTHER_RSA)]).has_key_of(&of_rsa));
    let both = who(&verifier(vec![pem(&OTHER_RSA), pem(&RSA)]), &RSA.token(&good()));
    assert_eq!(both.signed_by(), of_rsa.signed_by(), "of several the one that signed");
}

#[test]
fn a_secret_is_known_again_in_every_place_and_with_more_algorithms() {
    let main = Auth { secret: Some(Secret::from(SECRET.to_owned())), ..Auth::default() };
    let main = Verifier::new(&main, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
    let identity = who(&main, &Signer::secret(SECRET).token(&good()));
    let more = Key { algorithms: vec![Algorithm::HS512, Algorithm::HS256], ..secret(SECRET) };
    let other = Key { algorithms: vec![Algorithm::HS512], ..secret(SECRET) };
    assert!(verifier(vec![secret(SECRET)]).has_key_of(&identity));
    assert!(verifier(vec![more]).has_key_of(&identity));
    assert!(!verifier(vec![other]).has_key_of(&identity), "it may not sign so any more");
    assert!(!verifier(vec![secret("another secret of the right length, or longer")]).has_key_of(&identity));
}

#[test]
fn p521_has_a_name_too() {
    let signer = P521::new();
    let one = verifier(vec![Key { pem: Some(signer.public_pem.clone()), ..Key::default() }]);
    let identity = who(&one, &signer.token("ES512", "a", &good()));
    assert!(one.has_key_of(&identity) && !verifier(vec![pem(&P256)]).has_key_of(&identity));
}

#[test]
fn nobody_and_identities_of_old_are_good_with_any_keys() {
    let any = verifier(vec![secret(SECRET)]);
    let old: SealedIdentity =
        serde_json::from_value(json!({ "subject": "ana", "roles": [], "tenant": null, "expires": null, "claims": {} }))
            .expect("as it was");
    assert_eq!(old.signed_by, None);
    assert!(any.has_key_of(&Identity::sealed(old)));
}

#[test]
fn a_name_travels_in_a_seal_and_prints_nowhere() {
    let identity = who(&verifier(vec![secret(SECRET)]), &Signer::secret(SECRET).token(&good()));
    let name: Thumbprint = identity.signed_by().expect("it has one");
    let text = serde_json::to_string(identity.as_sealed()).expect("JSON");
    let again: SealedIdentity = serde_json::from_str(&text).expect("the same");
    assert_eq!(again.signed_by, Some(name));
    let number = serde_json::to_string(&name).expect("a number");
    assert!(!format!("{identity:?} {name:?}").contains(&number));
}
