//! What sockgate costs, beside HAProxy and nginx as Debian has them and beside a relay that only does TLS:
//!
//!     cargo bench --profile dist --bench compare                 five minutes, a table
//!     cargo bench --profile dist --bench compare -- --quick      a minute and a half
//!     cargo bench --profile dist --bench compare -- --write      and the README's table and chart anew
//!     cargo bench --profile dist --bench compare -- --growth     sockgate alone, as its work grows
//!     cargo bench --profile dist --bench compare -- --check      whether all of this works here, in seconds
//!
//! (`dist` is the profile that is shipped. Without it the same is measured of a build without link-time optimisation.)
//!
//! Load, app and proxy share one CPU, and what is compared is the CPU time of the proxy's processes for one operation: it
//! repeats within a few per cent, which throughput and latency on a shared machine do not. The load is this program again,
//! and so are the app and the relay, each a process of its own. All of it stays on 127.0.0.1; certificates and tokens are made
//! for each run. Default caps that a measurement exceeds are raised in the configurations under `peers/`, which say so.

#![forbid(unsafe_code)]

mod chart;
mod child;
mod compare;
mod crowd;
mod figures;
mod ground;
mod growth;
mod load;
mod machine;
mod measure;
mod operation;
mod options;
mod peers;
mod relay;
mod table;
mod task;
mod tokens;
mod upstream;
mod verify;
mod ways;
mod wire;

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use options::{Options, Role};

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = match options.role {
        Some(role) => play(role, options),
        None if !options.bench && !options.check => {
            // `cargo test --all-targets` starts benches too, and expects no minutes of load.
            println!("started by `cargo bench --bench compare`; --help tells more");
            Ok(())
        }
        None => measure(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> anyhow::Result<()> {
    if !measure::is_precise() {
        bail!("this kernel does not tell the CPU time of threads (/proc/PID/task/TID/schedstat)");
    }
    // Before anything is started, which inherits it.
    let cpu = machine::keep_to_one_cpu(options.cpu)?;
    let files = sockgate::net::listen::raise_file_limit();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    eprintln!("on CPU {cpu}, {} open files at most", files.map_or("any number of".into(), |files| files.to_string()));
    if options.growth { growth::run(options) } else { compare::run(options) }
}

fn play(role: Role, options: Options) -> anyhow::Result<()> {
    // Whoever started it may be killed without a word.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    match role {
        Role::Upstream => upstream::run(options.ports)?,
        Role::Load => load::run(serde_json::from_str(&options.task.context("no task")?)?)?,
        Role::Relay => relay::run(
            options.listen.context("nowhere to listen")?,
            options.upstream.context("no upstream")?,
            &options.certificate.context("no certificate")?,
            &options.key.context("no key")?,
        )?,
    }
    Ok(())
}
