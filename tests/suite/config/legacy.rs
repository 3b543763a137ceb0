use sockgate::config::env::LEGACY;

use super::workshop::{SECRET, Workshop};

/// Name, value, key, value in effect.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("PORT", "8080", "listen.address", "\"127.0.0.1:8080\""),
    ("BEHIND_PROXY", "Yes", "listen.behind_proxy", "true"),
    ("BEHIND_PROXY", "0", "listen.behind_proxy", "false"),
    ("FLASK_HOST", "0.0.0.0", "origin.hosts", "[\"0.0.0.0\"]"),
    ("FLASK_HOST", "::", "origin.hosts", "[\"::\"]"),
    ("FLASK_PORT", "5001", "origin.ports", "[5001]"),
    ("FRONTEND_URL", "http://localhost:5173/app/", "origin.allow", "[\"http://localhost:5173\"]"),
    ("FRONTEND_ORIGIN", "https://a.example", "origin.allow", "[\"https://a.example\"]"),
    ("CORS_ORIGIN", "https://a.example,https://b.example", "origin.allow", "[\"https://a.example\", \"https://b.example\"]"),
    (
        "SOCKETIO_CORS_ORIGINS",
        "[\"https://a.example\", \"https://*.b.example\"]",
        "origin.allow",
        "[\"https://a.example\", \"https://*.b.example\"]",
    ),
    ("SOCKETIO_TRANSPORTS", "websocket", "socketio.transports", "[\"websocket\"]"),
    ("SOCKETIO_TRANSPORTS", "['polling', 'websocket']", "socketio.transports", "[\"polling\", \"websocket\"]"),
    ("SOCKETIO_PING_INTERVAL", "25", "socketio.ping_interval", "\"25s\""),
    ("SOCKETIO_PING_INTERVAL", "25000", "socketio.ping_interval", "\"25s\""),
    ("SOCKETIO_PING_TIMEOUT", "60", "socketio.ping_timeout", "\"1m\""),
    ("SOCKETIO_PING_TIMEOUT", "1500", "socketio.ping_timeout", "\"1500ms\""),
    ("SOCKETIO_CONNECT_TIMEOUT", "45000", "socketio.connect_timeout", "\"45s\""),
    ("SOCKETIO_CONNECT_TIMEOUT", "10s", "socketio.connect_timeout", "\"10s\""),
    ("SOCKETIO_MAX_HTTP_BUFFER_SIZE", "1000000", "socketio.max_payload", "\"1 MB\""),
    ("JWT_SECRET", SECRET, "auth.secret", "***"),
    ("NODE_ENV", "development", "environment", "\"development\""),
];

#[test]
fn every_legacy_name_sets_its_key() {
    for (name, text, key, value) in ROWS {
        let workshop = Workshop::ready().env(name, text);
        let loaded = workshop.load();
        let refused: Vec<_> = loaded.problems.iter().filter(|problem| problem.is_refusal()).collect();
        assert!(refused.is_empty(), "{name}={text}: {refused:?}");
        let source = if *value == "\"development\"" { "default" } else { *name };
        assert_eq!(workshop.in_effect(key), ((*value).to_string(), source.to_string()), "{name}={text}");
    }
    for legacy in LEGACY {
        let is_tested = ROWS.iter().any(|(name, ..)| *name == legacy.name) || ["FLASK_ENV", "REDIS_URL"].contains(&legacy.name);
        assert!(is_tested, "{} has no row", legacy.name);
    }
}

#[test]
fn production_is_told_by_either_framework() {
    for name in ["NODE_ENV", "FLASK_ENV"] {
        let workshop = Workshop::ready().env(name, "production");
        assert_eq!(workshop.in_effect("environment"), ("\"production\"".into(), name.into()));
        let workshop = Workshop::ready().file("more.toml", "environment = \"production\"\n").env(name, "test");
        assert_eq!(workshop.in_effect("environment").0, "\"production\"", "nothing else takes production back");
    }
}

#[test]
fn origins_have_an_order_and_replace_the_computed_list() {
    let names = ["FRONTEND_URL", "FRONTEND_ORIGIN", "CORS_ORIGIN", "SOCKETIO_CORS_ORIGINS"];
    for strongest in 0..names.len() {
        let mut workshop = Workshop::ready().env("FLASK_HOST", "app.example").env("FLASK_PORT", "5000");
        for name in &names[..=strongest] {
            workshop = workshop.env(name, &format!("https://{}.example", name.to_lowercase().replace('_', "-")));
        }
        let config = workshop.config();
        let expected = format!("https://{}.example", names[strongest].to_lowercase().replace('_', "-"));
        assert_eq!(config.origin.allow, [expected]);
        assert!(config.origin.hosts.is_empty() && config.origin.ports.is_empty());
    }
}

#[test]
fn an_explicit_list_in_a_file_keeps_the_computed_one_of_an_app_out() {
    let workshop =
        Workshop::ready().file("more.toml", "[origin]\nallow = [\"https://app.example\"]\n").env("FLASK_HOST", "0.0.0.0");
    assert!(workshop.config().origin.hosts.is_empty());
    let workshop = Workshop::ready().env("SOCKGATE_ORIGIN__ALLOW", "https://app.example").env("FLASK_PORT", "5000");
    assert!(workshop.config().origin.ports.is_empty());
}

#[test]
fn a_list_of_origins_from_a_variable_replaces_that_of_a_file() {
    let workshop = Workshop::ready()
        .file("more.toml", "[origin]\nhosts = [\"app.example\"]\nports = [443]\nallow = [\"https://old.example\"]\n")
        .env("SOCKETIO_CORS_ORIGINS", "https://new.example");
    let config = workshop.config();
    assert_eq!(config.origin.allow, ["https://new.example"]);
    assert!(config.origin.hosts.is_empty() && config.origin.ports.is_empty());
}

#[test]
fn a_bad_origin_in_a_variable_is_left_out_and_widens_nothing() {
    let workshop = Workshop::ready().env("SOCKETIO_CORS_ORIGINS", "https://good.example,app.example,https://*evil.example");
    let loaded = workshop.load();
    assert_eq!(loaded.config.expect("it starts").origin.allow, ["https://good.example"]);
    assert_eq!(
        workshop.paragraphs(),
        [
            "warning: SOCKETIO_CORS_ORIGINS: origin.allow: \"app.example\" is left out: it has no scheme; write https://app.example (or http://app.example).",
            "warning: SOCKETIO_CORS_ORIGINS: origin.allow: \"https://*evil.example\" is left out: a wildcard stands for whole labels at the front: \
             https://*.example.com for one, https://**.example.com for one or more.",
        ]
    );
    // Nothing good left: the weaker names and files do not step in.
    let workshop = Workshop::ready()
        .file("more.toml", "[origin]\nallow = [\"https://**.example\"]\n")
        .env("CORS_ORIGIN", "https://weaker.example")
        .env("SOCKETIO_CORS_ORIGINS", "nonsense");
    let config = workshop.load().config.expect("it starts");
    assert!(config.origin.allow.is_empty() && config.origin.hosts.is_empty());
    assert!(workshop.paragraphs()[1].contains("only pages of localhost:5000 may connect"), "{:?}", workshop.paragraphs());
}

#[test]
fn a_star_with_credentials_is_refused_and_the_fix_named() {
    let workshop = Workshop::ready().env("SOCKETIO_CORS_ORIGINS", "*");
    assert_eq!(
        workshop.paragraphs(),
        [
            "refused: SOCKETIO_CORS_ORIGINS: origin.allow.0: \"*\" together with credentials lets every page on the internet act as the user who \
          has it open. Name the pages, as in origin.allow = [\"https://app.example.com\"] (SOCKETIO_CORS_ORIGINS=https://app.example.com), or set \
          origin.credentials = false (SOCKGATE_ORIGIN__CREDENTIALS=false)."
        ]
    );
    assert!(workshop.load().config.is_none());
    Workshop::ready().env("SOCKETIO_CORS_ORIGINS", "*").env("SOCKGATE_ORIGIN__CREDENTIALS", "false").config();
}

#[test]
fn bad_values_of_ordinary_names_warn_and_the_value_below_stays() {
    for (name, text, what) in [
        ("PORT", "http", "listen.address: \"http\" is not a port. \"127.0.0.1:8443\" stays (default)."),
        ("PORT", "70000", "listen.address: \"70000\" is not a port. \"127.0.0.1:8443\" stays (default)."),
        ("BEHIND_PROXY", "perhaps", "listen.behind_proxy: \"perhaps\" is neither true nor false. false stays (default)."),
        (
            "FLASK_PORT",
            "five",
            "origin.ports: found \"five\", expected a number from 0 to 65535. [] stays (default): 80 and 443 where hosts are named, else 5000.",
        ),
        ("FLASK_HOST", "http://app", "origin.hosts: \"http://app\" is left out: \"http://app\" is not a host name or address."),
        (
            "SOCKETIO_TRANSPORTS",
            "carrier-pigeon",
            "socketio.transports: \"carrier-pigeon\" is not known here. [\"polling\", \"websocket\"] stays (default).",
        ),
        (
            "SOCKETIO_PING_TIMEOUT",
            "soon",
            "socketio.ping_timeout: \"soon\" is not a length of time; write for example \"25s\", \"250ms\" or \"10m\". \"20s\" stays (default).",
        ),
        (
            "SOCKETIO_MAX_HTTP_BUFFER_SIZE",
            "1e8",
            "socketio.max_payload: \"1e8\" is not a size; write for example \"500 B\", \"16 KiB\" or \"100 MB\". \"1 MB\" stays (default).",
        ),
    ] {
        let workshop = Workshop::ready().env(name, text);
        assert_eq!(workshop.paragraphs(), [format!("warning: {name}: {what}")]);
        assert!(workshop.load().config.is_some(), "{name}={text}");
        assert!(workshop.strict().load().config.is_none(), "{name}={text} --strict");
    }
}

#[test]
fn empty_names_count_as_not_set_and_redis_is_told_to_be_unused() {
    let mut workshop = Workshop::ready();
    for legacy in LEGACY {
        workshop = workshop.env(legacy.name, "");
    }
    workshop.config();
    let paragraphs = Workshop::ready().env("REDIS_URL", "redis://:hidden@redis:6379").paragraphs();
    assert_eq!(paragraphs.len(), 1);
    assert!(paragraphs[0].starts_with("note: REDIS_URL: not used"), "{paragraphs:?}");
    let strict = Workshop::ready().strict().env("REDIS_URL", "redis://redis:6379").load();
    assert!(strict.config.is_some(), "the app beside us needs it: {:?}", strict.problems);
}
