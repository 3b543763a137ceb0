//! Notices changed files by looking: every second the resolved path, device, inode, size and time of each. Slow and
//! right: it sees the symlink swaps of Kubernetes volumes, single-file mounts and network file systems, where notifications
//! of the kernel go stale or never come.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often files are looked at.
pub const EVERY: Duration = Duration::from_secs(1);

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
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { seen: files.into_iter().map(|file| (file.clone(), look(&file))).collect() }
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
