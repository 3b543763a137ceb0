//! `sockgate run`: judge the configuration, say everything that is wrong with it at once, and serve.

use std::process::ExitCode;

use crate::{
    app::{self, rehearse, watch},
    config::load::Sources,
    telemetry::log,
};

/// Serves until told to end.
pub fn run(sources: Sources) -> ExitCode {
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
    match app::run::run(loaded, watch, sources) {
        Ok(code) => code,
        Err(error) => {
            // The chain says what was tried and why it failed.
            eprintln!("sockgate does not start: {error:#}");
            ExitCode::FAILURE
        }
    }
}
