use proptest::prelude::*;
use sockgate::config::env::{entries, is_service_link, legacy_time, loose_entries, name_of, origin_of_page, path_of};

use super::workshop::Workshop;

#[test]
fn names_and_keys_lead_to_each_other() {
    for (name, key) in [
        ("SOCKGATE_ORIGIN__ALLOW", "origin.allow"),
        ("SOCKGATE_ROUTE__0__PATH", "route.0.path"),
        ("SOCKGATE_AUTH__IDENTITY__TOKEN_SECRET_FILE", "auth.identity.token_secret_file"),
        ("SOCKGATE_ENVIRONMENT", "environment"),
    ] {
        assert_eq!(path_of(name).expect("an own name").join("."), key);
        assert_eq!(name_of(key).as_deref(), Some(name));
    }
    assert_eq!(path_of("PATH"), None);
    assert_eq!(name_of("auth.identity.claims.X-Auth-Email"), None);
}

#[test]
fn what_kubernetes_injects_is_passed_over() {
    for (name, value, is_link) in [
        ("SOCKGATE_PORT", "tcp://10.0.0.1:8443", true),
        ("SOCKGATE_PORT", "8443", false),
        ("SOCKGATE_SERVICE_HOST", "10.0.0.1", true),
        ("SOCKGATE_SERVICE_PORT", "8443", true),
        ("SOCKGATE_SERVICE_PORT_HTTPS", "8443", true),
        ("SOCKGATE_PORT_8443_TCP", "tcp://10.0.0.1:8443", true),
        ("SOCKGATE_PORT_8443_TCP_PROTO", "tcp", true),
        ("SOCKGATE_PORT_8443_TCP_PORT", "8443", true),
        ("SOCKGATE_PORT_8443_TCP_ADDR", "10.0.0.1", true),
        ("SOCKGATE_ADMIN_SERVICE_HOST", "10.0.0.1", true),
        ("SOCKGATE_ADMIN_PORT_9090_TCP_ADDR", "10.0.0.1", true),
        ("SOCKGATE_PORT_X_TCP", "x", false),
        ("SOCKGATE_ORIGIN__PORTS", "443", false),
        ("SOCKGATE_LISTEN__ADDRESS", "tcp://x", false),
        ("SOCKGATE_UPSTREAM", "http://app:1", false),
    ] {
        assert_eq!(is_service_link(name, value), is_link, "{name}={value}");
        if is_link {
            Workshop::ready().env(name, value).config();
        }
    }
}

#[test]
fn lists_are_read_as_apps_write_them() {
    assert_eq!(entries(" a, b,,c "), ["a", "b", "c"]);
    assert!(entries(" , ").is_empty());
    for text in ["a,b", "a b", "a, b", "[\"a\", \"b\"]", "['a','b']", " a\n b "] {
        assert_eq!(loose_entries(text), ["a", "b"], "{text:?}");
    }
    assert_eq!(loose_entries("http://[::1]:5000"), ["http://[::1]:5000"]);
}

#[test]
fn bare_times_are_seconds_or_milliseconds_by_their_size() {
    for (text, read) in [
        ("5", "5s"),
        ("0.5", "0.5s"),
        ("999", "999s"),
        ("1000", "1000ms"),
        ("60000", "60000ms"),
        ("25s", "25s"),
        ("-1", "-1"),
        ("inf", "inf"),
    ] {
        assert_eq!(legacy_time(text), read);
    }
}

#[test]
fn a_pages_url_ends_at_its_path() {
    for (url, origin) in [
        ("https://app.example/x", "https://app.example"),
        ("https://app.example:8443?x", "https://app.example:8443"),
        ("https://app.example", "https://app.example"),
        ("app.example/x", "app.example"),
    ] {
        assert_eq!(origin_of_page(url), origin);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_variable_of_any_name_or_text_panics_or_opens_the_gate(
        name in "SOCKGATE_(AUTH|ORIGIN|ROUTE|UPSTREAM|SEAL|X)?(__)?[A-Z0-9_]{0,12}(__[0-9]{1,20})?(__[A-Z_]{0,9})?",
        text in "\\PC{0,40}",
    ) {
        let loaded = Workshop::new().env(&name, &text).load();
        prop_assert!(loaded.config.is_none(), "no variable alone makes a gate without keys start");
    }

    #[test]
    fn times_and_lists_of_any_text_do_not_panic(text in "\\PC{0,40}") {
        let _ = legacy_time(&text);
        let _ = loose_entries(&text);
        let _ = origin_of_page(&text);
        let _ = is_service_link(&format!("SOCKGATE_{text}"), &text);
        let loaded = Workshop::ready().env("SOCKETIO_PING_TIMEOUT", &text).env("SOCKETIO_TRANSPORTS", &text).env("CORS_ORIGIN", &text).load();
        let origins = loaded.config.map(|config| config.origin.allow).unwrap_or_default();
        prop_assert!(origins.iter().all(|origin| origin.parse::<sockgate::config::origin::Pattern>().is_ok()));
    }
}
