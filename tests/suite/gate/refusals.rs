//! Every way to say no, in one table: status, JSON, Engine.IO code, what the page may read, metric and log line. The match
//! below has no catch-all, so a new refusal does not compile until it has its row.

use std::collections::HashSet;

use serde_json::json;
use sockgate::{
    policy::{Refusal, Refused},
    relay::Reason,
};

use crate::support::{
    App, Gate, Issuer, OPEN, OTHER_PAGE, PAGE, STRANGE_PAGE, Session, Settings, Step,
    client::{Answer, Ask},
    frames, issuer,
    settings::Literal,
};

#[test]
fn every_refusal_is_told_apart_and_honest() {
    let mut names = HashSet::new();
    for refusal in Refusal::ALL.iter().copied() {
        let name = refusal.name();
        assert!(names.insert(name), "{name} twice");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name} is a metric label");
        assert!(refusal.status().is_client_error() || refusal.status().is_server_error(), "{name}");
        assert!(refusal.engine_code() <= 5, "{name}");
        assert!(!refusal.message().is_empty() && !refusal.hint().is_empty(), "{name}");
        let body: serde_json::Value = serde_json::from_str(&refusal.body()).expect("JSON");
        let expected =
            json!({ "code": refusal.engine_code(), "error": name, "message": refusal.message(), "hint": refusal.hint() });
        assert_eq!(body, expected);
        assert_eq!(Refused::from(refusal).refusal, refusal);
    }
    // Client libraries know these by number and sentence.
    for (refusal, code, message) in [
        (Refusal::TransportUnknown, 0, "Transport unknown"),
        (Refusal::SessionUnknown, 1, "Session ID unknown"),
        (Refusal::HandshakeMethod, 2, "Bad handshake method"),
        (Refusal::Engine, 3, "Bad request"),
        (Refusal::ProtocolVersion, 5, "Unsupported protocol version"),
    ] {
        assert_eq!((refusal.status().as_u16(), refusal.engine_code(), refusal.message()), (400, code, message));
    }
}

#[test]
fn every_reason_to_end_has_a_name_and_a_code_that_may_travel() {
    let mut names = HashSet::new();
    for reason in Reason::ALL {
        assert!(names.insert(reason.name()), "{} twice", reason.name());
        let (code, text) = reason.closing();
        assert!(matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999), "{}: {code}", reason.name());
        assert!(frames::closing(code, text).len() <= 125);
    }
    assert_eq!(Reason::Expired.closing(), (4401, "token_expired"));
    assert_eq!(Reason::Draining.closing().0, 1012);
}

/// How a refusal is brought about over the wire.
enum Way {
    /// These requests in turn; the last one is refused.
    Asks(Vec<Ask>),
    /// These bytes.
    Raw(String),
    /// Not by a request, or in a test of its own.
    Not(&'static str),
}

/// What the page sees of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shown {
    ToThePage,
    ToNoPage,
}

#[tokio::test]
async fn every_refusal_is_told_to_client_log_and_metrics_alike() {
    let stage = Stage::set().await;
    for refusal in Refusal::ALL.iter().copied() {
        let shown = match refusal {
            Refusal::Origin | Refusal::CrossSite => Shown::ToNoPage,
            _ => Shown::ToThePage,
        };
        let counted = stage.gate.refusals(refusal.name()).await;
        let answer = match stage.way_to(refusal).await {
            Way::Asks(asks) => {
                let mut last = None;
                for ask in asks {
                    last = Some(ask.send().await);
                }
                last.expect("at least one request")
            }
            Way::Raw(bytes) => stage.gate.client().raw(bytes).await.expect_answer("GET").await,
            Way::Not(why) => {
                assert_eq!(counted, 0.0, "{refusal:?} was brought about after all, although: {why}");
                continue;
            }
        };
        is_told(&stage.gate, refusal, shown, counted, &answer).await;
    }
}

/// The client's side, the log's and the metric's of one refusal.
async fn is_told(gate: &Gate, refusal: Refusal, shown: Shown, counted: f64, answer: &Answer) {
    let name = refusal.name();
    assert_eq!(answer.refusal(), (refusal.status().as_u16(), name.to_string()), "{refusal:?}");
    assert_eq!(answer.text(), refusal.body());
    assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    match shown {
        Shown::ToThePage => answer.is_for_page(PAGE),
        Shown::ToNoPage => answer.is_for_no_page(),
    };
    assert!(gate.refusals(name).await > counted, "{name} is counted");
    gate.record(&[("message", "request"), ("refusal", name), ("status", refusal.status().as_str())]).await;
    if refusal.is_suspicious() {
        gate.record(&[("refusal", name), ("target", "sockgate::security")]).await;
    }
}

/// A gate with a route for each kind of trouble.
struct Stage {
    gate: Gate,
    _apps: Vec<App>,
}

const ANA: &str = "ana";

impl Stage {
    async fn set() -> Self {
        let good = App::start().await;
        let hanging = App::scripted(|_| Some(vec![Step::Hang])).await;
        let closing = App::scripted(|_| Some(vec![Step::Close])).await;
        let garbled = App::saying("220 mail.example.com ESMTP\r\n\r\n").await;
        let dead = App::start().await;
        dead.stop();
        let http = |path: &str, upstream: &str| -> Vec<(&'static str, Literal)> {
            vec![("path", path.into()), ("kind", "http".into()), ("upstream", upstream.into())]
        };
        let mut settings =
            Settings::before(&[&good]).set("socketio.connect_timeout", "500ms").set("listen.body_deadline", "300ms");
        for (name, app) in [("hanging", &hanging), ("closing", &closing), ("garbled", &garbled), ("dead", &dead)] {
            settings = settings.upstream(name, &[app]).set_upstream("eject_after", 1000).set_upstream("answer_deadline", "500ms");
        }
        settings = settings.route(&[("path", "/ws".into()), ("kind", "websocket".into()), ("upstream", "app".into())]);
        for upstream in ["hanging", "closing", "garbled", "dead"] {
            settings = settings.route(&http(&format!("/{upstream}/"), upstream));
        }
        let engine =
            |path: &str, key: &'static str, value: Literal| vec![("path", path.into()), ("upstream", "app".into()), (key, value)];
        settings = settings
            .route(&http("/api/", "app"))
            .set_route("access.rule", Literal::raw("[{ request = ['/api/closed'], deny = true }]"))
            .route(&engine("/csrf/socket.io/", "origin.csrf_cookie", "csrf".into()))
            .route(&engine("/claims/socket.io/", "auth.required.status", "active".into()))
            .route(&engine("/jwks/socket.io/", "auth.jwks_url", "http://127.0.0.1:1/keys".into()))
            .route(&engine("/authorizer/socket.io/", "auth.authorizer.url", "http://127.0.0.1:1/who".into()))
            .route(&engine("/address-rate/socket.io/", "limit.handshakes_per_address", "1/1h".into()))
            .route(&engine("/user-rate/socket.io/", "limit.handshakes_per_user", "1/1h".into()))
            .route(&engine("/address-sessions/socket.io/", "limit.sessions_per_address", 1.into()))
            .route(&engine("/user-sessions/socket.io/", "limit.sessions_per_user", 1.into()))
            .route(&[
                ("path", "/busy/socket.io/".into()),
                ("upstream", "hanging".into()),
                ("limit.handshakes_in_flight", 1.into()),
            ])
            .set_route("socketio.connect_timeout", "20s");
        Self { gate: Gate::start(settings).await, _apps: vec![good, hanging, closing, garbled, dead] }
    }

    async fn session(&self) -> Session {
        Session::open_from(&self.gate.client(), &Issuer::default().token(ANA), PAGE).await
    }

    /// One request of the page with a good token.
    fn get(&self, target: &str) -> Ask {
        self.gate.client().get(target).origin(PAGE).token(&Issuer::default().token(ANA))
    }

    fn bare(&self, target: &str) -> Ask {
        self.gate.client().get(target).origin(PAGE)
    }

    fn raw(&self, ask: &Ask, change: impl FnOnce(String) -> String) -> Way {
        Way::Raw(change(String::from_utf8(ask.to_bytes()).expect("text")))
    }

    fn twice(&self, path: &str) -> Way {
        let ask = self.get(&format!("{path}?EIO=4&transport=polling"));
        Way::Asks(vec![ask.clone(), ask])
    }

    async fn way_to(&self, refusal: Refusal) -> Way {
        let issuer = Issuer::default();
        let client = self.gate.client();
        let one = |ask: Ask| Way::Asks(vec![ask]);
        match refusal {
            Refusal::Malformed => {
                let many = "x, ".repeat(300);
                self.raw(&self.get("/api/x"), |text| text.replace("\r\n\r\n", &format!("\r\nConnection: {many}x\r\n\r\n")))
            }
            Refusal::Host => self.raw(&self.get("/api/x"), |text| text.replace("\r\n\r\n", "\r\nHost: other\r\n\r\n")),
            Refusal::Path => one(self.get("/api/../x")),
            Refusal::UrlTooLong => one(self.get(&format!("/api/{}", "x".repeat(9_000)))),
            Refusal::HeadersTooMany => one((0..80).fold(self.get("/api/x"), |ask, _| ask.header("X", "y"))),
            Refusal::Version => Way::Not("the connection does not take such a request"),
            Refusal::MethodUnknown => one(client.ask("BREW", "/api/x").origin(PAGE)),
            Refusal::Method => one(client.ask("TRACE", "/api/x").origin(PAGE)),
            Refusal::NotFound => one(self.get("/nowhere")),
            Refusal::TransportUnknown => one(self.get("/socket.io/?EIO=4&transport=webtransport")),
            Refusal::SessionUnknown => one(self.get(&format!("{OPEN}&sid=abc"))),
            Refusal::HandshakeMethod => one(client.ask("PUT", OPEN).origin(PAGE).token(&issuer.token(ANA))),
            Refusal::Engine => one(self.get(&format!("{OPEN}&sid=a&sid=b"))),
            Refusal::ProtocolVersion => one(self.get("/socket.io/?EIO=3&transport=polling")),
            Refusal::Jsonp => one(self.get(&format!("{OPEN}&j=0"))),
            Refusal::Upgrade => one(client.upgrade(OPEN).origin(PAGE).token(&issuer.token(ANA))),
            Refusal::UpgradeVersion => {
                let ask = client.upgrade("/ws").origin(PAGE).token(&issuer.token(ANA));
                self.raw(&ask, |text| text.replace("Version: 13", "Version: 12"))
            }
            Refusal::UpgradeRequired => one(self.get("/ws")),
            Refusal::Origin => one(client.get(OPEN).origin(STRANGE_PAGE).token(&issuer.token(ANA))),
            Refusal::Preflight => one(client.ask("OPTIONS", OPEN).origin(PAGE).header("Access-Control-Request-Method", "DELETE")),
            Refusal::CrossSite => one(client.get(OPEN).header("Sec-Fetch-Site", "cross-site").token(&issuer.token(ANA))),
            Refusal::Csrf => {
                let token = issuer.token(ANA);
                let cookie = format!("token={token}");
                let opened =
                    client.get("/csrf/socket.io/?EIO=4&transport=polling").origin(PAGE).header("Cookie", &cookie).send().await;
                let sid = Session::of(&client, &opened, None, Some(PAGE)).sid;
                let target = format!("/csrf/socket.io/?EIO=4&transport=polling&sid={sid}");
                one(client.post(&target, "4").origin(PAGE).header("Cookie", &cookie))
            }
            Refusal::SessionOrigin => Way::Not("tested with its own page below"),
            Refusal::AccessRefused => one(self.get("/api/closed")),
            Refusal::NamespaceRefused
            | Refusal::EventRefused
            | Refusal::EventRate
            | Refusal::EventTooLarge
            | Refusal::EventInvalid
            | Refusal::TooManyNamespaces
            | Refusal::PacketMalformed
            | Refusal::NotConnected
            | Refusal::ConnectTimeout
            | Refusal::Revoked
            | Refusal::Killed
            | Refusal::Abuse => Way::Not("said inside a session"),
            Refusal::TokenAbsent => one(self.bare(OPEN)),
            Refusal::TokenInvalid => one(self.bare(OPEN).token("nonsense")),
            Refusal::TokenExpired => one(self.bare(OPEN).token(&issuer.token_for(ANA, -1000))),
            Refusal::TokenEarly => {
                let claims = json!({ "sub": ANA, "exp": issuer::now() + 900, "nbf": issuer::now() + 600 });
                one(self.bare(OPEN).token(&issuer.claims(&claims)))
            }
            Refusal::TokenAmbiguous => one(self.get(OPEN).token(&issuer.token("bob"))),
            Refusal::ClaimMissing => one(self.get("/claims/socket.io/?EIO=4&transport=polling")),
            Refusal::IdentityTooLarge => {
                let roles: Vec<String> = (0..400).map(|role| format!("role-{role}")).collect();
                one(self.bare(OPEN).token(&issuer.claims(&json!({ "sub": ANA, "exp": issuer::now() + 600, "roles": roles }))))
            }
            Refusal::KeysUnavailable => {
                // Signed with a key that only the issuer's document could tell.
                let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJhbmEiLCJleHAiOjQwMDAwMDAwMDB9.AAAA";
                one(self.bare("/jwks/socket.io/?EIO=4&transport=polling").token(token))
            }
            Refusal::AuthorizerUnavailable => one(self.bare("/authorizer/socket.io/?EIO=4&transport=polling").token("opaque")),
            Refusal::SessionSubject => one(self.session().await.with_token(Some(&issuer.token("mallory"))).poll()),
            Refusal::AddressRate => self.twice("/address-rate/socket.io/"),
            Refusal::AddressSessions => self.twice("/address-sessions/socket.io/"),
            Refusal::UserRate => self.twice("/user-rate/socket.io/"),
            Refusal::UserSessions => self.twice("/user-sessions/socket.io/"),
            Refusal::Overloaded => {
                let ask = self.get("/busy/socket.io/?EIO=4&transport=polling");
                tokio::spawn(ask.clone().try_send());
                self._apps[1].heard(1).await;
                one(ask)
            }
            Refusal::Draining => Way::Not("tested while leaving, in `app::drain`"),
            Refusal::PayloadTooLarge => {
                let ask = self.session().await.post("");
                self.raw(&ask, |text| text.replace("Content-Length: 0", "Content-Length: 2000000"))
            }
            Refusal::HeadTooSlow => Way::Not("no page is known before there is a head; see `slow`"),
            Refusal::BodyTooSlow => {
                let ask = self.session().await.post("");
                self.raw(&ask, |text| text.replace("Content-Length: 0", "Content-Length: 10"))
            }
            Refusal::BodyBroken => {
                let ask = self.session().await.post("");
                self.raw(&ask, |text| text.replace("Content-Length: 0", "Transfer-Encoding: chunked") + "3\r\nabcd\r\n0\r\n\r\n")
            }
            Refusal::ClientGone => Way::Not("nobody is there to be told; see `gone`"),
            Refusal::UpstreamUnavailable => one(self.get("/dead/x")),
            Refusal::UpstreamFailed => one(self.get("/closing/x")),
            Refusal::UpstreamInvalid => one(self.get("/garbled/x")),
            Refusal::UpstreamTimeout => one(self.get("/hanging/x")),
            Refusal::Internal => Way::Not("nothing is known to bring it about; see `panics`"),
        }
    }
}

#[tokio::test]
async fn the_page_a_session_does_not_belong_to_reads_why() {
    let stage = Stage::set().await;
    let answer = stage.session().await.with_origin(Some(OTHER_PAGE)).poll().send().await;
    assert_eq!(answer.refusal(), (403, "session_origin".into()));
    assert_eq!(answer.text(), Refusal::SessionOrigin.body());
    answer.is_for_page(OTHER_PAGE);
    assert_eq!(stage.gate.refusals("session_origin").await, 1.0);
    stage.gate.record(&[("message", "request"), ("refusal", "session_origin"), ("status", "403")]).await;
}

#[tokio::test]
async fn what_passes_is_counted_and_logged_as_well() {
    let stage = Stage::set().await;
    let session = stage.session().await;
    session.exchange("42[\"x\"]").await;
    let websocket = session.upgrade_well().await;
    drop(websocket);
    stage.gate.record(&[("message", "request"), ("kind", "open"), ("status", "200"), ("subject", ANA), ("origin", PAGE)]).await;
    let ended = stage.gate.record(&[("message", "session ended"), ("subject", ANA), ("transport", "websocket")]).await;
    assert!(ended["messages_in"].as_u64().is_some_and(|count| count >= 2), "{ended}");
    for series in [
        "sockgate_requests_total{kind=\"open\",status=\"2xx\"}",
        "sockgate_requests_total{kind=\"poll\",status=\"2xx\"}",
        "sockgate_requests_total{kind=\"post\",status=\"2xx\"}",
        "sockgate_sessions_opened_total{transport=\"polling\"}",
        "sockgate_upgrades_total{outcome=\"done\"}",
    ] {
        assert_eq!(stage.gate.metric(series).await, 1.0, "{series}");
    }
}
