//! A new configuration while serving: in effect whole or not at all, and sessions go on.

use rustix::process::Signal;
use serde_json::json;

use crate::http::pages::{Page, Pages};
use crate::policy::auth::issuer::{RSA, published};
use crate::support::{
    App, Certificates, Client, Gate, Issuer, OPEN, OTHER_PAGE, PAGE, Session, Settings,
    certificates::{client_config, is_named},
    client::Stream,
    eventually,
    issuer::now,
    sample::{before, pair, with_plain_routes},
};

#[tokio::test]
async fn a_signal_puts_the_new_file_in_effect() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let page = "https://new.example.com";
    assert_eq!(gate.client().get(OPEN).origin(page).token(&token).send().await.status, 403);
    gate.reload(&Settings::before(&[&app]).set("origin.allow", [PAGE, page])).await;
    assert_eq!(gate.client().get(OPEN).origin(page).token(&token).send().await.status, 200);
    assert_eq!(gate.client().get(OPEN).origin(OTHER_PAGE).token(&token).send().await.status, 403);
    assert_eq!(gate.metric("sockgate_reloads_total{outcome=\"taken\"}").await, 1.0);
    assert_eq!(gate.metric("sockgate_generation").await, 2.0);
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_a_signal() {
    let (app, gate) = pair().await;
    gate.rewrite(&Settings::before(&[&app]).set("origin.allow", [OTHER_PAGE]));
    let token = Issuer::default().token("ana");
    eventually("the new list is in effect", async || {
        (gate.client().get(OPEN).origin(PAGE).token(&token).send().await.status == 403).then_some(())
    })
    .await;
    assert_eq!(gate.client().get(OPEN).origin(OTHER_PAGE).token(&token).send().await.status, 200);
}

#[tokio::test]
async fn a_bad_file_is_refused_and_the_old_one_stays() {
    let (app, gate) = pair().await;
    let token = Issuer::default().token("ana");
    let session = Session::open_from(&gate.client(), &token, PAGE).await;
    let bad = [
        "this is no TOML [".to_string(),
        Settings::before(&[&app]).set("auth.secret", "too short").to_toml(),
        Settings::before(&[&app]).set("origin.allow", ["*"]).to_toml(),
        Settings::before(&[&app]).set("origin.allow", ["https://a.*.example.com"]).to_toml(),
        Settings::before(&[&app]).set_route("upstream", "nobody").to_toml(),
        Settings::before(&[&app]).set("tls.certificate", "/nowhere/gate.crt").set("tls.key", "/nowhere/gate.key").to_toml(),
    ];
    for (number, file) in bad.iter().enumerate() {
        gate.rewrite_raw(file);
        gate.signal(Signal::HUP);
        eventually("the bad file is refused", async || {
            (gate.metric("sockgate_reloads_total{outcome=\"refused\"}").await > number as f64).then_some(())
        })
        .await;
        assert_eq!(gate.generation().await, 1);
        assert_eq!(session.exchange("42[\"on\"]").await, "42[\"on\"]");
        assert_eq!(gate.client().get(OPEN).origin(PAGE).token(&token).send().await.status, 200);
    }
    gate.log_has(&["ERROR", "nobody"]).await;
    assert_eq!(gate.tells(&["too short"]).await, None, "a secret is not told, however bad");
    gate.reload(&Settings::before(&[&app])).await;
}

#[tokio::test]
async fn what_mends_a_refused_configuration_is_noticed() {
    let (app, gate) = pair().await;
    let secret = gate.directory().join("secret");
    let name = secret.display().to_string();
    let file = Settings::before(&[&app]).to_toml().replace("auth.secret = ", "# ") + "\n";
    gate.rewrite_raw(&format!("auth.secret_file = '{name}'\n{file}"));
    eventually("the file without its secret is refused", async || {
        (gate.metric("sockgate_reloads_total{outcome=\"refused\"}").await > 0.0).then_some(())
    })
    .await;
    assert_eq!(gate.generation().await, 1);
    std::fs::write(&secret, "the secret that was missing, of 32 bytes").expect("a file");
    eventually("the secret is found", async || (gate.generation().await == 2).then_some(())).await;
}

#[tokio::test]
async fn sessions_and_websockets_outlive_a_reload() {
    let app = App::start().await;
    let gate = before(&app, with_plain_routes).await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&gate.client(), &token).await;
    let mut websocket = gate.client().upgrade("/ws").token(&token).open_well().await;
    let poll = tokio::spawn(session.poll().send());
    app.heard(3).await;
    gate.reload(&with_plain_routes(Settings::before(&[&app])).set("origin.max_age", "20s")).await;
    websocket.text("x").await;
    assert_eq!(websocket.next_text().await, "x");
    app.push("42[\"after\"]");
    assert_eq!(poll.await.expect("answered").text(), "42[\"after\"]");
    let _upgraded = session.upgrade_well().await;
    gate.has_sessions("websocket", 2).await;
}

#[tokio::test]
async fn a_reload_forgives_nobody() {
    let app = App::start().await;
    let settings = || Settings::before(&[&app]).set("limit.handshakes_per_address", "2/1h").set("limit.sessions_per_user", 5);
    let gate = Gate::start(settings()).await;
    let token = Issuer::default().token("ana");
    for _ in 0..2 {
        Session::open(&gate.client(), &token).await;
    }
    gate.reload(&settings().set("origin.max_age", "20s")).await;
    assert_eq!(gate.client().get(OPEN).token(&token).send().await.refusal(), (429, "address_rate".into()));
    gate.has_sessions("polling", 2).await;
}

#[tokio::test]
async fn a_session_or_a_subject_is_followed_from_the_next_reload_on() {
    let app = App::start().await;
    let quiet = || Settings::before(&[&app]).set("log.level", "warn");
    let gate = Gate::start(Settings::before(&[&app])).await;
    let issuer = Issuer::default();
    let session = Session::open(&gate.client(), &issuer.token("ana")).await;
    let other = Session::open(&gate.client(), &issuer.token("ana")).await;
    let opened = gate.record(&[("message", "request"), ("kind", "open"), ("status", "200")]).await;
    let name = opened["session"].as_str().expect("it has a name").to_string();

    gate.reload(&quiet().set("log.debug_for", [format!("session:{name}").as_str()])).await;
    assert_eq!(other.exchange("42[\"other\"]").await, "42[\"other\"]");
    assert_eq!(session.exchange("42[\"x\"]").await, "42[\"x\"]");
    let followed = [("target", "sockgate::followed"), ("session", name.as_str())];
    for kind in ["post", "poll"] {
        let record = gate.record(&[&followed[..], &[("kind", kind)]].concat()).await;
        assert_eq!(
            (&record["method"], &record["path"]),
            (&if kind == "post" { "POST" } else { "GET" }.into(), &"/socket.io/".into())
        );
    }
    let mut websocket = session.upgrade_well().await;
    websocket.close(1000, "").await;
    gate.record(&[&followed[..], &[("message", "session ended")]].concat()).await;
    let strangers =
        gate.records().into_iter().filter(|it| it["target"] == "sockgate::followed" && it["session"] != name.as_str());
    assert_eq!(strangers.count(), 0, "the other session of the same user is not followed");

    gate.reload(&quiet().set("log.debug_for", ["subject:ana"])).await;
    other.exchange("42[\"more\"]").await;
    gate.record(&[("target", "sockgate::followed"), ("subject", "ana"), ("kind", "post"), ("method", "POST")]).await;
}

#[tokio::test]
async fn a_limiter_stays_with_a_route_that_moves() {
    let app = App::start().await;
    let route = |path: &str| {
        let keys = [("path", path.into()), ("upstream", "app".into()), ("rewrite", "/socket.io/".into())];
        Settings::bare().upstream("app", &[&app]).route(&keys).set_route("limit.handshakes_per_user", "2/1h")
    };
    let gate = Gate::start(route("/socket.io/")).await;
    let open = async |path: &str, user: &str| {
        let target = format!("{path}?EIO=4&transport=polling");
        gate.client().get(&target).token(&Issuer::default().token(user)).send().await.status
    };
    assert_eq!([open("/socket.io/", "ana").await, open("/socket.io/", "ana").await], [200, 200]);
    gate.reload(&route("/moved/")).await;
    assert_eq!([open("/moved/", "ana").await, open("/moved/", "bob").await], [429, 200]);

    let twice = [("path", "/first/".into()), ("upstream", "app".into()), ("rewrite", "/socket.io/".into())];
    gate.reload(&route("/second/").route(&twice).set_route("limit.handshakes_per_user", "2/1h")).await;
    let statuses = [open("/second/", "ana").await, open("/first/", "ana").await];
    assert_eq!(statuses, [429, 200], "one of two goes on with the old counts: they are not counted together");
}

#[tokio::test]
async fn keys_of_an_issuer_stay_with_a_route_that_moves() {
    let app = App::start().await;
    let issuer = Pages::start().await;
    issuer.put("/keys", Page::Document(published(&[RSA.jwk("a")])));
    let route = |path: &str| {
        let keys = [("path", path.into()), ("upstream", "app".into()), ("rewrite", "/socket.io/".into())];
        Settings::bare().set("auth.jwks_url", issuer.url("/keys").as_str()).upstream("app", &[&app]).route(&keys)
    };
    let gate = Gate::start(route("/socket.io/")).await;
    let token = RSA.token_of("a", &json!({ "sub": "ana", "exp": now() + 600 }));
    let open = async |path: &str| {
        let target = format!("{path}?EIO=4&transport=polling");
        gate.client().get(&target).token(&token).send().await.status
    };
    eventually("the keys are there", async || (open("/socket.io/").await == 200).then_some(())).await;
    issuer.put("/keys", Page::Status(500));
    gate.reload(&route("/moved/").set("auth.leeway", "61s")).await;
    assert_eq!(open("/moved/").await, 200);
}

#[tokio::test]
async fn what_overflowed_before_a_limiter_was_dropped_stays_counted() {
    let app = App::start().await;
    let settings = || Settings::before(&[&app]);
    let narrow = || settings().set_route("limit.handshakes_per_user", "100/1h").set_route("limit.keys", 1);
    let gate = Gate::start(narrow()).await;
    let open = async |user: &str| gate.client().get(OPEN).token(&Issuer::default().token(user)).send().await.status;
    for user in ["ana", "bob", "eve"] {
        assert_eq!(open(user).await, 200);
    }
    let series = "sockgate_limiter_overflow_total";
    assert_eq!(gate.metric(series).await, 2.0);
    gate.reload(&settings()).await;
    assert_eq!(gate.metric(series).await, 2.0, "the route has the general limiter now");
    gate.reload(&narrow()).await;
    for user in ["ana", "bob"] {
        assert_eq!(open(user).await, 200);
    }
    assert_eq!(gate.metric(series).await, 3.0, "and it goes on from there");
}

#[tokio::test]
async fn a_new_secret_takes_the_place_of_the_old_one() {
    let (app, gate) = pair().await;
    let old = Issuer::default();
    let session = Session::open(&gate.client(), &old.token("ana")).await;
    let secret = "the next secret of the issuer, 32 bytes and more";
    gate.reload(&Settings::before(&[&app]).set("auth.secret", secret)).await;
    assert_eq!(gate.client().get(OPEN).token(&old.token("bob")).send().await.refusal(), (401, "token_invalid".into()));
    assert_eq!(gate.client().get(OPEN).token(&Issuer::with(secret).token("bob")).send().await.status, 200);
    assert_eq!(session.post("42[\"on\"]").send().await.refusal(), (401, "revoked".into()), "its key is gone");
}

#[tokio::test]
async fn a_certificate_is_swapped_for_new_connections() {
    let app = App::start().await;
    let certificates = Certificates::new("the first leaf");
    let gate = Gate::start(with_plain_routes(Settings::before(&[&app]).tls(&certificates))).await;
    let token = Issuer::default().token("ana");
    let shown = async || {
        let line = Client::new(gate.public, Some(client_config(&["http/1.1"]))).connect().await.expect("connected");
        let Stream::Tls(tls) = &line.stream else { panic!("TLS") };
        tls.get_ref().1.peer_certificates().expect("shown")[0].clone()
    };
    assert!(is_named(&shown().await, "the first leaf"));
    let mut websocket = gate.client().upgrade("/ws").token(&token).open_well().await;

    certificates.renew("the second leaf");
    eventually("the new certificate is shown", async || is_named(&shown().await, "the second leaf").then_some(())).await;

    websocket.text("still here").await;
    assert_eq!(websocket.next_text().await, "still here");
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_changes_nothing() {
    let app = App::start().await;
    let certificates = Certificates::new("the first leaf");
    let gate = Gate::start(Settings::before(&[&app]).tls(&certificates)).await;
    let other = Certificates::new("the other leaf");
    std::fs::copy(other.certificate_file(), certificates.certificate_file()).expect("copied");
    gate.signal(Signal::HUP);
    eventually("the pair is refused", async || {
        (gate.metric("sockgate_reloads_total{outcome=\"refused\"}").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(gate.client().get(OPEN).token(&Issuer::default().token("ana")).send().await.status, 200);
}

#[tokio::test]
async fn a_member_that_is_added_takes_sessions_and_one_that_is_removed_takes_no_more() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let gate = Gate::start(Settings::before(&[&one])).await;
    let token = Issuer::default().token("ana");
    let session = Session::open(&gate.client(), &token).await;
    gate.reload(&Settings::before(&[&one, &two])).await;
    Session::open(&gate.client(), &token).await;
    assert_eq!(two.sids().len(), 1, "the emptier one");
    gate.reload(&Settings::before(&[&two])).await;
    for _ in 0..3 {
        Session::open(&gate.client(), &token).await;
    }
    assert_eq!((one.sids().len(), two.sids().len()), (1, 4));
    assert_eq!(session.exchange("42[\"to its end\"]").await, "42[\"to its end\"]", "who is there may stay");
}

#[tokio::test]
async fn what_needs_a_restart_is_said() {
    let (app, gate) = pair().await;
    gate.reload(&Settings::before(&[&app]).set("listen.workers", 1)).await;
    gate.log_has(&["WARN", "listen.workers"]).await;
}
