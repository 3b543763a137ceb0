//! From the command line to the verb.

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use super::{
    about,
    args::{About, Cli, Verb},
    check, demo, explain, health, reference, run,
};

/// What the program does.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let sources = || cli.settings.to_sources();
    match &cli.verb {
        Verb::Check(how) => check::check(&sources(), how),
        Verb::Reference(how) => reference::reference(how),
        Verb::Explain(what) => match (&what.about, &what.key) {
            (Some(About::Origin { url: None, .. }), _) => explain::key(&sources(), "origin"),
            (Some(About::Access { wish: Some(wish), name: Some(name), namespace, token, path }), _) => {
                about::access(&sources(), *wish, (namespace, name), token.as_deref(), path.as_deref())
            }
            (Some(About::Access { .. }), _) => explain::key(&sources(), "access"),
            (None, Some(key)) => explain::key(&sources(), key),
            (Some(About::Origin { url: Some(url), path }), _) => about::origin(&sources(), url, path.as_deref()),
            (Some(About::Token { token, path }), _) => about::explain(&sources(), token, path.as_deref()),
            // clap requires one of them.
            (None, None) => ExitCode::from(2),
        },
        Verb::Run => run::run(sources()),
        Verb::Health(how) => health::health(&sources(), Duration::from_secs(how.timeout)),
        Verb::Token(asked) => about::mint(&sources(), asked),
        Verb::Demo(how) => demo::demo(how, &cli.settings),
    }
}
