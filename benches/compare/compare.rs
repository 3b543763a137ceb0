//! The comparison: every proxy is started and verified, then measured in rounds that take turns (A B C, B C A, ...), so that
//! what changes on the machine meanwhile changes for all; memory last, each proxy fresh.

use std::{fs, path::Path};

use anyhow::{Context, bail};

use crate::{
    chart,
    figures::Figures,
    ground::Ground,
    machine::Machine,
    operation::Operation,
    options::Options,
    peers::{self, Profile, Row, Running, Setting},
    table::{self, Report},
    task::{Outcome, Span, Work},
    verify,
};

/// How long and how often.
struct Plan {
    rounds: usize,
    span: Span,
    idle: usize,
    profiles: &'static [Profile],
    /// Anything that does not work is an end.
    is_check: bool,
}

/// Runs it all and tells it.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let plan = Plan::of(options);
    let machine = Machine::look();
    let mut ground = Ground::prepare(2)?;
    let (found, mut missing) = peers::find(&options.peers, plan.profiles)?;
    let (rows, mut running) = start_all(found, &mut missing, &ground);
    for missing in &missing {
        eprintln!("without {missing}");
    }
    if plan.is_check && missing.iter().any(|missing| !missing.contains("not installed")) {
        bail!("something that is installed does not work");
    }
    let mut figures = Figures::default();
    for operation in options.operations() {
        if operation == Operation::Idle {
            running.clear();
            measure_memory(&plan, &rows, &ground, &mut figures)?;
            continue;
        }
        for round in 0..plan.rounds {
            for turn in 0..rows.len() {
                let number = (turn + round) % rows.len();
                let task = ground.task(&running[number], operation.work(0), plan.span);
                let outcome = ground.load(&task)?;
                tell(&rows[number], operation, &outcome);
                plan.judge(&rows[number], operation, &outcome)?;
                if let Some(cost) = outcome.cost() {
                    figures.add(number, operation, round, cost);
                }
            }
        }
        ground.must_stand()?;
    }
    drop(running);
    let report = Report {
        rows: &rows,
        figures: &figures,
        missing: &missing,
        machine: &machine,
        rounds: plan.rounds,
        window: plan.span.window,
        idle: plan.idle,
        built: &built(),
    };
    let text = report.markdown();
    println!("{text}");
    if options.write {
        write(&text, &chart::draw(&rows, &figures, &machine))?;
    }
    Ok(())
}

impl Plan {
    fn of(options: &Options) -> Self {
        let (rounds, warm_up, window, idle) = match (options.check, options.quick) {
            (true, _) => (1, 0.05, 0.05, 100),
            (_, true) => (3, 0.1, 0.3, 1000),
            _ => (5, 0.15, 0.5, 3000),
        };
        Self {
            rounds: options.rounds.unwrap_or(rounds),
            span: Span { warm_up, window: options.window.unwrap_or(window) },
            // Whoever may open fewer files sees fewer.
            idle: options.idle.unwrap_or(idle).min(sockgate::net::listen::half_of_files().saturating_sub(SPARE)),
            profiles: if options.quick { &[Profile::Full] } else { &Profile::BOTH },
            is_check: options.check,
        }
    }

    /// What went wrong is told; in a check it is the end.
    fn judge(&self, row: &Row, operation: Operation, outcome: &Outcome) -> anyhow::Result<()> {
        let (row, what) = (row.label(), operation.title());
        let is_idle = operation == Operation::Idle;
        let complaint = match outcome.complaints() {
            complaints if !complaints.is_empty() => complaints,
            _ if operation == Operation::Resume && outcome.resumed == 0 => "no session was resumed".into(),
            _ if !is_idle && outcome.operations == 0 => "nothing was done".into(),
            _ => return Ok(()),
        };
        if self.is_check {
            bail!("{row}: {what}: {complaint}");
        }
        eprintln!("{row}: {what}: {complaint}");
        Ok(())
    }
}

/// Those that start and are what they claim.
fn start_all(found: Vec<Row>, missing: &mut Vec<String>, ground: &Ground) -> (Vec<Row>, Vec<Running>) {
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for row in found {
        let started = row.start(ground, &Setting::default()).and_then(|running| match verify::verify(&row, &running, ground) {
            Ok(()) => Ok(running),
            Err(error) => Err(error).with_context(|| format!("dropped (its log ends: {})", running.last_words())),
        });
        match started {
            Ok(running) => {
                rows.push(row);
                all.push(running);
            }
            Err(error) => missing.push(format!("{}: {error:#}", row.label())),
        }
    }
    (rows, all)
}

/// Fresh processes, one at a time: what other work has left behind would blur the figure.
fn measure_memory(plan: &Plan, rows: &[Row], ground: &Ground, figures: &mut Figures) -> anyhow::Result<()> {
    if plan.idle == 0 {
        return Ok(());
    }
    for (number, row) in rows.iter().enumerate() {
        let running = row.start(ground, &Setting::default())?;
        let work: Work = Operation::Idle.work(plan.idle);
        let outcome = ground.load(&ground.task(&running, work, plan.span))?;
        plan.judge(row, Operation::Idle, &outcome)?;
        let [before, after] = outcome.memory[..] else { bail!("the load read the memory {} times", outcome.memory.len()) };
        let each = (after as f64 - before as f64) / outcome.opened.max(1) as f64 / 1000.0;
        eprintln!("{:<16} {:<26} {each:>9.1} KB each of {}", row.label(), Operation::Idle.title(), outcome.opened);
        figures.add(number, Operation::Idle, 0, each);
    }
    Ok(())
}

fn tell(row: &Row, operation: Operation, outcome: &Outcome) {
    let cost = outcome.cost().map_or("-".into(), |cost| operation.show(cost));
    eprintln!("{:<16} {:<26} {cost:>9} us each of {}", row.label(), operation.title(), outcome.operations);
}

/// Into the README and beside this program.
fn write(text: &str, picture: &str) -> anyhow::Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(top.join(PICTURE), picture)?;
    let text = format!("![CPU and memory of sockgate beside other proxies]({PICTURE})\n\n{text}");
    table::write_between_marks(&top.join("README.md"), &text)
}

/// How the gate was built: the folder of a build is named for its profile. Of a binary that somebody names nothing is known.
fn built() -> String {
    if std::env::var_os("SOCKGATE_BIN").is_some() {
        return "as SOCKGATE_BIN names it".into();
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_sockgate")).parent().and_then(Path::file_name);
    folder.map_or("somehow".into(), |folder| format!("built with the profile `{}`", folder.to_string_lossy()))
}

const PICTURE: &str = "benches/compare/result.svg";
/// Connections that must fit beside the idle ones.
const SPARE: usize = 100;
