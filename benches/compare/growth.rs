//! sockgate alone, as its work grows: for each way a gate of every size runs at the same time, they are measured in turns,
//! and each figure is told with what it is above its base in the same round. Then memory: after large messages, and after a
//! crowd has left. A cost that grows with the size of something is a promise broken sooner or later.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{
    child::Child,
    figures::median,
    ground::Ground,
    machine::Machine,
    options::Options,
    peers::{self, Profile, Row, Running, Setting},
    task::{Outcome, Span, Task, Work},
    ways::{self, Size, Way},
};

/// Runs it all and tells each table as soon as it is there.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::look();
    let ground = Ground::prepare(ways::MEMBERS)?;
    let gate = Row::of("sockgate", Profile::Full)?;
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 7 });
    let span = Span { warm_up: 0.15, window: options.window.unwrap_or(if options.quick { 0.3 } else { 0.4 }) };
    println!(
        "Measured on {}, {}. CPU microseconds of sockgate, `full`, for one operation: median of {rounds} rounds of {} s that take \
         turns; in parentheses how far that is above the first size, median of the rounds' own ratios.\n",
        machine.date(),
        machine.describe(),
        span.window
    );
    for way in ways::all(options, &ground).iter().filter(|way| options.wants(way.title)) {
        println!("{}", measure(way, &gate, &ground, rounds, span).context(way.title)?);
    }
    for (title, work) in memories(options).into_iter().filter(|(title, _)| options.wants(title)) {
        println!("{}", measure_memory(title, work, &gate, &ground, span)?);
    }
    Ok(())
}

/// A gate of one size, and those who wait at it.
struct Grown<'a> {
    size: &'a Size,
    running: Running,
    admin: SocketAddr,
    /// Bytes that each counted address took.
    each_address: Option<f64>,
    _crowd: Option<Child>,
}

fn measure(way: &Way, gate: &Row, ground: &Ground, rounds: usize, span: Span) -> anyhow::Result<String> {
    let grown = way.sizes.iter().map(|size| Grown::start(size, gate, ground, span)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut costs = vec![vec![Vec::new(); grown.len()]; way.works.len()];
    for round in 0..rounds {
        for (number, (title, work)) in way.works.iter().enumerate() {
            for turn in 0..grown.len() {
                let place = (turn + round) % grown.len();
                let outcome = ground.load(&grown[place].task(ground, work.clone(), span))?;
                costs[number][place].push(cost(title, &grown[place].size.label, &outcome)?);
            }
        }
    }
    for grown in &grown {
        grown.is_as_large_as_it_was()?;
    }
    Ok(table(way, &grown, &costs))
}

impl<'a> Grown<'a> {
    fn start(size: &'a Size, gate: &Row, ground: &Ground, span: Span) -> anyhow::Result<Self> {
        let admin = peers::free_address()?;
        let file = ground.path().join(format!("over-{}.toml", admin.port()));
        fs::write(&file, format!("{}\n[admin]\naddress = \"{admin}\"\n", size.configuration))?;
        let arguments = vec!["--config".into(), file.display().to_string()];
        let running = gate.start(ground, &Setting { workers: size.workers.max(1), arguments })?;
        let mut grown = Self { size, running, admin, each_address: None, _crowd: None };
        if size.crowd > 0 {
            let (crowd, outcome) = ground.begin(&grown.task(ground, Work::Hold { connections: size.crowd }, span))?;
            grown._crowd = Some(crowd);
            eprintln!("{} are open beside", outcome.opened);
        }
        if let Some(addresses) = size.addresses {
            let work = Work::Refused { clients: 16, most: Some(addresses.into()) };
            let outcome = ground.load(&grown.task(ground, work, span))?;
            let [before, after] = outcome.memory[..] else { bail!("the load read the memory {} times", outcome.memory.len()) };
            grown.each_address = Some((after as f64 - before as f64) / f64::from(addresses));
            eprintln!("{addresses} addresses are remembered");
        }
        Ok(grown)
    }

    fn task(&self, ground: &Ground, work: Work, span: Span) -> Task {
        Task { addresses: self.size.addresses, ..ground.task(&self.running, work, span) }
    }

    /// A figure of a crowd that had left, or of addresses that were swept, would be a figure of something else.
    fn is_as_large_as_it_was(&self) -> anyhow::Result<()> {
        let gauges = self.gauges().with_context(|| format!("{}: the admin door does not answer", self.size.label))?;
        for (name, least) in [("connections", self.size.crowd), ("limiter_keys", self.size.addresses.unwrap_or(0) as usize)] {
            let prefix = format!("sockgate_{name} ");
            let found = gauges.lines().find_map(|line| line.strip_prefix(&prefix)?.parse::<f64>().ok()).unwrap_or(0.0);
            if found < least as f64 {
                bail!("{}: sockgate_{name} is {found} after the measurement", self.size.label);
            }
        }
        Ok(())
    }

    fn gauges(&self) -> anyhow::Result<String> {
        let mut door = TcpStream::connect(self.admin)?;
        door.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(door, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin)?;
        let mut page = String::new();
        door.read_to_string(&mut page)?;
        Ok(page)
    }
}

fn cost(title: &str, label: &str, outcome: &Outcome) -> anyhow::Result<f64> {
    if !outcome.failures.is_empty() {
        eprintln!("{label}: {title}: {}", outcome.complaints());
    }
    outcome.cost().with_context(|| format!("{label}: {title}: nothing was done: {}", outcome.complaints()))
}

/// Costs by work, size and round.
fn table(way: &Way, grown: &[Grown<'_>], costs: &[Vec<Vec<f64>>]) -> String {
    let has_addresses = grown.iter().any(|grown| grown.each_address.is_some());
    let mut text = format!("| {} |", way.title);
    way.works.iter().for_each(|(title, _)| text += &format!(" {title} |"));
    text += if has_addresses { " bytes each |\n| --- |" } else { "\n| --- |" };
    text += &" ---: |".repeat(way.works.len() + usize::from(has_addresses));
    for (place, grown) in grown.iter().enumerate() {
        let _ = write!(text, "\n| {} |", grown.size.label);
        for by_size in costs {
            let above = median(by_size[place].iter().zip(&by_size[0]).map(|(here, base)| here / base - 1.0));
            let figure = median(by_size[place].iter().copied()).unwrap_or(f64::NAN);
            let above = above.unwrap_or(f64::NAN) * 100.0;
            let _ = match place {
                0 => write!(text, " {figure:.1} |"),
                _ => write!(text, " {figure:.1} ({above:+.0} %) |"),
            };
        }
        if let Some(each) = grown.each_address {
            let _ = write!(text, " {each:.0} |");
        }
    }
    text + "\n"
}

/// What is told, and the work that shows it.
fn memories(options: &Options) -> [(&'static str, Work); 2] {
    [
        (
            "memory of an idle connection, KB, after a message of",
            Work::Idle { connections: 1000, touches: vec![64, 16 << 10, 1 << 20], left: vec![] },
        ),
        ("memory of a crowd, MB", Work::Idle { connections: options.others, touches: vec![64], left: vec![5, 75] }),
    ]
}

fn measure_memory(title: &str, work: Work, gate: &Row, ground: &Ground, span: Span) -> anyhow::Result<String> {
    let Work::Idle { connections, touches, left } = &work else { bail!("{title} is no matter of memory") };
    // The largest message is above the default cap.
    let size = Size { label: title.into(), configuration: "[socketio]\nmax_payload = \"2 MiB\"\n".into(), ..Size::default() };
    let grown = Grown::start(&size, gate, ground, span)?;
    let outcome = ground.load(&grown.task(ground, work.clone(), span))?;
    if !outcome.failures.is_empty() || outcome.opened < *connections {
        bail!("{title}: {} of {connections} are open: {}", outcome.opened, outcome.complaints());
    }
    let before = outcome.memory.first().copied().unwrap_or(0) as f64;
    let after: Vec<f64> = outcome.memory.iter().skip(1).map(|memory| *memory as f64 - before).collect();
    if left.is_empty() {
        let each: Vec<f64> = after.iter().map(|memory| memory / outcome.opened as f64 / 1000.0).collect();
        return Ok(told(title, touches.iter().map(|size| format!("{size} B")), &each));
    }
    let moments = std::iter::once(format!("{connections} are open"));
    let moments = moments.chain(left.iter().map(|seconds| format!("{seconds} s after they left")));
    let all: Vec<f64> = after.iter().map(|memory| memory / 1e6).collect();
    Ok(told(title, moments, &all))
}

/// A line for each figure, with what it is above the first.
fn told(title: &str, labels: impl Iterator<Item = String>, figures: &[f64]) -> String {
    let mut text = format!("| {title} | | |\n| --- | ---: | ---: |");
    for (label, figure) in labels.zip(figures) {
        let above = (figure / figures[0] - 1.0) * 100.0;
        let _ = write!(text, "\n| {label} | {figure:.1} | {above:+.0} % |");
    }
    text + "\n"
}
