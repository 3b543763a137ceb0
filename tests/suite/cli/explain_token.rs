//! The page about one token.

use serde_json::json;
use sockgate::{
    cli::explain_token::report,
    config::{
        auth::Auth,
        authorizer::{Authorizer, Usage},
    },
    policy::auth::Verifier,
};

use crate::policy::auth::issuer::{NOW, SECRET, Signer, good, good_but, now, with_secret};

fn page(auth: &Auth, token: &str) -> String {
    let verifier = Verifier::new(auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
    report(&verifier, token, now())
}

#[test]
fn a_good_token_passes_every_check() {
    let token = Signer::secret(SECRET).token(&good());
    let page = page(&with_secret(), &format!("{token}\n"));
    for line in
        ["algorithm  HS256", "signed by  auth.secret (no id, [HS256])", "  sub = \"ana\"", "(in 10 minutes)", "  pass  signature"]
    {
        assert!(page.contains(line), "{line} in\n{page}");
    }
    assert!(page.ends_with("The gate lets this token in.\n") && !page.contains("FAIL"), "{page}");
    let signature = token.rsplit_once('.').expect("three parts").1;
    assert!(!page.contains(signature) && !page.contains(SECRET));
}

#[test]
fn what_the_authorizer_decides_is_left_open() {
    let opaque = Authorizer { url: Some("http://127.0.0.1:1/".into()), ..Authorizer::default() };
    let always = Authorizer { usage: Usage::Always, ..opaque.clone() };
    let page = |authorizer: &Authorizer, token: &str| page(&Auth { authorizer: authorizer.clone(), ..with_secret() }, token);
    let open = "the authorizer has to say; it was not asked.\n";
    let good_token = Signer::secret(SECRET).token(&good());
    assert!(page(&opaque, "opaque").ends_with(open));
    assert!(page(&opaque, &good_token).ends_with("The gate lets this token in.\n"));
    assert!(page(&always, &good_token).ends_with(open));
    assert!(page(&always, "opaque").ends_with("The gate refuses this token.\n"));
}

#[test]
fn every_failing_check_is_shown_not_only_the_first() {
    let mut claims = good_but("exp", json!(NOW - 7200));
    claims["aud"] = json!("other");
    let auth = Auth { audience: vec!["app".into()], ..with_secret() };
    let page = page(&auth, &Signer::secret("another secret that nobody here has got").token(&claims));
    for line in
        ["signed by  no key", "FAIL  signature", "FAIL  expiry (exp)", "FAIL  audience (aud)", "pass  subject", "(2 hours ago)"]
    {
        assert!(page.contains(line), "{line} in\n{page}");
    }
    assert!(page.ends_with("The gate refuses this token.\n"));
}

#[test]
fn a_strangers_text_cannot_steer_the_terminal() {
    let page_of = page(&with_secret(), &Signer::secret(SECRET).token(&good_but("x", json!("\u{1b}[2J\u{202e}\u{9b}ü"))));
    assert!(page_of.chars().all(|letter| letter == '\n' || !letter.is_control()), "{page_of:?}");
    assert!(!page_of.contains('\u{202e}') && page_of.contains('ü'));
    let garbage = page(&with_secret(), "not a token");
    assert!(garbage.contains("FAIL  shape and header"), "{garbage}");
}
