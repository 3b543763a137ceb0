//! How many instructions the gate's pure parts take: `cargo bench --bench instructions`, or for some of them
//! `cargo bench --bench instructions -- limit seal`. Runs each operation once, by itself, under valgrind's callgrind: numbers that
//! repeat on a noisy machine, beside those of the run before. Without valgrind it says so and counts nothing. Of tables of two sizes
//! it tells which operations grow by more than a fifth. Where the instructions of an operation go, `callgrind_annotate` tells from
//! the file that is left in `target/tmp`.
//!
//! Instructions are not time: a miss in a cache costs none. What they see for certain is work that was added, and work that
//! grows with a table. Where random numbers play a part the last digits differ. Cryptography takes more of them than it does
//! outside: valgrind imitates a processor without SHA and AVX-512.

mod micro;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use micro::Operation;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = arguments.as_slice()
        && flag == ONE
    {
        let case = CASES.iter().find(|case| case.name == name).expect("our own name");
        drop(act_once(Prepared::new((case.set_up)())));
        return ExitCode::SUCCESS;
    }
    // Without `--bench` it is `cargo test --all-targets` that asks, which wants to know whether this builds.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("instructions are not counted: valgrind is not here (apt-get install valgrind)");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    match count_all(&wanted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Counts what was asked for, everything when nothing was, and remembers the counts for the next run.
fn count_all(wanted: &[&str]) -> Result<(), String> {
    let mut remembered = read(&memory());
    let mut counts = BTreeMap::new();
    for case in CASES.iter().filter(|case| wanted.is_empty() || wanted.iter().any(|part| case.name.contains(part))) {
        let count = count(case.name)?;
        println!("{:<45} {count:>10}  {}", case.name, change(remembered.insert(case.name.into(), count), count));
        counts.insert(case.name, count);
    }
    tell_growth(&counts);
    write(&memory(), &remembered)
}

/// One operation, in a process of its own that knows nothing of this one's surroundings.
fn count(name: &str) -> Result<u64, String> {
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}", name.replace('/', ".")));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*act_once*"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(env::current_exe().map_err(|error| format!("this program is not found: {error}"))?)
        .args([ONE, name])
        .env_clear()
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).and_then(|(_, count)| count.trim().parse().ok());
    match collected {
        // A compiler that finds a way around `act_once` must not look like an operation that costs nothing.
        Some(count) if output.status.success() && count > 0 => Ok(count),
        _ => Err(format!("{name} was not counted:\n{said}")),
    }
}

/// What begins and ends the counting: callgrind knows it by its name.
#[inline(never)]
fn act_once(mut prepared: Prepared) -> Prepared {
    match &mut prepared.operation {
        Operation::Again(act) => act(),
        Operation::Fresh { act, .. } => act(&mut prepared.bytes),
    }
    // Given back, for what is dropped in here is counted.
    prepared
}

/// The operation and what it is done to, made before anything is counted.
struct Prepared {
    operation: Operation,
    bytes: Vec<u8>,
}

impl Prepared {
    fn new(mut operation: Operation) -> Self {
        let bytes = match &mut operation {
            Operation::Again(_) => Vec::new(),
            Operation::Fresh { make, .. } => make(),
        };
        Self { operation, bytes }
    }
}

/// `growth` has its operations in pairs, the small table's first.
fn tell_growth(counts: &BTreeMap<&str, u64>) {
    let growing: Vec<_> = CASES.iter().filter(|case| case.name.starts_with("growth/")).collect();
    let pairs = growing.chunks_exact(2).filter_map(|pair| Some((pair, counts.get(pair[0].name)?, counts.get(pair[1].name)?)));
    for (pair, small, large) in pairs.filter(|(_, small, large)| **large * 5 > **small * 6) {
        println!("grows: {} takes {:.1} times as many as {}", pair[1].name, *large as f64 / *small as f64, pair[0].name);
    }
}

fn change(before: Option<u64>, count: u64) -> String {
    match before {
        None => String::new(),
        Some(before) if before == count => "same".into(),
        Some(before) => format!("{:+.2} %, was {before}", (count as f64 / before as f64 - 1.0) * 100.0),
    }
}

fn memory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions.txt")
}

/// Names and counts, a line each. Nothing before the first run.
fn read(file: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name.into(), count.parse().ok()?)))
        .collect()
}

fn write(file: &Path, counts: &BTreeMap<String, u64>) -> Result<(), String> {
    let text: String = counts.iter().map(|(name, count)| format!("{name} {count}\n")).collect();
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// One operation by its name.
struct Case {
    name: &'static str,
    set_up: fn() -> Operation,
}

macro_rules! cases {
    ($($room:ident { $($name:ident),+ })+) => {
        const CASES: &[Case] =
            &[$($(Case { name: concat!(stringify!($room), "/", stringify!($name)), set_up: micro::$room::$name }),+),+];
    };
}

micro::every_room!(cases);

/// How this program asks itself for one operation.
const ONE: &str = "--act-once";
