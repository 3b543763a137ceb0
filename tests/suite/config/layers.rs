use super::workshop::{BASE, SECRET, Workshop};

#[test]
fn each_layer_is_stronger_than_the_one_before() {
    let value = |workshop: &Workshop| workshop.in_effect("socketio.ping_interval");
    let pair = |value: &str, source: &str| (format!("{value:?}"), source.to_string());
    let workshop = Workshop::new();
    assert_eq!(value(&workshop), pair("25s", "default"));
    let workshop = workshop.file("one.toml", "[socketio]\nping_interval = \"1s\"\n");
    assert_eq!(value(&workshop), pair("1s", "one.toml:2:1"));
    let workshop = workshop.file("two.toml", "\n\n[socketio]\n  ping_interval = \"2s\"\n");
    assert_eq!(value(&workshop), pair("2s", "two.toml:4:3"));
    let workshop = workshop.beside("one.night.toml", "socketio.ping_interval = \"3s\"\n").env("SOCKGATE_PROFILE", "night");
    assert_eq!(value(&workshop), pair("3s", "one.night.toml:1:10"));
    let workshop = workshop.env("SOCKETIO_PING_INTERVAL", "4");
    assert_eq!(value(&workshop), pair("4s", "SOCKETIO_PING_INTERVAL"));
    let workshop = workshop.env("SOCKGATE_SOCKETIO__PING_INTERVAL", "5s");
    assert_eq!(value(&workshop), pair("5s", "SOCKGATE_SOCKETIO__PING_INTERVAL"));
    let workshop = workshop.set("socketio.ping_interval", "6s");
    assert_eq!(value(&workshop), pair("6s", "--set socketio.ping_interval"));
    let workshop = workshop.set("socketio.ping_interval", "7s");
    assert_eq!(value(&workshop), pair("7s", "--set socketio.ping_interval"));
}

#[test]
fn without_a_named_file_the_usual_place_is_read() {
    let workshop = Workshop::new().beside("config/sockgate.toml", BASE);
    assert_eq!(workshop.config().upstream[0].name, "app");
    assert_eq!(workshop.load().files, [workshop.path().join("config/sockgate.toml")]);
}

#[test]
fn a_named_file_replaces_the_usual_place() {
    let workshop = Workshop::ready().beside("config/sockgate.toml", "[log]\nlevel = \"debug\"\n");
    assert_eq!(workshop.config().log.level, "info");
}

#[test]
fn tables_merge_and_lists_are_replaced() {
    let config = Workshop::ready()
        .file("one.toml", "[origin]\nallow = [\"https://a.example\", \"https://b.example\"]\nmax_age = \"1m\"\n[auth.required]\nstatus = \"active\"\n")
        .file("two.toml", "[origin]\nallow = [\"https://c.example\"]\n[auth.required]\nage = 3\n")
        .config();
    assert_eq!(config.origin.allow, ["https://c.example"]);
    assert_eq!(config.origin.max_age.to_string(), "1m");
    assert_eq!(config.auth.required.len(), 2);
}

#[test]
fn the_environment_alone_is_enough() {
    let workshop = Workshop::new().env("JWT_SECRET", SECRET).env("SOCKGATE_UPSTREAM", "http://app-1:3001, http://app-2:3001");
    let config = workshop.config();
    assert_eq!(config.upstream[0].name, "app");
    assert_eq!(
        config.upstream[0].members.iter().map(|member| member.url()).collect::<Vec<_>>(),
        ["http://app-1:3001", "http://app-2:3001"]
    );
    assert_eq!((config.route[0].path.as_str(), config.route[0].upstream.as_str()), ("/socket.io/", "app"));
    assert_eq!(config.route[0].auth.secret.as_ref().map(|secret| secret.expose()), Some(SECRET));
    assert_eq!(workshop.in_effect("upstream.0.members").1, "SOCKGATE_UPSTREAM");
}

#[test]
fn the_upstream_variable_moves_the_members_of_an_only_upstream() {
    let config =
        Workshop::ready().file("more.toml", "[[upstream]]\nname = \"chat\"\nmembers = [\"http://old:1\"]\nidle = \"3s\"\n");
    let config = config.env("SOCKGATE_UPSTREAM", "http://new:1").config();
    assert_eq!((config.upstream[0].name.as_str(), config.upstream[0].members[0].url()), ("chat", "http://new:1"));
    assert_eq!(config.upstream[0].idle.to_string(), "3s");
}

#[test]
fn the_upstream_variable_does_not_guess_among_several() {
    let two = "[[upstream]]\nname = \"a\"\nmembers = [\"http://a:1\"]\n[[upstream]]\nname = \"b\"\nmembers = [\"http://b:1\"]\n[[route]]\npath = \"/\"\nkind = \"http\"\nupstream = \"a\"\n";
    let workshop = Workshop::ready().file("two.toml", two).env("SOCKGATE_UPSTREAM", "http://new:1");
    assert_eq!(
        workshop.paragraphs(),
        [
            "refused: SOCKGATE_UPSTREAM: upstream: it stands for one upstream, and there are 2. Write SOCKGATE_UPSTREAM__0__MEMBERS, \
          SOCKGATE_UPSTREAM__1__MEMBERS and so on."
        ]
    );
}

#[test]
fn an_only_upstream_serves_routes_that_name_none() {
    let config = Workshop::ready().file("route.toml", "[[route]]\npath = \"/chat/\"\nkind = \"websocket\"\n").config();
    assert_eq!(config.route.len(), 1);
    assert_eq!(config.route[0].upstream, "app");
}

#[test]
fn variables_edit_and_extend_lists_of_tables() {
    let workshop = Workshop::ready()
        .file("route.toml", "[[route]]\npath = \"/a/\"\n[[route]]\npath = \"/b/\"\nrewrite = \"/\"\n")
        .env("SOCKGATE_ROUTE__1__PATH", "/c/")
        .env("SOCKGATE_ROUTE__2__PATH", "/d/")
        .env("SOCKGATE_ROUTE__2__HOSTS", "d.example, e.example")
        .env("SOCKGATE_ROUTE__2__ORIGIN__CREDENTIALS", "false");
    let config = workshop.config();
    let paths: Vec<&str> = config.route.iter().map(|route| route.path.as_str()).collect();
    assert_eq!(paths, ["/a/", "/c/", "/d/"]);
    assert_eq!(config.route[1].rewrite.as_deref(), Some("/"));
    assert_eq!(config.route[2].hosts, ["d.example", "e.example"]);
    assert!(!config.route[2].origin.credentials && config.route[1].origin.credentials);
    assert_eq!(workshop.in_effect("route.1.path").1, "SOCKGATE_ROUTE__1__PATH");
    assert_eq!(workshop.in_effect("route.1.rewrite").1, "route.toml:5:1");
    assert_eq!(workshop.in_effect("route.0.path").1, "route.toml:2:1");
}

#[test]
fn lists_made_by_variables_have_no_gaps() {
    let workshop = Workshop::ready().env("SOCKGATE_ROUTE__4__PATH", "/x/");
    assert_eq!(
        workshop.paragraphs(),
        [
            "refused: SOCKGATE_ROUTE__4__PATH: route.4.path: it counts beyond the end of the list. Lists count from 0, without gaps."
        ]
    );
}

#[test]
fn routes_inherit_the_top_tables_and_keep_what_they_say() {
    let workshop = Workshop::ready().file(
        "routes.toml",
        "[origin]\nallow = [\"https://app.example\"]\nmax_age = \"1m\"\n[limit]\nsessions_per_user = 3\n\
         [[route]]\npath = \"/a/\"\n[route.origin]\nallow = [\"https://admin.example\"]\n[route.auth]\nsubject = \"userId\"\n[[route]]\npath = \"/b/\"\n",
    );
    let config = workshop.config();
    assert_eq!(config.route[0].origin.allow, ["https://admin.example"]);
    assert_eq!(config.route[0].origin.max_age.to_string(), "1m");
    assert_eq!(config.route[0].limit.sessions_per_user, 3);
    assert_eq!((config.route[0].auth.subject.as_str(), config.route[1].auth.subject.as_str()), ("userId", "sub"));
    assert!(config.route[0].auth.secret.is_some());
    assert_eq!(config.route[1].origin.allow, ["https://app.example"]);
    assert_eq!(workshop.in_effect("route.0.origin.allow").1, "routes.toml:9:1");
    assert_eq!(workshop.in_effect("route.0.origin.max_age").1, "routes.toml:3:1");
    assert_eq!(workshop.in_effect("route.1.origin.allow").1, "routes.toml:2:1");
    assert_eq!(workshop.in_effect("route.1.auth.leeway").1, "default");
    let listed = workshop.load().provenance.list();
    let of_routes: Vec<&str> = listed
        .iter()
        .map(|(key, ..)| key.as_str())
        .filter(|key| key.starts_with("route.") && key.matches('.').count() > 2)
        .collect();
    assert_eq!(of_routes, ["route.0.origin.allow", "route.0.auth.subject"], "what is inherited is not listed again");
}

#[test]
fn saying_a_secret_one_way_takes_back_the_other() {
    let workshop = Workshop::new()
        .beside("jwt", &format!("{}\n", "f".repeat(32)))
        .file("base.toml", "[auth]\nsecret_file = \"jwt\"\n[[upstream]]\nname = \"app\"\nmembers = [\"http://app:1\"]\n")
        .env("JWT_SECRET", SECRET);
    assert_eq!(workshop.load().config.expect("good").auth.secret.expect("set").expose(), SECRET);
    let workshop = Workshop::ready().beside("jwt", &format!("{}\n", "f".repeat(32))).env("SOCKGATE_AUTH__SECRET_FILE", "jwt");
    let config = workshop.load().config.expect("good");
    assert_eq!(config.auth.secret.expect("set").expose(), "f".repeat(32));
    assert_eq!(config.route[0].auth.secret.as_ref().expect("inherited").expose(), "f".repeat(32));
}

#[test]
fn texts_of_variables_become_what_the_key_holds() {
    let workshop = Workshop::ready();
    for (name, text, key, value) in [
        ("SOCKGATE_LISTEN__WORKERS", "3", "listen.workers", "3"),
        ("SOCKGATE_LISTEN__HTTP2", "no", "listen.http2", "false"),
        (
            "SOCKGATE_LISTEN__TRUSTED_PROXIES",
            "10.0.0.0/8, 192.0.2.7,::1",
            "listen.trusted_proxies",
            "[\"10.0.0.0/8\", \"192.0.2.7/32\", \"::1/128\"]",
        ),
        ("SOCKGATE_LIMIT__HANDSHAKES_PER_ADDRESS", "100/1m", "limit.handshakes_per_address", "\"100/1m\""),
        ("SOCKGATE_SOCKETIO__MAX_PAYLOAD", "100 MB", "socketio.max_payload", "\"100 MB\""),
        ("SOCKGATE_ORIGIN__PORTS", "443,3000", "origin.ports", "[443, 3000]"),
        ("SOCKGATE_AUTH__ALGORITHMS", "HS256,HS512", "auth.algorithms", "[\"HS256\", \"HS512\"]"),
        ("SOCKGATE_AUTH__REQUIRED__STATUS", "active", "auth.required", "{ status = \"active\" }"),
        ("SOCKGATE_AUTH__SUBJECT", "0123", "auth.subject", "\"0123\""),
        ("SOCKGATE_ADMIN__ADDRESS", "", "admin.address", "\"\""),
        ("SOCKGATE_LISTEN__PLAIN", "", "listen.plain", "(not set)"),
        ("SOCKGATE_TLS__MINIMUM", "1.3", "tls.minimum", "\"1.3\""),
    ] {
        let workshop = Workshop::ready().env(name, text);
        workshop.config();
        assert_eq!(workshop.in_effect(key), (value.to_string(), name.to_string()), "{name}={text}");
    }
    drop(workshop);
}

#[test]
fn command_line_keys_keep_their_case() {
    let config =
        Workshop::ready().set("auth.identity.claims.X-Auth-Email", "email").set("auth.required.user.status", "active").config();
    assert_eq!(config.auth.identity.claims["X-Auth-Email"], "email");
    assert_eq!(config.auth.required["user.status"], "active");
}

#[test]
fn a_profile_without_a_file_is_refused() {
    let paragraphs = Workshop::ready().env("SOCKGATE_PROFILE", "production").paragraphs();
    assert_eq!(
        paragraphs,
        ["refused: SOCKGATE_PROFILE: profile \"production\" has no file base.production.toml. Write it, or unset the variable."]
    );
    let paragraphs = Workshop::ready().env("SOCKGATE_PROFILE", "../x").paragraphs();
    assert!(paragraphs[0].contains("no name of a profile"), "{paragraphs:?}");
}
