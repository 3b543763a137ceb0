//! Where requests go: by host and path, to which member, and how they stay there.

use std::collections::{HashMap, HashSet};

use crate::support::{
    App, Event, Gate, Issuer, OPEN, PAGE, Session, Settings,
    sample::{before, with_plain_routes},
};

/// Engine.IO servers answer below their path and without its last slash, so a route beside it must not lead there.
#[tokio::test]
async fn a_neighbouring_route_is_no_way_around_the_rules_of_socket_io() {
    let plain = |path: &str, rewrite: Option<&str>| {
        let mut route = vec![("path", path.into()), ("kind", "http".into()), ("upstream", "app".into())];
        route.extend(rewrite.map(|to| ("rewrite", to.into())));
        route
    };
    let app = App::start().await;
    let settings = Settings::before(&[&app]).route(&plain("/", None)).route(&plain("/api/", Some("/")));
    let gate = Gate::start(settings).await;
    let token = Issuer::default().token("ana");
    for path in [
        "/socket.io?EIO=4&transport=polling",
        "/socket.io/x/?EIO=4&transport=polling",
        "/socket.io/x?sid=abc",
        "/api/socket.io/?EIO=4&transport=polling",
        "/api/socket.io/?transport=polling",
    ] {
        let answer = gate.client().get(path).token(&token).send().await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{path}");
    }
    assert_eq!(app.requests().len(), 0);
    let script = gate.client().get("/socket.io/socket.io.js").token(&token).send().await;
    assert_eq!((script.status, app.requests().len()), (200, 1), "what is no session passes");
}

#[tokio::test]
async fn host_and_longest_path_choose_the_route() {
    let (chat, news, site, other) =
        (App::named("chat").await, App::named("news").await, App::named("site").await, App::named("other").await);
    let settings = Settings::bare()
        .upstream("chat", &[&chat])
        .upstream("news", &[&news])
        .upstream("site", &[&site])
        .upstream("other", &[&other])
        .route(&[("path", "/".into()), ("kind", "http".into()), ("upstream", "site".into())])
        .route(&[("path", "/news/".into()), ("kind", "http".into()), ("upstream", "news".into())])
        .route(&[("path", "/news/live/".into()), ("kind", "http".into()), ("upstream", "chat".into())])
        .route(&[
            ("hosts", ["other.example.com", "*.wild.example.com"].into()),
            ("path", "/".into()),
            ("kind", "http".into()),
            ("upstream", "other".into()),
        ]);
    let gate = Gate::start(settings).await;
    let token = Issuer::default().token("ana");
    let cases = [
        ("localhost", "/", "site"),
        ("localhost", "/newspaper", "site"),
        ("localhost", "/news/", "news"),
        ("localhost", "/news/today?x=1", "news"),
        ("localhost", "/news/live/now", "chat"),
        ("other.example.com", "/", "other"),
        ("OTHER.example.com:8443", "/x", "other"),
        ("a.wild.example.com", "/x", "other"),
        ("a.b.wild.example.com", "/x", "other"),
        ("wild.example.com", "/x", "site"),
    ];
    for (host, target, app) in cases {
        let answer = gate.client().get(target).host(host).token(&token).send().await;
        assert_eq!(answer.header("x-app"), Some(app), "{host}{target}: {}", answer.text());
    }
}

#[tokio::test]
async fn where_no_route_leads_nothing_is_served() {
    let app = App::start().await;
    let gate = Gate::start(Settings::before(&[&app]).set_route("hosts", ["app.example.com"])).await;
    let token = Issuer::default().token("ana");
    for (host, target) in [("localhost", OPEN), ("evil.net", OPEN), ("app.example.com", "/other/")] {
        let answer = gate.client().get(target).host(host).origin(PAGE).token(&token).send().await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{host}{target}");
        answer.is_for_page(PAGE);
    }
    app.heard_nothing();
    for detail in ["the route /socket.io/ is for the hosts app.example.com", "no route has the path; there are /socket.io/"] {
        gate.record(&[("refusal", "not_found"), ("detail", detail)]).await;
    }
    assert_eq!(gate.client().get(OPEN).host("app.example.com").token(&token).send().await.status, 200);
}

#[tokio::test]
async fn a_plain_route_carries_every_method_body_and_status() {
    let app = App::scripted(|seen| {
        let path = seen.path().to_string();
        let status = path.strip_prefix("/api/status/")?;
        Some(vec![crate::support::Step::say(format!(
            "HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nLocation: /else\r\n\r\n"
        ))])
    })
    .await;
    let gate = before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
        let answer = gate.client().ask(method, "/api/thing?x=1").token(&token).send().await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(app.last_request().method, method);
    }
    let large = "x".repeat(300_000);
    let answer = gate.client().post("/api/large", large.clone()).token(&token).send().await;
    assert_eq!(answer.status, 200);
    assert!(app.last_request().text() == large);
    for status in [201, 204, 302, 304, 404, 418, 500, 503] {
        let answer = gate.client().get(&format!("/api/status/{status}")).token(&token).send().await;
        assert_eq!(answer.status, status, "the app's own answers are its own");
    }
    let upgrade = gate.client().upgrade("/api/x").token(&token).open().await.expect_err("no WebSocket here");
    assert_eq!(upgrade.refusal(), (400, "upgrade_malformed".into()));
}

#[tokio::test]
async fn a_route_may_put_another_path_in_place() {
    let app = App::start().await;
    let settings = Settings::before(&[&app]).route(&[
        ("path", "/v1/".into()),
        ("kind", "http".into()),
        ("upstream", "app".into()),
        ("rewrite", "/inner/".into()),
    ]);
    let gate = Gate::start(settings).await;
    let token = Issuer::default().token("ana");
    gate.client().get("/v1/users?x=1").token(&token).send().await;
    assert_eq!(app.only_request().target, "/inner/users?x=1");
}

#[tokio::test]
async fn a_plain_websocket_takes_its_token_from_the_subprotocol() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    let ask = |protocols: &str| gate.client().upgrade("/ws").origin(PAGE).header("Sec-WebSocket-Protocol", protocols);

    let mut websocket = ask(&format!("bearer, {token}")).open_well().await;
    assert_eq!(
        websocket.answer.header("sec-websocket-protocol"),
        Some("bearer"),
        "browsers drop a connection whose offer was ignored"
    );
    assert_eq!(app.last_request().header("sec-websocket-protocol"), None);
    assert_eq!(app.last_request().header("x-auth-subject"), Some("ana"));
    websocket.text("x").await;
    assert_eq!(websocket.next_text().await, "x");

    let websocket = ask(&format!("chat, bearer, {token}")).open_well().await;
    assert_eq!(websocket.answer.header("sec-websocket-protocol"), Some("chat"), "the app's choice stands");
    assert_eq!(app.last_request().header("sec-websocket-protocol"), Some("chat"));

    let answer = ask("bearer, nonsense").open().await.expect_err("refused");
    assert_eq!(answer.refusal(), (401, "token_invalid".into()));
    answer.is_for_page(PAGE);
}

#[tokio::test]
async fn a_websocket_route_serves_nothing_else() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let answer = gate.client().get("/ws").origin(PAGE).token(&Issuer::default().token("ana")).send().await;
    assert_eq!(answer.refusal(), (426, "upgrade_required".into()));
    answer.is_for_page(PAGE);
    app.heard_nothing();
}

#[tokio::test]
async fn sessions_spread_and_stay() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let gate = Gate::start(Settings::before(&[&one, &two])).await;
    let token = Issuer::default().token("ana");
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(Session::open(&gate.client(), &token).await);
    }
    assert_eq!((one.sids().len(), two.sids().len()), (10, 10));
    for (number, session) in sessions.iter().enumerate() {
        // Each poll on a fresh connection, which may land on another worker.
        let packet = format!("42[{number}]");
        assert_eq!(session.exchange(&packet).await, packet);
        let mut websocket = session.upgrade_well().await;
        websocket.text(&packet).await;
        assert_eq!(websocket.next_text().await, packet);
    }
}

#[tokio::test]
async fn weights_are_kept_to() {
    let (light, heavy) = (App::named("light").await, App::named("heavy").await);
    let settings = Settings::bare().upstream("app", &[]).set_upstream("balance", "round_robin");
    let members = format!(r#"[{{ url = "{}", weight = 1 }}, {{ url = "{}", weight = 3 }}]"#, light.url(), heavy.url());
    let settings = settings.set_upstream("members", crate::support::settings::Literal::raw(&members));
    let gate = Gate::start(settings.route(&[("path", "/socket.io/".into()), ("upstream", "app".into())])).await;
    for _ in 0..16 {
        Session::open(&gate.client(), &Issuer::default().token("ana")).await;
    }
    assert_eq!((light.sids().len(), heavy.sids().len()), (4, 12));
}

#[tokio::test]
async fn hashing_keeps_a_user_on_one_member() {
    let apps = [App::named("a").await, App::named("b").await, App::named("c").await];
    let all: Vec<&App> = apps.iter().collect();
    let gate = Gate::start(with_plain_routes(Settings::before(&all).set_upstream("balance", "hash"))).await;
    let issuer = Issuer::default();
    let mut homes: HashMap<String, HashSet<String>> = HashMap::new();
    for _ in 0..3 {
        for number in 0..12 {
            let user = format!("user-{number}");
            let token = issuer.token(&user);
            let answer = gate.client().from(&format!("127.0.0.{}", number + 1)).get("/api/x").token(&token).send().await;
            homes.entry(user).or_default().insert(answer.header("x-app").expect("a name").to_string());
        }
    }
    assert!(homes.values().all(|home| home.len() == 1), "{homes:?}");
    let used: HashSet<_> = homes.values().flatten().collect();
    assert!(used.len() >= 2, "twelve users do not all live in one place: {homes:?}");
}

#[tokio::test]
async fn an_affinity_cookie_keeps_plain_clients_on_one_member() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let settings = Settings::before(&[&one, &two]).set_upstream("balance", "round_robin").set_upstream("affinity_cookie", "home");
    let gate = Gate::start(with_plain_routes(settings)).await;
    let token = Issuer::default().token("ana");
    let first = gate.client().get("/api/x").token(&token).send().await;
    let cookie = first.header("set-cookie").expect("a cookie").to_string();
    assert!(cookie.starts_with("home=") && cookie.contains("HttpOnly"), "{cookie}");
    let value = cookie.split(';').next().expect("a pair").to_string();
    let home = first.header("x-app").expect("a name");
    for _ in 0..6 {
        let answer = gate.client().get("/api/x").token(&token).header("Cookie", &value).send().await;
        assert_eq!(answer.header("x-app"), Some(home));
        assert_eq!(answer.header("set-cookie"), None, "it has one");
    }
    let mut websocket = gate.client().upgrade("/ws").token(&token).header("Cookie", &value).open_well().await;
    websocket.text("name").await;
    assert_eq!(websocket.next().await, Event::Text(home.to_string()));
    let mut seen = HashSet::new();
    for forged in ["home=127.0.0.1:3001", "home=one", "home=", "home=AAAA", &format!("{value}x")] {
        let answer = gate.client().get("/api/x").token(&token).header("Cookie", forged).send().await;
        assert_eq!(answer.status, 200, "a forged cookie is no cookie");
        assert!(answer.header("set-cookie").is_some());
        seen.insert(answer.header("x-app").expect("a name").to_string());
    }
    assert_eq!(seen.len(), 2, "and names nobody");
}

#[tokio::test]
async fn a_socketio_session_needs_no_cookie() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let gate = Gate::start(Settings::before(&[&one, &two]).set_upstream("affinity_cookie", "home")).await;
    let answer = gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await;
    assert!(answer.headers.all("set-cookie").iter().all(|cookie| !cookie.starts_with("home=")));
}

#[tokio::test]
async fn the_host_of_a_request_never_chooses_an_address() {
    let canary = App::named("canary").await;
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    let host = canary.address.to_string();
    assert_eq!(gate.client().get("/api/x").host(&host).token(&token).send().await.header("x-app"), Some("app"));
    let mut line = gate
        .client()
        .raw(format!("GET http://{host}/api/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"))
        .await;
    assert_eq!(line.expect_answer("GET").await.header("x-app"), Some("app"));
    canary.heard_nothing();
}

#[tokio::test]
async fn the_host_toward_the_app_can_be_its_own() {
    let app = App::start().await;
    let gate = before(&app, |settings| settings.set_upstream("host", "member")).await;
    gate.client().get(OPEN).host("gate.example.com").token(&Issuer::default().token("ana")).send().await;
    let seen = app.only_request();
    assert_eq!(seen.header("host"), Some(app.address.to_string().as_str()));
    assert_eq!(seen.header("x-forwarded-host"), Some("gate.example.com"));
}
