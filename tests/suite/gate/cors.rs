//! CORS is the gate's: on every answer, success or refusal, exactly once; and a page that may not connect reads nothing.

use crate::support::{
    App, Gate, Issuer, OPEN, OPEN_WEBSOCKET, OTHER_PAGE, PAGE, STRANGE_PAGE, Session, Settings,
    sample::{before, pair, pair_with, secure_pair, with_plain_routes},
};

#[tokio::test]
async fn an_allowed_page_reads_every_answer_of_a_session_in_both_versions_of_http() {
    let (_app, gate) = secure_pair(|settings| settings).await;
    for client in gate.clients() {
        let token = Issuer::default().token("ana");
        let opened = client.get(OPEN).origin(PAGE).token(&token).send().await;
        opened.is_for_page(PAGE);
        let session = Session::of(&client, &opened, Some(&token), Some(PAGE));
        session.post("42[\"x\"]").send().await.is_for_page(PAGE);
        let answer = session.poll().send().await;
        answer.is_for_page(PAGE);
        let vary = answer.headers.all("vary").join(", ").to_ascii_lowercase();
        assert!(vary.contains("accept-encoding"), "the app's own Vary stays: {vary}");
        assert!(
            answer
                .header("access-control-expose-headers")
                .is_some_and(|names| names.to_ascii_lowercase().contains("retry-after"))
        );
    }
}

#[tokio::test]
async fn an_allowed_page_reads_every_refusal() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let client = gate.client();
    let asks = [
        client.get(OPEN),
        client.get(OPEN).token("nonsense"),
        client.get(OPEN).token(&Issuer::default().token_for("ana", -100)),
        client.get("/socket.io/").token(&token),
        client.get("/nowhere").token(&token),
        client.get(&format!("{OPEN}&sid=abc")).token(&token),
        client.post(OPEN, "x").token(&token),
        client.upgrade(OPEN_WEBSOCKET),
        client.get(OPEN_WEBSOCKET).token(&token),
        client.ask("TRACE", OPEN).token(&token),
        client.ask("BREW", OPEN).token(&token),
        client.get(&format!("{OPEN}&x={}", "y".repeat(9_000))).token(&token),
        client.get(&format!("//{OPEN}")).token(&token),
    ];
    for ask in asks {
        let what = format!("{} {:.60}", ask.method, ask.target);
        let answer = ask.origin(PAGE).send().await;
        assert!(answer.status >= 400, "{what}");
        assert!(answer.json()["code"].is_u64(), "{what}");
        answer.is_for_page(PAGE);
    }
    app.heard_nothing();
}

#[tokio::test]
async fn a_page_that_may_not_connect_gets_no_answer_it_can_read() {
    let (app, gate) = secure_pair(|settings| settings).await;
    let token = Issuer::default().token("ana");
    for client in gate.clients() {
        let answer = client.get(OPEN).origin(STRANGE_PAGE).token(&token).send().await;
        assert_eq!(answer.refusal(), (403, "origin_refused".into()));
        answer.is_for_no_page();
        let answer = client.upgrade(OPEN_WEBSOCKET).origin(STRANGE_PAGE).token(&token).open().await.expect_err("refused");
        assert_eq!(answer.refusal(), (403, "origin_refused".into()));
        answer.is_for_no_page();
    }
    app.heard_nothing();
    let record = gate.record(&[("refusal", "origin_refused"), ("target", "sockgate::security")]).await;
    assert!(record["detail"].as_str().is_some_and(|detail| detail.contains(STRANGE_PAGE)), "what to write is said: {record}");
}

#[tokio::test]
async fn origins_that_only_look_allowed_are_refused_on_every_transport() {
    let app = App::start().await;
    let gate = before(&app, |settings| {
        with_plain_routes(settings).set("origin.allow", ["https://app.example.com", "https://*.pages.example.com"])
    })
    .await;
    let token = Issuer::default().token("ana");
    let long = format!("https://{}.example.com", "a".repeat(6_000));
    let origins = [
        "null",
        "https://app.example.com.evil.net",
        "https://evilapp.example.com",
        "https://appXexample.com",
        "https://app.example.com:8443",
        "http://app.example.com",
        "https://app.example.com@evil.net",
        "https://evil.net\\app.example.com",
        "https://app.example.com, https://evil.net",
        "https://app.example.com https://evil.net",
        "https://app.example.com/",
        "https://app.example.com?x",
        "https://\u{430}pp.example.com",
        "https://xn--pp-8cd.example.com",
        "https://a.b.pages.example.com",
        "https://pages.example.com",
        "https://.pages.example.com",
        "file://",
        "ws://app.example.com",
        "app.example.com",
        "",
        "*",
        &long,
    ];
    for origin in origins {
        for ask in [
            gate.client().get(OPEN),
            gate.client().upgrade(OPEN_WEBSOCKET),
            gate.client().upgrade("/ws"),
            gate.client().get("/api/x"),
        ] {
            let what = format!("{origin:.60} at {}", ask.target);
            let answer = ask.origin(origin).token(&token).send().await;
            assert_eq!(answer.refusal(), (403, "origin_refused".into()), "{what}");
            answer.is_for_no_page();
        }
    }
    let answer = gate.client().get(OPEN).origin(PAGE).origin(STRANGE_PAGE).token(&token).send().await;
    assert_eq!(answer.status, 403, "two Origin headers");
    answer.is_for_no_page();
    app.heard_nothing();
    for origin in ["https://a.pages.example.com", "https://app.example.com", "HTTPS://app.example.com"] {
        let answer = gate.client().get(OPEN).origin(origin).token(&token).send().await;
        assert!(answer.status == 200 || origin.starts_with("HTTPS"), "{origin}: {answer:?}");
    }
}

#[tokio::test]
async fn answers_without_a_page_vary_by_origin_too() {
    let (_app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    for ask in [gate.client().get(OPEN).token(&token), gate.client().get(OPEN), gate.client().get("/nowhere")] {
        ask.send().await.is_for_no_page();
    }
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_never_reaches_the_app() {
    let app = App::start().await;
    let certificates = crate::support::Certificates::new("gate");
    let gate = Gate::start(with_plain_routes(Settings::before(&[&app])).tls(&certificates)).await;
    for client in gate.clients() {
        for target in [OPEN, "/socket.io/?EIO=4&transport=polling&sid=whatever", "/api/x", "/ws"] {
            let answer = client.preflight(target, PAGE).send().await;
            assert_eq!((answer.status, answer.body.len()), (204, 0), "{target}");
            answer.is_for_page(PAGE);
            let methods = answer.header("access-control-allow-methods").expect("methods").to_string();
            assert!(methods.contains("GET") && methods.contains("POST"), "{methods}");
            let headers = answer.header("access-control-allow-headers").expect("headers").to_ascii_lowercase();
            assert!(headers.contains("authorization"), "{headers}");
            assert_eq!(answer.header("access-control-max-age"), Some("600"));
        }
    }
    app.heard_nothing();
}

#[tokio::test]
async fn a_preflight_is_refused_for_strange_pages_methods_and_headers() {
    let (app, gate) = pair().await;
    let client = gate.client();
    let answer = client.preflight(OPEN, STRANGE_PAGE).send().await;
    assert_eq!(answer.refusal(), (403, "origin_refused".into()));
    answer.is_for_no_page();
    let method = client.ask("OPTIONS", OPEN).origin(PAGE).header("Access-Control-Request-Method", "DELETE");
    let header = client
        .ask("OPTIONS", OPEN)
        .origin(PAGE)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "x-secret");
    for ask in [method, header] {
        assert_eq!(ask.send().await.refusal(), (403, "preflight_refused".into()));
    }
    app.heard_nothing();
    for refusal in ["origin_refused", "preflight_refused"] {
        gate.record(&[("method", "OPTIONS"), ("kind", "preflight"), ("refusal", refusal)]).await;
    }
}

#[tokio::test]
async fn private_networks_are_open_to_pages_only_where_switched_on() {
    for (wish, told) in [(false, None), (true, Some("true"))] {
        let (_app, gate) = pair_with(|settings| settings.set("origin.private_network", wish)).await;
        let answer = gate.client().preflight(OPEN, PAGE).header("Access-Control-Request-Private-Network", "true").send().await;
        assert_eq!(answer.header("access-control-allow-private-network"), told);
    }
}

#[tokio::test]
async fn cross_site_requests_without_an_origin_are_refused() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let answer = gate.client().get(OPEN).header("Sec-Fetch-Site", "cross-site").token(&token).send().await;
    assert_eq!(answer.refusal(), (403, "cross_site_refused".into()));
    app.heard_nothing();
    let answer = gate.client().get(OPEN).header("Sec-Fetch-Site", "same-origin").token(&token).send().await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn pages_can_be_required_to_show_themselves() {
    let (app, gate) = pair_with(|settings| settings.set("origin.missing", "refuse")).await;
    let token = Issuer::default().token("ana");
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.refusal(), (403, "origin_refused".into()));
    app.heard_nothing();
    assert_eq!(gate.client().get(OPEN).origin(PAGE).token(&token).send().await.status, 200);
}

#[tokio::test]
async fn the_gates_own_page_needs_no_line_in_the_configuration() {
    let (_app, gate) = pair().await;
    let own = format!("http://localhost:{}", gate.public.port());
    let ask = gate.client().get(OPEN).host(&format!("localhost:{}", gate.public.port())).token(&Issuer::default().token("ana"));
    let answer = ask.clone().origin(&own).send().await;
    assert_eq!(answer.status, 200);
    answer.is_for_page(&own);
    let answer = ask.origin("http://localhost:1").send().await;
    assert_eq!(answer.refusal(), (403, "origin_refused".into()));
}

#[tokio::test]
async fn double_submit_protects_what_cookies_carry() {
    let (app, gate) = pair_with(|settings| settings.set("origin.csrf_cookie", "csrf")).await;
    let token = Issuer::default().token("ana");
    let cookie = format!("token={token}; csrf=one");
    let opened = gate.client().get(OPEN).origin(PAGE).header("Cookie", &cookie).send().await;
    let session = Session::of(&gate.client(), &opened, None, Some(PAGE));
    for shown in [None, Some("two"), Some("")] {
        let mut ask = session.post("42[\"x\"]").header("Cookie", &cookie);
        if let Some(shown) = shown {
            ask = ask.header("X-CSRF-Token", shown);
        }
        let answer = ask.send().await;
        assert_eq!(answer.refusal(), (403, "csrf_refused".into()), "{shown:?}");
        answer.is_for_page(PAGE);
    }
    assert_eq!(app.requests().len(), 1);
    let answer = session.post("42[\"x\"]").header("Cookie", &cookie).header("X-CSRF-Token", "one").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(session.with_token(Some(&token)).post("42[\"x\"]").send().await.status, 200, "a header needs no more proof");
}

#[tokio::test]
async fn the_app_does_not_see_the_page_unless_asked_to() {
    for (manner, seen) in
        [("", None), ("remove", None), ("keep", Some(PAGE)), ("https://fixed.example.com", Some("https://fixed.example.com"))]
    {
        let app = App::start().await;
        let gate = before(&app, |settings| settings.set_upstream("origin", manner)).await;
        gate.client().get(OPEN).origin(PAGE).token(&Issuer::default().token("ana")).send().await;
        assert_eq!(app.only_request().header("origin"), seen, "{manner:?}");
    }
}

#[tokio::test]
async fn another_allowed_page_is_named_itself() {
    let (_app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    for page in [PAGE, OTHER_PAGE] {
        gate.client().get(OPEN).origin(page).token(&token).send().await.is_for_page(page);
    }
}
