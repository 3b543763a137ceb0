use super::workshop::Workshop;

const BROKEN: &str = r#"environment = "prodution"
[listen]
address = "0.0.0.0:8443"
workers = -3
keep_alive = "soon"
[origin]
allow = ["https://ok.example", "htps://x"]
credentails = true
ports = [80, 70000, "x", 443, -1]
[auth]
secret = 12345
subjet = "x"
[route]
path = "/"
[[upstream]]
name = "app"
members = [{ uri = "http://x" }]
balance = "hashed"
"#;

#[test]
fn everything_wrong_in_a_file_is_told_at_once_with_its_place() {
    let paragraphs = Workshop::new().file("broken.toml", BROKEN).paragraphs();
    let expected = [
        "refused: broken.toml:1:1: environment: \"prodution\" is not known here. Write development or production.",
        "refused: broken.toml:4:1: listen.workers: found -3, expected a whole number, 0 or more.",
        "refused: broken.toml:5:1: listen.keep_alive: \"soon\" is not a length of time; write for example \"25s\", \"250ms\" or \"10m\".",
        "refused: broken.toml:7:32: origin.allow.1: \"htps://x\" is no origin: pages come by http or https; \"htps\" is neither.",
        "refused: broken.toml:8:1: origin.credentails: unknown key. Did you mean origin.credentials?",
        "refused: broken.toml:9:14: origin.ports.1: found 70000, expected a number from 0 to 65535.",
        "refused: broken.toml:9:21: origin.ports.2: found \"x\", expected a number from 0 to 65535.",
        "refused: broken.toml:9:31: origin.ports.4: found -1, expected a number from 0 to 65535.",
        "refused: broken.toml:11:1: auth.secret: found a number, expected a text in quotes.",
        "refused: broken.toml:12:1: auth.subjet: unknown key. Did you mean auth.subject?",
        "refused: broken.toml:13:2: route: found a table. It is a list of tables: write [[route]], once for each.",
        "refused: broken.toml:17:12: upstream.0.members.0: it is no member of an upstream. Write \"http://app-1:3001\" or { url = \
         \"http://app-1:3001\", weight = 2 }.",
        "refused: broken.toml:18:1: upstream.0.balance: \"hashed\" is not known here. Write least_sessions or round_robin or hash.",
    ];
    for line in expected {
        assert!(paragraphs.iter().any(|paragraph| paragraph == line), "missing: {line}\nin:\n{}", paragraphs.join("\n"));
    }
    let others: Vec<_> = paragraphs.iter().filter(|paragraph| !expected.contains(&paragraph.as_str())).collect();
    assert!(others.iter().all(|other| other.contains("speak plain HTTP") || other.contains("auth.when")), "{others:#?}");
}

#[test]
fn every_mistake_of_toml_is_told_with_line_and_column() {
    let workshop = Workshop::new().file("broken.toml", "[listen]\naddress = nowhere\n[auth\nwhen = \"none\"\n");
    let paragraphs = workshop.paragraphs();
    assert!(paragraphs.len() >= 2, "{paragraphs:?}");
    assert!(paragraphs[0].starts_with("refused: broken.toml:2:11: no TOML: "), "{paragraphs:?}");
    assert!(
        paragraphs.iter().all(|paragraph| paragraph.starts_with("refused: broken.toml:")),
        "only the file is judged: {paragraphs:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let mut workshop = Workshop::new().file("there.toml", "");
    std::fs::remove_file(workshop.path().join("there.toml")).expect("it is there");
    assert_eq!(workshop.paragraphs(), ["refused: there.toml: cannot be read (entity not found). Name a TOML file that exists."]);
    workshop = Workshop::new().beside("folder.toml/x", "").file("other.toml", "");
    let loaded = workshop.load();
    assert!(loaded.config.is_none());
}

#[test]
fn unknown_keys_are_named_with_the_nearest() {
    for (text, nearest) in [
        ("[listen]\nadress = \"x\"", "listen.address"),
        ("[listn]\naddress = \"x\"", "listen"),
        ("[tls]\ncertifcate = \"x\"", "tls.certificate"),
        ("[origin]\nsecret = \"x\"", "auth.secret"),
        ("[auth.identity]\ntokn = \"x\"", "auth.identity.token"),
        ("[[upstream]]\nmember = []", "upstream.0.members"),
        ("[[route]]\n[route.origin]\nalow = []", "route.0.origin.allow"),
    ] {
        let paragraphs = Workshop::ready().file("more.toml", text).paragraphs();
        let wanted = format!("unknown key. Did you mean {nearest}?");
        assert!(paragraphs.iter().any(|paragraph| paragraph.contains(&wanted)), "{text}: {paragraphs:?}");
    }
}

#[test]
fn unknown_variables_warn_and_unknown_flags_refuse() {
    let workshop = Workshop::ready().env("SOCKGATE_ORIGIN__ALOW", "https://x.example").env("SOCKGATE_WHATEVER", "1");
    assert_eq!(
        workshop.paragraphs(),
        [
            "warning: SOCKGATE_ORIGIN__ALOW: origin.alow: unknown key. Did you mean SOCKGATE_ORIGIN__ALLOW? It is not used.",
            "warning: SOCKGATE_WHATEVER: whatever: unknown key. It is not used.",
        ]
    );
    assert!(workshop.load().config.is_some());
    assert_eq!(
        Workshop::ready().set("origin.alow", "x").paragraphs(),
        ["refused: --set origin.alow: origin.alow: unknown key. Did you mean origin.allow?"]
    );
}

#[test]
fn bad_variables_of_guarded_keys_refuse_and_of_ordinary_ones_warn() {
    for (name, value, is_refused) in [
        ("SOCKGATE_ENVIRONMENT", "prodution", true),
        ("SOCKGATE_AUTH__WHEN", "never", true),
        ("SOCKGATE_AUTH__ALGORITHMS", "none", true),
        ("SOCKGATE_AUTH__LEEWAY", "long", true),
        ("SOCKGATE_ORIGIN__CREDENTIALS", "perhaps", true),
        ("SOCKGATE_LISTEN__TRUSTED_PROXIES", "everybody", true),
        ("SOCKGATE_TLS__MINIMUM", "1.1", true),
        ("SOCKGATE_AUTH", "x", true),
        ("SOCKGATE_LISTEN__WORKERS", "many", false),
        ("SOCKGATE_LISTEN__KEEP_ALIVE", "long", false),
        ("SOCKGATE_LIMIT__HANDSHAKES_PER_ADDRESS", "lots", false),
        ("SOCKGATE_LIMIT", "x", false),
        ("SOCKGATE_LOG__FORMAT", "xml", false),
    ] {
        let workshop = Workshop::ready().env(name, value);
        let paragraphs = workshop.paragraphs();
        assert_eq!(paragraphs.len(), 1, "{paragraphs:?}");
        let severity = if is_refused { "refused" } else { "warning" };
        assert!(paragraphs[0].starts_with(&format!("{severity}: {name}: ")), "{paragraphs:?}");
        assert_eq!(workshop.load().config.is_none(), is_refused, "{name}");
    }
}

#[test]
fn bad_values_on_the_command_line_always_refuse() {
    let paragraphs = Workshop::ready().set("listen.workers", "many").paragraphs();
    assert_eq!(
        paragraphs,
        ["refused: --set listen.workers: listen.workers: found \"many\", expected a whole number, 0 or more."]
    );
}

#[test]
fn strict_turns_warnings_into_refusals() {
    let workshop = Workshop::ready().env("SOCKGATE_WHATEVER", "1").strict();
    assert!(workshop.load().config.is_none());
    assert!(workshop.paragraphs()[0].starts_with("refused: "));
}

#[test]
fn nothing_written_can_steer_a_terminal() {
    let workshop = Workshop::ready()
        .file("more.toml", "\"\\u001b[31m\" = 1\n[log]\nlevel = \"\\u001b]0;x\\u0007=,=\"\n")
        .env("SOCKGATE_LOG__FORMAT", "a\nb\u{1b}[2J");
    for paragraph in workshop.paragraphs() {
        assert!(!paragraph.chars().any(char::is_control), "{paragraph:?}");
    }
}
