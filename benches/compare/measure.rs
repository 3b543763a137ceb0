//! What a proxy has used, as the kernel counts it: CPU time and memory of a process and all its descendants, read from
//! /proc. The load asks at both ends of its window; on one CPU it runs, so the proxy does not, and the clocks stand still.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// `root` and everything that descends from it: HAProxy is one process, nginx a master with workers.
pub fn tree(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for process in numbers_in(Path::new("/proc")) {
        if let Some(parent) = parent_of(process) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.remove(process).unwrap_or_default());
        next += 1;
    }
    found
}

/// CPU nanoseconds, user and system, that the living threads of these processes have used since they began. Peers keep
/// their threads, so a difference of two readings is what was used between them.
pub fn cpu(processes: &[i32]) -> u64 {
    let tasks = processes.iter().map(|process| Path::new("/proc").join(process.to_string()).join("task"));
    tasks.flat_map(|tasks| numbers_in(&tasks).into_iter().map(move |thread| tasks.join(thread.to_string()))).map(used).sum()
}

/// Bytes of memory these processes hold, shared pages counted by their share (PSS).
pub fn memory(processes: &[i32]) -> u64 {
    let held = |process: &i32| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    processes.iter().filter_map(held).map(|kibibytes| kibibytes * 1024).sum()
}

/// Whether this kernel tells CPU time by nanoseconds.
pub fn is_precise() -> bool {
    // A thread's clock is written when it leaves its CPU.
    thread::sleep(Duration::from_millis(1));
    used("/proc/self".into()) > 0
}

/// `schedstat` begins with the nanoseconds on a CPU.
fn used(task: PathBuf) -> u64 {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
}

fn numbers_in(folder: &Path) -> Vec<i32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The fourth field; the second is a name in parentheses that may hold anything.
fn parent_of(process: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}
