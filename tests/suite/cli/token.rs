//! Minting tokens to try things out.

use std::time::Duration;

use serde_json::json;
use sockgate::{
    cli::token::{MintAsk, mint},
    config::{
        Secret,
        auth::{Algorithm, Auth, Key},
    },
    policy::auth::Verifier,
};

use crate::policy::auth::issuer::{NOW, RSA, SECRET, now, with_secret};

fn ask(subject: &str) -> MintAsk {
    MintAsk { subject: subject.into(), ..MintAsk::default() }
}

#[test]
fn a_minted_token_is_let_in() {
    let auth = Auth {
        issuer: vec!["https://id.example.com".into()],
        audience: vec!["app".into()],
        subject: "user.id".into(),
        roles: "https://app.example.com/roles".into(),
        required: [("user.status".into(), json!("active"))].into(),
        algorithms: vec![Algorithm::HS512],
        ..with_secret()
    };
    let ask = MintAsk { roles: vec!["admin".into()], expires: Some(Duration::from_secs(90)), ..ask("ana") };
    let token = mint(&auth, &ask, now()).expect("there is a secret");
    let verifier = Verifier::new(&auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
    let identity = verifier.verify(&token, now()).expect("the gate's own token");
    assert_eq!(
        (identity.subject(), identity.roles(), identity.expires()),
        (Some("ana"), &["admin".to_owned()][..], Some(NOW + 90))
    );
}

#[test]
fn a_secret_among_the_keys_will_do() {
    let key = Key { id: "k1".into(), secret: Some(Secret::from(SECRET.to_owned())), ..Key::default() };
    let auth = Auth { keys: vec![Key { pem: Some(RSA.public_pem.clone()), ..Key::default() }, key], ..Auth::default() };
    let token = mint(&auth, &ask("ana"), now()).expect("there is a secret");
    let verifier = Verifier::new(&auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(verifier.verify(&token, now()).is_ok());
}

#[test]
fn without_a_secret_the_operator_is_told_why() {
    let public = Auth { keys: vec![Key { pem: Some(RSA.public_pem.clone()), ..Key::default() }], ..Auth::default() };
    assert!(mint(&public, &ask("ana"), now()).expect_err("there is no secret").contains("only public keys"));
    assert!(mint(&Auth::default(), &ask("ana"), now()).expect_err("there is no key").contains("no key is configured"));
}

#[test]
fn a_token_that_would_be_refused_is_not_minted() {
    let refused = |auth: &Auth, ask: &MintAsk| mint(auth, ask, now()).expect_err("it would be refused");
    assert!(refused(&with_secret(), &ask("")).contains("subject"));
    assert!(refused(&with_secret(), &ask("a b")).contains("subject"));
    let elsewhere = MintAsk { audience: Some("other".into()), ..ask("ana") };
    assert!(refused(&Auth { audience: vec!["app".into()], ..with_secret() }, &elsewhere).contains("audience"));
    let short = Auth { secret: Some(Secret::from("short".to_owned())), ..Auth::default() };
    assert!(refused(&short, &ask("ana")).contains("32 bytes"));
}
