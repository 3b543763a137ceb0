//! Keys that an issuer publishes: fetched, rotated, stormed, lost and poisoned. The issuer is a real server.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sockgate::{
    config::{
        Period,
        auth::{Algorithm, Auth},
    },
    policy::auth::{Jwks, JwksFailure, JwksStatus, TokenRefusal, Verifier},
};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::issuer::{OTHER_RSA, P256, RSA, SECRET, Signer, good, good_but, now, published};
use crate::http::pages::{Page, Pages};
use sockgate::http::fetch::FetchError;

/// A gate that fetches in the background until it is dropped.
struct Gate {
    verifier: Verifier,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Gate {
    fn new(auth: &Auth) -> Self {
        let verifier = Verifier::new(auth, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
        Self { verifier, stop: CancellationToken::new(), task: None }
    }

    fn start(auth: &Auth) -> Self {
        let mut gate = Self::new(auth);
        gate.task = Some(tokio::spawn(gate.jwks().run(gate.stop.clone())));
        gate
    }

    async fn judge(&self, token: &str) -> Result<(), TokenRefusal> {
        self.verifier.who(token, now()).await.map(drop)
    }

    fn jwks(&self) -> Arc<Jwks> {
        self.verifier.jwks().expect("an issuer is configured").clone()
    }

    fn status(&self) -> JwksStatus {
        self.jwks().status()
    }

    /// Asks again where the machine is so busy that a whole wait was over before the issuer had answered.
    async fn judge_patiently(&self, token: &str) -> Result<(), TokenRefusal> {
        loop {
            let begun = Instant::now();
            let outcome = self.judge(token).await;
            if outcome != Err(TokenRefusal::KeysUnavailable) || begun.elapsed() < PATIENCE {
                return outcome;
            }
        }
    }

    async fn until(&self, what: &str, is_met: impl Fn(&JwksStatus) -> bool) {
        patiently(what, async {
            while !is_met(&self.status()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// How long the gate lets a request wait for newer keys.
const PATIENCE: Duration = Duration::from_secs(2);

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn patiently<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// An issuer that publishes these keys at `/keys`.
async fn issuer(keys: &[Value]) -> (Pages, Auth) {
    let pages = Pages::start().await;
    pages.put("/keys", Page::Document(published(keys)));
    let auth = Auth { jwks_url: Some(pages.url("/keys")), ..Auth::default() };
    (pages, auth)
}

fn hasty(auth: Auth) -> Auth {
    Auth { jwks_minimum: Period(Duration::from_millis(50)), ..auth }
}

#[tokio::test]
async fn keys_are_there_for_the_first_token() {
    let (pages, auth) = issuer(&[RSA.jwk("a"), P256.jwk("b")]).await;
    let gate = Gate::start(&auth);
    assert_eq!(gate.judge_patiently(&RSA.token_of("a", &good())).await, Ok(()));
    assert_eq!(gate.judge_patiently(&P256.token_of("b", &good())).await, Ok(()));
    assert_eq!(gate.judge_patiently(&RSA.token(&good())).await, Ok(()), "without an id");
    assert_eq!(gate.verifier.verify(&RSA.token_of("a", &good()), now()).map(drop), Ok(()));
    assert_eq!(pages.asked("/keys"), 1);
    let status = gate.status();
    assert_eq!((status.keys, status.fetches, status.failure), (2, 1, None));
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_a_token_names_it() {
    let (pages, auth) = issuer(&[RSA.jwk("old")]).await;
    let gate = Gate::start(&hasty(auth));
    assert_eq!(gate.judge_patiently(&RSA.token_of("old", &good())).await, Ok(()));
    pages.put("/keys", Page::Document(published(&[OTHER_RSA.jwk("new")])));
    let token = OTHER_RSA.token_of("new", &good());
    patiently("the new key", async { while gate.judge(&token).await.is_err() {} }).await;
    assert_eq!(gate.judge(&RSA.token_of("old", &good())).await, Err(TokenRefusal::UnknownKey), "the old one is gone");
}

#[tokio::test]
async fn a_rotated_key_without_an_id_is_found_too() {
    let bare = |signer: &Signer| {
        let mut jwk = signer.jwk("x");
        jwk.as_object_mut().expect("an object").remove("kid");
        jwk
    };
    let (pages, auth) = issuer(&[bare(&RSA)]).await;
    let gate = Gate::start(&hasty(auth));
    assert_eq!(gate.judge_patiently(&RSA.token(&good())).await, Ok(()));
    pages.put("/keys", Page::Document(published(&[bare(&OTHER_RSA)])));
    patiently("the new key", async { while gate.judge(&OTHER_RSA.token(&good())).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_storm_of_made_up_keys_costs_one_fetch() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let gate = Arc::new(Gate::start(&auth));
    assert_eq!(gate.judge_patiently(&RSA.token_of("a", &good())).await, Ok(()));
    let mut storm = JoinSet::new();
    for number in 0..500 {
        let gate = gate.clone();
        storm.spawn(async move { gate.judge(&RSA.token_of(&format!("made-up-{number}"), &good())).await });
    }
    for outcome in patiently("the storm's end", storm.join_all()).await {
        assert_eq!(outcome, Err(TokenRefusal::UnknownKey));
    }
    assert_eq!(pages.asked("/keys"), 1, "the last fetch is less than `jwks_minimum` ago");
}

#[tokio::test]
async fn a_storm_waits_for_the_one_fetch_under_way() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let gate = Arc::new(Gate::new(&auth));
    let mut storm = JoinSet::new();
    for _ in 0..200 {
        let gate = gate.clone();
        storm.spawn(async move { gate.judge_patiently(&RSA.token_of("a", &good())).await });
    }
    // All of them ask before the task that fetches begins.
    tokio::task::yield_now().await;
    let task = tokio::spawn(gate.jwks().run(gate.stop.clone()));
    for outcome in patiently("the storm's end", storm.join_all()).await {
        assert_eq!(outcome, Ok(()));
    }
    assert_eq!(pages.asked("/keys"), 1);
    gate.stop.cancel();
    patiently("the end of the task", task).await.expect("it does not panic");
}

#[tokio::test]
async fn tokens_that_no_key_could_make_good_cost_no_fetch() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let gate = Gate::start(&hasty(Auth { algorithms: vec![Algorithm::RS256], ..auth }));
    assert_eq!(gate.judge_patiently(&RSA.token_of("a", &good())).await, Ok(()));
    let forged_secret = Signer::secret(&RSA.public_pem);
    let before = pages.asked("/keys");
    let cases = [
        (forged_secret.token_of("unknown", &good()), TokenRefusal::Algorithm),
        (P256.token_of("unknown", &good()), TokenRefusal::Algorithm),
        (RSA.sign("{\"alg\":\"none\",\"kid\":\"unknown\"}", &good().to_string()), TokenRefusal::Algorithm),
        (OTHER_RSA.token_of("a", &good()), TokenRefusal::Signature),
        (RSA.token_of("a", &good_but("exp", json!("9"))), TokenRefusal::Timestamp),
        ("x.y.z".to_owned(), TokenRefusal::Malformed),
    ];
    for (token, refusal) in cases {
        assert_eq!(gate.judge(&token).await, Err(refusal));
    }
    assert_eq!(pages.asked("/keys"), before);
}

#[tokio::test]
async fn without_keys_the_gate_says_that_it_cannot_judge() {
    let (pages, auth) = issuer(&[]).await;
    pages.put("/keys", Page::Status(500));
    let gate = Gate::start(&auth);
    gate.until("the first failure", |status| status.failure == Some(JwksFailure::Fetch(FetchError::Status(500)))).await;
    assert_eq!(gate.judge(&RSA.token_of("a", &good())).await, Err(TokenRefusal::KeysUnavailable));
    assert_eq!(gate.judge(&RSA.token(&good())).await, Err(TokenRefusal::KeysUnavailable));
    pages.put("/keys", Page::Document(published(&[RSA.jwk("a")])));
    // Tried again by itself, about a second later.
    gate.until("the second attempt", |status| status.keys == 1).await;
    assert_eq!(gate.judge_patiently(&RSA.token_of("a", &good())).await, Ok(()));
}

#[tokio::test]
async fn own_keys_work_while_the_issuer_is_silent() {
    let (pages, auth) = issuer(&[]).await;
    pages.put("/keys", Page::Silence);
    let auth = Auth { secret: Some(SECRET.to_owned().into()), ..auth };
    let gate = Gate::start(&auth);
    assert_eq!(gate.judge_patiently(&Signer::secret(SECRET).token(&good())).await, Ok(()));
    assert_eq!(gate.judge(&Signer::secret("x").token(&good())).await, Err(TokenRefusal::Signature));
    // Two seconds of patience, not the five of the fetch.
    let begun = Instant::now();
    assert_eq!(gate.judge(&RSA.token_of("a", &good())).await, Err(TokenRefusal::KeysUnavailable));
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn the_last_good_keys_are_kept_when_the_issuer_breaks() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let gate = Gate::new(&auth);
    gate.jwks().fetch().await.expect("the issuer is well");
    let secret = json!({ "kty": "oct", "kid": "a", "k": super::issuer::encode(SECRET) });
    let broken = [
        Page::Status(500),
        Page::Document(b"<html>".to_vec()),
        Page::Document(published(&[])),
        Page::Document(published(&[secret])),
        Page::Document(br#"{"keys":[],"keys":[]}"#.to_vec()),
        Page::Huge { bytes: 60_000_000, says_so: false },
        Page::Raw(b"garbage"),
        Page::Redirect("http://127.0.0.1:1/keys".into()),
    ];
    for page in broken {
        pages.put("/keys", page);
        gate.jwks().fetch().await.expect_err("the issuer is broken");
        assert_eq!(gate.verifier.verify(&RSA.token_of("a", &good()), now()).map(drop), Ok(()));
        let forged = Signer::secret(SECRET).token_of("a", &good());
        assert_eq!(gate.verifier.verify(&forged, now()).map(drop), Err(TokenRefusal::Algorithm));
    }
    assert!(gate.status().failure.is_some());
}

#[tokio::test]
async fn keys_that_are_too_old_are_forgotten() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let keep = Period(Duration::from_millis(300));
    let gate = Gate::start(&Auth { jwks_keep: keep, jwks_refresh: Period(Duration::from_millis(100)), ..hasty(auth) });
    gate.until("the keys", |status| status.keys == 1).await;
    pages.put("/keys", Page::Status(500));
    gate.until("forgetting", |status| status.keys == 0).await;
    assert_eq!(gate.judge(&RSA.token_of("a", &good())).await, Err(TokenRefusal::KeysUnavailable));
    pages.put("/keys", Page::Document(published(&[RSA.jwk("a")])));
    gate.until("the keys' return", |status| status.keys == 1).await;
}

#[tokio::test]
async fn keys_are_fetched_again_now_and_then() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let gate = Gate::start(&hasty(Auth { jwks_refresh: Period(Duration::from_millis(60)), ..auth }));
    gate.until("several fetches", |status| status.fetches > 3).await;
    assert!(pages.asked("/keys") >= 3);
}

#[tokio::test]
async fn an_issuer_is_discovered_and_must_be_itself() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let name = pages.url("/realm/");
    let auth = Auth { jwks_url: None, oidc_issuer: Some(name.clone()), ..auth };
    let discovery = "/realm/.well-known/openid-configuration";
    let says = |page: Value| pages.put(discovery, Page::Document(page.to_string().into_bytes()));
    says(json!({ "issuer": name, "jwks_uri": pages.url("/keys"), "other": [1] }));
    let gate = Gate::new(&auth);
    gate.jwks().fetch().await.expect("the issuer is well");
    let verify = |claims: &Value| gate.verifier.verify(&RSA.token_of("a", claims), now()).map(drop);
    assert_eq!(verify(&good_but("iss", name.clone().into())), Ok(()));
    assert_eq!(verify(&good()), Err(TokenRefusal::Issuer), "the issuer's name is required of its tokens");
    assert_eq!(verify(&good_but("iss", name.trim_end_matches('/').into())), Err(TokenRefusal::Issuer));
    let wrong = [
        (json!({ "issuer": "http://evil/", "jwks_uri": pages.url("/keys") }), JwksFailure::OtherIssuer("http://evil/".into())),
        (json!({ "issuer": name }), JwksFailure::Discovery),
        (json!({ "jwks_uri": pages.url("/keys") }), JwksFailure::Discovery),
        (json!({ "issuer": name, "jwks_uri": "file:///etc/keys" }), JwksFailure::Discovery),
        (json!({ "issuer": name, "jwks_uri": 7 }), JwksFailure::Discovery),
        (json!([]), JwksFailure::Discovery),
    ];
    for (page, failure) in wrong {
        says(page.clone());
        assert_eq!(gate.jwks().fetch().await, Err(failure), "{page}");
    }
}

#[tokio::test]
async fn a_reload_keeps_the_keys_of_the_same_issuer() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let before = Gate::new(&auth);
    before.jwks().fetch().await.expect("the issuer is well");
    let same = Gate::new(&Auth { leeway: Period::seconds(5), ..auth.clone() });
    same.verifier.inherit(&before.verifier);
    assert_eq!(same.verifier.verify(&RSA.token_of("a", &good()), now()).map(drop), Ok(()));
    let other = Gate::new(&Auth { jwks_url: Some(pages.url("/other")), ..auth });
    other.verifier.inherit(&before.verifier);
    assert_eq!(other.verifier.verify(&RSA.token_of("a", &good()), now()).map(drop), Err(TokenRefusal::KeysUnavailable));
}

#[tokio::test]
async fn a_reload_with_other_algorithms_reads_the_same_keys_anew() {
    let (pages, auth) = issuer(&[RSA.jwk("a"), P256.jwk("b")]).await;
    let before = Gate::new(&Auth { algorithms: vec![Algorithm::RS256], ..auth.clone() });
    before.jwks().fetch().await.expect("the issuer is well");
    assert_eq!(before.status().keys, 1);
    pages.put("/keys", Page::Silence);
    let verify = |gate: &Gate, token: String| gate.verifier.verify(&token, now()).map(drop);

    let both = Gate::new(&Auth { algorithms: vec![Algorithm::RS256, Algorithm::ES256], ..auth.clone() });
    both.verifier.inherit(&before.verifier);
    assert_eq!(verify(&both, RSA.token_of("a", &good())), Ok(()));
    assert_eq!(verify(&both, P256.token_of("b", &good())), Ok(()));

    let one = Gate::new(&Auth { algorithms: vec![Algorithm::ES256], ..auth.clone() });
    one.verifier.inherit(&both.verifier);
    assert_eq!(verify(&one, RSA.token_of("a", &good())), Err(TokenRefusal::Algorithm), "what is no longer accepted is gone");
    assert_eq!(verify(&one, P256.token_of("b", &good())), Ok(()));

    let none = Gate::new(&Auth { algorithms: vec![Algorithm::EdDSA], ..auth });
    none.verifier.inherit(&one.verifier);
    assert_eq!(none.status(), JwksStatus::default(), "nothing of it can be used: it is to be fetched at once");
}

#[tokio::test]
async fn a_reload_during_the_first_fetch_fetches_again_at_once() {
    let (pages, auth) = issuer(&[]).await;
    pages.put("/keys", Page::Silence);
    let before = Gate::start(&auth);
    before.until("the first fetch", |status| status.fetches == 1).await;
    let after = Gate::new(&auth);
    after.verifier.inherit(&before.verifier);
    before.stop.cancel();
    pages.put("/keys", Page::Document(published(&[RSA.jwk("a")])));
    tokio::spawn(after.jwks().run(after.stop.clone()));
    after.until("the keys", |status| status.keys == 1).await;
}

#[tokio::test]
async fn of_several_rooms_before_the_freshest_keys_are_taken() {
    let (pages, auth) = issuer(&[RSA.jwk("a")]).await;
    let (stale, fresh, never) = (Gate::new(&auth), Gate::new(&auth), Gate::new(&auth));
    stale.jwks().fetch().await.expect("the issuer is well");
    pages.put("/keys", Page::Document(published(&[OTHER_RSA.jwk("b")])));
    fresh.jwks().fetch().await.expect("the issuer is well");
    let next = Gate::new(&auth);
    for before in [&never, &stale, &fresh, &stale, &never] {
        next.verifier.inherit(&before.verifier);
    }
    assert_eq!(next.verifier.verify(&OTHER_RSA.token_of("b", &good()), now()).map(drop), Ok(()));
}

#[test]
fn an_issuer_must_be_an_address_that_can_be_trusted() {
    let what = |auth: Auth| Verifier::new(&auth, &[], None).err().map(|problems| problems[0].key.clone());
    let url = |text: &str| Auth { jwks_url: Some(text.into()), ..Auth::default() };
    for text in ["", "keys", "ftp://a/keys", "http://user@a/keys", "http://a/keys#x"] {
        assert_eq!(what(url(text)).as_deref(), Some("auth.jwks_url"), "{text:?}");
    }
    assert_eq!(what(url("https://a/keys")).as_deref(), Some("auth.jwks_ca"), "nobody is trusted");
    assert_eq!(what(url("http://a/keys")), None);
    let both = Auth { oidc_issuer: Some("http://a".into()), ..url("http://a/keys") };
    assert_eq!(what(both).as_deref(), Some("auth.jwks_url"));
    let secrets = Auth { algorithms: vec![Algorithm::HS256], ..url("http://a/keys") };
    assert_eq!(what(secrets).as_deref(), Some("auth.algorithms"));
}
