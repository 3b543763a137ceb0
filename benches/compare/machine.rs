//! Where and when something was measured: a figure without them says nothing.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use time::OffsetDateTime;

/// This machine in a few words.
pub struct Machine {
    processor: String,
    processors: usize,
    memory: u64,
    is_virtual: bool,
    kernel: String,
    system: String,
    date: String,
}

impl Machine {
    pub fn look() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let now = OffsetDateTime::now_utc();
        Self {
            processor: field(&cpuinfo, "model name").unwrap_or("unknown").to_string(),
            processors: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            memory: memory(&read("/proc/meminfo")),
            is_virtual: field(&cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            kernel: kernel(&read("/proc/sys/kernel/osrelease")),
            system: system(&read("/etc/os-release")),
            date: format!("{:04}-{:02}-{:02}", now.year(), u8::from(now.month()), now.day()),
        }
    }

    pub fn date(&self) -> &str {
        &self.date
    }

    /// One sentence part: processor, memory, kernel, system.
    pub fn describe(&self) -> String {
        let kind = if self.is_virtual { "virtual machine" } else { "machine" };
        let Self { processor, processors, memory, kernel, system, .. } = self;
        let memory = *memory as f64 / f64::from(1 << 20);
        format!("{kind} with {processors} CPUs ({processor}), {memory:.0} GiB, {system}, Linux {kernel}")
    }
}

/// Keeps this process, and all it will start, to one CPU: this one, or the last it may use (interrupts prefer the first).
pub fn keep_to_one_cpu(wanted: Option<usize>) -> anyhow::Result<usize> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu));
    let cpu = wanted.or(last).unwrap_or(0);
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).map_err(|error| anyhow::anyhow!("CPU {cpu} cannot be used: {error}"))?;
    Ok(cpu)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// KiB.
fn memory(meminfo: &str) -> u64 {
    let total = field(meminfo, "MemTotal").and_then(|total| total.split_whitespace().next());
    total.and_then(|kibibytes| kibibytes.parse().ok()).unwrap_or(0)
}

/// What is behind the second number is the distributor's.
fn kernel(release: &str) -> String {
    release.trim().split('.').take(2).collect::<Vec<_>>().join(".")
}

fn system(release: &str) -> String {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown system").trim_matches('"').to_string()
}
