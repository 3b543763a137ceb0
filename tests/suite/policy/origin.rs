//! Which pages may ask: the list by tables, hostile origins, what browsers add, forgery, and the headers that answers carry.

use std::collections::HashSet;

use http::{HeaderMap, HeaderValue, Method, header};
use proptest::prelude::*;
use sockgate::{
    cli::explain_origin,
    config::{
        Environment,
        origin::{Missing, Origin},
        pattern::Scheme,
    },
    policy::origin::{
        Ask, Category, FetchSite, Grant, Judge, OriginProblem, OriginRefusal, Page, Shown, Source, Surroundings, Wish,
        problem::Cause, vary_only,
    },
};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_string()).collect()
}

fn allow(patterns: &[&str]) -> Origin {
    Origin { allow: words(patterns), ..Origin::default() }
}

fn build(origin: &Origin, environment: Environment, public: &[&str]) -> Result<Judge, Vec<OriginProblem>> {
    Judge::new(origin, &Surroundings { environment, public_origins: &words(public) })
}

fn judge(origin: &Origin) -> Judge {
    build(origin, Environment::Development, &[]).expect("a list without problems")
}

/// A cross-origin request of a page, by a client that says nothing else.
fn ask(origin: &str) -> Ask<'_> {
    Ask { origin: Shown::Value(origin.as_bytes()), ..silent() }
}

fn silent() -> Ask<'static> {
    Ask {
        origin: Shown::Absent,
        fetch_site: FetchSite::Absent,
        own: None,
        carried_by_cookie: false,
        changes: false,
        csrf_cookie: None,
        csrf_header: None,
    }
}

fn page(text: &str) -> Page {
    Page::parse(text.as_bytes()).expect("a page")
}

fn category(result: Result<Grant, OriginRefusal>) -> Option<Category> {
    result.err().map(|refusal| refusal.category)
}

fn listed(judge: &Judge) -> HashSet<String> {
    judge.list().entries().iter().map(|entry| entry.pattern.to_string()).collect()
}

fn causes(problems: Result<Judge, Vec<OriginProblem>>) -> Vec<(String, Cause)> {
    problems.err().unwrap_or_default().into_iter().map(|problem| (problem.key, problem.cause)).collect()
}

// The list.

#[test]
fn nothing_configured_means_localhost_5000() {
    let expected = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .flat_map(|host| [format!("http://{host}:5000"), format!("https://{host}:5000")])
        .collect();
    assert_eq!(listed(&judge(&Origin::default())), expected);
}

#[test]
fn hosts_and_ports_make_both_schemes_with_usual_ports_bare() {
    let origin =
        Origin { hosts: words(&["app.example.com", "Bücher.example"]), ports: vec![80, 443, 3000], ..Origin::default() };
    let judge = judge(&origin);
    let allowed = [
        "http://app.example.com",
        "https://app.example.com",
        "http://app.example.com:3000",
        "https://app.example.com:3000",
        "http://app.example.com:443",
        "https://app.example.com:80",
        "https://xn--bcher-kva.example",
    ];
    for origin in allowed {
        assert!(judge.judge(&ask(origin)).is_ok(), "{origin}");
    }
    for origin in ["http://localhost:5000", "https://app.example.com:8443", "https://example.com", "http://localhost:3000"] {
        assert!(judge.judge(&ask(origin)).is_err(), "{origin}");
    }
}

#[test]
fn a_loopback_host_stands_for_all_three_spellings() {
    for host in ["localhost", "127.0.0.1", "::1", "[::1]", "0.0.0.0", "::", "LOCALHOST"] {
        let judge = judge(&Origin { hosts: words(&[host]), ports: vec![8080], ..Origin::default() });
        assert_eq!(judge.list().entries().len(), 6, "{host}");
        for origin in ["http://localhost:8080", "https://127.0.0.1:8080", "http://[::1]:8080"] {
            assert!(judge.judge(&ask(origin)).is_ok(), "{host} allows {origin}");
        }
    }
}

#[test]
fn ports_alone_are_ports_of_localhost_and_hosts_alone_have_the_usual_ports() {
    let ports = judge(&Origin { ports: vec![8080], ..Origin::default() });
    assert!(ports.judge(&ask("http://localhost:8080")).is_ok());
    let hosts = judge(&Origin { hosts: words(&["a.example"]), ..Origin::default() });
    assert!(hosts.judge(&ask("https://a.example")).is_ok() && hosts.judge(&ask("http://a.example")).is_ok());
}

#[test]
fn allow_stands_alone_or_adds_to_hosts() {
    assert_eq!(listed(&judge(&allow(&["https://a.example"]))).len(), 1);
    let both = Origin { hosts: words(&["b.example"]), ports: vec![443], ..allow(&["https://a.example"]) };
    assert_eq!(listed(&judge(&both)).len(), 3);
}

#[test]
fn production_computes_https_only() {
    let origin = Origin { hosts: words(&["app.example.com"]), ports: vec![443], ..allow(&["http://old.example.com"]) };
    let judge = build(&origin, Environment::Production, &[]).expect("a named http origin is allowed");
    assert_eq!(listed(&judge), HashSet::from(["https://app.example.com".into(), "http://old.example.com".into()]));
}

#[test]
fn every_problem_of_the_list_is_told_at_once() {
    let origin = Origin {
        hosts: words(&["https://app.example.com", "*.example.com", "app.example.com"]),
        ports: vec![0],
        methods: words(&["GET", "*", "P OST"]),
        headers: words(&["*"]),
        expose_headers: words(&["x id"]),
        csrf_cookie: "csrf".into(),
        csrf_header: "x\ncsrf".into(),
        ..allow(&["*", "https://*.com", "http://*.example.com", "http://localhost:*", "https://a.example/path", "null"])
    };
    let found = causes(build(&origin, Environment::Production, &["https://*.example.com", "gate.example.com"]));
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "origin.hosts[0]",
            "origin.hosts[1]",
            "origin.ports",
            "origin.allow[0]",
            "origin.allow[1]",
            "origin.allow[2]",
            "origin.allow[3]",
            "origin.allow[4]",
            "listen.public_origins[0]",
            "listen.public_origins[1]",
            "origin.methods[1]",
            "origin.methods[2]",
            "origin.headers",
            "origin.expose_headers",
            "origin.csrf_header",
        ]
    );
    assert_eq!(found[3].1, Cause::WildcardWithCredentials);
    assert_eq!(found[4].1, Cause::PublicDomain("com".into()));
    assert_eq!(found[5].1, Cause::OpenHttp);
    assert_eq!(found[8].1, Cause::NotExact);
}

#[test]
fn wildcards_are_refused_below_public_domains_and_allowed_below_private_ones() {
    for pattern in ["https://*.com", "https://**.dev", "https://*.com."] {
        assert!(build(&allow(&[pattern]), Environment::Development, &[]).is_err(), "{pattern}");
    }
    for pattern in ["http://*.localhost", "https://**.internal", "https://*.example.com"] {
        assert!(build(&allow(&[pattern]), Environment::Development, &[]).is_ok(), "{pattern}");
    }
}

// Patterns against pages.

#[test]
fn of_wildcards_that_fit_the_first_of_the_nearest_parent_answers() {
    let judge = judge(&allow(&[
        "https://*.example.com:8443",
        "https://**.example.com:*",
        "https://*.example.com",
        "https://*.a.example.com",
        "https://*.example.com:8443",
    ]));
    for (origin, entry) in [
        ("https://x.example.com:8443", Some(0)),
        ("https://x.example.com", Some(1)),
        ("https://x.example.com:1", Some(1)),
        ("https://b.a.example.com", Some(3)),
        ("https://b.a.example.com:8443", Some(1)),
        ("https://c.b.a.example.com", Some(1)),
        ("http://x.example.com", None),
    ] {
        let found = judge.list().find(&page(origin)).map(|entry| entry.source);
        assert_eq!(found, entry.map(Source::Allow), "{origin}");
    }
}

#[test]
fn patterns_match_parsed_parts_and_never_substrings() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "https://app.example.com",
            &["https://app.example.com", "https://app.example.com:443", "HTTPS://APP.Example.COM"],
            &["http://app.example.com", "https://app.example.com:444", "https://app.example.com.", "https://xapp.example.com"],
        ),
        (
            "https://*.example.com",
            &["https://a.example.com", "https://xn--bcher-kva.example.com"],
            &[
                "https://example.com",
                "https://a.b.example.com",
                "https://evilexample.com",
                "https://.example.com",
                "https://a.example.com.evil.com",
                "https://a.example.com:8443",
                "http://a.example.com",
            ],
        ),
        (
            "https://**.example.com",
            &["https://a.example.com", "https://a.b.c.example.com"],
            &["https://example.com", "https://evilexample.com", "https://a.example.com.evil.com", "https://a..example.com"],
        ),
        (
            "https://*.example.com:*",
            &["https://a.example.com", "https://a.example.com:1"],
            &["https://a.b.example.com:1", "http://a.example.com:1"],
        ),
        (
            "http://localhost:*",
            &["http://localhost", "http://localhost:5173"],
            &["https://localhost:5173", "http://localhost.evil.com:5173", "http://127.0.0.1:5173"],
        ),
        ("https://münchen.example", &["https://xn--mnchen-3ya.example"], &["https://munchen.example"]),
        ("http://[2001:DB8::0:1]:8080", &["http://[2001:db8::1]:8080"], &["http://[2001:db8::2]:8080"]),
        ("http://[::ffff:192.0.2.1]", &["http://[::ffff:c000:201]"], &["http://192.0.2.1"]),
    ];
    for (pattern, allowed, refused) in cases {
        let judge = judge(&allow(&[pattern]));
        for origin in *allowed {
            assert!(judge.judge(&ask(origin)).is_ok(), "{pattern} allows {origin}");
        }
        for origin in *refused {
            assert!(judge.judge(&ask(origin)).is_err(), "{pattern} refuses {origin}");
        }
    }
}

#[test]
fn ten_thousand_origins_are_judged_like_one() {
    let many: Vec<String> = (0..10_000).map(|number| format!("https://app-{number}.example.com")).collect();
    let judge = judge(&Origin { allow: many, ..Origin::default() });
    assert!(judge.judge(&ask("https://app-9999.example.com")).is_ok());
    assert_eq!(category(judge.judge(&ask("https://app-10000.example.com"))), Some(Category::Host));
    assert_eq!(category(judge.judge(&ask("https://app-77.example.com:1"))), Some(Category::Port));
}

#[test]
fn hostile_origins_are_refused_with_their_category() {
    use Category::{Host, Malformed, Null, Port, Scheme};
    let judge = judge(&allow(&["https://app.example.com", "https://*.wild.example.net", "https://**.deep.example.org"]));
    let long = format!("https://{}.wild.example.net", "a".repeat(6 * 1024));
    let cases: &[(&[u8], Category)] = &[
        (b"null", Null),
        (b"", Malformed),
        (b"*", Malformed),
        (b"https://app.example.com.evil.com", Host),
        (b"https://evilapp.example.com", Host),
        (b"https://appXexample.com", Host),
        (b"http://app.example.com", Scheme),
        (b"https://app.example.com:8443", Port),
        (b"https://app.example.com@evil.com", Malformed),
        (b"https://app.example.com:443@evil.com", Malformed),
        (b"https://evil.com\\@app.example.com", Malformed),
        (b"https://evil.com\\.wild.example.net", Malformed),
        (b"https://app.example.com\0.evil.com", Malformed),
        (b"https://evil.com\0.wild.example.net", Malformed),
        (b"https://app.example.com https://evil.com", Malformed),
        (b"https://app.example.com, https://evil.com", Malformed),
        (b"https://app.example.com,https://evil.com", Malformed),
        ("https://\u{430}pp.example.com".as_bytes(), Malformed),
        (b"https://xn--pp-6kc.example.com", Host),
        // RUSTSEC-2024-0421: punycode that decodes to plain ASCII.
        (b"https://xn--app-.example.com", Malformed),
        (b"https://a.b.wild.example.net", Host),
        (b"https://wild.example.net", Host),
        (b"https://.wild.example.net", Malformed),
        (b"https://evilwild.example.net", Host),
        (b"https://*.wild.example.net", Malformed),
        (b"https://deep.example.org", Host),
        (b"https://a..deep.example.org", Malformed),
        (b"https://app.example.com/", Malformed),
        (b"https://app.example.com/path", Malformed),
        (b"https://app.example.com?q", Malformed),
        (b"https://evil.com#.wild.example.net", Malformed),
        (b"https://evil.com%2f.wild.example.net", Malformed),
        (b" https://app.example.com", Malformed),
        (b"https://app.example.com ", Malformed),
        (b"https://app.example.com\t", Malformed),
        (b"https:app.example.com", Malformed),
        (b"https:///app.example.com", Malformed),
        (b"//app.example.com", Malformed),
        (b"app.example.com", Malformed),
        (b"file://", Scheme),
        (b"javascript:alert(1)", Malformed),
        (b"chrome-extension://abcdef", Scheme),
        (b"1https://app.example.com", Malformed),
        (b"https://app.example.com:", Malformed),
        (b"https://app.example.com:0443", Malformed),
        (b"https://app.example.com:0", Malformed),
        (b"https://app.example.com:+443", Malformed),
        (b"https://app.example.com:65979", Malformed),
        (b"https://app.example.com:443:443", Malformed),
        (b"https://app.example.com.", Host),
        (b"https://0x7f.1", Malformed),
        (b"https://127.1", Malformed),
        (b"https://2130706433", Malformed),
        (b"https://[::1", Malformed),
        (b"https://[::1]evil", Malformed),
        (b"https://[::1%25lo]", Malformed),
        (b"https://::1", Malformed),
        (b"\xff\xfe", Malformed),
        (long.as_bytes(), Malformed),
    ];
    for (origin, expected) in cases {
        let result = judge.judge(&Ask { origin: Shown::Value(origin), ..silent() });
        let refusal = result.expect_err(&origin.escape_ascii().to_string());
        assert_eq!(refusal.category, *expected, "{}", origin.escape_ascii());
        assert_eq!(refusal.cors, None, "a page that is not allowed reads nothing");
        assert!(refusal.shown.len() <= 256 && refusal.shown.chars().all(|letter| !letter.is_control()), "{:?}", refusal.shown);
        let advice = judge.suggest(&refusal);
        assert!(advice.len() < 1_200 && advice.chars().all(|letter| !letter.is_control()), "{advice:?}");
    }
}

#[test]
fn two_origin_headers_are_refused_even_if_both_are_allowed() {
    let mut headers = HeaderMap::new();
    headers.append(header::ORIGIN, HeaderValue::from_static("https://a.example"));
    headers.append(header::ORIGIN, HeaderValue::from_static("https://a.example"));
    let ask = Ask { origin: Shown::read(&headers), ..silent() };
    assert_eq!(category(judge(&allow(&["https://a.example"])).judge(&ask)), Some(Category::Malformed));
}

#[test]
fn null_is_allowed_only_by_name() {
    let any = Origin { credentials: false, ..allow(&["*"]) };
    assert_eq!(category(judge(&any).judge(&ask("null"))), Some(Category::Null));
    let named = judge(&allow(&["null"])).judge(&ask("null")).expect("null is named");
    assert_eq!(named.page(), Some("null"));
}

#[test]
fn star_needs_credentials_off_and_never_admits_a_cookie() {
    assert_eq!(
        causes(build(&allow(&["*"]), Environment::Development, &[])),
        [("origin.allow[0]".to_string(), Cause::WildcardWithCredentials)]
    );
    let judge = judge(&Origin { credentials: false, ..allow(&["*", "https://a.example"]) });
    let grant = judge.judge(&ask("https://anybody.example")).expect("* allows it");
    assert_eq!(grant.cors().echo(), Some(&HeaderValue::from_static("*")));
    let by_cookie = |origin| judge.judge(&Ask { carried_by_cookie: true, ..ask(origin) });
    assert_eq!(category(by_cookie("https://anybody.example")), Some(Category::WildcardWithCredentials));
    assert!(by_cookie("https://a.example").is_ok(), "a page that is named may");
}

// What the browser says besides.

#[test]
fn a_request_without_origin_is_judged_by_option_and_fetch_site() {
    use FetchSite::{Absent, CrossSite, None, SameOrigin, SameSite};
    let cases = [
        (Missing::Allow, true, Absent, Option::None),
        (Missing::Allow, true, SameOrigin, Option::None),
        (Missing::Allow, true, SameSite, Option::None),
        (Missing::Allow, true, None, Option::None),
        (Missing::Allow, true, CrossSite, Some(Category::CrossSite)),
        (Missing::Refuse, true, Absent, Some(Category::Missing)),
        (Missing::Refuse, true, None, Some(Category::Missing)),
        (Missing::Refuse, true, CrossSite, Some(Category::CrossSite)),
        (Missing::Refuse, true, SameOrigin, Option::None),
        (Missing::Refuse, false, SameOrigin, Some(Category::Missing)),
    ];
    for (missing, own, fetch_site, expected) in cases {
        let judge = judge(&Origin { missing, own, ..Origin::default() });
        let found = category(judge.judge(&Ask { fetch_site, ..silent() }));
        assert_eq!(found, expected, "{missing:?}, own {own}, {fetch_site:?}");
    }
}

#[test]
fn an_allowed_page_of_another_site_is_fine() {
    let judge = judge(&allow(&["https://a.example"]));
    let ask = Ask { fetch_site: FetchSite::CrossSite, ..ask("https://a.example") };
    assert!(judge.judge(&ask).is_ok());
}

#[test]
fn the_gates_own_page_is_allowed_unless_the_browser_contradicts() {
    let gate = page("https://gate.example.com");
    let own = |origin: &Origin, fetch_site| {
        let ask = Ask { own: Some(&gate), fetch_site, ..ask("https://gate.example.com") };
        category(judge(origin).judge(&ask))
    };
    let with = allow(&["https://a.example"]);
    let without = Origin { own: false, ..with.clone() };
    assert_eq!(own(&with, FetchSite::SameOrigin), None);
    assert_eq!(own(&with, FetchSite::Absent), None);
    assert_eq!(own(&with, FetchSite::CrossSite), Some(Category::CrossSite));
    assert_eq!(own(&without, FetchSite::SameOrigin), Some(Category::Host));
}

#[test]
fn a_name_that_dns_could_rebind_is_not_the_gate() {
    let judge = judge(&allow(&["https://a.example"]));
    let cases = [
        ("http://evil.example", false),
        ("http://evil.example:8443", false),
        ("https://gate.example", true),
        ("http://192.0.2.7:8443", true),
        ("http://[2001:db8::7]:8443", true),
        ("http://localhost:8443", true),
        ("http://app.localhost:8443", true),
        ("http://gate:8443", true),
    ];
    for (text, is_allowed) in cases {
        let gate = page(text);
        let ask = Ask { own: Some(&gate), ..ask(text) };
        assert_eq!(judge.judge(&ask).is_ok(), is_allowed, "{text}");
    }
}

#[test]
fn public_origins_replace_what_requests_say_about_the_gate() {
    let public = ["https://gate.example.com", "http://gate.example.net"];
    let judge = build(&allow(&["https://a.example"]), Environment::Production, &public).expect("a good list");
    assert!(judge.judge(&ask("https://gate.example.com")).is_ok());
    assert!(judge.judge(&ask("http://gate.example.net")).is_ok());
    let claimed = page("https://other.example");
    assert!(judge.judge(&Ask { own: Some(&claimed), ..ask("https://other.example") }).is_err());
    let off = Origin { own: false, ..allow(&["https://a.example"]) };
    let judge = build(&off, Environment::Production, &public).expect("a good list");
    assert!(judge.judge(&ask("https://gate.example.com")).is_err());
}

#[test]
fn own_page_of_a_request_compares_by_parts() {
    assert_eq!(Page::new(Scheme::Https, "Gate.Example.com", 443).expect("a page"), page("https://gate.example.com"));
    assert_eq!(Page::new(Scheme::Http, "[::1]", 8080).expect("a page").as_str(), "http://[::1]:8080");
    assert!(Page::new(Scheme::Http, "a b", 80).is_err());
}

// Forgery.

#[test]
fn a_cookie_without_origin_changes_nothing_for_another_site() {
    use FetchSite::{Absent, CrossSite, None, Other, SameOrigin, SameSite};
    let judge = judge(&allow(&["https://a.example"]));
    for (fetch_site, is_allowed) in
        [(Absent, true), (SameOrigin, true), (None, true), (SameSite, false), (CrossSite, false), (Other, false)]
    {
        let change = Ask { fetch_site, carried_by_cookie: true, changes: true, ..silent() };
        assert_eq!(judge.judge(&change).is_ok(), is_allowed, "{fetch_site:?}");
    }
    let read = Ask { fetch_site: SameSite, carried_by_cookie: true, ..silent() };
    assert!(judge.judge(&read).is_ok(), "a read changes nothing");
    let by_header = Ask { fetch_site: SameSite, changes: true, ..silent() };
    assert!(judge.judge(&by_header).is_ok(), "a header is not sent unasked");
    let shown = Ask { fetch_site: CrossSite, carried_by_cookie: true, changes: true, ..ask("https://a.example") };
    assert!(judge.judge(&shown).is_ok(), "an allowed page may");
}

#[test]
fn double_submit_wants_the_cookie_repeated_in_the_header() {
    let judge = judge(&Origin { csrf_cookie: "csrf".into(), ..allow(&["https://a.example"]) });
    let change = |cookie: Option<&'static [u8]>, token: Option<&'static [u8]>| {
        let ask = ask("https://a.example");
        judge.judge(&Ask { carried_by_cookie: true, changes: true, csrf_cookie: cookie, csrf_header: token, ..ask })
    };
    assert!(change(Some(b"t0ken"), Some(b"t0ken")).is_ok());
    for (cookie, token) in [
        (None, None),
        (Some(&b"t0ken"[..]), None),
        (None, Some(&b"t0ken"[..])),
        (Some(b"t0ken"), Some(b"t0keN")),
        (Some(b""), Some(b"")),
    ] {
        let refusal = change(cookie, token).expect_err("not the same token");
        assert_eq!(refusal.category, Category::Csrf);
        let mut headers = HeaderMap::new();
        refusal.cors.as_ref().expect("the page is allowed and may read why").write(&mut headers);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    }
    assert_eq!(judge.csrf().map(|csrf| csrf.header.as_str()), Some("x-csrf-token"));
    let by_header = Ask { changes: true, ..ask("https://a.example") };
    assert!(judge.judge(&by_header).is_ok(), "without a cookie there is nothing to forge");
}

#[test]
fn a_page_has_one_tag_however_it_is_written() {
    let judge = judge(&allow(&["https://a.example", "https://b.example"]));
    let grant = |origin| judge.judge(&ask(origin)).expect("allowed");
    let tag = grant("https://a.example").tag();
    assert_eq!(tag, grant("HTTPS://A.example:443").tag(), "the same page in other letters");
    assert_ne!(tag, grant("https://b.example").tag());
    assert_eq!(judge.judge(&silent()).expect("allowed").tag(), None, "same-origin reads show no Origin");
}

#[test]
fn a_tag_is_the_same_in_every_gate() {
    let tag = judge(&allow(&["https://a.example"])).judge(&ask("https://a.example")).expect("allowed").tag();
    // The first 8 bytes of `printf https://a.example | sha256sum`.
    assert_eq!(tag, Some(0x38612c965a9c4c35));
}

// Headers.

#[test]
fn answers_carry_cors_once_and_replace_what_the_app_said() {
    let grant = judge(&allow(&["https://a.example"])).judge(&ask("https://a.example")).expect("allowed");
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-allow-private-network", "true"),
        ("access-control-allow-methods", "DELETE"),
        ("vary", "Accept-Encoding, origin"),
        ("vary", "Accept-Encoding"),
    ] {
        headers.append(header::HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    grant.write(&mut headers);
    grant.write(&mut headers);
    let all = |name| headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(all("access-control-allow-origin"), ["https://a.example"]);
    assert_eq!(all("access-control-allow-credentials"), ["true"]);
    assert_eq!(all("access-control-expose-headers"), ["retry-after, x-request-id"]);
    assert_eq!(all("vary"), ["Accept-Encoding, origin"]);
    assert_eq!(headers.len(), 4, "{headers:?}");
}

#[test]
fn answers_without_page_carry_vary_alone() {
    let grant = judge(&allow(&["https://a.example"])).judge(&silent()).expect("allowed");
    let mut headers = HeaderMap::new();
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    grant.write(&mut headers);
    assert_eq!(headers, HeaderMap::from_iter([(header::VARY, HeaderValue::from_static("Origin"))]));
}

#[test]
fn vary_stays_everything_and_stays_short() {
    let mut headers = HeaderMap::from_iter([(header::VARY, HeaderValue::from_static("*"))]);
    vary_only(&mut headers);
    assert_eq!(headers[header::VARY], "*");
    let many = (0..3_000).map(|number| format!("h{number}")).collect::<Vec<_>>().join(",");
    headers.insert(header::VARY, HeaderValue::from_str(&many).expect("a header value"));
    vary_only(&mut headers);
    assert_eq!(headers[header::VARY], "*", "a list that no honest app sends");
}

#[test]
fn without_credentials_none_are_announced() {
    let judge = judge(&Origin { credentials: false, expose_headers: Vec::new(), ..allow(&["https://a.example"]) });
    let mut headers = HeaderMap::new();
    judge.judge(&ask("https://a.example")).expect("allowed").write(&mut headers);
    assert!(!headers.contains_key("access-control-allow-credentials") && !headers.contains_key("access-control-expose-headers"));
}

#[test]
fn preflights_are_answered_from_the_configuration() {
    let origin = Origin { csrf_cookie: "csrf".into(), ..allow(&["https://a.example"]) };
    let judge = judge(&origin);
    let grant = judge.judge(&ask("https://a.example")).expect("allowed");
    let wish = |method: &'static str, headers: &[&'static str]| Wish {
        method: method.as_bytes(),
        headers: headers.iter().map(|line| line.as_bytes()).collect(),
        private_network: true,
    };
    let mut headers = HeaderMap::new();
    let asked = wish("POST", &["Content-Type,authorization", " x-csrf-token ", ""]);
    judge.preflight(&grant, &asked).expect("all allowed").write(&mut headers);
    let expected = [
        ("access-control-allow-origin", "https://a.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
        ("access-control-allow-headers", "authorization, content-type, x-requested-with, x-csrf-token"),
        ("access-control-max-age", "600"),
        ("vary", "Origin, access-control-request-method, access-control-request-headers"),
    ];
    for (name, value) in expected {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers.len(), expected.len(), "no private network unless switched on: {headers:?}");

    let refused = |wish: Wish<'_>| judge.preflight(&grant, &wish).err().map(|refusal| (refusal.category, refusal.shown));
    assert_eq!(refused(wish("DELETE", &[])), Some((Category::PreflightMethod, "DELETE".into())));
    assert_eq!(refused(wish("post", &[])), Some((Category::PreflightMethod, "post".into())), "methods have case");
    assert_eq!(refused(wish("", &[])), Some((Category::PreflightMethod, "".into())));
    assert_eq!(refused(wish("GET", &["content-type, X-Admin"])), Some((Category::PreflightHeader, "X-Admin".into())));
    assert_eq!(refused(wish("GET", &["*"])), Some((Category::PreflightHeader, "*".into())));
    assert_eq!(refused(wish("GET", &["a b"])), Some((Category::PreflightHeader, "a b".into())));
}

#[test]
fn private_network_is_granted_when_asked_and_switched_on() {
    let judge = judge(&Origin { private_network: true, ..allow(&["https://a.example"]) });
    let grant = judge.judge(&ask("https://a.example")).expect("allowed");
    for private_network in [true, false] {
        let mut headers = HeaderMap::new();
        let wish = Wish { method: b"GET", headers: Vec::new(), private_network };
        judge.preflight(&grant, &wish).expect("allowed").write(&mut headers);
        assert_eq!(headers.contains_key("access-control-allow-private-network"), private_network);
    }
}

#[test]
fn a_preflight_is_options_with_origin_and_one_method() {
    let mut headers = HeaderMap::new();
    assert_eq!(Wish::read(&Method::OPTIONS, &headers), None);
    headers.insert(header::ORIGIN, HeaderValue::from_static("https://a.example"));
    assert_eq!(Wish::read(&Method::OPTIONS, &headers), None);
    headers.append(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
    assert_eq!(Wish::read(&Method::POST, &headers), None);
    assert_eq!(Wish::read(&Method::OPTIONS, &headers).map(|wish| wish.method.to_vec()), Some(b"POST".to_vec()));
    headers.append(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("GET"));
    assert_eq!(Wish::read(&Method::OPTIONS, &headers).map(|wish| wish.method.to_vec()), Some(Vec::new()));
}

// What the operator reads.

#[test]
fn suggestions_name_the_near_origin_the_difference_and_what_to_write() {
    let judge = judge(&allow(&["https://app.example.com", "https://*.wild.example.net"]));
    let cases = [
        (
            "https://app.example.com:8443",
            "https://app.example.com:8443 differs from the allowed https://app.example.com only in the port; if it is yours, add \
             \"https://app.example.com:8443\" to origin.allow or set \
             SOCKETIO_CORS_ORIGINS=https://app.example.com,https://*.wild.example.net,https://app.example.com:8443",
        ),
        ("http://app.example.com", "only in the scheme"),
        ("http://app.example.com:8080", "in scheme and port"),
        ("https://x.wild.example.net:1", "differs from the allowed https://*.wild.example.net only in the port"),
        ("https://x.y.wild.example.net", "whose * stands for exactly one"),
        ("https://wild.example.net", "wants a name in front"),
        ("https://app.exanple.com", "looks like the allowed https://app.example.com"),
        ("https://other.test", "no allowed origin has the host other.test; if it is yours, add \"https://other.test\""),
        ("capacitor://localhost", "neither http nor https"),
        ("null", "add \"null\" to origin.allow"),
    ];
    for (origin, expected) in cases {
        let refusal = judge.judge(&ask(origin)).expect_err(origin);
        let suggestion = judge.suggest(&refusal);
        assert!(suggestion.contains(expected), "{origin}: {suggestion}");
    }
    let imitation = judge.suggest(&judge.judge(&ask("https://app.exanple.com")).expect_err("another host"));
    assert!(!imitation.contains("add \""), "no line to paste for a host that imitates ours: {imitation}");
}

#[test]
fn a_suggested_variable_repeats_what_it_would_replace() {
    let suggest = |origin: &Origin, page: &str| {
        let judge = judge(origin);
        judge.suggest(&judge.judge(&ask(page)).expect_err(page))
    };
    let listed = Origin { hosts: words(&["a.example"]), ports: vec![443], ..allow(&["https://b.example"]) };
    for page in ["https://b.example:8443", "https://new.test"] {
        let suggestion = suggest(&listed, page);
        let line = suggestion.split_once("SOCKETIO_CORS_ORIGINS=").expect("it is short enough").1;
        let named: Vec<&str> = line.split(',').collect();
        assert!(named.contains(&"https://a.example") && named.contains(&"https://b.example"), "{suggestion}");
        assert_eq!(named.last(), Some(&page));
        // What is suggested does what it says.
        let after = judge(&allow(&named));
        for origin in ["https://a.example", "https://b.example", page] {
            assert!(after.judge(&ask(origin)).is_ok(), "{origin} by {suggestion}");
        }
    }
    let unlisted = suggest(&Origin::default(), "https://new.test");
    assert!(unlisted.ends_with("or set SOCKETIO_CORS_ORIGINS=https://new.test"), "{unlisted}");
    let many: Vec<String> = (0..20).map(|number| format!("https://page-{number}.example")).collect();
    let long = suggest(&allow(&many.iter().map(String::as_str).collect::<Vec<_>>()), "https://new.test");
    assert!(!long.contains("SOCKETIO_CORS_ORIGINS=") && long.contains("to the end of SOCKETIO_CORS_ORIGINS"), "{long}");
}

#[test]
fn explain_says_by_which_entry_or_what_to_write() {
    let judge = judge(&Origin { hosts: words(&["app.example.com"]), ports: vec![443], ..allow(&["https://*.example.net"]) });
    let says = |origin: &str, expected: &str| {
        let report = explain_origin::report(&judge, origin);
        assert!(report.contains(expected), "{origin}: {report}");
    };
    says(
        "https://app.example.com",
        "allowed: https://app.example.com by https://app.example.com (from origin.hosts and origin.ports)",
    );
    says("https://a.example.net", "by https://*.example.net (origin.allow[0])");
    says("https://a.example.net", "Access-Control-Allow-Origin: https://a.example.net");
    says("https://app.example.com:8443", "refused (port): https://app.example.com:8443");
    says("https://app.example.com:8443", "add \"https://app.example.com:8443\" to origin.allow");
    says("https://app.example.com:8443", "    https://*.example.net (origin.allow[0])");
    says("https://a.example.net/\u{1b}[31m", "refused (malformed): https://a.example.net/\\x1b[31m");
}

// Properties.

proptest! {
    #[test]
    fn judging_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = judge(&allow(&["https://*.example.com"])).judge(&Ask { origin: Shown::Value(&bytes), ..silent() });
    }

    #[test]
    fn a_page_that_was_read_is_canonical(text in "(?i)https?://[a-z0-9.\\[\\]:_-]{1,30}(:[0-9]{1,6})?") {
        if let Ok(page) = Page::parse(text.as_bytes()) {
            let again = Page::parse(page.as_str().as_bytes());
            prop_assert_eq!(again, Ok(page.clone()));
            prop_assert!(HeaderValue::from_str(page.as_str()).is_ok());
            prop_assert_eq!(page.without_port(), format!("{}://{}", page.scheme().as_str(), page.host()));
        }
    }

    /// Whoever passes a wildcard is below the domain: nothing that merely ends or begins like it does.
    #[test]
    fn nothing_evil_matches_a_wildcard(before in "[a-z0-9.@:/\\\\%*_ -]{0,12}", after in "[a-z0-9.@:/?#%_ -]{0,8}") {
        let judge = judge(&allow(&["https://*.example.com", "https://**.example.org"]));
        for domain in ["example.com", "example.org"] {
            let text = format!("https://{before}{domain}{after}");
            if judge.judge(&ask(&text)).is_ok() {
                let name = before.strip_suffix('.');
                prop_assert!(name.is_some(), "{} has no whole label before the domain", text);
                let labels: Vec<&str> = name.unwrap_or_default().split('.').collect();
                let is_plain = |label: &&str| {
                    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                };
                prop_assert!(labels.iter().all(is_plain), "{}", text);
                prop_assert!(domain == "example.org" || labels.len() == 1, "{}", text);
                prop_assert!(after.is_empty() || after == ":443", "{}", text);
            }
        }
    }

    /// The tables agree with reading the list entry by entry.
    #[test]
    fn tables_agree_with_a_plain_reading(
        entries in proptest::collection::hash_set("https?://(a|b|\\*|\\*\\*)\\.(x|y)\\.test(:1|:\\*)?", 1..8),
        text in "https?://((a|b)\\.){0,2}(x|y)\\.test(:1|:2)?",
    ) {
        let entries: Vec<String> = entries.into_iter().collect();
        let judge = judge(&Origin { allow: entries.clone(), ..Origin::default() });
        let plain = entries.iter().any(|entry| {
            let (scheme, rest) = entry.split_once("://").expect("made with one");
            let (asked_scheme, asked) = text.split_once("://").expect("made with one");
            let split = |text: &str| text.split_once(':').map_or((text.to_string(), String::new()), |(host, port)| (host.to_string(), port.to_string()));
            let ((host, port), (asked_host, asked_port)) = (split(rest), split(asked));
            let labels: Vec<&str> = asked_host.split('.').collect();
            let is_host = match (host.strip_prefix("**"), host.strip_prefix('*')) {
                (Some(suffix), _) => asked_host.ends_with(suffix),
                (None, Some(suffix)) => asked_host.ends_with(suffix) && labels.len() == 3,
                (None, None) => host == asked_host,
            };
            scheme == asked_scheme && is_host && (port == "*" || port == asked_port)
        });
        prop_assert_eq!(judge.judge(&ask(&text)).is_ok(), plain);
    }
}
