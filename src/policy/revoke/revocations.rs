//! All revocations of one gate. Every request of a session asks, so asking is cheap: a counter when nothing is revoked, else a
//! look-up by hash for each of the three things a request can be revoked by, in one of several tables, so that requests on
//! different cores rarely meet. Who changes something holds the book, which knows the order and what the file lacks.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use super::{
    revocation::Revocation,
    store::{self, StoreError},
    target::{SessionName, Target},
};
use crate::policy::auth::{Identity, to_seconds};

/// All revocations of one gate.
#[derive(Debug)]
pub struct Revocations {
    tables: Vec<RwLock<Table>>,
    hasher: RandomState,
    /// Entries in all tables.
    held: AtomicUsize,
    book: Mutex<Book>,
    file: Option<Saved>,
}

/// By a hash of what is looked for; what has the same hash by chance is told apart by its target.
type Table = HashMap<u64, Vec<(u64, Arc<Revocation>)>>;

/// Everything that holds, by number: in the order it was made.
#[derive(Debug, Default)]
struct Book {
    entries: BTreeMap<u64, Arc<Revocation>>,
    next: u64,
    /// Counts changes.
    edition: u64,
}

/// The file, and the edition that was written to it last; none yet. Whoever writes holds it.
#[derive(Debug)]
struct Saved {
    path: PathBuf,
    edition: Mutex<Option<u64>>,
}

/// What a request is revoked by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Struck {
    /// Its token, or all of its subject's.
    Token,
    /// The session it belongs to.
    Session,
}

/// Whether revocations outlive this process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    OnDisk,
    InMemory,
}

/// As many as may be are held.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} revocations are held already, which is revocation.most; lift some, or raise it")]
pub struct Full(pub usize);

/// What a revocation is looked up by.
#[derive(Hash)]
enum Mark<'a> {
    Subject(&'a str),
    TokenId(&'a str),
    Session(SessionName),
}

const TABLES: usize = 16;

impl Default for Revocations {
    fn default() -> Self {
        Self {
            tables: (0..TABLES).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            held: AtomicUsize::new(0),
            book: Mutex::default(),
            file: None,
        }
    }
}

impl Revocations {
    /// What the file says, and no file yet says nothing; without one, kept in memory. Reads the file: not for a worker's thread.
    pub fn open(file: Option<&Path>, now: SystemTime) -> Result<Self, StoreError> {
        let Some(path) = file else { return Ok(Self::default()) };
        let now = to_seconds(now);
        let this = Self { file: Some(Saved { path: path.into(), edition: Mutex::default() }), ..Self::default() };
        for revocation in store::read(path)?.into_iter().filter(|revocation| revocation.holds(now)) {
            this.put(&mut this.open_book(), revocation);
        }
        Ok(this)
    }

    /// Revokes from now on: whoever asks after this has returned hears it. The same target revoked once more holds for as
    /// much as both. On disk only after [`save`](Self::save).
    pub fn add(&self, revocation: Revocation, most: usize, now: SystemTime) -> Result<Arc<Revocation>, Full> {
        let mut book = self.open_book();
        if self.find(&revocation.target).is_none() && book.entries.len() >= most {
            self.forget_ended(&mut book, to_seconds(now));
            if book.entries.len() >= most {
                return Err(Full(most));
            }
        }
        Ok(self.put(&mut book, revocation))
    }

    /// Takes a revocation back. `None`: there was none of this target.
    pub fn lift(&self, target: &Target) -> Option<Arc<Revocation>> {
        let mut book = self.open_book();
        let (number, revocation) = self.find(target)?;
        self.remove(&mut book, number);
        Some(revocation)
    }

    /// Forgets those whose time is over.
    pub fn sweep(&self, now: SystemTime) {
        if !self.is_empty() {
            self.forget_ended(&mut self.open_book(), to_seconds(now));
        }
    }

    /// Brings the file up to date; returns when all that held at the call is on the disk. Whoever waits for another's writing
    /// finds its own change written along. Blocks: not for a worker's thread.
    pub fn save(&self) -> Result<Kept, StoreError> {
        let Some(file) = &self.file else { return Ok(Kept::InMemory) };
        let wanted = self.open_book().edition;
        let mut saved = file.edition.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.is_none_or(|saved| saved < wanted) {
            let (edition, entries) = {
                let book = self.open_book();
                (book.edition, book.entries.values().cloned().collect::<Vec<_>>())
            };
            store::write(&file.path, &entries)?;
            *saved = Some(edition);
        }
        Ok(Kept::OnDisk)
    }

    /// Whether a request may not pass: whom it is from, as far as anybody is known, and which session it belongs to.
    pub fn judge(&self, identity: Option<&Identity>, session: Option<SessionName>, now: SystemTime) -> Option<Struck> {
        if self.is_empty() {
            return None;
        }
        let now = to_seconds(now);
        let marks = identity.into_iter().flat_map(|identity| {
            [identity.subject().map(Mark::Subject), identity.token_id().map(Mark::TokenId)].into_iter().flatten()
        });
        let strikes = |revocation: &Revocation| identity.is_some_and(|identity| revocation.strikes(identity));
        if marks.into_iter().any(|mark| self.has(&mark, now, strikes)) {
            return Some(Struck::Token);
        }
        let is_session = |revocation: &Revocation| matches!(revocation.target, Target::Session(name) if Some(name) == session);
        session.filter(|name| self.has(&Mark::Session(*name), now, is_session)).map(|_| Struck::Session)
    }

    /// At most so many, in the order they were made, of those after a number; with their numbers.
    pub fn list(&self, after: u64, limit: usize) -> Vec<(u64, Arc<Revocation>)> {
        let book = self.open_book();
        let later = book.entries.range(after.saturating_add(1)..);
        later.take(limit).map(|(number, revocation)| (*number, revocation.clone())).collect()
    }

    pub fn len(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.held.load(Ordering::Acquire) == 0
    }

    /// Whether they outlive this process.
    pub fn kept(&self) -> Kept {
        if self.file.is_some() { Kept::OnDisk } else { Kept::InMemory }
    }

    fn has(&self, mark: &Mark<'_>, now: u64, strikes: impl Fn(&Revocation) -> bool) -> bool {
        let hash = self.hasher.hash_one(mark);
        let table = self.table(hash).read().unwrap_or_else(PoisonError::into_inner);
        table.get(&hash).is_some_and(|here| here.iter().any(|(_, revocation)| revocation.holds(now) && strikes(revocation)))
    }

    /// The entry of this very target. The book must be held by whoever changes something by what it says.
    fn find(&self, target: &Target) -> Option<(u64, Arc<Revocation>)> {
        let hash = self.hasher.hash_one(mark_of(target));
        let table = self.table(hash).read().unwrap_or_else(PoisonError::into_inner);
        table.get(&hash)?.iter().find(|(_, revocation)| revocation.target == *target).cloned()
    }

    fn put(&self, book: &mut Book, revocation: Revocation) -> Arc<Revocation> {
        let before = self.find(&revocation.target);
        let revocation = Arc::new(before.as_ref().map_or(revocation.clone(), |(_, before)| before.and(&revocation)));
        book.next += 1;
        let number = before.as_ref().map_or(book.next, |(number, _)| *number);
        let hash = self.hasher.hash_one(mark_of(&revocation.target));
        let mut table = self.table(hash).write().unwrap_or_else(PoisonError::into_inner);
        let here = table.entry(hash).or_default();
        // In one step under the lock: there is no moment without the one before.
        here.retain(|(known, _)| *known != number);
        here.push((number, revocation.clone()));
        drop(table);
        if before.is_none() {
            self.held.fetch_add(1, Ordering::Release);
        }
        book.entries.insert(number, revocation.clone());
        book.edition += 1;
        revocation
    }

    fn remove(&self, book: &mut Book, number: u64) {
        let Some(revocation) = book.entries.remove(&number) else { return };
        let hash = self.hasher.hash_one(mark_of(&revocation.target));
        let mut table = self.table(hash).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = table.get_mut(&hash) {
            here.retain(|(known, _)| *known != number);
            if here.is_empty() {
                table.remove(&hash);
            }
        }
        drop(table);
        self.held.fetch_sub(1, Ordering::Release);
        book.edition += 1;
    }

    fn forget_ended(&self, book: &mut Book, now: u64) {
        let ended: Vec<u64> =
            book.entries.iter().filter(|(_, revocation)| !revocation.holds(now)).map(|(number, _)| *number).collect();
        ended.into_iter().for_each(|number| self.remove(book, number));
    }

    fn table(&self, hash: u64) -> &RwLock<Table> {
        // The tables use the lower bits of a hash of this hash; these are its upper ones.
        &self.tables[(hash >> 60) as usize % TABLES]
    }

    fn open_book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mark_of(target: &Target) -> Mark<'_> {
    match target {
        Target::Subject { subject, .. } => Mark::Subject(subject),
        Target::TokenId { id, .. } => Mark::TokenId(id),
        Target::Session(name) => Mark::Session(*name),
    }
}
