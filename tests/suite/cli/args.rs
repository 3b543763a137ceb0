use clap::{CommandFactory, Parser};
use sockgate::cli::args::{About, Cli, Format, Verb, Wish};

fn parsed(line: &str) -> Verb {
    Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}")).verb
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn settings_may_stand_before_and_after_the_verb() {
    for line in ["sockgate --config a.toml --strict --set a.b=c=d check", "sockgate check --set a.b=c=d --strict --config a.toml"]
    {
        let cli = Cli::try_parse_from(line.split(' ')).expect(line);
        let sources = cli.settings.to_sources();
        assert_eq!(sources.files, [std::path::PathBuf::from("a.toml")]);
        assert_eq!(sources.overrides, [("a.b".to_string(), "c=d".to_string())]);
        assert!(sources.strict);
    }
}

#[test]
fn explain_takes_a_key_an_origin_a_wish_or_a_token() {
    let about = |line: &str| match parsed(line) {
        Verb::Explain(what) => (what.about, what.key),
        other => panic!("{other:?}"),
    };
    assert!(matches!(about("sockgate explain listen.address"), (None, Some(key)) if key == "listen.address"));
    assert!(
        matches!(about("sockgate explain origin https://a.example"), (Some(About::Origin { url: Some(url), .. }), None) if url == "https://a.example")
    );
    assert!(matches!(about("sockgate explain origin"), (Some(About::Origin { url: None, .. }), None)));
    assert!(
        matches!(about("sockgate explain token - --path /x/"), (Some(About::Token { token, path: Some(_) }), None) if token == "-")
    );
    assert!(matches!(about("sockgate explain access"), (Some(About::Access { wish: None, .. }), None)));
    assert!(
        matches!(about("sockgate explain access send a --in /x --token -"), (Some(About::Access { wish: Some(Wish::Send), name: Some(name), namespace, token: Some(_), path: None }), None) if name == "a" && namespace == "/x")
    );
    assert!(Cli::try_parse_from(["sockgate", "explain", "access", "send"]).is_err());
    assert!(Cli::try_parse_from(["sockgate", "explain"]).is_err());
}

#[test]
fn tokens_are_described_by_their_claims() {
    let Verb::Token(token) = parsed("sockgate token --subject ana --role admin --role user --claim status=active --expires 90m")
    else {
        panic!()
    };
    assert_eq!((token.subject.as_str(), token.roles.len(), token.expires.to_string().as_str()), ("ana", 2, "90m"));
    assert_eq!(token.claims, [("status".to_string(), "active".to_string())]);
    assert!(Cli::try_parse_from(["sockgate", "token", "--subject", "ana", "--expires", "soon"]).is_err());
}

#[test]
fn verbs_have_their_defaults() {
    assert!(matches!(parsed("sockgate demo"), Verb::Demo(demo) if !demo.once && demo.port == 8443));
    assert!(matches!(parsed("sockgate reference"), Verb::Reference(how) if how.format == Format::Markdown));
    assert!(matches!(parsed("sockgate run"), Verb::Run));
    assert!(matches!(parsed("sockgate health"), Verb::Health(_)));
}

#[test]
fn a_malformed_assignment_is_not_repeated() {
    let error = Cli::try_parse_from(["sockgate", "check", "--set", "=hidden-text"]).expect_err("it has no key").to_string();
    assert!(error.contains("KEY=VALUE"), "{error}");
}

#[test]
fn every_help_of_explain_tells_its_exit_codes() {
    let mut command = Cli::command();
    let explain = command.find_subcommand_mut("explain").expect("a verb");
    assert!(explain.render_long_help().to_string().contains("Exit code: 0 "));
    for about in explain.get_subcommands_mut().filter(|about| about.get_name() != "help") {
        assert!(about.render_long_help().to_string().contains("Exit code: 0 "), "{}", about.get_name());
    }
}

#[test]
fn every_help_has_an_example_or_an_exit_code() {
    for verb in Cli::command().get_subcommands() {
        let help = verb.clone().render_long_help().to_string();
        assert!(help.contains("Example") || help.contains("Exit code"), "{}", verb.get_name());
    }
}
