//! Hosts in the one spelling, and what is none.

use proptest::prelude::*;
use sockgate::http::{Host, host::Malformed};

#[test]
fn hosts_get_one_spelling() {
    let cases = [
        ("app.example.com", "app.example.com"),
        ("APP.Example.com:8443", "app.example.com:8443"),
        ("app.default.svc.cluster.local.", "app.default.svc.cluster.local"),
        ("app.example.com.:80", "app.example.com:80"),
        ("my_app", "my_app"),
        ("localhost:1", "localhost:1"),
        ("127.0.0.1:65535", "127.0.0.1:65535"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:8443", "[::1]:8443"),
        ("[2001:DB8::A]", "[2001:db8::a]"),
    ];
    for (text, spelling) in cases {
        assert_eq!(text.parse::<Host>().unwrap().to_string(), spelling);
    }
}

#[test]
fn the_default_port_is_that_of_the_scheme() {
    let host: Host = "a".parse().unwrap();
    assert_eq!((host.port_or_default(true), host.port_or_default(false)), (443, 80));
    let host: Host = "a:8443".parse().unwrap();
    assert_eq!(host.port_or_default(true), 8443);
}

#[test]
fn what_is_no_host_is_refused() {
    let long_label = "a".repeat(64);
    let long_name = ["abc"; 64].join(".");
    let cases = [
        "",
        ".",
        "..",
        ".example.com",
        "a..b",
        "example.com..",
        " example.com",
        "example.com ",
        "a b",
        "a\tb",
        "a\0b",
        "a\r\nb",
        "user@example.com",
        "user:pass@example.com",
        "example.com/",
        "example.com/path",
        "http://example.com",
        "example.com\\x",
        "example.com#x",
        "example.com?x",
        "a,b",
        "*.example.com",
        "exämple.com",
        "example。com",
        "a%2eb",
        "example.com:",
        "example.com:0",
        "example.com:080",
        "example.com:+80",
        "example.com:80a",
        "example.com:65536",
        "example.com:80:80",
        ":80",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]x",
        "[::1]:",
        "[::1%25eth0]",
        "[v1.x]",
        "[127.0.0.1]",
        "[example.com]",
        &long_label,
        &long_name,
    ];
    for text in cases {
        assert_eq!(text.parse::<Host>(), Err(Malformed), "{text:?}");
    }
}

proptest! {
    #[test]
    fn hostile_text_never_panics_and_a_host_reads_itself(text in "\\PC*|[a-zA-Z0-9._:\\[\\]-]{0,24}") {
        if let Ok(host) = text.parse::<Host>() {
            let spelling = host.to_string();
            prop_assert!(spelling.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
            prop_assert_eq!(spelling.parse::<Host>(), Ok(host));
        }
    }
}
