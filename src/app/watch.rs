//! Notices changed files by looking: every second the resolved path, device, inode, size and time of each. Slow and
//! right: it sees the symlink swaps of Kubernetes volumes, single-file mounts and network file systems, where notifications
//! of the kernel go stale or never come.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::config::{
    Loaded,
    load::{self, Sources},
};

/// How often files are looked at.
pub const EVERY: Duration = Duration::from_secs(1);

/// Which files there are is known only after loading. More rounds than a configuration needs that changes once meanwhile.
const ROUNDS: usize = 4;

/// Loads a configuration whose files were looked at before they were read, so that whatever is written from then on counts as
/// a change: while it is judged, while the gate starts, and later.
pub fn load(sources: &Sources) -> (Loaded, Watch) {
    settle(|| load::load(sources))
}

/// The same with any way of loading. It is called at least twice.
pub fn settle(mut load: impl FnMut() -> Loaded) -> (Loaded, Watch) {
    let mut loaded = load();
    let mut watch = Watch::new(&loaded.files);
    for _ in 1..ROUNDS {
        loaded = load();
        if loaded.files.iter().all(|file| watch.has(file)) {
            break;
        }
        watch = Watch::new(&loaded.files);
    }
    (loaded, watch)
}

/// Files and how they looked last.
#[derive(Debug, Default)]
pub struct Watch {
    seen: Vec<(PathBuf, Option<Look>)>,
}

/// How a file looks from outside.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Look {
    resolved: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Watch {
    /// Looks at each file once, so that only later changes count.
    pub fn new(files: &[PathBuf]) -> Self {
        Self { seen: files.iter().map(|file| (file.clone(), look(file))).collect() }
    }

    /// Looks at the files of `other` too. Where both know one, this one's last look counts.
    pub fn and(mut self, other: Self) -> Self {
        for (file, look) in other.seen {
            if !self.has(&file) {
                self.seen.push((file, look));
            }
        }
        self
    }

    fn has(&self, file: &Path) -> bool {
        self.seen.iter().any(|(known, _)| known == file)
    }

    /// The files that look different from last time. A file that is gone or back has changed too.
    pub fn changed(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (file, last) in &mut self.seen {
            let now = look(file);
            if now != *last {
                *last = now;
                changed.push(file.clone());
            }
        }
        changed
    }
}

fn look(file: &Path) -> Option<Look> {
    let resolved = file.canonicalize().ok()?;
    let status = resolved.metadata().ok()?;
    Some(Look {
        resolved,
        device: status.dev(),
        inode: status.ino(),
        size: status.size(),
        modified: (status.mtime(), status.mtime_nsec()),
    })
}
