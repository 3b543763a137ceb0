//! Somebody else who says whether a token is good: asked as it wants to be, believed under the same rules, asked once, and never
//! believed in its absence. It is a real server.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use sockgate::{
    config::{
        Period,
        auth::{Auth, When},
        authorizer::{Authorizer, AuthorizerKind, Usage},
    },
    policy::auth::{Identity, TokenRefusal, Verifier},
    telemetry::Metrics,
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{advance, pause, resume},
};

use super::issuer::{NOW, SECRET, Signer, good, good_but, now, with_secret};
use crate::{
    http::pages::{Page, Pages},
    support::eventually,
};

const WHO: &str = "/who";

struct Stage {
    pages: Pages,
    verifier: Arc<Verifier>,
    metrics: Metrics,
}

impl Stage {
    /// A gate without keys before an app that says this.
    async fn new(page: Page) -> Self {
        Self::with(page, Auth::default(), |_| {}).await
    }

    async fn with(page: Page, auth: Auth, change: impl FnOnce(&mut Authorizer)) -> Self {
        let pages = Pages::start().await;
        pages.put(WHO, page);
        // The machine may be busy.
        let mut authorizer = Authorizer { url: Some(pages.url(WHO)), deadline: Period::seconds(20), ..Authorizer::default() };
        change(&mut authorizer);
        let metrics = Metrics::default();
        let verifier = Verifier::new(&Auth { authorizer, ..auth }, &[], None).unwrap_or_else(|problems| panic!("{problems:?}"));
        let verifier = Arc::new(verifier.counted(&metrics));
        Self { pages, verifier, metrics }
    }

    async fn who(&self, token: &str) -> Result<Identity, TokenRefusal> {
        self.verifier.who(token, now()).await
    }

    async fn subject(&self, token: &str) -> Result<String, TokenRefusal> {
        self.who(token).await.map(|identity| identity.subject().expect("a subject").to_owned())
    }

    fn says(&self, page: Page) {
        self.pages.put(WHO, page);
    }

    fn asked(&self) -> usize {
        self.pages.asked(WHO)
    }

    fn counts(&self, series: &str) -> u64 {
        let page = self.metrics.page();
        let value = page.lines().find_map(|line| line.strip_prefix(series));
        value.map_or(0, |value| value.trim().parse().expect("a number"))
    }
}

fn document(value: &Value) -> Page {
    Page::Document(value.to_string().into_bytes())
}

fn introspection(authorizer: &mut Authorizer) {
    authorizer.kind = AuthorizerKind::Introspection;
    authorizer.client_id = "gate: 1".into();
    authorizer.client_secret = Some("s&cret".to_owned().into());
}

fn always(authorizer: &mut Authorizer) {
    authorizer.usage = Usage::Always;
}

/// Lets time pass where nothing is under way.
async fn later(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

#[tokio::test]
async fn an_app_says_yes_with_claims_or_no() {
    let stage = Stage::new(document(&json!({ "sub": "ana", "roles": ["admin"], "exp": NOW + 60, "email": "a@b.c" }))).await;
    let identity = stage.who("some+opaque/token==").await.expect("the app says yes");
    assert_eq!((identity.subject(), identity.expires()), (Some("ana"), Some(NOW + 60)));
    assert_eq!(identity.roles(), ["admin"]);
    let head = stage.pages.heads()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /who http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer some+opaque/token==\r\n"), "{head}");
    assert!(!head.contains("content-length") && !head.contains("forwarded"), "{head}");
    for status in [401, 403] {
        stage.says(Page::Status(status));
        assert_eq!(stage.subject(&format!("token-{status}")).await, Err(TokenRefusal::Denied));
    }
}

#[tokio::test]
async fn introspection_is_a_form_with_credentials() {
    let yes = json!({ "active": true, "sub": "ana", "exp": NOW + 60, "client_id": "web" });
    let stage = Stage::with(document(&yes), Auth::default(), introspection).await;
    assert_eq!(stage.subject("a+b/c&active=true").await, Ok("ana".into()));
    let sent = stage.pages.heads()[0].clone();
    assert!(sent.starts_with("POST /who HTTP/1.1\r\n"), "{sent}");
    let sent = sent.to_ascii_lowercase();
    assert!(sent.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{sent}");
    // `gate%3A+1:s%26cret`, as RFC 6749 section 2.3.1 has it.
    assert!(sent.contains("\r\nauthorization: basic z2f0zsuzqssxonmlmjzjcmv0\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n\r\ntoken=a%2bb%2fc%26active%3dtrue&token_type_hint=access_token"), "{sent}");
    stage.says(document(&json!({ "active": false })));
    assert_eq!(stage.subject("other").await, Err(TokenRefusal::Denied));
    for undecided in [json!({}), json!({ "active": "true", "sub": "ana" }), json!({ "active": 1 }), json!({ "active": null })] {
        stage.says(document(&undecided));
        assert_eq!(stage.subject("third").await, Err(TokenRefusal::AuthorizerUnavailable), "{undecided}");
    }
    for status in [400, 401, 403, 500] {
        stage.says(Page::Status(status));
        assert_eq!(stage.subject("third").await, Err(TokenRefusal::AuthorizerUnavailable), "{status}");
    }
}

#[tokio::test]
async fn what_is_no_sound_answer_is_no_yes() {
    let stage = Stage::new(Page::Status(500)).await;
    let deep = format!("{{\"sub\":\"ana\",\"x\":{}{}}}", "[".repeat(60), "]".repeat(60));
    let pages = [
        Page::Status(500),
        Page::Status(204),
        Page::Status(404),
        Page::Redirect("/yes".into()),
        Page::Redirect(stage.pages.url("/yes")),
        Page::Raw(b"SSH-2.0-OpenSSH\r\n\r\n"),
        Page::Raw(b""),
        Page::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{}"),
        Page::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\n{}  "),
        Page::Huge { bytes: 70_000, says_so: true },
        Page::Huge { bytes: 70_000, says_so: false },
        Page::Document(b"".to_vec()),
        Page::Document(b"null".to_vec()),
        Page::Document(b"\"ana\"".to_vec()),
        Page::Document(b"[{\"sub\":\"ana\"}]".to_vec()),
        Page::Document(b"{\"sub\":\"ana\"".to_vec()),
        Page::Document(b"{\"sub\":\"ana\",\"sub\":\"root\"}".to_vec()),
        Page::Document(b"{\"sub\":\"\xff\"}".to_vec()),
        Page::Document(deep.into_bytes()),
    ];
    stage.pages.put("/yes", document(&good()));
    for (at, page) in pages.into_iter().enumerate() {
        stage.says(page);
        assert_eq!(stage.subject("token").await, Err(TokenRefusal::AuthorizerUnavailable), "page {at}");
    }
    assert_eq!(stage.pages.asked("/yes"), 0, "redirects are not followed");
    // Nothing of it is remembered.
    stage.says(document(&good()));
    assert_eq!(stage.subject("token").await, Ok("ana".into()));
    assert_eq!(stage.counts("sockgate_authorizer_calls_total{outcome=\"failed\"}"), 19);
    assert_eq!(stage.counts("sockgate_authorizer_calls_total{outcome=\"yes\"}"), 1);
}

#[tokio::test]
async fn an_authorizer_that_hangs_costs_one_deadline() {
    for page in [Page::Silence, Page::Half] {
        let impatient = |wanted: &mut Authorizer| wanted.deadline = Period(Duration::from_millis(100));
        let stage = Stage::with(page, Auth::default(), impatient).await;
        assert_eq!(stage.subject("token").await, Err(TokenRefusal::AuthorizerUnavailable));
        assert_eq!(stage.counts("sockgate_authorizer_calls_total{outcome=\"timeout\"}"), 1);
    }
}

#[tokio::test]
async fn its_claims_are_judged_by_the_same_rules() {
    let auth = Auth {
        issuer: vec!["https://id.example.com".into()],
        required: [("user.status".to_owned(), json!("active"))].into(),
        tenant: "org".into(),
        ..Auth::default()
    };
    let stage = Stage::with(Page::Status(500), auth, |_| {}).await;
    let whole = json!({
        "sub": 17, "exp": NOW + 60, "iss": "https://id.example.com", "user": { "status": "active", "note": "x" }, "org": "t1",
    });
    let with = |name: &str, value: Value| {
        let mut claims = whole.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = whole.clone();
        claims.as_object_mut().expect("an object").remove(name);
        claims
    };
    let cases = [
        (whole.clone(), Ok("17".to_owned())),
        (without("sub"), Err(TokenRefusal::Subject)),
        (with("sub", json!("a\r\nb")), Err(TokenRefusal::Subject)),
        (without("exp"), Err(TokenRefusal::MissingExpiry)),
        (with("exp", json!(NOW - 600)), Err(TokenRefusal::Expired)),
        (with("exp", json!("soon")), Err(TokenRefusal::Timestamp)),
        (with("nbf", json!(NOW + 600)), Err(TokenRefusal::NotYetValid)),
        (without("iss"), Err(TokenRefusal::Issuer)),
        (with("roles", json!(1)), Err(TokenRefusal::Roles)),
        (with("org", json!([])), Err(TokenRefusal::Tenant)),
        (with("user", json!({ "status": "closed" })), Err(TokenRefusal::Claim("user.status".into()))),
    ];
    for (at, (claims, outcome)) in cases.into_iter().enumerate() {
        stage.says(document(&claims));
        assert_eq!(stage.subject(&format!("token-{at}")).await, outcome, "{claims}");
    }
    let lasting =
        Stage::with(document(&json!({ "sub": "ana" })), Auth { require_expiry: false, ..Auth::default() }, |_| {}).await;
    assert_eq!(lasting.who("token").await.expect("it need not expire").expires(), None);
}

#[tokio::test]
async fn keys_judge_what_is_a_jwt_and_the_authorizer_the_rest() {
    let stage = Stage::with(document(&good_but("sub", json!("opaque"))), with_secret(), |_| {}).await;
    let signer = Signer::secret(SECRET);
    assert_eq!(stage.subject(&signer.token(&good())).await, Ok("ana".into()));
    assert_eq!(stage.subject("a.b.c").await, Err(TokenRefusal::Malformed));
    let forged = Signer::secret("another secret, also of thirty-two bytes").token(&good());
    assert_eq!(stage.subject(&forged).await, Err(TokenRefusal::Signature));
    assert_eq!(stage.asked(), 0);
    for token in ["abc", "a.b", "a.b.c.d", "a.b.c.d.e", "!:,;"] {
        assert_eq!(stage.subject(token).await, Ok("opaque".into()), "{token}");
    }
    assert_eq!(stage.subject(&"a".repeat(9000)).await, Err(TokenRefusal::TooLarge));
    assert_eq!(stage.asked(), 5);
    // Without keys nobody else can say what a JWT is worth.
    let keyless = Stage::new(document(&good())).await;
    assert_eq!(keyless.subject(&forged).await, Ok("ana".into()));
    assert!(keyless.verifier.can_judge());
}

#[tokio::test]
async fn an_authorizer_of_accounts_has_the_last_word_about_good_tokens() {
    let stage = Stage::with(Page::Status(403), with_secret(), always).await;
    let signer = Signer::secret(SECRET);
    assert_eq!(stage.subject("opaque").await, Err(TokenRefusal::Malformed));
    assert_eq!(stage.subject(&signer.token(&good_but("exp", json!(NOW - 600)))).await, Err(TokenRefusal::Expired));
    assert_eq!(stage.asked(), 0, "who has no good token is nobody to ask about");
    let token = |number: u64| signer.token(&good_but("number", json!(number)));
    assert_eq!(stage.subject(&token(1)).await, Err(TokenRefusal::Denied));
    stage.says(Page::Status(500));
    assert_eq!(stage.subject(&token(2)).await, Err(TokenRefusal::AuthorizerUnavailable));
    stage.says(document(&json!({ "roles": ["reader"], "exp": NOW + 100_000 })));
    let identity = stage.who(&token(3)).await.expect("a yes");
    assert_eq!((identity.subject(), identity.expires()), (Some("ana"), Some(NOW + 600)), "the token's own expiry is the earlier");
    assert_eq!(identity.roles(), ["reader"]);
    stage.says(document(&json!({ "exp": NOW + 10 })));
    assert_eq!(stage.who(&token(4)).await.expect("a yes").expires(), Some(NOW + 10));
    stage.says(document(&json!({ "exp": "never" })));
    assert_eq!(stage.who(&token(5)).await, Err(TokenRefusal::Timestamp));
}

#[tokio::test]
async fn many_who_ask_at_the_same_time_ask_once() {
    let allowed = Arc::new(Semaphore::new(0));
    let stage = Stage::new(Page::Allowed(allowed.clone(), good().to_string().into_bytes())).await;
    let mut askers = JoinSet::new();
    for _ in 0..50 {
        let verifier = stage.verifier.clone();
        askers.spawn(async move { verifier.who("token", now()).await.map(|identity| identity.subject() == Some("ana")) });
    }
    eventually("it is asked", async || (stage.asked() == 1).then_some(())).await;
    eventually("all wait", async || (stage.counts("sockgate_authorizer_saved_total{source=\"shared\"}") == 49).then_some(()))
        .await;
    allowed.add_permits(1);
    while let Some(asked) = askers.join_next().await {
        assert_eq!(asked.expect("nobody panics"), Ok(true));
    }
    assert_eq!(stage.asked(), 1);
}

#[tokio::test]
async fn who_waits_is_served_when_who_asked_goes_away() {
    let allowed = Arc::new(Semaphore::new(0));
    let stage = Stage::new(Page::Allowed(allowed.clone(), good().to_string().into_bytes())).await;
    let ask = || {
        let verifier = stage.verifier.clone();
        tokio::spawn(async move { verifier.who("token", now()).await.map(drop) })
    };
    let first = ask();
    eventually("it is asked", async || (stage.asked() == 1).then_some(())).await;
    let second = ask();
    eventually("another waits", async || (stage.counts("sockgate_authorizer_saved_total{source=\"shared\"}") == 1).then_some(()))
        .await;
    first.abort();
    eventually("it is asked again", async || (stage.asked() == 2).then_some(())).await;
    allowed.add_permits(2);
    assert_eq!(second.await.expect("nobody panics"), Ok(()));
}

#[tokio::test]
async fn answers_are_remembered_for_a_while() {
    let stage = Stage::with(document(&good()), Auth::default(), |wanted| wanted.cache_keys = 2).await;
    for _ in 0..3 {
        assert_eq!(stage.subject("one").await, Ok("ana".into()));
    }
    assert_eq!(stage.asked(), 1);
    later(Duration::from_secs(31)).await;
    assert_eq!(stage.subject("one").await, Ok("ana".into()));
    assert_eq!(stage.asked(), 2, "a yes is old after half a minute");

    // Whatever strangers send, what is known of others stays.
    stage.says(Page::Status(401));
    for stranger in ["x", "y", "z"] {
        assert_eq!(stage.subject(stranger).await, Err(TokenRefusal::Denied));
    }
    assert_eq!(stage.subject("one").await, Ok("ana".into()));
    assert_eq!(stage.asked(), 5);
    assert_eq!(stage.subject("z").await, Err(TokenRefusal::Denied));
    assert_eq!(stage.asked(), 5, "a no is remembered");
    assert_eq!(stage.subject("x").await, Err(TokenRefusal::Denied));
    assert_eq!(stage.asked(), 6, "the oldest of three was forgotten");
    later(Duration::from_secs(6)).await;
    stage.says(document(&good()));
    assert_eq!(stage.subject("z").await, Ok("ana".into()), "a no is old after some seconds");

    // An answer that ends earlier is not remembered beyond its end.
    stage.says(document(&good_but("exp", json!(NOW + 3))));
    assert!(stage.subject("short").await.is_ok());
    let asked = stage.asked();
    later(Duration::from_secs(4)).await;
    assert!(stage.subject("short").await.is_ok(), "the leeway counts still");
    assert_eq!(stage.asked(), asked + 1);
}

#[tokio::test]
async fn without_a_cache_each_asks() {
    let stage = Stage::with(document(&good()), Auth::default(), |wanted| wanted.cache = Period::seconds(0)).await;
    for count in 1..=3 {
        assert_eq!(stage.subject("one").await, Ok("ana".into()));
        assert_eq!(stage.asked(), count);
    }
}

#[tokio::test]
async fn questions_under_way_and_in_line_are_bounded() {
    let allowed = Arc::new(Semaphore::new(0));
    let page = Page::Allowed(allowed.clone(), good().to_string().into_bytes());
    let stage = Stage::with(page, Auth::default(), |wanted| wanted.in_flight = 1).await;
    let mut askers = JoinSet::new();
    for number in 0..40 {
        let verifier = stage.verifier.clone();
        askers.spawn(async move { verifier.who(&format!("token-{number}"), now()).await.map(drop) });
    }
    eventually("those who find no place in line are told", async || {
        (stage.counts("sockgate_authorizer_calls_total{outcome=\"busy\"}") == 24).then_some(())
    })
    .await;
    assert_eq!(stage.asked(), 1);
    allowed.add_permits(16);
    let outcomes = askers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 16);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(TokenRefusal::AuthorizerUnavailable))));
}

#[test]
fn what_is_wrong_with_it_is_told() {
    let problems = |wanted: Authorizer, when: When| {
        let auth = Auth { authorizer: wanted, when, ..Auth::default() };
        let problems = Verifier::new(&auth, &[], None).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
    };
    let url = |url: &str| Authorizer { url: Some(url.into()), ..Authorizer::default() };
    for wrong in ["", "who", "ftp://a/", "http://user:pass@a/", "http://a/#b"] {
        assert_eq!(problems(url(wrong), When::Connect), ["auth.authorizer.url"], "{wrong}");
    }
    let ca = Authorizer { ca: Some("/nowhere".into()), ..url("https://a/") };
    assert_eq!(problems(ca, When::Handshake), ["auth.authorizer.ca"]);
    let keyless = Authorizer { usage: Usage::Always, ..url("http://a/") };
    assert_eq!(problems(keyless.clone(), When::Connect), ["auth.when"]);
    assert!(problems(keyless, When::None).is_empty());
    assert_eq!(problems(Authorizer::default(), When::Connect), ["auth.when"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever it answers: a yes only with the subject that is in it.
    #[test]
    fn no_answer_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome = runtime.block_on(async { Stage::new(Page::Document(body)).await.subject("token").await });
        prop_assert_eq!(outcome, Err(TokenRefusal::AuthorizerUnavailable));
    }
}
