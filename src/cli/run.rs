//! `sockgate run`: judge the configuration, say everything that is wrong with it at once, and serve.

use std::process::ExitCode;

use crate::{
    app::{self, rehearse, watch},
    config::load::Sources,
    net::inherit::Inherited,
    telemetry::log,
};

/// Serves until told to end.
pub fn run(sources: Sources) -> ExitCode {
    // Before anything else: sockets and variables are this process's own only as long as it has one thread.
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            eprintln!("sockgate does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (loaded, watch) = watch::load(&sources);
    let loaded = rehearse::start(loaded);
    let Some(config) = &loaded.config else {
        for problem in &loaded.problems {
            eprintln!("{problem}");
        }
        eprintln!("sockgate does not start: the configuration is refused");
        return ExitCode::FAILURE;
    };
    if let Err(error) = log::init(&config.log) {
        eprintln!("log.level: {error}");
        return ExitCode::FAILURE;
    }
    app::reload::tell(&loaded.problems);
    match app::run::run(loaded, watch, sources, inherited) {
        Ok(code) => code,
        Err(error) => {
            // The chain says what was tried and why it failed.
            eprintln!("sockgate does not start: {error:#}");
            ExitCode::FAILURE
        }
    }
}
