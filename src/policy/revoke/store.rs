//! The file that revocations outlive a restart in: one JSON document with a version, one revocation a line. Written whole,
//! beside it and then in its place, and on the disk before anybody is told so; readable by its owner alone, since it names
//! people. A file that cannot be read or understood is never taken for an empty one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::revocation::{Revocation, Written};

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {flaw}", path.display())]
pub struct StoreError {
    pub path: PathBuf,
    pub flaw: Flaw,
}

#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("it is no list of revocations that this version understands: {0}")]
    Garbled(String),
    #[error("it cannot be written: {0}")]
    Unwritable(io::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    revocations: Vec<Written>,
}

const VERSION: u64 = 1;
/// A million revocations of ordinary length; nothing that is a mistake fills memory.
const LARGEST: u64 = 512 * 1024 * 1024;

/// Everything in the file. Missing: nothing yet.
pub(super) fn read(path: &Path) -> Result<Vec<Revocation>, StoreError> {
    let flawed = |flaw| StoreError { path: path.into(), flaw };
    let text = match text_of(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(flawed(Flaw::Unreadable(error))),
    };
    understand(&text).map_err(|what| flawed(Flaw::Garbled(what)))
}

fn text_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = File::open(path)?.take(LARGEST + 1).read_to_end(&mut text)?;
    if read as u64 > LARGEST { Err(io::Error::other("it is too large")) } else { Ok(text) }
}

fn understand(text: &[u8]) -> Result<Vec<Revocation>, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if document.version != VERSION {
        return Err(format!("its version is {}", document.version));
    }
    let read = |written: Written| Revocation::try_from(written).map_err(|error| error.to_string());
    document.revocations.into_iter().map(read).collect()
}

/// Puts these in place of whatever the file says. On success they are on the disk.
pub(super) fn write(path: &Path, revocations: &[Arc<Revocation>]) -> Result<(), StoreError> {
    let written = text_for(revocations).and_then(|text| replace(path, &text));
    written.map_err(|error| StoreError { path: path.into(), flaw: Flaw::Unwritable(error) })
}

fn text_for(revocations: &[Arc<Revocation>]) -> io::Result<Vec<u8>> {
    let mut text = format!("{{\"version\":{VERSION},\"revocations\":[").into_bytes();
    for (index, revocation) in revocations.iter().enumerate() {
        text.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut text, &Written::from(revocation.as_ref()))?;
    }
    text.extend_from_slice(b"\n]}\n");
    Ok(text)
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = directory.join(format!(".{name}.new"));
    // Left by a gate that ended while it wrote.
    let _ = fs::remove_file(&beside);
    let written = fill(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    // Without this the new name may be lost with the power.
    File::open(directory)?.sync_all()
}

fn fill(beside: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.write_all(text)?;
    file.sync_all()
}
