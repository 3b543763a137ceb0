//! Taking a new configuration while serving: read, judge and build everything first, then swap one pointer. A bad one changes
//! nothing and is told in full.

use std::{sync::Arc, time::Instant};

use super::{
    rehearse,
    watch::{self, Watch},
};
use crate::{
    admin::reload::Report,
    config::{
        Config,
        load::Sources,
        problem::{Problem, Severity},
    },
    gate::{Gate, Generation, generation::Lasting},
    telemetry::log,
};

/// Reads the configuration again and puts it in effect when it is good; tells which files it is made of, also when it is
/// refused. Reads files; not for a worker's thread.
pub fn reload(gate: &Arc<Gate>, lasting: &Lasting, sources: &Sources, why: &str) -> (Report, Watch) {
    let (mut loaded, watch) = watch::load(sources);
    // With objects of its own: what is refused must not have touched what serves.
    loaded = rehearse::complete(loaded);
    tell(&loaded.problems);
    let before = gate.generation();
    let mut problems = std::mem::take(&mut loaded.problems);
    let built = match loaded.config.take() {
        Some(config) => Generation::build(Arc::new(config), lasting, Some(&before), Instant::now()).map_err(Some),
        None => Err(None),
    };
    match built {
        Ok(next) => {
            warn_of_restart(&before.config, &next.config);
            if let Err(error) = log::change(&next.config.log) {
                tracing::warn!(%error, "log.level stays as it was");
            }
            next.start_tasks();
            let number = next.number;
            let old = gate.swap(next);
            old.retire(&gate.generation(), &gate.metrics);
            gate.metrics.reloads.get_or_create_owned(&[("outcome", "taken")]).inc();
            tracing::info!(why, generation = number, "the new configuration is in effect");
            (Report { is_taken: true, generation: number, problems }, watch)
        }
        Err(obstacles) => {
            for obstacle in obstacles.into_iter().flatten() {
                tracing::error!(
                    key = obstacle.key,
                    problem = obstacle.what,
                    instead = obstacle.instead,
                    "the new configuration cannot be put in effect"
                );
                problems.push(rehearse::problem(obstacle, &loaded));
            }
            gate.metrics.reloads.get_or_create_owned(&[("outcome", "refused")]).inc();
            tracing::error!(why, generation = before.number, "the new configuration is refused; the old one stays in effect");
            (Report { is_taken: false, generation: before.number, problems }, watch)
        }
    }
}

/// Writes every problem of a configuration to the log.
pub fn tell(problems: &[Problem]) {
    for problem in problems {
        match problem.severity {
            Severity::Refusal => tracing::error!(problem = %problem, "configuration"),
            Severity::Warning => tracing::warn!(problem = %problem, "configuration"),
            Severity::Note => tracing::info!(problem = %problem, "configuration"),
        }
    }
}

/// What is bound or spawned once does not follow a reload.
fn warn_of_restart(before: &Config, next: &Config) {
    let fixed = [
        ("listen.address", before.listen.address != next.listen.address),
        ("listen.plain", before.listen.plain != next.listen.plain),
        ("listen.workers", before.listen.workers != next.listen.workers),
        ("listen.connections", before.listen.connections != next.listen.connections),
        ("limit.connections_per_address", before.limit.connections_per_address != next.limit.connections_per_address),
        ("limit.exempt (for connections)", before.limit.exempt != next.limit.exempt),
        ("listen.trusted_proxies (for connections)", before.listen.trusted_proxies != next.listen.trusted_proxies),
        ("admin.address", before.admin.address != next.admin.address),
        ("admin.probe_address", before.admin.probe_address != next.admin.probe_address),
        ("tls (on or off)", before.tls.is_on() != next.tls.is_on()),
        ("revocation.file", before.revocation.file != next.revocation.file),
        ("log.format", before.log.format != next.log.format),
    ];
    for (key, _) in fixed.into_iter().filter(|(_, has_changed)| *has_changed) {
        tracing::warn!(key, "this option has changed and takes effect at the next start");
    }
}
